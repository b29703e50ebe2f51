<?php
/*
 * Looks for plaintexts in files, in every form in which they could lie there: as they are, in base64 at all three
 * alignments, in hex; all of it whatever the case.
 *
 *     php search.php PLAINTEXTS FILE...     PLAINTEXTS: each ended by a zero byte. Prints what was found; exits 1 if anything.
 *
 * A long plaintext is looked for in pieces, so that half of it is found too.
 */

const PIECE = 24;
const SHORTEST = 8;   // shorter ones would be found by chance

/** @return array<string, string> form => bytes to look for, in lower case */
function forms(string $piece): array
{
    $forms = ['plain' => $piece, 'hex' => bin2hex($piece)];
    for ($shift = 0; $shift < 3; $shift++) {
        // Only the characters that depend on nothing before and behind the piece.
        $first = (int) ceil($shift * 8 / 6);
        $end = intdiv(($shift + strlen($piece)) * 8, 6);
        $encoded = substr(base64_encode(str_repeat("\0", $shift) . $piece), $first, $end - $first);
        $forms["base64+$shift"] = $encoded;
        $forms["base64url+$shift"] = strtr($encoded, '+/', '-_');
    }
    return array_map('strtolower', $forms);
}

$needles = [];
foreach (array_filter(explode("\0", file_get_contents($argv[1])), 'strlen') as $at => $plaintext) {
    foreach (str_split($plaintext, PIECE) as $piece) {
        if (strlen($piece) >= SHORTEST) {
            foreach (forms($piece) as $form => $bytes) {
                $needles[$bytes] = "plaintext $at as $form";
            }
        }
    }
}
$found = $bytes = 0;
foreach (array_slice($argv, 2) as $file) {
    $haystack = strtolower(file_get_contents($file));
    $bytes += strlen($haystack);
    foreach ($needles as $needle => $what) {
        if (strpos($haystack, (string) $needle) !== false) {
            $found++;
            echo "$what in $file\n";
        }
    }
}
printf("%d forms of plaintexts in %d files of %.1f MB: %d found\n", count($needles), count($argv) - 2, $bytes / 1e6, $found);
exit($found === 0 ? 0 : 1);

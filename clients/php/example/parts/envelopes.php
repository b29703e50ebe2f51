<?php
/*
 * Reads rows of envelopes (columns by tab) and says whether each is one of the object with this key id.
 *
 *     php envelopes.php KEY-ID < rows     Prints what is wrong, then one line; exits 1 if anything was wrong.
 *
 * An envelope is base64 of: GB, 01, algorithm, key id u32, key version u32, nonce 24, ciphertext, tag 16.
 */

$key_id = hexdec($argv[1]);
$wrong = [];
$all = [];
foreach (array_filter(explode("\n", stream_get_contents(STDIN)), 'strlen') as $row => $line) {
    foreach (explode("\t", $line) as $column => $value) {
        $place = "row $row, column $column";
        $all[] = $value;
        $bytes = base64_decode($value, true);
        if ($bytes === false || base64_encode($bytes) !== $value || strlen($bytes) <= 52) {
            $wrong[] = "$place is no base64 of an envelope's length";
            continue;
        }
        $head = unpack('a2mark/Cformat/Calgorithm/Nkey/Nversion', $bytes);
        if ($head['mark'] !== 'GB' || $head['format'] !== 1 || $head['algorithm'] !== 1) {
            $wrong[] = "$place does not begin with GB 01 01";
        }
        if ($head['key'] !== $key_id || $head['version'] < 1) {
            $wrong[] = "$place names key {$head['key']} version {$head['version']}";
        }
    }
}
if (count(array_unique($all)) !== count($all)) {
    $wrong[] = 'two envelopes are equal';
}
echo implode("\n", $wrong), $wrong ? "\n" : '';
printf("%d envelopes of key %08x, all different: %d wrong\n", count($all), $key_id, count($wrong));
exit($wrong === [] && $all !== [] ? 0 : 1);

<?php

/*
 * Runs in PHP 7.4 and names what /checked.php uses that is not there: functions, classes, constants, and types that 7.4
 * would take for the names of classes. That the file compiles was seen before.
 */

// What this PHP was built without, all older than 7.4; and what the tests and CodeIgniter define.
const ELSEWHERE = '/^(pcntl_|posix_)|^SIG[A-Z]+$|^STD(IN|OUT|ERR)$/i';
const OURS = [
    'test', 'same', 'holds', 'contains', 'lacks', 'refuses', 'elapsed', 'get_instance', 'APPPATH', 'BASEPATH', 'ENVIRONMENT', 'TRIES',
    'ELSEWHERE', 'OURS',
];
const LATER_TYPES = ['mixed', 'never'];

$tokens = array_values(array_filter(
    token_get_all(file_get_contents('/checked.php')),
    static function ($token) {
        return !is_array($token) || !in_array($token[0], [T_WHITESPACE, T_COMMENT, T_DOC_COMMENT], true);
    }
));
$text = static function (int $at) use ($tokens): string {
    return isset($tokens[$at]) ? (is_array($tokens[$at]) ? $tokens[$at][1] : $tokens[$at]) : '';
};
// Imported names are of files that are checked themselves.
preg_match_all('/^use [\w\\\\]+\\\\(\w+);/m', file_get_contents('/checked.php'), $imported);
$declared = array_merge($imported[1], explode(' ', file_get_contents('/declared')));
$isNamespaced = false;
foreach ($tokens as $at => $token) {
    if (is_array($token) && in_array($token[0], [T_CLASS, T_INTERFACE, T_TRAIT, T_FUNCTION, T_CONST], true)) {
        $declared[] = $text($at + 1);
    }
    $isNamespaced = $isNamespaced || (is_array($token) && $token[0] === T_NAMESPACE);
}
$isThere = static function (string $name) use ($declared): bool {
    return class_exists($name) || interface_exists($name) || defined($name) || in_array($name, $declared, true)
        // Of the tests, and of CodeIgniter.
        || in_array($name, ['self', 'static', 'CryptAPI', 'World', 'Foreign', 'Relay', 'Tests', 'Failed', 'Tambah', 'Ambil'], true)
        || strncmp($name, 'CI_', 3) === 0;
};

foreach ($tokens as $at => $token) {
    if (!is_array($token) || $token[0] !== T_STRING || preg_match(ELSEWHERE, $token[1]) || in_array($token[1], OURS, true)) {
        continue;
    }
    [, $name, $line] = $token;
    // \Name, and not a part of A\Name.
    $isRooted = $text($at - 1) === '\\' && ($tokens[$at - 2][0] ?? null) !== T_STRING;
    $before = $text($at - ($isRooted ? 2 : 1));
    $after = $text($at + 1);
    if (in_array($before, ['->', '::', 'function', 'const', 'class', '\\', 'use', 'namespace'], true) || $after === '\\') {
        continue;
    }
    if (in_array($before, [':', '?', '(', ','], true) && in_array(strtolower($name), LATER_TYPES, true)) {
        echo "line $line: $name is a type since PHP 8\n";
    } elseif ($after === '(' && $before !== 'new') {
        if (!function_exists($name) && !in_array($name, $declared, true)) {
            echo "line $line: there is no function $name\n";
        }
    } elseif ($isRooted || ($before === 'new' && !$isNamespaced)) {
        if (!$isThere($name)) {
            echo "line $line: there is no class $name\n";
        }
    } elseif (preg_match('/^[A-Z][A-Z0-9]*_[A-Za-z0-9_]+$|^[A-Z]{3,}$/', $name) && $after !== '::' && !$isThere($name)) {
        echo "line $line: there is no constant $name\n";
    }
}

<?php
/*
 * MariaDB or MySQL. The database holds envelopes and no key: whoever reads it, its backups or its traffic has nothing.
 */

defined('BASEPATH') or exit('No direct script access allowed');

$db['default'] = [
    'hostname' => getenv('ABSENSI_DB_HOST'),
    'port' => getenv('ABSENSI_DB_PORT'),
    'username' => 'absensi',
    'password' => trim(file_get_contents(getenv('ABSENSI_DB_PASSWORD_FILE'))),
    'database' => 'absensi',
    'dbdriver' => 'pdo',
    'char_set' => 'utf8mb4',
    'stricton' => true,   // too long for its column is an error, never cut off: a cut envelope does not open
];

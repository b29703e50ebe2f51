<?php

/* What the reader has: a database on the same host; MariaDB knows the web server's user by the socket, without a password. */

defined('BASEPATH') or exit('No direct script access allowed');

$active_group = 'default';
$query_builder = true;
$db['default'] = [
    'dsn' => '',
    'hostname' => '@SOCKET@',
    'username' => 'www-data',
    'password' => '',
    'database' => 'absensi',
    'dbdriver' => 'mysqli',
    'dbprefix' => '',
    'pconnect' => false,
    'db_debug' => false,
    'char_set' => 'utf8mb4',
    'dbcollat' => 'utf8mb4_general_ci',
    'stricton' => true,
    'encrypt' => false,
];

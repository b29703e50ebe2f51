<?php
/*
 * The application itself. What differs from machine to machine comes from the environment: run.sh sets it, with Apache it is
 * SetEnv, with php-fpm env[…]. Secrets are never in it: only the names of the files that hold them.
 */

defined('BASEPATH') or exit('No direct script access allowed');

$config['composer_autoload'] = __DIR__ . '/../../../autoload.php';   // with Composer: vendor/autoload.php
$config['default_controller'] = 'kios';
$config['time_zone'] = 'Asia/Jakarta';

// A directory that only the web server's user may read, not the machine's common /tmp.
$config['sess_save_path'] = getenv('ABSENSI_SESSIONS');
// TRUE as soon as the application is served over https, which outside of a loopback address it must be.
$config['cookie_secure'] = getenv('ABSENSI_HTTPS') === '1';

// What password_hash() made of the password for the pages with personal data.
$config['admin_hash_file'] = getenv('ABSENSI_ADMIN_HASH_FILE');
// Signed in, but idle for so many seconds: signed out.
$config['admin_idle_s'] = 1800;

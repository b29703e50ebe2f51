<?php
/*
 * The one file the web server runs; every address that is not a file comes here. PHP's built-in server asks it for the
 * files beside it too, and gets them by `return false`.
 */

if (PHP_SAPI === 'cli-server' && is_file(__DIR__ . parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH))) {
    return false;
}
require __DIR__ . '/../mini/boot.php';

<?php

/*
 * Stands for CodeIgniter 3 where the guides are tried, because no package of it can be had everywhere: the guides' code runs
 * from the same folders under the same rules. `php index.php ambil master_user 7` and /index.php/ambil/master_user/7 are
 * Ambil::master_user('7'); config/autoload.php names helpers and libraries that are always there. How libraries and models
 * are loaded is in the Loader.php of the PHP client's tests. With CODEIGNITER=/a/real/one, docs/test.sh takes that instead.
 */

declare(strict_types=1);

define('ENVIRONMENT', 'production');
define('BASEPATH', __DIR__ . '/system/');
define('APPPATH', __DIR__ . '/application/');
error_reporting(E_ALL);
ini_set('display_errors', PHP_SAPI === 'cli' ? 'stderr' : '0');

require BASEPATH . 'Loader.php';
require BASEPATH . 'Database.php';

function is_cli(): bool
{
    return PHP_SAPI === 'cli';
}

function set_status_header(int $status): void
{
    http_response_code($status);
}

function show_404(): void
{
    set_status_header(404);
    exit("404 Page Not Found\n");
}

function html_escape(string $text): string
{
    return htmlspecialchars($text, ENT_QUOTES, 'UTF-8');
}

function log_message(string $level, string $message): void
{
    file_put_contents(APPPATH . 'logs/log.php', strtoupper($level) . " - $message\n", FILE_APPEND);
}

set_exception_handler(static function (Throwable $fault): void {
    log_message('error', get_class($fault) . ': ' . $fault->getMessage());
    set_status_header(500);
    echo "An uncaught Exception was encountered\n";
    exit(1);
});

$segments = is_cli()
    ? array_slice($argv, 1)
    : array_values(array_filter(explode('/', preg_replace('#^/index\.php#', '', parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH))), 'strlen'));
$class = ucfirst($segments[0] ?? 'beranda');
$method = $segments[1] ?? 'index';
if (!preg_match('/^\w+$/D', $class) || !is_file(APPPATH . "controllers/$class.php")) {
    show_404();
}
$autoload = [];
require APPPATH . 'config/autoload.php';
foreach ($autoload['helper'] ?? [] as $helper) {
    require APPPATH . "helpers/{$helper}_helper.php";
}
require APPPATH . "controllers/$class.php";
if ($method[0] === '_' || !method_exists($class, $method) || !(new ReflectionMethod($class, $method))->isPublic()) {
    show_404();
}
$controller = new $class();
if (in_array('database', $autoload['libraries'] ?? [], true)) {
    require APPPATH . 'config/database.php';
    $controller->db = new CI_DB($db['default']);
}
$controller->$method(...array_slice($segments, 2));

<?php
/*
 * Stands in for CodeIgniter 3, so that this example runs from a checkout alone: the same folders, the same class names, the
 * same rules of loading, and only as much as this application uses. Nothing of it is CodeIgniter's code. In an application
 * of your own, CodeIgniter's system/ folder is in this folder's place, and nothing under application/ changes.
 *
 * This file turns a request into a call: /karyawan/ubah/7 is Karyawan::ubah('7').
 */

define('BASEPATH', __DIR__ . '/');
define('APPPATH', realpath(__DIR__ . '/../application') . '/');

// What a visitor or a log may see of a fault is decided in show_fault(): never a value, so no arguments in traces either.
ini_set('display_errors', '0');
ini_set('zend.exception_ignore_args', '1');
error_reporting(E_ALL);

require __DIR__ . '/Core.php';
require __DIR__ . '/Loader.php';
require __DIR__ . '/Database.php';
require __DIR__ . '/Input.php';
require __DIR__ . '/Output.php';
require __DIR__ . '/Session.php';
require __DIR__ . '/Security.php';
require __DIR__ . '/functions.php';

set_error_handler(function ($level, $message, $file, $line) {
    if ((error_reporting() & $level) === 0) {
        return false;
    }
    throw new ErrorException($message, 0, $level, $file, $line);
});
set_exception_handler('show_fault');

require config_item('composer_autoload');
date_default_timezone_set(config_item('time_zone'));

$segments = array_values(array_filter(explode('/', parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH) ?: ''), 'strlen'));
if (preg_grep('/^[A-Za-z0-9_-]+$/D', $segments, PREG_GREP_INVERT)) {
    show_404();
}
$class = ucfirst(strtolower($segments[0] ?? config_item('default_controller')));
$method = $segments[1] ?? 'index';
$file = APPPATH . "controllers/$class.php";
if (!is_file($file)) {
    show_404();
}
require APPPATH . 'core/MY_Controller.php';
require $file;

// Only public methods of the controller itself are addresses, as in CodeIgniter.
$known = method_exists($class, $method) ? new ReflectionMethod($class, $method) : null;
$inherited = $known !== null && in_array($known->getDeclaringClass()->getName(), ['CI_Controller', 'MY_Controller'], true);
$arguments = array_slice($segments, 2);
if ($known === null || $inherited || !$known->isPublic() || $method[0] === '_'
    || count($arguments) < $known->getNumberOfRequiredParameters() || count($arguments) > $known->getNumberOfParameters()) {
    show_404();
}
(new $class())->$method(...$arguments);

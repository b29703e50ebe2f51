<?php

/*
 * For programs without Composer: require this file once, then use Gembok\Client. It does what Composer would do with the
 * "psr-4" entry of composer.json, and nothing else.
 */

declare(strict_types=1);

spl_autoload_register(static function (string $class): void {
    if (strncmp($class, 'Gembok\\', 7) !== 0) {
        return;
    }
    $file = __DIR__ . '/src/' . strtr(substr($class, 7), '\\', '/') . '.php';
    if (is_file($file)) {
        require $file;
    }
});

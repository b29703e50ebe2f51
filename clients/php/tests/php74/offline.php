<?php

/*
 * The tests that need no appliance, as PHP 7.4 runs them.
 */

declare(strict_types=1);

error_reporting(E_ALL);
require __DIR__ . '/../../autoload.php';
require __DIR__ . '/../harness.php';
require __DIR__ . '/../world.php';

World::$root = dirname(__DIR__, 4);
World::$folder = '/offline';
mkdir(World::$folder, 0700, true);
foreach (['config', 'values', 'codes'] as $case) {
    require __DIR__ . "/../cases/$case.php";
}
echo Tests::$passed, ' passed, ', Tests::$failed, " failed\n";

<?php

/*
 * Runs the tests: each file of cases/ in turn, against one sandbox. With names, only those: php all.php verbs batches.
 * run.sh calls it and says what it needs.
 */

declare(strict_types=1);

error_reporting(E_ALL);
set_error_handler(static function (int $level, string $says, string $file, int $line): bool {
    if ((error_reporting() & $level) === 0) {
        return false;
    }
    throw new ErrorException($says, 0, $level, $file, $line);
});

require __DIR__ . '/../autoload.php';
require __DIR__ . '/harness.php';
require __DIR__ . '/world.php';
require __DIR__ . '/foreign.php';
require __DIR__ . '/relay.php';

World::$root = dirname(__DIR__, 3);
World::$folder = (string) getenv('GEMBOK_TESTS_FOLDER');
World::$port = (int) (getenv('GEMBOK_DATA_PORT') ?: World::freePorts());
$main = getmypid();
register_shutdown_function(static function () use ($main): void {
    if (getmypid() === $main) {
        World::stop();
    }
});

World::start();
// In this order: the last ones stop the appliance and set its clock.
$cases = array_slice($argv, 1) ?: [
    'config', 'values', 'verbs', 'indexes', 'contexts', 'batches', 'codes', 'secrets', 'troubles', 'foreigners', 'connections',
    'codeigniter', 'diagnose', 'states', 'expired',
];
foreach ($cases as $case) {
    echo "\n-- $case\n";
    require __DIR__ . "/cases/$case.php";
}
World::stop();
file_put_contents(World::$folder . '/counts', Tests::$passed . ' ' . Tests::$failed . "\n");
exit(Tests::$failed === 0 ? 0 : 1);

<?php

/*
 * The endpoint's certificate has expired: the appliance is started in the year after, by faketime, and refuses it by an
 * alert. The client is in that year too, or it would find that the appliance's own new certificate begins later. Last of
 * all, because a clock that has been there does not go back.
 */

declare(strict_types=1);

$later = ['LD_PRELOAD' => trim(World::command(['sh', '-c', 'ls /usr/lib/*/faketime/libfaketime.so.1 | head -n 1'])),
    'FAKETIME' => '+400d', 'FAKETIME_DONT_FAKE_MONOTONIC' => '1', 'FAKETIME_NO_CACHE' => '1'];

World::stop();
World::start($later);

$run = static function (string $call) use ($later): string {
    $code = 'require $argv[1]; $settings = json_decode($argv[2], true); $gembok = new Gembok\Client(Gembok\Config::fromArray($settings));'
        . "try { $call } catch (Gembok\Exception\GembokException \$e) { echo get_class(\$e), ': ', \$e->getMessage(); }";
    return World::command(
        [PHP_BINARY, '-r', $code, '--', dirname(__DIR__, 2) . '/autoload.php', json_encode(World::settings())],
        $later
    );
};

test('an expired certificate', static function () use ($run): void {
    for ($try = 0; $try < 5; $try++) {
        same(
            'Gembok\Exception\Denied: The appliance says that the client certificate is not valid at this time: it has expired, or '
            . "begins later. Ask the operator for a new one and put it where 'certificate' and 'key' point; or correct the clocks. "
            . '(certificate-not-valid)',
            $run('$gembok->encrypt("x");')
        );
    }
});

test('the diagnosis tells the dates of an expired certificate', static function () use ($run): void {
    $shown = $run('echo $gembok->diagnose();');
    contains('It has expired.', $shown);
    contains('The appliance says that the client certificate is not valid', $shown);
});

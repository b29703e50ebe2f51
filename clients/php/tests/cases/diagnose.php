<?php

/*
 * The diagnosis: nothing to say where all is well, and the one thing that is wrong where one is.
 */

declare(strict_types=1);

use Gembok\Diagnosis;

$columns = ['karyawan.nik' => ['bytes' => 16, 'width' => 92]];

/** The one problem, or warning, there is. */
$only = static function (Diagnosis $diagnosis, string $about, string $says, bool $warning = false): void {
    $found = $warning ? $diagnosis->warnings() : $diagnosis->problems();
    same([$about], array_map(static fn ($finding): string => $finding->about(), $found), (string) $diagnosis);
    contains($says, $found[0]->says());
    holds($found[0]->hint() !== '', "$about has no hint");
};

test('all is well: each thing is named', static function () use ($columns): void {
    $diagnosis = World::client()->diagnose($columns);
    same([true, [], []], [$diagnosis->isHealthy(), $diagnosis->problems(), $diagnosis->warnings()], (string) $diagnosis);
    foreach ([
        'php', 'settings', 'key', 'ca', 'certificate', 'certificate name', 'certificate issuer', 'key pair', 'network', 'appliance',
        'clock', 'object karyawan', 'column karyawan.nik',
    ] as $about) {
        holds($diagnosis->about($about) !== null, "there is nothing about $about");
    }
    contains('https://127.0.0.1:' . World::$port, $diagnosis->about('settings')->says());
    $certificate = openssl_x509_parse((string) file_get_contents(World::sandbox() . '/client/client.pem'));
    contains(gmdate('Y', $certificate['validTo_time_t']), $diagnosis->about('certificate')->says());
    lacks(substr(World::apiKey(), 4, 20), $diagnosis . json_encode($diagnosis) . print_r($diagnosis, true), 'the diagnosis');
    same(count($diagnosis), count(iterator_to_array($diagnosis)));
});

test('a column that is too narrow', static function () use ($only): void {
    $diagnosis = World::client()->diagnose(['karyawan.nama' => ['bytes' => 100, 'width' => 203]]);
    $only($diagnosis, 'column karyawan.nama', '203 characters; ciphertext of 100 bytes under xaes-256-gcm has 204');
    contains('VARCHAR(204)', $diagnosis->problems()[0]->hint());
    $only(World::client()->diagnose(['x' => ['bytes' => '16', 'width' => 92]]), 'column x', 'not given as numbers');
});

test('the width goes by the algorithm that the object has', static function () use ($only): void {
    World::gembok('object', 'create', 'pendek', '--project', 'kantor', '--algorithm', 'aes-256-gcm-siv');
    World::gembok('grant', 'create', 'encrypt', 'decrypt', '--project', 'kantor', '--endpoint', 'absensi', '--object', 'pendek');
    $column = ['bytes' => 16, 'object' => 'pendek'];
    holds(World::client()->diagnose(['p.nik' => $column + ['width' => 76]])->isHealthy(), 'it is not wide enough');
    $only(World::client()->diagnose(['p.nik' => $column + ['width' => 75]]), 'column p.nik', 'under aes-256-gcm-siv has 76');
});

test('an object without a grant, without one for reading, and one that does not exist', static function () use ($only): void {
    $only(World::client(['object' => 'gaji'])->diagnose(), 'object gaji', 'Encrypting is refused', true);
    World::gembok('grant', 'create', 'encrypt', '--project', 'kantor', '--endpoint', 'absensi', '--object', 'gaji');
    $only(World::client(['object' => 'gaji'])->diagnose(), 'object gaji', 'Encrypting works; decrypting is refused', true);
    $only(World::client(['object' => 'tak-ada'])->diagnose(), 'object tak-ada', 'The project has no such object');
});

test('an object that requires a context is tried with that of a column', static function (): void {
    $column = ['bytes' => 16, 'width' => 92, 'object' => 'berikat'];
    same('skipped', World::client()->diagnose(['b.nik' => $column])->about('object berikat')->level());
    same('ok', World::client()->diagnose(['b.nik' => $column + ['context' => ['row' => 0]]])->about('object berikat')->level());
    same('skipped', World::client(['object' => null])->diagnose()->about('object')->level());
});

test('a private key that others can read', static function () use ($only): void {
    $copy = World::$folder . '/open.key';
    copy(World::settings()['key'], $copy);
    chmod($copy, 0644);
    $only(World::client(['key' => $copy])->diagnose(), 'key', 'open to every user of this machine (mode 0644)', true);
    chmod($copy, 0640);
    same([], World::client(['key' => $copy])->diagnose()->warnings());
});

test('an API key that others can read', static function () use ($only): void {
    $copy = World::$folder . '/open-api-key';
    copy(World::settings()['api_key_file'], $copy);
    chmod($copy, 0644);
    $only(World::client(['api_key_file' => $copy])->diagnose(), 'api-key', 'open to every user', true);
});

test('certificates that have expired, end soon, begin later, or are another\'s', static function (): void {
    foreach ([
        'expired' => ['problem', 'It has expired', '20200101000000Z', '20200201000000Z'],
        'soon' => ['warning', 'It ends soon', '20200101000000Z', gmdate('YmdHis\Z', time() + 20 * 86400)],
        'later' => ['problem', 'It is not valid yet', gmdate('YmdHis\Z', time() + 86400), gmdate('YmdHis\Z', time() + 99 * 86400)],
    ] as $name => [$level, $says, $from, $until]) {
        $path = Foreign::clientCertificate("dates-$name", '-startdate', $from, '-enddate', $until);
        $diagnosis = World::client(['certificate' => "$path.pem", 'key' => "$path.key"])->diagnose();
        same($level, $diagnosis->about('certificate')->level());
        contains($says, $diagnosis->about('certificate')->says());
        same(['ok', 'problem'], [$diagnosis->about('key pair')->level(), $diagnosis->about('certificate issuer')->level()]);
        same('problem', $diagnosis->about('appliance')->level(), 'the appliance refuses it:');
    }
});

test('files that are something else', static function (): void {
    $settings = World::settings();
    $path = Foreign::clientCertificate('something-else');
    foreach ([
        'key pair' => ['key' => "$path.key"],
        'certificate' => ['certificate' => $settings['key']],
        'certificate name' => ['certificate' => Foreign::ca() . '/ca.pem'],
        'ca' => ['ca' => $settings['certificate']],
        'certificate issuer' => ['ca' => Foreign::ca() . '/ca.pem'],
    ] as $about => $changes) {
        same('problem', World::client($changes)->diagnose()->about($about)->level(), $about);
    }
});

test('a host nobody knows, a port where nothing listens, a server that is no Gembok', static function () use ($only): void {
    $only(World::client(['url' => 'https://gembok.invalid'])->diagnose(), 'host', 'gembok.invalid is not known');
    $only(World::client(['url' => 'https://127.0.0.1:1'])->diagnose(), 'network', 'No connection to 127.0.0.1 port 1');
    [$port, $end] = Foreign::serve([Foreign::http('200 OK')]);
    $only(World::client(['url' => "https://127.0.0.1:$port"])->diagnose(), 'appliance', 'no TLS');
    $end();
});

test('a clock that is wrong', static function () use ($only): void {
    $certificate = Foreign::ca() . '/server.pem';
    $path = is_file($certificate) ? substr($certificate, 0, -4) : Foreign::serverCertificate('server');
    foreach (['behind' => 3600, 'ahead of' => -3600] as $says => $seconds) {
        $date = gmdate('D, d M Y H:i:s \G\M\T', time() + $seconds);
        [$port, $end] = Foreign::serve([Foreign::http("200 OK\r\nDate: $date", '{"version":"x"}')], $path);
        $diagnosis = World::client(['url' => "https://127.0.0.1:$port", 'ca' => Foreign::ca() . '/ca.pem', 'object' => null])->diagnose();
        $end();
        same('warning', $diagnosis->about('clock')->level());
        contains($says, $diagnosis->about('clock')->says());
    }
});

test('from the command line', static function (): void {
    $file = World::$folder . '/settings.php';
    $diagnose = dirname(__DIR__, 2) . '/bin/gembok-diagnose';
    file_put_contents($file, '<?php return ' . var_export(World::settings(), true) . ';');
    contains('ok       object karyawan', World::command([PHP_BINARY, $diagnose, $file]));
    file_put_contents($file, "<?php defined('BASEPATH') or exit; \$config['url'] = 'ftp://x';");
    $output = World::command(['sh', '-c', '"$@"; echo "status $?"', 'sh', PHP_BINARY, $diagnose, $file]);
    contains("problem  settings", $output);
    contains('status 1', $output);
    contains('status 2', World::command(['sh', '-c', '"$@"; echo "status $?"', 'sh', PHP_BINARY, $diagnose, '/none']));
});

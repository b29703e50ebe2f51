<?php

/*
 * The CodeIgniter 3 library in an application laid out as the README says, loaded by CodeIgniter's rules.
 */

declare(strict_types=1);

use Gembok\Exception\GembokException;

$application = World::$folder . '/application/';
foreach (['libraries', 'config/testing', 'models', 'third_party/gembok'] as $folder) {
    mkdir($application . $folder, 0700, true);
}
$source = dirname(__DIR__, 2);
copy("$source/codeigniter3/application/libraries/CryptAPI.php", $application . 'libraries/CryptAPI.php');
copy("$source/autoload.php", $application . 'third_party/gembok/autoload.php');
symlink("$source/src", $application . 'third_party/gembok/src');
foreach (['M_tambah', 'M_ambil'] as $model) {
    copy(dirname(__DIR__) . "/codeigniter/$model.php", $application . "models/$model.php");
}
$configure = static function (string $file, array $settings) use ($application): void {
    $text = "<?php\ndefined('BASEPATH') or exit('No direct script access allowed');\n";
    foreach ($settings as $name => $value) {
        $text .= "\$config['$name'] = " . var_export($value, true) . ";\n";
    }
    file_put_contents($application . "config/$file", $text);
};
$configure('cryptapi.php', ['retries' => 1, 'endpoint' => 'of-no-environment'] + World::settings());
$configure('testing/cryptapi.php', ['endpoint' => 'absensi']);

define('APPPATH', $application);
define('BASEPATH', '/nowhere/');
define('ENVIRONMENT', 'testing');
require dirname(__DIR__) . '/codeigniter/Loader.php';
require dirname(__DIR__) . '/codeigniter/figures.php';

$person = [
    'nik' => '3602041211870001', 'nama' => 'Siti Nurhaliza', 'alamat' => 'Jl. Slamet Riyadi 7, Surakarta',
    'no_jaminan_sosial' => '0001234567890', 'rfid_tag' => 'E2000017221101441890',
];

test('figure 11: what goes to the model is encrypted, but for the RFID tag', static function () use ($person): void {
    $_POST = $person;
    (new Tambah())->master_user();
    $kept = (string) file_get_contents(APPPATH . 'rows.json');
    $row = json_decode($kept, true)[1];
    same(array_keys($person), array_keys($row));
    same($person['rfid_tag'], $row['rfid_tag']);
    foreach (['nik', 'nama', 'alamat', 'no_jaminan_sosial'] as $column) {
        same('R0IB', substr($row[$column], 0, 4));
        lacks($person[$column], $kept, 'the database');
    }
});

test('figure 12: what is read is decrypted', static function () use ($person): void {
    ob_start();
    (new Ambil())->master_user(1);
    same(json_encode($person), ob_get_clean());
});

test('controller and model, loaded twice: one object under both names', static function () use ($person): void {
    $controller = new Ambil();
    $first = $controller->cryptapi;
    holds($first instanceof CryptAPI && $first === $controller->cryptAPI, 'the two names are not one object');
    $controller->load->library('cryptAPI');
    $controller->load->library('CryptAPI');
    $controller->load->library(['cryptAPI']);
    same($first, $controller->cryptapi);
    same($first, $controller->cryptAPI);
    same($person['nama'], $controller->m_ambil->nama(1));
});

test('under an object name it is there as well', static function (): void {
    $controller = new CI_Controller();
    $controller->load->library('cryptAPI', null, 'gembok');
    same('x', $controller->gembok->decrypt($controller->cryptAPI->encrypt('x')));
    $controller->load->library('cryptAPI', World::settings(['object' => 'berikat']), 'lain');
    holds($controller->lain !== $controller->gembok, 'it is the first object');
    same($controller->gembok, $controller->cryptAPI, 'the first one keeps the name:');
    same('y', $controller->lain->decrypt($controller->lain->encrypt('y', null, ['row' => 1]), 'berikat', ['row' => 1]));
});

test('parameters take the place of the configuration file', static function (): void {
    $controller = new CI_Controller();
    $key = ['api_key_file' => null];
    $controller->load->library('cryptAPI', World::settings($key) + ['api_key' => World::apiKey()]);
    same('x', $controller->cryptAPI->decrypt($controller->cryptAPI->encrypt('x')));
    ob_start();
    var_dump($controller->cryptAPI);
    $shown = ob_get_clean() . print_r($controller, true) . var_export((array) $controller->cryptAPI, true);
    lacks(substr(World::apiKey(), 4, 20), $shown, 'a dump');
});

test('batches and the diagnosis are there too', static function (): void {
    $crypt = (new Tambah())->cryptAPI;
    $ciphertexts = $crypt->encryptMany(['a' => ['plaintext' => '1'], 'b' => ['plaintext' => '2']], 'karyawan');
    same(['a' => '1', 'b' => '2'], $crypt->decryptMany(array_map(
        static fn ($ciphertext): array => ['ciphertext' => $ciphertext],
        $ciphertexts
    ), 'karyawan'));
    holds($crypt->diagnose(['karyawan.nik' => ['bytes' => 16, 'width' => 92]])->isHealthy(), 'it is not healthy');
});

test('wrong settings harm nobody until the first call, and the diagnosis names them', static function (): void {
    $controller = new CI_Controller();
    $controller->load->library('cryptAPI', ['url' => 'http://10.0.0.5']);
    refuses('Misconfigured', 'config-value', static fn () => $controller->cryptAPI->encrypt('x'));
    $diagnosis = $controller->cryptAPI->diagnose();
    holds(!$diagnosis->isHealthy(), 'it is healthy');
    contains("'url'", $diagnosis->about('settings')->says());
    $bare = new CryptAPI();
    refuses('Misconfigured', 'config-missing', static fn () => $bare->encrypt('x'));
});

test('errors are those of the client', static function (): void {
    $crypt = (new Tambah())->cryptAPI;
    try {
        $crypt->decrypt('R0IB', 'karyawan');
    } catch (GembokException $thrown) {
        same('cannot-open', $thrown->getErrorCode());
        return;
    }
    throw new Failed('nothing was thrown');
});

test('the sample configuration names only settings there are', static function (): void {
    $config = [];
    require dirname(__DIR__, 2) . '/codeigniter3/application/config/cryptapi.php';
    refuses('Misconfigured', 'file-unreadable', static fn () => Gembok\Config::fromArray($config));
});

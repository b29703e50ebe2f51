<?php

/*
 * Settings that are wrong are refused at once, by name, with what to do. Needs no appliance.
 */

declare(strict_types=1);

use Gembok\ApiKey;
use Gembok\Config;

$folder = World::$folder . '/config';
mkdir($folder);
foreach (['ca.pem', 'client.pem', 'client.key'] as $file) {
    file_put_contents("$folder/$file", '');
}
// A key of the right form that opens nothing: its check characters were worked out apart from this library.
$key = 'gbk_0123456789ABCDEFGHIJKLMNOPQRSTUVWX' . '3nxqvv';
file_put_contents("$folder/api-key", "$key\n");
$good = [
    'url' => 'https://10.0.0.5:8443', 'endpoint' => 'absensi', 'api_key_file' => "$folder/api-key",
    'ca' => "$folder/ca.pem", 'certificate' => "$folder/client.pem", 'key' => "$folder/client.key",
];
$parse = static function (array $changes) use ($good): Config {
    return Config::fromArray($changes + $good);
};

test('good settings are taken, with defaults', static function () use ($parse, $key): void {
    $config = $parse([]);
    same('https://10.0.0.5:8443', $config->url());
    same([3000, 2, false, null], [$config->deadlineMs(), $config->retries(), $config->sidecar(), $config->object()]);
    same($key, $config->apiKey()->reveal());
    same('https://gembok.lan', $parse(['url' => 'https://gembok.lan/'])->url());
    same($key, $parse(['api_key_file' => null, 'api_key' => $key])->apiKey()->reveal());
    same($key, $parse(['api_key_file' => '', 'api_key' => new Gembok\Secret($key)])->apiKey()->reveal());
});

test('each missing setting is named', static function () use ($parse): void {
    foreach (['url', 'endpoint', 'ca', 'certificate', 'key'] as $name) {
        foreach ([null, ''] as $nothing) {
            $thrown = refuses('Misconfigured', 'config-missing', static fn () => $parse([$name => $nothing]));
            contains("'$name'", $thrown->getMessage());
        }
    }
    $thrown = refuses('Misconfigured', 'config-missing', static fn () => $parse(['api_key_file' => null]));
    contains("'api_key'", $thrown->getMessage());
});

test('each wrong setting is named, and its value is not shown', static function () use ($parse): void {
    foreach ([
        'url' => ['ftp://10.0.0.5', 'http://10.0.0.5:8443', '10.0.0.5:8443', 'https://u:sesuatu@10.0.0.5', 'https://h/v1', 5, 'https://', "https://10.0.0.5\r\nX: y", "https://10.0.0.5\t", 'https://10.0.0.5?', 'https://10.0.0.5#',
            'https://10.0.0.5\\x'],
        'endpoint' => ['ab sensi', '-x', 'x/y', "x\n", 7],
        'object' => ['kar yawan', true],
        'deadline_ms' => ['3000', 0, 99, 60001, 3.5],
        'retries' => [-1, 6, '2'],
        'sidecar' => ['yes', 1],
        'ca' => ['ca.pem', '../ca.pem', 9],
        'key' => ['client.key'],
        'api_key_file' => ['gembok.key'],
        'socket' => ['/run/sidecar.sock'],
    ] as $name => $values) {
        foreach ($values as $value) {
            $thrown = refuses('Misconfigured', 'config-value', static fn () => $parse([$name => $value]));
            contains("'$name'", $thrown->getMessage());
            lacks('sesuatu', $thrown->getMessage(), 'the message');
        }
    }
});

test('a setting with a typing error in its name is refused', static function () use ($parse): void {
    $thrown = refuses('Misconfigured', 'config-unknown', static fn () => $parse(['endpont' => 'absensi']));
    contains('endpont', $thrown->getMessage());
});

test('a file that is not there is named', static function () use ($parse, $folder): void {
    foreach (['ca', 'certificate', 'key', 'api_key_file'] as $name) {
        $thrown = refuses('Misconfigured', 'file-unreadable', static fn () => $parse([$name => "$folder/none"]));
        contains("'$name' names $folder/none", $thrown->getMessage());
        refuses('Misconfigured', 'file-unreadable', static fn () => $parse([$name => $folder]));
    }
});

test('an API key with a typing error is refused here, and not shown', static function () use ($parse, $key): void {
    holds(ApiKey::isWellFormed($key), 'the good key is refused');
    foreach ([
        '', 'gbk_', substr($key, 1), "$key ", "$key\n", 'gbk-' . substr($key, 4), strtolower($key),
        substr_replace($key, 'Z', 10, 1), substr_replace($key, $key[12] . $key[11], 11, 2), substr_replace($key, '0', -1),
    ] as $wrong) {
        holds(!ApiKey::isWellFormed($wrong), 'a mistyped key passes');
    }
    $wrong = substr_replace($key, 'Z', 10, 1);
    $thrown = refuses('Misconfigured', 'api-key-mistyped', static fn () => $parse(['api_key_file' => null, 'api_key' => $wrong]));
    lacks(substr($wrong, 4, 12), (string) $thrown, 'the exception');
    refuses('Misconfigured', 'config-value', static fn () => $parse(['api_key' => $key]));
});

test('a sidecar may do without certificate and TLS, but only on this machine', static function () use ($parse): void {
    $none = ['certificate' => null, 'key' => null, 'sidecar' => true];
    same('http://127.0.0.1:8442', $parse($none + ['url' => 'http://127.0.0.1:8442', 'ca' => null])->url());
    same('/run/gembok.sock', $parse($none + ['url' => 'http://localhost', 'socket' => '/run/gembok.sock'])->socket());
    same('https://127.0.0.1:8442', $parse($none + ['url' => 'https://127.0.0.1:8442'])->url());
    refuses('Misconfigured', 'config-value', static fn () => $parse($none + ['url' => 'http://10.0.0.6:8442']));
    refuses('Misconfigured', 'config-missing', static fn () => $parse($none + ['url' => 'https://127.0.0.1:8442', 'ca' => null]));
    refuses('Misconfigured', 'config-missing', static fn () => $parse(['key' => null, 'sidecar' => true]));
});

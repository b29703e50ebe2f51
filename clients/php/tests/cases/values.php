<?php

/*
 * What is refused before anything is sent, and how wide a column must be. Needs no appliance: the client here has an address
 * where nothing listens, and a call that got as far would say so.
 */

declare(strict_types=1);

use Gembok\Client;
use Gembok\Config;

$offline = static function (): Client {
    $folder = World::$folder . '/config';
    return new Client(Config::fromArray([
        'url' => 'https://127.0.0.1:1', 'endpoint' => 'absensi', 'api_key_file' => "$folder/api-key",
        'ca' => "$folder/ca.pem", 'certificate' => "$folder/client.pem", 'key' => "$folder/client.key", 'retries' => 0,
    ]));
};

test('null and empty pass as they are, without a request', static function () use ($offline): void {
    same([null, '', null, ''], [
        $offline()->encrypt(null, 'karyawan'), $offline()->encrypt('', 'karyawan'),
        $offline()->decrypt(null, 'karyawan'), $offline()->decrypt('', 'karyawan'),
    ]);
    $nothing = ['b' => ['plaintext' => null], 'a' => ['plaintext' => '']];
    same(['b' => null, 'a' => ''], $offline()->encryptMany($nothing, 'karyawan'));
    same([], $offline()->encryptMany([], 'karyawan'));
    same(['x' => null], $offline()->decryptMany(['x' => ['ciphertext' => null]], 'karyawan'));
});

test('a plaintext that PHP would change on the way to a string is refused', static function () use ($offline): void {
    foreach ([3602041211870001.0, true, false, ['3602041211870001'], new ArrayObject()] as $value) {
        $thrown = refuses('BadRequest', 'bad-value', static fn () => $offline()->encrypt($value, 'karyawan'));
        lacks('3602041211870001', (string) $thrown, 'the exception');
        refuses('BadRequest', 'bad-value', static fn () => $offline()->encryptMany([['plaintext' => $value]], 'karyawan'));
        refuses('BadRequest', 'bad-value', static fn () => $offline()->decrypt($value, 'karyawan'));
    }
});

test('a context that PHP would change, or that names nothing, is refused', static function () use ($offline): void {
    foreach ([
        ['row' => null], ['row' => 1.0], ['row' => true], ['row' => []], ['row'], [7 => 'x'], ['row' => "\xff"], ["\xff" => 'x'],
    ] as $context) {
        refuses('BadRequest', 'bad-context', static fn () => $offline()->encrypt('x', 'karyawan', $context));
        refuses('BadRequest', 'bad-context', static fn () => $offline()->decrypt('x', 'karyawan', $context));
        $item = ['plaintext' => 'x', 'context' => $context];
        $thrown = refuses('BadRequest', 'bad-context', static fn () => $offline()->encryptMany(['3.nik' => $item], 'karyawan'));
        contains("'3.nik'", $thrown->getMessage());
        contains('Nothing was sent', $thrown->getMessage());
    }
});

test('an item of another shape is refused as a whole call', static function () use ($offline): void {
    $good = ['plaintext' => 'x'];
    foreach ([
        'missing-member' => [[], 'x', null, ['ciphertext' => 'x'], ['object' => 'karyawan']],
        'unknown-member' => [$good + ['konteks' => []], $good + ['ciphertext' => 'y'], $good + ['0' => 1]],
        'bad-context' => [$good + ['context' => 'row'], $good + ['context' => 7]],
    ] as $code => $items) {
        foreach ($items as $item) {
            refuses('BadRequest', $code, static fn () => $offline()->encryptMany([$good, $item], 'karyawan'));
        }
    }
});

test('no object, no request', static function () use ($offline): void {
    refuses('BadRequest', 'missing-member', static fn () => $offline()->encrypt('x'));
    refuses('BadRequest', 'missing-member', static fn () => $offline()->encryptMany([['plaintext' => 'x']]));
});

test('widths are those the appliance publishes', static function (): void {
    same([72, 92, 72 + 4 * 21], [Client::width(0), Client::width(16), Client::width(64)]);
    same([92, 76, 76, 92], array_map(
        static fn (string $algorithm): int => Client::width(16, $algorithm),
        ['xaes-256-gcm', 'aes-256-gcm', 'aes-256-gcm-siv', 'xchacha20-poly1305']
    ));
    for ($bytes = 0; $bytes < 300; $bytes++) {
        same(4 * (int) ceil(($bytes + 52) / 3), Client::width($bytes), "$bytes bytes");
    }
    refuses('BadRequest', 'bad-value', static fn () => Client::width(16, 'aes-256-ecb'));
    refuses('BadRequest', 'bad-value', static fn () => Client::width(-1));
});

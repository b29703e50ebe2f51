<?php

/*
 * One value there and back, of every sort that a form or a file may hold.
 */

declare(strict_types=1);

use Gembok\Client;

test('what values.php refuses would go out otherwise', static function (): void {
    $nobody = World::client(['url' => 'https://127.0.0.1:1', 'retries' => 0]);
    refuses('Unavailable', 'unreachable', static fn () => $nobody->encrypt('x', 'karyawan', ['row' => 7]));
    refuses('Unavailable', 'unreachable', static fn () => $nobody->encryptMany([['plaintext' => 'x']]));
});

test('a value comes back, from ciphertext of the published width', static function (): void {
    $gembok = World::client();
    $ciphertext = $gembok->encrypt('3602041211870001', 'karyawan');
    same('R0IB', substr($ciphertext, 0, 4));
    same(Client::width(16), strlen($ciphertext));
    same('3602041211870001', $gembok->decrypt($ciphertext, 'karyawan'));
});

test('equal values differ', static function (): void {
    holds(World::client()->encrypt('sama') !== World::client()->encrypt('sama'), 'the same ciphertext twice');
});

test('UTF-8, binary, white space, and long values come back byte for byte', static function (): void {
    $gembok = World::client();
    foreach ([
        'Siti Nurhaliza ꦱꦶꦠꦶ 🔒', "\x00", "\x00\xff\xfe\n", ' ', "\r\n", '0', 'null', '""', '{"a":1}', "e\u{301}",
        random_bytes(1000), str_repeat('x', 65536), random_bytes(65536),
    ] as $value) {
        $back = $gembok->decrypt($gembok->encrypt($value));
        holds($value === $back, 'a value of ' . strlen($value) . ' bytes came back changed');
    }
});

test('an int is encrypted as its digits', static function (): void {
    same('3602041211870001', World::client()->decrypt(World::client()->encrypt(3602041211870001)));
});

test('a value over 64 KiB is refused', static function (): void {
    $thrown = refuses('BadRequest', 'field-too-large', static fn () => World::client()->encrypt(str_repeat('x', 65537)));
    same(413, $thrown->getStatus());
    // This one would not even fit into a request.
    refuses('BadRequest', 'field-too-large', static fn () => World::client()->encrypt(str_repeat('x', 1048576)));
    refuses('BadRequest', 'field-too-large', static fn () => World::client()->decrypt(str_repeat('R', 2000000)));
});

test('the object may be configured, or named', static function (): void {
    $ciphertext = World::client(['object' => 'karyawan'])->encrypt('x');
    same('x', World::client(['object' => null])->decrypt($ciphertext, 'karyawan'));
});

test('altered, cut, foreign or plain text does not open', static function (): void {
    $gembok = World::client();
    $ciphertext = $gembok->encrypt('3602041211870001');
    $bytes = base64_decode($ciphertext);
    $bytes[40] = chr(ord($bytes[40]) ^ 1);
    foreach ([base64_encode($bytes), base64_encode(substr($bytes, 0, -1)), 'R0IB'] as $wrong) {
        $thrown = refuses('CannotOpen', 'cannot-open', static fn () => $gembok->decrypt($wrong));
        same(422, $thrown->getStatus());
    }
    // A row from before the encryption, or a column that was too narrow.
    refuses('BadRequest', 'bad-base64', static fn () => $gembok->decrypt('Jalan Slamet Riyadi 7'));
    refuses('BadRequest', 'bad-base64', static fn () => $gembok->decrypt(substr($ciphertext, 0, 45)));
    refuses('BadRequest', 'bad-value', static fn () => $gembok->decrypt("\xff"));
});

test('an object that does not exist, and one without a grant, are told apart', static function (): void {
    World::gembok('object', 'create', 'gaji', '--project', 'kantor');
    refuses('BadRequest', 'object-unknown', static fn () => World::client()->encrypt('x', 'tak-ada'));
    $thrown = refuses('Denied', 'not-granted', static fn () => World::client()->encrypt('x', 'gaji'));
    same(403, $thrown->getStatus());
});

test('what is under an older key version is put under the current one, without a plaintext', static function (): void {
    World::gembok('object', 'create', 'tua', '--project', 'kantor', '--algorithm', 'aes-256-gcm');
    $grant = ['grant', 'create', '--project', 'kantor', '--endpoint', 'absensi', '--object', 'tua'];
    World::gembok(...array_merge($grant, ['encrypt', 'decrypt']));
    $gembok = World::client(['object' => 'tua']);
    $place = ['row' => 7, 'column' => 'nik'];
    $old = $gembok->encrypt('3602041211870001', null, $place);
    refuses('Denied', 'not-granted', static fn () => $gembok->reencrypt($old, null, $place));
    World::gembok(...array_merge($grant, ['reencrypt']));
    same($old, $gembok->reencrypt($old, null, $place), 'what is current');
    World::gembok('key', 'rotate', 'tua', '--project', 'kantor', '--algorithm', 'xaes-256-gcm');
    $new = $gembok->reencrypt($old, null, $place);
    holds($new !== $old && substr($new, 0, 16) !== substr($old, 0, 16), 'it is under the same version');
    same(Client::width(16), strlen($new));
    same(['3602041211870001', '3602041211870001'], [$gembok->decrypt($new, null, $place), $gembok->decrypt($old, null, $place)]);
    same([null, ''], [$gembok->reencrypt(null), $gembok->reencrypt('')]);
    refuses('CannotOpen', 'cannot-open', static fn () => $gembok->reencrypt($old, null, ['row' => 8] + $place));
    $items = [
        'a' => ['ciphertext' => $old, 'context' => $place, 'force' => true], 'b' => ['ciphertext' => $new, 'context' => $place],
        'c' => ['ciphertext' => $old], 'd' => ['ciphertext' => null],
    ];
    $failed = refuses('BatchFailed', 'batch-failed', static fn () => $gembok->reencryptMany($items));
    same(['c'], array_keys($failed->failures()));
    same(['a', 'b', 'd'], array_keys($failed->results()));
    same([$new, null], [$failed->results()['b'], $failed->results()['d']]);
    same('3602041211870001', $gembok->decrypt($failed->results()['a'], null, $place));
    // Force is a boolean, and a member of this verb alone.
    $item = ['ciphertext' => $old, 'context' => $place];
    refuses('BadRequest', 'bad-value', static fn () => $gembok->reencryptMany([$item + ['force' => 'ya']]));
    refuses('BadRequest', 'unknown-member', static fn () => $gembok->decryptMany([$item + ['force' => true]]));
});

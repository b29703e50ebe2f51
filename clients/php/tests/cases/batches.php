<?php

/*
 * Many values in one request, or in as few as the limits allow; under the caller's keys, in the caller's order.
 */

declare(strict_types=1);

use Gembok\Exception\BatchFailed;

/** Ciphertexts as items of the way back. */
$back = static function (array $ciphertexts, array $items): array {
    $asked = [];
    foreach ($ciphertexts as $key => $ciphertext) {
        $asked[$key] = ['ciphertext' => $ciphertext, 'context' => $items[$key]['context'] ?? []];
    }
    return $asked;
};

test('a page of rows comes back under its keys, in its order', static function () use ($back): void {
    $items = [];
    foreach (range(1, 50) as $row) {
        foreach (['nik', 'nama', 'tanggal_lahir', 'alamat', 'no_jaminan_sosial'] as $column) {
            $items["$row.$column"] = ['plaintext' => "$column $row", 'context' => ['row' => $row, 'column' => $column]];
        }
    }
    $items = array_reverse($items, true) + ['99.nik' => ['plaintext' => null], '99.nama' => ['plaintext' => ''], 5 => ['plaintext' => 7]];
    $ciphertexts = World::client()->encryptMany($items, 'karyawan');
    same(array_keys($items), array_keys($ciphertexts));
    same([null, ''], [$ciphertexts['99.nik'], $ciphertexts['99.nama']]);
    $plaintexts = World::client()->decryptMany($back($ciphertexts, $items));
    foreach ($items as $key => $item) {
        same(is_int($item['plaintext']) ? '7' : $item['plaintext'], $plaintexts[$key], "$key");
    }
    same(array_keys($items), array_keys($plaintexts));
});

test('each item may name its own object', static function (): void {
    $ciphertexts = World::client()->encryptMany([
        ['plaintext' => 'a'], ['plaintext' => 'b', 'object' => 'berikat', 'context' => ['row' => 1]],
    ]);
    same('a', World::client()->decrypt($ciphertexts[0], 'karyawan'));
    same('b', World::client()->decrypt($ciphertexts[1], 'berikat', ['row' => 1]));
});

test('items that fail are told one by one, and the others are done', static function () use ($back): void {
    $items = ['a' => ['plaintext' => '1'], 'b' => ['plaintext' => '2'], 'c' => ['plaintext' => '3']];
    $asked = $back(World::client()->encryptMany($items), $items);
    $asked['b']['context'] = ['row' => 'another'];
    $asked['d'] = ['ciphertext' => $asked['a']['ciphertext'], 'object' => 'tak-ada'];
    $asked['e'] = ['ciphertext' => null];
    $failed = refuses('BatchFailed', 'batch-failed', static fn () => World::client()->decryptMany($asked));
    assert($failed instanceof BatchFailed);
    same(['a' => '1', 'c' => '3', 'e' => null], $failed->results());
    same(['b' => 'cannot-open', 'd' => 'object-unknown'], array_map(
        static fn ($failure): string => $failure->getErrorCode(),
        $failed->failures()
    ));
    same(Gembok\Exception\CannotOpen::class, get_class($failed->failures()['b']));
    contains('2 of 5 items failed', $failed->getMessage());
});

test('more items than one request takes go as several', static function () use ($back): void {
    $items = [];
    for ($at = 0; $at < 2300; $at++) {
        $items["k$at"] = ['plaintext' => "nilai $at"];
    }
    $ciphertexts = World::client(['deadline_ms' => 30000])->encryptMany($items);
    same(array_keys($items), array_keys($ciphertexts));
    $plaintexts = World::client(['deadline_ms' => 30000])->decryptMany($back($ciphertexts, $items));
    same(array_combine(array_keys($items), array_column($items, 'plaintext')), $plaintexts);
});

test('more bytes than one request takes go as several', static function () use ($back): void {
    $items = array_fill(0, 60, ['plaintext' => random_bytes(65536)]);
    $ciphertexts = World::client(['deadline_ms' => 30000])->encryptMany($items);
    same(array_column($items, 'plaintext'), World::client(['deadline_ms' => 30000])->decryptMany($back($ciphertexts, $items)));
});

test('a value too large fails alone, also one that no request could hold', static function (): void {
    $items = ['a' => ['plaintext' => 'x'], 'b' => ['plaintext' => str_repeat('x', 65537)], 'c' => ['plaintext' => str_repeat('x', 3000000)]];
    $failed = refuses('BatchFailed', 'batch-failed', static fn () => World::client()->encryptMany($items));
    assert($failed instanceof BatchFailed);
    same(['a'], array_keys($failed->results()));
    foreach (['b', 'c'] as $key) {
        same('field-too-large', $failed->failures()[$key]->getErrorCode());
    }
});

test('more than the API key may ever send at once says which limit', static function (): void {
    // Two requests of 1,000 fit one after the other; one of 1,000 is over a burst of 1,000 only where the rate was used up.
    $file = World::limitedKey('slow-fields', '--fields-per-s', '1', '--fields-burst', '1000');
    $items = array_fill(0, 1000, ['plaintext' => 'x']);
    same(1000, count(World::client(['api_key_file' => $file])->encryptMany($items)));
    $thrown = refuses('Limited', 'fields-limited', static fn () => World::client(['api_key_file' => $file])->encryptMany($items));
    holds($thrown->retryAfter() > 3, 'it would have fitted the deadline');
});

<?php

/*
 * What a ciphertext is bound to: it opens in its own place only.
 */

declare(strict_types=1);

test('a value opens with its own context only', static function (): void {
    $gembok = World::client();
    $place = ['table' => 'karyawan', 'row' => '7', 'column' => 'nama'];
    $ciphertext = $gembok->encrypt('Budi', 'karyawan', $place);
    same('Budi', $gembok->decrypt($ciphertext, 'karyawan', $place));
    same('Budi', $gembok->decrypt($ciphertext, 'karyawan', array_reverse($place)), 'in another order');
    foreach ([[], ['row' => '8'] + $place, ['column' => 'alamat'] + $place, $place + ['x' => ''], ['row' => '07'] + $place] as $other) {
        refuses('CannotOpen', 'cannot-open', static fn () => $gembok->decrypt($ciphertext, 'karyawan', $other));
    }
});

test('an id as int, from insert_id(), and as string, from MySQL, are one', static function (): void {
    $gembok = World::client();
    same('x', $gembok->decrypt($gembok->encrypt('x', null, ['row' => 7]), null, ['row' => '7']));
    same('x', $gembok->decrypt($gembok->encrypt('x', null, ['row' => '-7']), null, ['row' => -7]));
});

test('names and values may be any UTF-8, quotes and slashes too', static function (): void {
    $gembok = World::client();
    foreach ([['ꦧꦫꦶꦱ' => 'Ré"s\\/umé'], ['x' => ''], ['x' => "\u{2028}\x01\n"], ['x' => '</script>'], ["\0x" => 'x']] as $context) {
        $ciphertext = $gembok->encrypt('x', null, $context);
        same('x', $gembok->decrypt($ciphertext, null, $context));
        refuses('CannotOpen', 'cannot-open', static fn () => $gembok->decrypt($ciphertext));
    }
});

test('a context the appliance refuses says so', static function (): void {
    refuses('BadRequest', 'bad-context', static fn () => World::client()->encrypt('x', null, ['' => 'x']));
    refuses('BadRequest', 'bad-context', static fn () => World::client()->encrypt('x', null, ['x' => str_repeat('x', 5000)]));
});

test('an object that requires a context names it', static function (): void {
    World::gembok('object', 'create', 'berikat', '--project', 'kantor', '--required-context', 'row');
    World::gembok('grant', 'create', 'encrypt', 'decrypt', '--project', 'kantor', '--endpoint', 'absensi', '--object', 'berikat');
    $thrown = refuses('BadRequest', 'context-required', static fn () => World::client()->encrypt('x', 'berikat'));
    contains('row', $thrown->getMessage());
    $gembok = World::client();
    same('x', $gembok->decrypt($gembok->encrypt('x', 'berikat', ['row' => 1]), 'berikat', ['row' => 1]));
});

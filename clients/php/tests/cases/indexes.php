<?php

/*
 * What values are found by: the same for the same value, for nobody without a grant, and from what is stored without reading it.
 */

declare(strict_types=1);

const SKEMA = "[fields.nik]\nnormaliser = \"digits\"\nlength = 16\ndistinct = 50000\nindex = \"unique\"\n";

test('the same value has the same index, whoever writes it, and nobody without a grant', static function (): void {
    $file = tempnam(sys_get_temp_dir(), 'skema');
    file_put_contents($file, SKEMA);
    rename($file, "$file.toml");
    World::gembok('object', 'create', 'dicari', '--project', 'kantor', '--schema', "$file.toml");
    unlink("$file.toml");
    $grant = static fn (string ...$operations) => World::gembok(
        'grant', 'create', '--project', 'kantor', '--endpoint', 'absensi', '--object', 'dicari', ...$operations
    );
    $grant('encrypt');
    $gembok = World::client(['object' => 'dicari']);
    refuses('Denied', 'not-granted', static fn () => $gembok->index('3602041211870001', null, 'nik'));
    $grant('index');
    $index = $gembok->index('3602041211870001', null, 'nik');
    same(1, preg_match('/^00000001[0-9a-f]{32}$/D', $index));
    same([$index], $gembok->indexes('36.02.04.121187-0001', 'dicari', 'nik'));
    holds($index !== $gembok->index('3602041211870002', null, 'nik'), 'another NIK has the same index');
    same([null, null, []], [$gembok->index(null, null, 'nik'), $gembok->index('', null, 'nik'), $gembok->indexes(null, null, 'nik')]);
    $unfit = refuses('BadRequest', 'value-unfit', static fn () => $gembok->index('360204', null, 'nik'));
    holds(strpos($unfit->getMessage(), '360204') === false, 'the message shows the value');
    refuses('BadRequest', 'field-not-declared', static fn () => $gembok->index('x', null, 'alamat'));
    refuses('BadRequest', 'missing-member', static fn () => $gembok->index('x', null, ''));
    refuses('BadRequest', 'bad-value', static fn () => $gembok->index(3.6e15, null, 'nik'));
    $items = [
        'a' => ['plaintext' => '3602041211870001', 'field' => 'nik'], 'b' => ['plaintext' => null, 'field' => 'nik'],
        'c' => ['plaintext' => 'x', 'field' => 'nik'],
    ];
    $failed = refuses('BatchFailed', 'batch-failed', static fn () => $gembok->indexMany($items));
    same(['a' => $index, 'b' => null], $failed->results());
    refuses('BadRequest', 'unknown-member', static fn () => $gembok->encryptMany([['plaintext' => 'x', 'field' => 'nik']]));
    refuses('BadRequest', 'missing-member', static fn () => $gembok->indexMany([['plaintext' => 'x']]));

    // What is stored is indexed without being read; while the root is rotated, both values find it.
    $place = ['row' => 7, 'column' => 'nik'];
    $stored = ['a' => ['ciphertext' => $gembok->encrypt('3602041211870001', null, $place), 'field' => 'nik', 'context' => $place]];
    $failed = refuses('BatchFailed', 'batch-failed', static fn () => $gembok->indexStoredMany($stored));
    same('not-granted', $failed->failures()['a']->getErrorCode());
    $grant('reencrypt');
    same(['a' => $index], $gembok->indexStoredMany($stored));
    World::gembok('index', 'rotate-root', 'dicari', '--project', 'kantor');
    $both = $gembok->indexes('3602041211870001', null, 'nik');
    same([2, $index], [count($both), $both[1]]);
    same([$both[0], ['a' => $both[0]]], [$gembok->index('3602041211870001', null, 'nik'), $gembok->indexStoredMany($stored)]);
    World::gembok('index', 'finish-rotation', 'dicari', '--project', 'kantor');
    same([$both[0]], $gembok->indexes('3602041211870001', null, 'nik'));
});

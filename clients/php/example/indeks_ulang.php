<?php
/*
 * Gives every row of the table karyawan its nik_index, from the envelopes that are stored: for rows of before there was an index,
 * and while an operator rotates the index root (gembok index rotate-root).
 *
 *     php indeks_ulang.php [--baris=N] [--henti=N]
 *
 *     --baris=N   rows of a batch (100)          --henti=N   ends after so many batches
 *
 * It goes along the primary key and says after each batch how many rows are left. It can be broken off and begun again at any
 * time: the first 8 characters of an index are the version of its root, so the database itself tells what is done. No NIK comes
 * here; the endpoint needs grants to index and to reencrypt. When nothing is left, an operator may say
 * gembok index finish-rotation, and not before.
 *
 * Exit status: 0 nothing is left, 1 something is, 2 it could not be asked.
 */

use Gembok\Client;
use Gembok\Config;
use Gembok\Exception\BatchFailed;
use Gembok\Exception\GembokException;

define('BASEPATH', __DIR__ . '/mini/');
require __DIR__ . '/../autoload.php';
require __DIR__ . '/application/config/cryptapi.php';
require __DIR__ . '/application/config/database.php';

/** Characters of hex that the root's version has. */
const VERSI = 8;

$pilihan = getopt('', ['baris:', 'henti:']);
$baris_sekali = max(1, (int) ($pilihan['baris'] ?? 100));
$henti = (int) ($pilihan['henti'] ?? 0);

$db = $db['default'];
$pdo = new PDO("mysql:host={$db['hostname']};port={$db['port']};dbname={$db['database']};charset={$db['char_set']}", $db['username'], $db['password'], [
    PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION,
    PDO::ATTR_EMULATE_PREPARES => false,
    PDO::ATTR_DEFAULT_FETCH_MODE => PDO::FETCH_ASSOC,
]);
$gembok = new Client(Config::fromArray(['deadline_ms' => 30000] + $config));

// Rows that have no index of the newest version; which that is, the first answer tells.
$syarat = static fn (?string $versi): array => $versi === null
    ? ['1 = 1', []]
    : ['(nik_index IS NULL OR LEFT(nik_index, ' . VERSI . ') <> ?)', [$versi]];
$sisa = static function (?string $versi) use ($pdo, $syarat): int {
    [$yang, $isi] = $syarat($versi);
    $jumlah = $pdo->prepare("SELECT COUNT(*) FROM karyawan WHERE $yang");
    $jumlah->execute($isi);
    return (int) $jumlah->fetchColumn();
};

$versi = null;
$setelah = '';
$kali = 0;
do {
    [$yang, $isi] = $syarat($versi);
    $ambil = $pdo->prepare("SELECT id, nik FROM karyawan WHERE id > ? AND $yang ORDER BY id LIMIT $baris_sekali");
    $ambil->execute(array_merge([$setelah], $isi));
    $banyak = $ambil->fetchAll();
    if ($banyak === []) {
        break;
    }
    $kiriman = [];
    foreach ($banyak as $baris) {
        // As M_karyawan::konteks() has it: an envelope opens for its own place only.
        $konteks = ['table' => 'karyawan', 'column' => 'nik', 'row' => $baris['id']];
        $kiriman[$baris['id']] = ['ciphertext' => $baris['nik'], 'field' => 'nik', 'context' => $konteks];
    }
    try {
        $hasil = $gembok->indexStoredMany($kiriman, 'karyawan');
    } catch (BatchFailed $sebagian) {
        $hasil = $sebagian->results();
        foreach ($sebagian->failures() as $id => $galat) {
            fwrite(STDERR, "$id: {$galat->getErrorCode()}\n");
        }
    } catch (GembokException $galat) {
        fwrite(STDERR, $galat->getMessage() . "\n");
        exit(2);
    }
    // Only where the NIK still is what was sent: whoever saved the row meanwhile has the last word.
    $simpan = $pdo->prepare('UPDATE karyawan SET nik_index = ? WHERE id = ? AND nik = ?');
    foreach ($banyak as $baris) {
        $setelah = $baris['id'];
        if (!isset($hasil[$baris['id']])) {
            continue;
        }
        $versi = substr($hasil[$baris['id']], 0, VERSI);
        try {
            $simpan->execute([$hasil[$baris['id']], $baris['id'], $baris['nik']]);
        } catch (PDOException $galat) {
            if (($galat->errorInfo[1] ?? null) !== 1062) {
                throw $galat;
            }
            fwrite(STDERR, "{$baris['id']}: another row has the same NIK; decide which one stays\n");
        }
    }
    echo "sampai $setelah: ", $versi === null ? '?' : $sisa($versi), " baris tersisa\n";
} while (++$kali !== $henti);

$akhir = $versi === null && $setelah === '' ? 0 : $sisa($versi);
echo "$akhir baris tersisa\n";
exit($akhir === 0 ? 0 : 1);

<?php
/*
 * After the object's key was rotated: puts every envelope of the table karyawan under the current key version.
 *
 *     php enkripsi_ulang.php [--baris=N] [--henti=N] [--paksa]
 *
 *     --baris=N   rows of a batch (100)          --henti=N   ends after so many batches
 *     --paksa     also envelopes of a compromised version; Gembok records each
 *
 * It goes along the primary key and says after each batch how many rows are left. It can be broken off and begun again at any
 * time: the first 16 characters of an envelope are its header (algorithm, key, key version), so the database itself tells
 * what is done. The application goes on meanwhile: a row that it saved in between is left as it saved it, and is current
 * anyway. No plaintext comes here; the endpoint needs a grant to reencrypt.
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

/** The protected columns of application/models/M_karyawan.php. */
const KOLOM = ['nik', 'nama', 'tanggal_lahir', 'alamat', 'no_jaminan_sosial'];
/** Characters of base64 that an envelope's header has: 12 bytes. */
const KEPALA = 16;

$pilihan = getopt('', ['baris:', 'henti:', 'paksa']);
$baris_sekali = max(1, (int) ($pilihan['baris'] ?? 100));
$henti = (int) ($pilihan['henti'] ?? 0);
$paksa = isset($pilihan['paksa']);

$db = $db['default'];
$pdo = new PDO("mysql:host={$db['hostname']};port={$db['port']};dbname={$db['database']};charset={$db['char_set']}", $db['username'], $db['password'], [
    PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION,
    PDO::ATTR_EMULATE_PREPARES => false,
    PDO::ATTR_DEFAULT_FETCH_MODE => PDO::FETCH_ASSOC,
]);
$gembok = new Client(Config::fromArray(['deadline_ms' => 30000] + $config));

/** A condition on rows that have an envelope which does not begin with the current header; everything while none is known. */
$tertinggal = static function (?string $kepala): array {
    if ($kepala === null) {
        return ['1 = 1', []];
    }
    $syarat = array_map(static fn ($kolom): string => "($kolom <> '' AND LEFT($kolom, " . KEPALA . ') <> ?)', KOLOM);
    return ['(' . implode(' OR ', $syarat) . ')', array_fill(0, count(KOLOM), $kepala)];
};
$sisa = static function (?string $kepala) use ($pdo, $tertinggal): int {
    [$syarat, $isi] = $tertinggal($kepala);
    $jumlah = $pdo->prepare("SELECT COUNT(*) FROM karyawan WHERE $syarat");
    $jumlah->execute($isi);
    return (int) $jumlah->fetchColumn();
};

$kepala = null;
$setelah = '';
$kali = 0;
do {
    [$syarat, $isi] = $tertinggal($kepala);
    $ambil = $pdo->prepare('SELECT id, ' . implode(', ', KOLOM) . " FROM karyawan WHERE id > ? AND $syarat ORDER BY id LIMIT $baris_sekali");
    $ambil->execute(array_merge([$setelah], $isi));
    $banyak = $ambil->fetchAll();
    if ($banyak === []) {
        break;
    }
    $kiriman = [];
    foreach ($banyak as $i => $baris) {
        foreach (KOLOM as $kolom) {
            // As M_karyawan::konteks() has it: an envelope opens, and is sealed anew, for its own place only.
            $konteks = ['table' => 'karyawan', 'column' => $kolom, 'row' => $baris['id']];
            $kiriman["$i/$kolom"] = ['ciphertext' => $baris[$kolom], 'context' => $konteks, 'force' => $paksa];
        }
    }
    try {
        $hasil = $gembok->reencryptMany($kiriman, 'karyawan');
    } catch (BatchFailed $sebagian) {
        $hasil = $sebagian->results();
        foreach ($sebagian->failures() as $kunci => $galat) {
            [$i, $kolom] = explode('/', $kunci);
            fwrite(STDERR, "{$banyak[$i]['id']} $kolom: {$galat->getErrorCode()}\n");
        }
    } catch (GembokException $galat) {
        fwrite(STDERR, $galat->getMessage() . "\n");
        exit(2);
    }
    foreach ($banyak as $i => $baris) {
        $baru = [];
        foreach (KOLOM as $kolom) {
            if (isset($hasil["$i/$kolom"]) && $hasil["$i/$kolom"] !== $baris[$kolom]) {
                $baru[$kolom] = $hasil["$i/$kolom"];
            }
            if (isset($hasil["$i/$kolom"]) && $hasil["$i/$kolom"] !== '') {
                $kepala = substr($hasil["$i/$kolom"], 0, KEPALA);
            }
        }
        if ($baru !== []) {
            // Only where it still is what was sent: whoever saved the row meanwhile has the last word.
            $kolom = array_keys($baru);
            $simpan = $pdo->prepare('UPDATE karyawan SET ' . implode(' = ?, ', $kolom) . ' = ? WHERE id = ? AND ' . implode(' = ? AND ', $kolom) . ' = ?');
            $lama = array_map(static fn ($nama): string => $baris[$nama], $kolom);
            $simpan->execute(array_merge(array_values($baru), [$baris['id']], $lama));
        }
        $setelah = $baris['id'];
    }
    echo "sampai $setelah: ", $kepala === null ? '?' : $sisa($kepala), " baris tersisa\n";
} while (++$kali !== $henti);

$akhir = $kepala === null && $setelah === '' ? 0 : $sisa($kepala);
echo "$akhir baris tersisa\n";
exit($akhir === 0 ? 0 : 1);

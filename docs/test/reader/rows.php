<?php

/*
 * What the reader has: the rows of the table, as SQL on standard output, and what they mean, as JSON in the file given. Most
 * are ciphertext of the old library; some are plain, from before it; a few fields are empty or NULL.
 *
 *     php rows.php KRIPTO_LAMA.PHP MEANING.JSON
 */

declare(strict_types=1);

define('BASEPATH', '');
require $argv[1];

const ROWS = 2400;
const FIRST = ['Budi', 'Siti', 'Agus', 'Dewi', 'Joko', 'Sri', 'Bambang', 'Rina', 'Eko', 'Wahyuni', 'Renée', 'Žofie'];
const LAST = ['Santoso', 'Wijaya', 'Lestari', 'Hartono', 'Prasetyo', 'Maulana', 'Permana', 'Rahayu', 'Nugroho', 'Utami'];

$old = new Kripto_lama();
$meaning = [];
$lines = [];
for ($id = 1; $id <= ROWS; $id++) {
    $row = [
        'nik' => sprintf('3372%012d', $id * 7919),
        'nama' => FIRST[$id % count(FIRST)] . ' ' . LAST[intdiv($id, 7) % count(LAST)],
        'tanggal_lahir' => gmdate('Y-m-d', 100000000 + $id * 86400 * 3),
        'alamat' => $id % 50 === 0 ? '' : "Jl. Bhayangkara Nomor $id, Tipes, Serengan, Surakarta",
        'no_jaminan_sosial' => $id % 40 === 0 ? null : sprintf('%013d', $id * 104729),
    ];
    if ($id < ROWS) {
        // The guide itself changes the last one.
        $meaning[$id] = $row;
    }
    if ($id % 3 !== 0) {
        $row = array_map(static fn (?string $value): ?string => (string) $value === '' ? $value : $old->enkrip($value), $row);
    }
    $values = array_map(static fn (?string $value): string => $value === null ? 'NULL' : "'" . addslashes($value) . "'", $row);
    $lines[] = "($id, " . implode(', ', $values) . sprintf(", 'RFID-%06d')", $id);
}
echo 'INSERT INTO karyawan (id, nik, nama, tanggal_lahir, alamat, no_jaminan_sosial, rfid_tag) VALUES ', implode(",\n", $lines), ";\n";
file_put_contents($argv[2], json_encode($meaning));

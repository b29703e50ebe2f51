<?php
$ruas = function ($nama, $label, $petunjuk, $atribut) use ($isian, $salah) {
    $isi = html_escape($isian[$nama]);
    $bidang = $atribut === null
        ? "<textarea id=\"$nama\" name=\"$nama\" rows=\"3\" required>$isi</textarea>"
        : "<input id=\"$nama\" name=\"$nama\" value=\"$isi\" required autocomplete=\"off\" $atribut>";
    $keterangan = isset($salah[$nama]) ? '<em class="salah">' . html_escape($salah[$nama]) . '</em>' : "<small>$petunjuk</small>";
    return '<div class="ruas' . (isset($salah[$nama]) ? ' keliru' : '') . "\"><label for=\"$nama\">$label</label>$bidang$keterangan</div>\n";
};
?>
<h1><?= html_escape($judul) ?></h1>
<?= form_open($alamat, 'class="kartu formulir" novalidate') ?>
<?= $ruas('nama', 'Nama', 'Nama lengkap sesuai KTP.', 'type="text"') ?>
<?= $ruas('nik', 'NIK', '16 angka.', 'type="text" inputmode="numeric" class="angka"') ?>
<?= $ruas('tanggal_lahir', 'Tanggal lahir', 'Sesuai KTP.', 'type="date"') ?>
<?= $ruas('no_jaminan_sosial', 'No. jaminan sosial', '11 angka (BPJS Ketenagakerjaan) atau 13 angka (BPJS Kesehatan).', 'type="text" inputmode="numeric" class="angka"') ?>
<?= $ruas('alamat', 'Alamat', 'Alamat tempat tinggal.', null) ?>
<?= $ruas('rfid_tag', 'Kartu RFID', 'Tempelkan kartu pada pembaca. Nomor ini tidak dienkripsi.', 'type="text" class="angka"') ?>
<div class="tindakan">
  <button class="tombol">Simpan</button>
  <a href="<?= site_url('karyawan') ?>">Batal</a>
</div>
<?= form_close() ?>

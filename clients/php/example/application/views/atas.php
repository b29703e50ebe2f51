<?php /* The frame's upper half: navigation, then what the reader must know before anything else. */ ?>
<!doctype html>
<html lang="id">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Absensi karyawan</title>
<link rel="stylesheet" href="<?= site_url('gaya.css') ?>">
</head>
<body>
<header class="bilah">
  <a class="merek" href="<?= site_url('karyawan') ?>"><span class="tanda"></span>Absensi</a>
  <nav>
    <a href="<?= site_url('karyawan') ?>">Karyawan</a>
    <a href="<?= site_url('kehadiran') ?>">Kehadiran</a>
    <a href="<?= site_url('diagnosa') ?>">Diagnosa</a>
    <a href="<?= site_url() ?>">Kios</a>
  </nav>
  <?= form_open('masuk/keluar') ?><button class="tautan">Keluar</button><?= form_close() ?>
</header>
<main>
<?php if ($pesan !== null): ?>
  <p class="kabar" role="status"><?= html_escape($pesan) ?></p>
<?php endif ?>
<?php if ($sempit !== []): ?>
  <section class="gangguan" role="alert">
    <h2>Penyimpanan dimatikan: kolom basis data terlalu sempit</h2>
    <p>Data terenkripsi tidak akan muat, jadi tidak ada yang disimpan. Beri tahu administrator untuk melebarkan kolom ini:</p>
    <ul>
    <?php foreach ($sempit as $kolom => list($ada, $perlu)): ?>
      <li><code><?= html_escape($kolom) ?></code> lebarnya <?= $ada ?>, perlu <code>VARCHAR(<?= $perlu ?>)</code></li>
    <?php endforeach ?>
    </ul>
    <p class="kode">Kode untuk administrator: <code>column-too-narrow</code></p>
  </section>
<?php endif ?>
<?php if ($gangguan !== null): ?>
  <section class="gangguan" role="alert">
    <h2><?= html_escape($gangguan['judul']) ?></h2>
    <p><?= html_escape($gangguan['penjelasan']) ?> Absensi dengan kartu tetap berjalan.</p>
    <details>
      <summary class="kode">Kode untuk administrator: <code><?= html_escape($gangguan['kode']) ?></code></summary>
      <p lang="en"><?= html_escape($gangguan['rincian']) ?></p>
    </details>
  </section>
<?php endif ?>

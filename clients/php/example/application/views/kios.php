<!doctype html>
<html lang="id">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Absensi</title>
<link rel="stylesheet" href="<?= site_url('gaya.css') ?>">
</head>
<body class="kios">
<main>
  <p class="jam"><?= html_escape($jam) ?></p>
  <h1>Tempelkan kartu Anda</h1>
  <?= form_open('kios/catat') ?>
    <input name="rfid_tag" autofocus autocomplete="off" aria-label="Nomor kartu" placeholder="nomor kartu">
    <button class="tombol">Catat</button>
  <?= form_close() ?>
  <?php if ($tercatat !== null): ?>
    <p class="kabar" role="status"><strong>Kehadiran tercatat</strong><br><?= html_escape($tercatat) ?></p>
  <?php elseif ($ditolak !== null): ?>
    <p class="kabar tolak" role="alert"><strong>Tidak tercatat</strong><br><?= html_escape($ditolak) ?></p>
  <?php else: ?>
    <p class="hening">Pembaca kartu siap</p>
  <?php endif ?>
</main>
<footer><a href="<?= site_url('karyawan') ?>">Bagian kepegawaian</a></footer>
</body>
</html>

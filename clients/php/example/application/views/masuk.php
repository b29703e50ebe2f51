<!doctype html>
<html lang="id">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Masuk · Absensi</title>
<link rel="stylesheet" href="<?= site_url('gaya.css') ?>">
</head>
<body class="tengah">
<main>
  <?= form_open('masuk', 'class="kartu sempit"') ?>
    <h1><span class="tanda"></span>Bagian kepegawaian</h1>
    <p>Halaman berikutnya memuat data pribadi.</p>
    <div class="ruas<?= $salah ? ' keliru' : '' ?>">
      <label for="kata_sandi">Kata sandi</label>
      <input id="kata_sandi" name="kata_sandi" type="password" required autofocus autocomplete="current-password">
      <?php if ($salah): ?><em class="salah">Kata sandi keliru.</em><?php endif ?>
    </div>
    <div class="tindakan"><button class="tombol">Masuk</button> <a href="<?= site_url() ?>">Ke kios</a></div>
  <?= form_close() ?>
</main>
</body>
</html>

<!doctype html>
<html lang="id">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title><?= html_escape($heading) ?></title>
<link rel="stylesheet" href="<?= site_url('gaya.css') ?>">
</head>
<body class="tengah">
<main>
  <section class="kartu sempit">
    <h1><?= html_escape($heading) ?></h1>
    <p><?= html_escape($message) ?></p>
    <div class="tindakan"><a href="<?= site_url() ?>">Ke halaman depan</a></div>
  </section>
</main>
</body>
</html>

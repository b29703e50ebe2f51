<?php $kata = ['ok' => 'baik', 'warning' => 'perhatikan', 'problem' => 'masalah', 'skipped' => 'dilewati'] ?>
<div class="kepala">
  <h1>Diagnosa <small><?= $diagnosis->isHealthy() ? 'semua baik' : count($diagnosis->problems()) . ' masalah' ?></small></h1>
  <a class="tombol tipis" href="<?= site_url('diagnosa') ?>">Periksa lagi</a>
</div>
<p class="pengantar">Untuk administrator: segala sesuatu di antara aplikasi ini dan data yang tersimpan.</p>
<div class="gulir">
<table>
  <thead><tr><th>Keadaan</th><th>Bagian</th><th>Temuan dan yang perlu dilakukan</th></tr></thead>
  <tbody>
  <?php foreach ($diagnosis->findings() as $temuan): ?>
    <tr>
      <td><span class="lencana <?= html_escape($temuan->level()) ?>"><?= $kata[$temuan->level()] ?></span></td>
      <td class="angka"><?= html_escape($temuan->about()) ?></td>
      <td lang="en"><?= html_escape($temuan->says()) ?><?php if ($temuan->hint() !== ''): ?><br><strong><?= html_escape($temuan->hint()) ?></strong><?php endif ?></td>
    </tr>
  <?php endforeach ?>
  </tbody>
</table>
</div>

<div class="kepala">
  <h1>Kehadiran <small><?= html_escape(tanggal($tanggal)) ?></small></h1>
  <form method="get" action="<?= site_url('kehadiran') ?>" class="saring">
    <input type="date" name="tanggal" value="<?= html_escape($tanggal) ?>" aria-label="Tanggal">
    <button class="tombol tipis">Tampilkan</button>
  </form>
</div>
<?php if ($daftar === []): ?>
<p class="kosong">Belum ada yang tercatat pada hari ini.</p>
<?php else: ?>
<div class="gulir">
<table>
  <thead><tr><th>Nama</th><th>Kartu RFID</th><th>Datang</th><th>Pulang</th><th>Tercatat</th></tr></thead>
  <tbody>
  <?php foreach ($daftar as $baris): ?>
    <tr>
      <td class="nama"><?= sel($baris, 'nama') ?></td>
      <td class="angka"><?= html_escape($baris['rfid_tag']) ?></td>
      <td class="angka"><?= html_escape(substr($baris['datang'], 11, 8)) ?></td>
      <td class="angka"><?= $baris['kali'] > 1 ? html_escape(substr($baris['pulang'], 11, 8)) : '–' ?></td>
      <td><?= (int) $baris['kali'] ?> kali</td>
    </tr>
  <?php endforeach ?>
  </tbody>
</table>
</div>
<?php endif ?>

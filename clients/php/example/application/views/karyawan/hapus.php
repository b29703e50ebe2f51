<h1>Hapus karyawan</h1>
<?= form_open("karyawan/hapus/{$baris['id']}", 'class="kartu"') ?>
<p>Hapus <strong><?= sel($baris, 'nama') ?></strong> (kartu <?= html_escape($baris['rfid_tag']) ?>) beserta seluruh catatan kehadirannya? Ini tidak dapat dibatalkan.</p>
<div class="tindakan">
  <button class="tombol awas">Hapus</button>
  <a href="<?= site_url('karyawan') ?>">Batal</a>
</div>
<?= form_close() ?>

<div class="kepala">
  <h1>Karyawan <small><?= $jumlah ?> orang</small></h1>
  <a class="tombol" href="<?= site_url('karyawan/tambah') ?>">Tambah karyawan</a>
</div>
<?= form_open('karyawan/cari', 'class="cari"') ?>
<label for="cari">Cari NIK</label> <input id="cari" name="nik" inputmode="numeric" autocomplete="off" class="angka"> <button>Cari</button>
<?= form_close() ?>
<?php if ($daftar === []): ?>
<p class="kosong"><?= html_escape($kosong ?? 'Belum ada karyawan. Mulailah dengan menambah yang pertama.') ?></p>
<?php else: ?>
<div class="gulir">
<table>
  <thead>
    <tr><th>Nama</th><th>NIK</th><th>Tanggal lahir</th><th>Alamat</th><th>No. jaminan sosial</th><th>Kartu RFID</th><th></th></tr>
  </thead>
  <tbody>
  <?php foreach ($daftar as $baris): ?>
    <tr>
      <td class="nama"><?= sel($baris, 'nama') ?></td>
      <td class="angka"><?= sel($baris, 'nik') ?></td>
      <td class="tgl"><?= sel_tanggal($baris, 'tanggal_lahir') ?></td>
      <td class="alamat"><div><?= sel($baris, 'alamat') ?></div></td>
      <td class="angka"><?= sel($baris, 'no_jaminan_sosial') ?></td>
      <td class="angka"><?= html_escape($baris['rfid_tag']) ?></td>
      <td class="aksi"><a href="<?= html_escape(site_url("karyawan/ubah/{$baris['id']}")) ?>">Ubah</a> <a class="awas" href="<?= html_escape(site_url("karyawan/hapus/{$baris['id']}")) ?>">Hapus</a></td>
    </tr>
  <?php endforeach ?>
  </tbody>
</table>
</div>
<?php if ($halaman_akhir > 1): ?>
<nav class="halaman">
  <?php if ($halaman > 1): ?><a href="?hal=<?= $halaman - 1 ?>">‹ Sebelumnya</a><?php endif ?>
  <span>Halaman <?= $halaman ?> dari <?= $halaman_akhir ?></span>
  <?php if ($halaman < $halaman_akhir): ?><a href="?hal=<?= $halaman + 1 ?>">Berikutnya ›</a><?php endif ?>
</nav>
<?php endif ?>
<?php endif ?>

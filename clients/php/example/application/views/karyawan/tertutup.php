<h1>Ubah karyawan</h1>
<p class="kosong">Data karyawan ini belum dapat ditampilkan, jadi belum dapat diubah. <a href="<?= site_url('karyawan') ?>">Kembali ke daftar</a></p>

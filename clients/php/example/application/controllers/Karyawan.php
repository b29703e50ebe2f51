<?php
/*
 * The employees' pages: list, find, add, edit, delete. Where Gembok does not do what was asked, nothing is stored, the page says so,
 * and a form keeps what was typed: in the answer to the browser, never in a session or another file.
 */

defined('BASEPATH') or exit('No direct script access allowed');

use Gembok\Exception\GembokException;

class Karyawan extends MY_Controller
{
    const NIK_TERDAFTAR = 'NIK ini sudah terdaftar pada karyawan lain.';

    public function __construct()
    {
        parent::__construct();
        $this->load->helper('isian');
        $this->load->helper('tampil');
    }

    public function index()
    {
        $jumlah = $this->m_karyawan->jumlah();
        $halaman_akhir = max(1, (int) ceil($jumlah / M_karyawan::PER_HALAMAN));
        $halaman = min(max(1, (int) $this->input->get('hal')), $halaman_akhir);
        $daftar = $this->m_karyawan->daftar($halaman);
        $gangguan = null;
        try {
            $daftar = $this->m_karyawan->buka($daftar);
        } catch (GembokException $galat) {
            $gangguan = gangguan($galat);
            $daftar = $this->m_karyawan->tutup($daftar);
        }
        $data = compact('jumlah', 'halaman', 'halaman_akhir', 'daftar', 'gangguan');
        $this->halaman('karyawan/daftar', $data, $gangguan === null ? 200 : 503);
    }

    /** By POST: what was searched for is in no address, and so in no log. */
    public function cari()
    {
        $nik = trim((string) $this->input->post('nik'));
        if (!preg_match('/^\d{16}$/D', preg_replace('/[ .-]/', '', $nik))) {
            $data = ['jumlah' => 0, 'halaman' => 1, 'halaman_akhir' => 1, 'daftar' => [], 'gangguan' => null, 'kosong' => 'NIK terdiri atas 16 angka.'];
            return $this->halaman('karyawan/daftar', $data, 422);
        }
        $daftar = [];
        $gangguan = null;
        try {
            $daftar = $this->m_karyawan->cari($nik);
            $daftar = $this->m_karyawan->buka($daftar);
        } catch (GembokException $galat) {
            $gangguan = gangguan($galat);
            $daftar = $this->m_karyawan->tutup($daftar);
        }
        $data = ['jumlah' => count($daftar), 'halaman' => 1, 'halaman_akhir' => 1, 'daftar' => $daftar, 'gangguan' => $gangguan, 'kosong' => 'Tidak ada karyawan dengan NIK itu.'];
        $this->halaman('karyawan/daftar', $data, $gangguan === null ? 200 : 503);
    }

    public function tambah()
    {
        if ($this->input->method() !== 'post') {
            return $this->formulir('karyawan/tambah', 'Tambah karyawan', isian_kosong());
        }
        $this->simpan('karyawan/tambah', 'Tambah karyawan', '', function (array $isian) {
            $this->m_karyawan->tambah($isian);
            return 'Karyawan baru tersimpan.';
        });
    }

    public function ubah($id)
    {
        $baris = $this->m_karyawan->ambil($id) ?: show_404();
        if ($this->input->method() === 'post') {
            return $this->simpan("karyawan/ubah/$id", 'Ubah karyawan', $id, function (array $isian) use ($id) {
                // Somebody may have deleted it while Gembok was asked.
                $this->m_karyawan->ubah($id, $isian) || show_404();
                return 'Perubahan tersimpan.';
            });
        }
        try {
            $baris = $this->m_karyawan->buka([$baris])[0];
        } catch (GembokException $galat) {
            return $this->halaman('karyawan/tertutup', ['gangguan' => gangguan($galat)], 503);
        }
        $salah = array_fill_keys(array_keys($baris['galat']), 'Isi yang tersimpan tidak dapat dibuka. Isi kembali dari dokumen aslinya.');
        $this->formulir("karyawan/ubah/$id", 'Ubah karyawan', $baris, $salah);
    }

    public function hapus($id)
    {
        $baris = $this->m_karyawan->ambil($id) ?: show_404();
        if ($this->input->method() === 'post') {
            $this->m_karyawan->hapus($id);
            $this->session->set_flashdata('pesan', 'Karyawan dan catatan kehadirannya dihapus.');
            redirect('karyawan');
        }
        $gangguan = null;
        try {
            $baris = $this->m_karyawan->buka([$baris], ['nama'])[0];
        } catch (GembokException $galat) {
            $gangguan = gangguan($galat);
            $baris = $this->m_karyawan->tutup([$baris])[0];
        }
        $this->halaman('karyawan/hapus', compact('baris', 'gangguan'), $gangguan === null ? 200 : 503);
    }

    /** Checks what was sent and stores it, or shows the form again with all of it and with what is wrong. */
    private function simpan($alamat, $judul, $id, callable $simpan)
    {
        $isian = isian_terkirim($this->input);
        $salah = isian_salah($isian);
        if ($salah !== []) {
            return $this->formulir($alamat, $judul, $isian, $salah, null, 422);
        }
        if ($this->m_karyawan->kolom_sempit() !== []) {
            return $this->formulir($alamat, $judul, $isian, [], null, 503);   // the frame names the columns
        }
        try {
            if ($this->m_karyawan->nik_terdaftar($isian['nik'], $id)) {
                return $this->formulir($alamat, $judul, $isian, ['nik' => self::NIK_TERDAFTAR], null, 422);
            }
            $pesan = $simpan($isian);
        } catch (GembokException $galat) {
            return $this->formulir($alamat, $judul, $isian, [], gangguan($galat), 503);
        } catch (PDOException $galat) {
            if (!CI_DB::is_duplicate($galat)) {
                throw $galat;
            }
            // Somebody else was faster.
            $salah = strpos($galat->getMessage(), 'nik_index') === false
                ? ['rfid_tag' => 'Kartu ini sudah dipakai karyawan lain.']
                : ['nik' => self::NIK_TERDAFTAR];
            return $this->formulir($alamat, $judul, $isian, $salah, null, 422);
        }
        $this->session->set_flashdata('pesan', $pesan);
        redirect('karyawan');
    }

    private function formulir($alamat, $judul, array $isian, array $salah = [], $gangguan = null, $status = 200)
    {
        $this->halaman('karyawan/formulir', compact('alamat', 'judul', 'isian', 'salah', 'gangguan'), $status);
    }
}

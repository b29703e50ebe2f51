<?php
/*
 * The employees. Five columns are kept as envelopes that only Gembok opens; rfid_tag stays plain, so that checking in needs
 * no Gembok and the database can hold it unique.
 *
 * Beside the NIK's envelope lies its blind index: the same for the same NIK, so that a row is found by it and the database
 * refuses a NIK that is there, and nobody reads the NIK back from it.
 *
 * Each envelope is bound to its place by its context: table, column, row. Copied to another row or column it does not open.
 * So the row's id must be known before the row is stored: this application makes it (a random UUID), not AUTO_INCREMENT.
 */

defined('BASEPATH') or exit('No direct script access allowed');

use Gembok\Client;
use Gembok\Exception\BatchFailed;

class M_karyawan extends CI_Model
{
    const TABEL = 'karyawan';
    const OBJEK = 'karyawan';
    const PER_HALAMAN = 50;

    /** The protected columns, and how many bytes of plaintext each takes at most. application/schema.sql has their widths. */
    const TERLINDUNG = ['nik' => 16, 'nama' => 400, 'tanggal_lahir' => 10, 'alamat' => 1000, 'no_jaminan_sosial' => 13];

    public function jumlah()
    {
        return (int) $this->db->query('SELECT COUNT(*) AS n FROM karyawan')->row_array()['n'];
    }

    /** One page of rows as they are stored, the newest first; buka() makes them readable. */
    public function daftar($halaman)
    {
        $mulai = ($halaman - 1) * self::PER_HALAMAN;
        $sql = 'SELECT * FROM karyawan ORDER BY dibuat DESC, id LIMIT ' . self::PER_HALAMAN . " OFFSET $mulai";
        return $this->db->query($sql)->result_array();
    }

    /** One row as it is stored, or null. */
    public function ambil($id)
    {
        return $this->db->query('SELECT * FROM karyawan WHERE id = ?', [$id])->row_array();
    }

    /** Encrypts, then stores. @return string the new row's id */
    public function tambah(array $isian)
    {
        $id = self::id_baru();
        $baris = $this->kunci($id, $isian);
        $indeks = $this->indeks($isian['nik']);
        $this->db->insert(self::TABEL, ['id' => $id, 'rfid_tag' => $isian['rfid_tag'], 'nik_index' => $indeks[0]] + $baris);
        return $id;
    }

    /** Encrypts all anew, then stores. @return bool whether the row was still there; new envelopes always differ from the old */
    public function ubah($id, array $isian)
    {
        $baris = $this->kunci($id, $isian);
        $isi = ['rfid_tag' => $isian['rfid_tag'], 'nik_index' => $this->indeks($isian['nik'])[0]] + $baris;
        return 1 === $this->db->update(self::TABEL, $isi, ['id' => $id]);
    }

    /** Rows with this NIK, as they are stored: one, or none. */
    public function cari($nik)
    {
        $indeks = $this->indeks($nik);
        $tempat = implode(', ', array_fill(0, count($indeks), '?'));
        return $this->db->query("SELECT * FROM karyawan WHERE nik_index IN ($tempat)", $indeks)->result_array();
    }

    /**
     * Whether another row has this NIK. The UNIQUE key says the same at the moment of storing; but while the index root is being
     * rotated, a row that was not indexed anew yet has the value of before, which the key cannot compare.
     */
    public function nik_terdaftar($nik, $selain_id = '')
    {
        return array_diff(array_column($this->cari($nik), 'id'), [$selain_id]) !== [];
    }

    public function hapus($id)
    {
        $this->db->delete(self::TABEL, ['id' => $id]);
    }

    /**
     * Makes rows readable: all their envelopes go to Gembok as one request. What does not open is null, and its code stands
     * in the row's 'galat' under the column's name; the others show.
     */
    public function buka(array $banyak_baris, ?array $kolom = null)
    {
        $kolom = $kolom ?: array_keys(self::TERLINDUNG);
        $kiriman = [];
        foreach ($banyak_baris as $i => $baris) {
            foreach ($kolom as $nama) {
                $kiriman["$i/$nama"] = ['object' => self::OBJEK, 'ciphertext' => $baris[$nama], 'context' => self::konteks($nama, $baris['id'])];
            }
        }
        $galat = [];
        try {
            $hasil = $kiriman === [] ? [] : $this->kripto()->decryptMany($kiriman);
        } catch (BatchFailed $sebagian) {
            $hasil = $sebagian->results();
            $galat = $sebagian->failures();
        }
        foreach ($banyak_baris as $i => $baris) {
            $banyak_baris[$i]['galat'] = [];
            foreach ($kolom as $nama) {
                $banyak_baris[$i][$nama] = $hasil["$i/$nama"] ?? null;
                if (isset($galat["$i/$nama"])) {
                    $banyak_baris[$i]['galat'][$nama] = $galat["$i/$nama"]->getErrorCode();
                }
            }
        }
        return $banyak_baris;
    }

    /** The same rows when Gembok opened none of them: what is not protected shows. */
    public function tutup(array $banyak_baris)
    {
        foreach ($banyak_baris as $i => $baris) {
            $banyak_baris[$i]['tertutup'] = true;
        }
        return $banyak_baris;
    }

    /** The protected columns as they are now: what diagnose() takes, by name such as karyawan.nik. */
    public function kolom()
    {
        $sql = 'SELECT column_name AS nama, character_maximum_length AS lebar
                FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = ?';
        $lebar = array_column($this->db->query($sql, [self::TABEL])->result_array(), 'lebar', 'nama');
        $kolom = [];
        foreach (self::TERLINDUNG as $nama => $byte) {
            $kolom[self::TABEL . ".$nama"] = ['bytes' => $byte, 'width' => (int) ($lebar[$nama] ?? 0), 'object' => self::OBJEK, 'context' => self::konteks($nama, '0')];
        }
        return $kolom;
    }

    /**
     * Columns that the envelope of the longest value would not fit into: name => [has, needs]. Asked before every save,
     * because a migration may change them at any time.
     */
    public function kolom_sempit()
    {
        $sempit = [];
        foreach ($this->kolom() as $nama => $kolom) {
            $perlu = Client::width($kolom['bytes']);
            if ($kolom['width'] < $perlu) {
                $sempit[$nama] = [$kolom['width'], $perlu];
            }
        }
        return $sempit;
    }

    /** The library as `$this->cryptAPI`. Loaded where it is used: a page that needs none of it works even if it cannot start. */
    public function kripto()
    {
        $this->load->library('cryptAPI');
        return $this->cryptAPI;
    }

    /** All that a NIK may be found by now; the first is to be stored. */
    private function indeks($nik)
    {
        return $this->kripto()->indexes($nik, self::OBJEK, 'nik');
    }

    /** All protected columns of one row, encrypted in one request. Throws, and then nothing was stored. */
    private function kunci($id, array $isian)
    {
        $kiriman = [];
        foreach (array_keys(self::TERLINDUNG) as $nama) {
            $kiriman[$nama] = ['object' => self::OBJEK, 'plaintext' => $isian[$nama], 'context' => self::konteks($nama, $id)];
        }
        return $this->kripto()->encryptMany($kiriman);
    }

    /** Where an envelope belongs. Whoever changes this can open nothing that was stored before. */
    private static function konteks($kolom, $id)
    {
        return ['table' => self::TABEL, 'column' => $kolom, 'row' => $id];
    }

    /** A random UUID (RFC 9562, version 4). */
    private static function id_baru()
    {
        $byte = random_bytes(16);
        $byte[6] = chr(ord($byte[6]) & 0x0f | 0x40);
        $byte[8] = chr(ord($byte[8]) & 0x3f | 0x80);
        return vsprintf('%s%s-%s-%s-%s-%s%s%s', str_split(bin2hex($byte), 4));
    }
}

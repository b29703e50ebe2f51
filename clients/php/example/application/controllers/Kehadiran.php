<?php
/*
 * Who came on which day. The records are plain; the names beside them are opened as one batch.
 */

defined('BASEPATH') or exit('No direct script access allowed');

use Gembok\Exception\GembokException;

class Kehadiran extends MY_Controller
{
    public function index()
    {
        $this->load->helper('tampil');
        $this->load->model('m_kehadiran');
        $diminta = (string) $this->input->get('tanggal');
        // A NUL in it would be an error and not a false.
        $hari = preg_match('/^[0-9-]+$/D', $diminta) ? DateTime::createFromFormat('!Y-m-d', $diminta) : false;
        $hari = $hari ?: new DateTime('today');
        $tanggal = $hari->format('Y-m-d');
        $daftar = $this->m_kehadiran->pada($tanggal);
        $gangguan = null;
        try {
            $daftar = $this->m_karyawan->buka($daftar, ['nama']);
        } catch (GembokException $galat) {
            $gangguan = gangguan($galat);
            $daftar = $this->m_karyawan->tutup($daftar);
        }
        $this->halaman('kehadiran/daftar', compact('tanggal', 'daftar', 'gangguan'), $gangguan === null ? 200 : 503);
    }
}

<?php

/* What the reader has: the check-in by RFID. It reads one plain column, so it needs no Gembok and never loads cryptAPI. */

defined('BASEPATH') or exit('No direct script access allowed');

class Hadir extends CI_Controller
{
    public function catat()
    {
        $karyawan = $this->db->get_where('karyawan', ['rfid_tag' => $this->input->post('rfid_tag')])->row_array();
        if (!$karyawan) {
            set_status_header(422);
            exit("Kartu belum terdaftar.\n");
        }
        $this->db->insert('kehadiran', ['karyawan_id' => $karyawan['id'], 'waktu' => date('Y-m-d H:i:s')]);
        echo "Tercatat.\n";
    }
}

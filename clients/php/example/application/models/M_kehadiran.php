<?php
/*
 * The attendance. Nothing here is encrypted and nothing here asks Gembok: a card at the door is recorded whatever state
 * Gembok is in.
 */

defined('BASEPATH') or exit('No direct script access allowed');

class M_kehadiran extends CI_Model
{
    /** @return bool whether the card is somebody's */
    public function catat($rfid_tag)
    {
        $sql = 'INSERT INTO kehadiran (karyawan_id, waktu) SELECT id, ? FROM karyawan WHERE rfid_tag = ?';
        return $this->db->query($sql, [date('Y-m-d H:i:s'), $rfid_tag])->affected_rows() === 1;
    }

    /** Who came on a day: first and last record of each, with the name as it is stored. */
    public function pada($tanggal)
    {
        $sql = 'SELECT k.id, k.nama, k.rfid_tag, MIN(h.waktu) AS datang, MAX(h.waktu) AS pulang, COUNT(*) AS kali
                FROM kehadiran h JOIN karyawan k ON k.id = h.karyawan_id
                WHERE h.waktu >= ? AND h.waktu < ? + INTERVAL 1 DAY
                GROUP BY k.id, k.nama, k.rfid_tag ORDER BY datang';
        return $this->db->query($sql, [$tanggal, $tanggal])->result_array();
    }
}

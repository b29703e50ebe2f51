<?php

/* The model of figure 12. It loads the library as well, as models do that use it themselves. */

class M_ambil extends CI_Model
{
    public function __construct()
    {
        $this->load->library('cryptAPI');
    }

    public function getMasterUserById($id): array
    {
        return json_decode(file_get_contents(APPPATH . 'rows.json'), true)[$id];
    }

    public function nama($id): string
    {
        return $this->cryptAPI->decrypt($this->getMasterUserById($id)['nama'], 'karyawan');
    }
}

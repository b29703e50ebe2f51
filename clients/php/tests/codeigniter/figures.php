<?php

/*
 * Figures 11 and 12 of the paper as an application has them: a controller that adds a person and one that shows her, with
 * their models; decrypt stands where the printed figure 12 has encrypt by mistake. The database is a file.
 */

declare(strict_types=1);

defined('BASEPATH') or exit('No direct script access allowed');

class Tambah extends CI_Controller
{
    public function __construct()
    {
        parent::__construct();
        $this->load->library('cryptAPI');
        $this->load->model('m_tambah');
    }

    public function master_user(): void
    {
        $data = array(
            'nik' => $this->cryptAPI->encrypt($this->input->post('nik'), 'karyawan'),
            'nama' => $this->cryptAPI->encrypt($this->input->post('nama'), 'karyawan'),
            'alamat' => $this->cryptAPI->encrypt($this->input->post('alamat'), 'karyawan'),
            'no_jaminan_sosial' => $this->cryptAPI->encrypt($this->input->post('no_jaminan_sosial'), 'karyawan'),
            'rfid_tag' => $this->input->post('rfid_tag')
        );
        $this->m_tambah->master_user($data);
    }
}

class Ambil extends CI_Controller
{
    public function __construct()
    {
        parent::__construct();
        $this->load->library('cryptAPI');
        $this->load->model('m_ambil');
    }

    public function master_user($id): void
    {
        $data = $this->m_ambil->getMasterUserById($id);
        $data['nik'] = $this->cryptAPI->decrypt($data['nik'], 'karyawan');
        $data['nama'] = $this->cryptAPI->decrypt($data['nama'], 'karyawan');
        $data['alamat'] = $this->cryptAPI->decrypt($data['alamat'], 'karyawan');
        $data['no_jaminan_sosial'] = $this->cryptAPI->decrypt($data['no_jaminan_sosial'], 'karyawan');
        echo json_encode($data);
    }
}

<?php
/*
 * Signing in to the pages with personal data, and out again. One password for all who keep the records: an application of
 * your own has accounts.
 */

defined('BASEPATH') or exit('No direct script access allowed');

class Masuk extends CI_Controller
{
    public function index()
    {
        $salah = false;
        if ($this->input->method() === 'post') {
            $hash = trim(file_get_contents(config_item('admin_hash_file')));
            if (password_verify((string) $this->input->post('kata_sandi'), $hash)) {
                $this->session->sess_regenerate(true);
                $this->session->set_userdata('admin_terakhir', time());
                redirect('karyawan');
            }
            // Guessing costs time, on top of what password_verify takes.
            usleep(500000);
            $salah = true;
            $this->output->set_status_header(401);
        }
        $this->load->view('masuk', ['salah' => $salah]);
    }

    public function keluar()
    {
        if ($this->input->method() === 'post') {
            $this->session->sess_destroy();
        }
        redirect('');
    }
}

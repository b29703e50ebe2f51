<?php
/*
 * What the pages with personal data have in common: only for whoever is signed in, one frame around each, and one way to
 * say that Gembok did not do what was asked.
 */

defined('BASEPATH') or exit('No direct script access allowed');

class MY_Controller extends CI_Controller
{
    public function __construct()
    {
        parent::__construct();
        $this->load->helper('gangguan');
        $last = $this->session->userdata('admin_terakhir');
        if ($last === null || $last + config_item('admin_idle_s') < time()) {
            redirect('masuk');
        }
        $this->session->set_userdata('admin_terakhir', time());
        // The library from beside this example; an application of your own has a copy in application/libraries/.
        $this->load->add_package_path(APPPATH . '../../codeigniter3/application');
        $this->load->model('m_karyawan');
    }

    /** A page in its frame. The frame warns when columns are too narrow: nothing can be saved then. */
    protected function halaman($view, array $data, $status = 200)
    {
        $data += ['gangguan' => null, 'pesan' => $this->session->flashdata('pesan'), 'sempit' => $this->m_karyawan->kolom_sempit()];
        $this->output->set_status_header($status);
        $this->load->view('atas', $data);
        $this->load->view($view, $data);
        $this->load->view('bawah');
    }
}

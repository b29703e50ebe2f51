<?php
/*
 * The page at the door: open to everybody, shows no personal data, and records a card without asking Gembok. The card reader
 * types the number of the card and Enter, as a keyboard does.
 */

defined('BASEPATH') or exit('No direct script access allowed');

class Kios extends CI_Controller
{
    public function index()
    {
        $this->load->view('kios', [
            'jam' => date('H:i'),
            'tercatat' => $this->session->flashdata('tercatat'),
            'ditolak' => $this->session->flashdata('ditolak'),
        ]);
    }

    public function catat()
    {
        if ($this->input->method() !== 'post') {
            redirect('');
        }
        $this->load->model('m_kehadiran');
        $tag = trim((string) $this->input->post('rfid_tag'));
        // What no card has is not asked for: the database's column takes only ASCII.
        if (preg_match('/^[A-Za-z0-9]{4,32}$/D', $tag) && $this->m_kehadiran->catat($tag)) {
            $this->session->set_flashdata('tercatat', 'Kartu …' . substr($tag, -4) . ' pukul ' . date('H:i:s'));
        } else {
            $this->session->set_flashdata('ditolak', 'Kartu ini belum terdaftar. Hubungi bagian kepegawaian.');
        }
        redirect('');
    }
}

<?php
/*
 * For the administrator: everything between this application and a stored envelope, with what to do where something is
 * wrong. It shows no value.
 */

defined('BASEPATH') or exit('No direct script access allowed');

class Diagnosa extends MY_Controller
{
    public function index()
    {
        $diagnosis = $this->m_karyawan->kripto()->diagnose($this->m_karyawan->kolom());
        $this->halaman('diagnosa', ['diagnosis' => $diagnosis]);
    }
}

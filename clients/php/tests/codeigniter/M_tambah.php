<?php

/* The model of figure 11: it keeps what it is given. */

class M_tambah extends CI_Model
{
    public function master_user(array $data): void
    {
        file_put_contents(APPPATH . 'rows.json', json_encode([1 => $data]));
    }
}

<?php
/*
 * $this->output: the answer's status, and its views in the order they were loaded. Nothing an answer shows may stay in a
 * cache, and no page takes anything from elsewhere.
 */

class CI_Output
{
    public function __construct()
    {
        header('Content-Type: text/html; charset=utf-8');
        header('Cache-Control: no-store');
        header("Content-Security-Policy: default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'");
        header('Referrer-Policy: same-origin');
        header('X-Content-Type-Options: nosniff');
        header_remove('X-Powered-By');
    }

    public function set_status_header($status)
    {
        http_response_code($status);
        return $this;
    }

    public function append_output($html)
    {
        echo $html;
    }
}

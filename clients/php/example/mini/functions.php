<?php
/*
 * The functions of CodeIgniter 3 that controllers and views call: escaping, addresses, forms, configuration, error pages.
 */

/** For every value that goes into a page. */
function html_escape($text)
{
    return htmlspecialchars((string) $text, ENT_QUOTES | ENT_SUBSTITUTE, 'UTF-8');
}

function site_url($path = '')
{
    return '/' . ltrim($path, '/');
}

function redirect($path)
{
    header('Location: ' . site_url($path), true, 303);
    exit;
}

/** The opening tag, with the session's token. */
function form_open($path, $attributes = '')
{
    $security = get_instance()->security;
    return '<form method="post" action="' . html_escape(site_url($path)) . '" ' . $attributes . '>'
        . '<input type="hidden" name="' . $security->get_csrf_token_name() . '" value="' . $security->get_csrf_hash() . '">';
}

function form_close()
{
    return '</form>';
}

/** The array that a file of application/config/ fills. */
function config_file($name, $variable = 'config')
{
    return read_config(APPPATH . "config/$name.php", $variable);
}

function read_config($file, $variable)
{
    $$variable = [];
    require $file;
    return $$variable;
}

function config_item($name)
{
    static $config = null;
    if ($config === null) {
        $config = config_file('config');
    }
    return $config[$name];
}

function show_error($message, $status = 500, $title = 'Terjadi kesalahan')
{
    http_response_code($status);
    $heading = $title;
    require APPPATH . 'views/galat/umum.php';
    exit;
}

function show_404()
{
    show_error('Alamat ini tidak ada. Periksa tulisannya, atau mulai dari halaman depan.', 404, 'Halaman tidak ditemukan');
}

/** What nobody caught. The log gets its kind and place; its message may hold a value, so it stays out of log and page. */
function show_fault(Throwable $fault)
{
    error_log(sprintf('%s in %s:%d', get_class($fault), $fault->getFile(), $fault->getLine()));
    while (ob_get_level() > 0) {
        ob_end_clean();
    }
    if ($fault instanceof PDOException) {
        show_error('Basis data tidak dapat dihubungi atau menolak permintaan ini. Tidak ada yang disimpan. Hubungi administrator.', 503, 'Basis data bermasalah');
    }
    show_error('Aplikasi mengalami kesalahan. Tidak ada yang disimpan. Hubungi administrator dengan menyebut jam kejadian.', 500);
}

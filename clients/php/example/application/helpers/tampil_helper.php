<?php
/*
 * How values show in a page. Each returns HTML that is already escaped.
 */

defined('BASEPATH') or exit('No direct script access allowed');

/** A protected cell: its text, or that it does not open. Where nothing of the page opened, the page's notice says why. */
function sel(array $baris, $kolom)
{
    if (isset($baris['tertutup'])) {
        return '<span class="tertutup semua">tertutup</span>';
    }
    if (isset($baris['galat'][$kolom])) {
        $kode = html_escape($baris['galat'][$kolom]);
        return '<span class="tertutup" title="' . $kode . '">tidak terbuka <small>' . $kode . '</small></span>';
    }
    return html_escape($baris[$kolom]);
}

/** A protected date: 31 Desember 1990. */
function sel_tanggal(array $baris, $kolom)
{
    $terbuka = !isset($baris['tertutup']) && !isset($baris['galat'][$kolom]);
    return $terbuka ? html_escape(tanggal($baris[$kolom])) : sel($baris, $kolom);
}

/** 1990-12-31 as people write it here; anything else as it is. */
function tanggal($iso)
{
    $bulan = ['Januari', 'Februari', 'Maret', 'April', 'Mei', 'Juni', 'Juli', 'Agustus', 'September', 'Oktober', 'November', 'Desember'];
    if (!preg_match('/^(\d{4})-(0[1-9]|1[0-2])-(\d\d)$/D', (string) $iso, $bagian)) {
        return $iso;
    }
    return (int) $bagian[3] . ' ' . $bulan[$bagian[2] - 1] . ' ' . $bagian[1];
}

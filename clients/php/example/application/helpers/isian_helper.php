<?php
/*
 * The employee form: which fields it has, and what is wrong with what was typed. Lengths are counted in bytes where the
 * column is protected, because the width of an envelope follows from bytes.
 */

defined('BASEPATH') or exit('No direct script access allowed');

function isian_kosong()
{
    return array_fill_keys(array_keys(M_karyawan::TERLINDUNG), '') + ['rfid_tag' => ''];
}

function isian_terkirim(CI_Input $input)
{
    $isian = isian_kosong();
    foreach (array_keys($isian) as $nama) {
        $isian[$nama] = trim((string) $input->post($nama));
    }
    return $isian;
}

/** @return array<string, string> field => what is wrong with it; empty when all is well */
function isian_salah(array $isian)
{
    $salah = [];
    if (!preg_match('/^\d{16}$/D', $isian['nik'])) {
        $salah['nik'] = 'NIK terdiri atas 16 angka.';
    }
    if (!preg_match('/^\d{11}$|^\d{13}$/D', $isian['no_jaminan_sosial'])) {
        $salah['no_jaminan_sosial'] = 'Nomor jaminan sosial terdiri atas 11 atau 13 angka.';
    }
    if (!preg_match('/^[A-Za-z0-9]{4,32}$/D', $isian['rfid_tag'])) {
        $salah['rfid_tag'] = 'Nomor kartu terdiri atas 4 sampai 32 huruf atau angka.';
    }
    // A NUL in it would be an error and not a false.
    $lahir = preg_match('/^[0-9-]+$/D', $isian['tanggal_lahir']) ? DateTime::createFromFormat('!Y-m-d', $isian['tanggal_lahir']) : false;
    if ($lahir === false || $lahir->format('Y-m-d') !== $isian['tanggal_lahir'] || $lahir > new DateTime('today')) {
        $salah['tanggal_lahir'] = 'Isi tanggal lahir yang benar.';
    }
    foreach (['nama' => 'Nama', 'alamat' => 'Alamat'] as $nama => $sebutan) {
        $paling = M_karyawan::TERLINDUNG[$nama];
        if ($isian[$nama] === '') {
            $salah[$nama] = "$sebutan belum diisi.";
        } elseif (!preg_match('//u', $isian[$nama])) {
            $salah[$nama] = "$sebutan bukan teks UTF-8.";
        } elseif (strlen($isian[$nama]) > $paling) {
            $salah[$nama] = "$sebutan terlalu panjang: " . strlen($isian[$nama]) . " byte, paling banyak $paling.";
        }
    }
    return $salah;
}

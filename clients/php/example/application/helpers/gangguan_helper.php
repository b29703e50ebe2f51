<?php
/*
 * What to tell the people at the screen when Gembok did not do what was asked: words for whoever keeps the records, and the
 * stable code, with what the library says about it, for the administrator. Neither ever holds a value.
 */

defined('BASEPATH') or exit('No direct script access allowed');

use Gembok\Exception;

/** @return array{judul: string, penjelasan: string, kode: string, rincian: string} */
function gangguan(Exception\GembokException $galat)
{
    list($judul, $penjelasan) = gangguan_kata($galat);
    $status = $galat->getStatus();
    return [
        'judul' => $judul,
        'penjelasan' => $penjelasan,
        'kode' => $galat->getErrorCode() . ($status === null ? '' : " · HTTP $status"),
        'rincian' => $galat->getMessage(),
    ];
}

/** @return string[] a heading and a sentence: by the code where it makes a difference to the reader, else by the kind */
function gangguan_kata(Exception\GembokException $galat)
{
    $semua = [
        'locked' => ['Gembok sedang terkunci', 'Data pribadi baru dapat dibuka dan disimpan setelah petugas membuka kuncinya. Beri tahu administrator.'],
        'token-away' => ['Perangkat kunci sedang tidak terhubung', 'Coba lagi beberapa menit lagi. Bila tetap begini, beri tahu administrator.'],
        'journal-full' => ['Gembok sedang penuh', 'Coba lagi sebentar lagi. Bila tetap begini, beri tahu administrator.'],
        'budget-exhausted' => ['Jatah membuka data untuk 24 jam sudah habis', 'Pembatasan ini melindungi data bila aplikasi disusupi. Bila pemakaiannya memang wajar, minta administrator menambah jatahnya.'],
        'certificate-expired' => ['Izin aplikasi ini sudah kedaluwarsa', 'Sertifikat aplikasi melewati masa berlakunya. Minta administrator memasang sertifikat baru.'],
        'certificate-not-valid' => ['Izin aplikasi ini sudah kedaluwarsa', 'Sertifikat aplikasi di luar masa berlakunya. Minta administrator memasang sertifikat baru.'],
        'certificate-revoked' => ['Izin aplikasi ini sudah dicabut', 'Sertifikat aplikasi ditolak karena sudah dicabut. Minta administrator memasang sertifikat baru.'],
        'api-key-revoked' => ['Izin aplikasi ini sudah dicabut', 'Kunci API aplikasi sudah dicabut. Minta administrator memasang kunci API baru.'],
        'api-key-expired' => ['Izin aplikasi ini sudah kedaluwarsa', 'Kunci API aplikasi melewati masa berlakunya. Minta administrator memasang kunci API baru.'],
    ];
    if (isset($semua[$galat->getErrorCode()])) {
        return $semua[$galat->getErrorCode()];
    }
    if ($galat instanceof Exception\Unavailable) {
        return ['Gembok sedang tidak dapat dihubungi', 'Data pribadi untuk sementara tidak dapat dibuka dan disimpan. Coba lagi beberapa menit lagi; bila tetap begini, beri tahu administrator.'];
    }
    if ($galat instanceof Exception\Limited) {
        $tunggu = $galat->retryAfter() === null ? 'sebentar lagi' : "dalam {$galat->retryAfter()} detik";
        return ['Terlalu banyak permintaan', "Batas pemakaian Gembok tercapai. Coba lagi $tunggu."];
    }
    if ($galat instanceof Exception\Denied) {
        return ['Gembok menolak aplikasi ini', 'Sertifikat, kunci API atau hak aplikasi ini tidak diterima. Beri tahu administrator.'];
    }
    if ($galat instanceof Exception\Misconfigured) {
        return ['Pengaturan aplikasi ini keliru', 'Sambungan ke Gembok belum diatur dengan benar. Beri tahu administrator.'];
    }
    if ($galat instanceof Exception\BadRequest) {
        return ['Gembok tidak menerima permintaan ini', 'Permintaan aplikasi melebihi atau menyalahi ketentuan Gembok. Beri tahu administrator.'];
    }
    return ['Gembok tidak dapat memproses data ini', 'Sebagian atau seluruh data tidak dapat diproses. Beri tahu administrator.'];
}

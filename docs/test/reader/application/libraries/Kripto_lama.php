<?php

/* What the reader has: the library from before, with its key in the source code. The migration reads old rows with it. */

defined('BASEPATH') or exit('No direct script access allowed');

class Kripto_lama
{
    const KUNCI = 'kunci-di-dalam-kode-sumber-32-b!';

    public function enkrip($nilai)
    {
        return base64_encode(openssl_encrypt($nilai, 'aes-256-ecb', self::KUNCI, OPENSSL_RAW_DATA));
    }

    public function dekrip($sandi)
    {
        return openssl_decrypt((string) base64_decode($sandi, true), 'aes-256-ecb', self::KUNCI, OPENSSL_RAW_DATA);
    }
}

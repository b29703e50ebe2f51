<?php
/*
 * $this->security: every form carries a token that only this session's pages know; a POST without it is refused before a
 * controller sees it.
 */

class CI_Security
{
    const TOKEN = 'csrf_token';

    /** @var string */
    private $hash;

    public function __construct(CI_Session $session)
    {
        if ($session->userdata(self::TOKEN) === null) {
            $session->set_userdata(self::TOKEN, bin2hex(random_bytes(16)));
        }
        $this->hash = $session->userdata(self::TOKEN);
    }

    public function csrf_verify(CI_Input $input)
    {
        if ($input->method() === 'post' && !hash_equals($this->hash, (string) $input->post(self::TOKEN))) {
            show_error('Formulir ini sudah tidak berlaku. Kembali, muat ulang halamannya, lalu kirim sekali lagi.', 403, 'Formulir kedaluwarsa');
        }
    }

    public function get_csrf_token_name()
    {
        return self::TOKEN;
    }

    public function get_csrf_hash()
    {
        return $this->hash;
    }
}

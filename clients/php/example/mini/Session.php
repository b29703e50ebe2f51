<?php
/*
 * $this->session, on PHP's own. A session's file lies on the disk in the clear, so no personal data may ever go into one:
 * this application keeps there who is signed in, the forms' token, and short messages.
 */

class CI_Session
{
    const FLASH = '__flash';

    /** @var array<string, string> messages of the request before, for this one only */
    private $flash = [];

    public function __construct()
    {
        session_start([
            'name' => 'absensi',
            'save_path' => config_item('sess_save_path'),
            'cookie_httponly' => true,
            'cookie_samesite' => 'Lax',
            'cookie_secure' => config_item('cookie_secure'),
            'use_strict_mode' => true,
            'cache_limiter' => '',
        ]);
        $this->flash = $_SESSION[self::FLASH] ?? [];
        unset($_SESSION[self::FLASH]);
    }

    public function userdata($name)
    {
        return $_SESSION[$name] ?? null;
    }

    public function set_userdata($name, $value)
    {
        $_SESSION[$name] = $value;
    }

    public function flashdata($name)
    {
        return $this->flash[$name] ?? null;
    }

    public function set_flashdata($name, $value)
    {
        $_SESSION[self::FLASH][$name] = $value;
    }

    /** A new session id and forms' token: at each sign-in, so that what was planted before is worth nothing. */
    public function sess_regenerate($destroy)
    {
        unset($_SESSION[CI_Security::TOKEN]);
        session_regenerate_id($destroy);
    }

    public function sess_destroy()
    {
        $_SESSION = [];
        session_destroy();
    }
}

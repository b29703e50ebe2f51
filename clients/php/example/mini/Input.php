<?php
/*
 * $this->input: what the browser sent. Only strings: an array where a string is expected counts as not sent.
 */

class CI_Input
{
    public function post($name)
    {
        return isset($_POST[$name]) && is_string($_POST[$name]) ? $_POST[$name] : null;
    }

    public function get($name)
    {
        return isset($_GET[$name]) && is_string($_GET[$name]) ? $_GET[$name] : null;
    }

    public function method()
    {
        return strtolower($_SERVER['REQUEST_METHOD']);
    }
}

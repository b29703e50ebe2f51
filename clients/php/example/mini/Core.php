<?php
/*
 * The two classes that every controller and model of CodeIgniter 3 extends, and the one object they share.
 */

#[\AllowDynamicProperties]
class CI_Controller
{
    /** @var CI_Loader */
    public $load;
    /** @var CI_Input */
    public $input;
    /** @var CI_Output */
    public $output;
    /** @var CI_Session */
    public $session;
    /** @var CI_Security */
    public $security;
    /** @var CI_DB */
    public $db;

    /** @var CI_Controller|null */
    private static $instance;

    public function __construct()
    {
        self::$instance = $this;
        $this->load = new CI_Loader();
        $this->input = new CI_Input();
        $this->output = new CI_Output();
        $this->session = new CI_Session();
        $this->security = new CI_Security($this->session);
        $this->security->csrf_verify($this->input);
        $this->load->database();
    }

    /** @return CI_Controller|null */
    public static function &get_instance()
    {
        return self::$instance;
    }

}

class CI_Model
{
    /** What the controller has, its models have: $this->db, $this->load, $this->cryptAPI. */
    public function __get($name)
    {
        return CI_Controller::get_instance()->$name;
    }
}

function &get_instance()
{
    return CI_Controller::get_instance();
}

<?php
/*
 * $this->load: finds models, libraries, helpers and views by CodeIgniter 3's rules. The one to know for Gembok: a library is
 * put into the controller under its lower-cased name ($this->cryptapi), and the file config/<lower-cased name>.php, when
 * there is one, is handed to its constructor. A second load of the same does nothing.
 */

class CI_Loader
{
    /** @var string[] where libraries, helpers and models are looked for, the application itself first */
    private $paths = [APPPATH];

    public function add_package_path($path)
    {
        $this->paths[] = rtrim($path, '/') . '/';
    }

    public function database()
    {
        $controller = get_instance();
        if ($controller->db === null) {
            $controller->db = new CI_DB(config_file('database', 'db')['default']);
        }
    }

    public function model($name)
    {
        $class = ucfirst($name);
        $controller = get_instance();
        if (!isset($controller->$name)) {
            require_once $this->find("models/$class.php");
            $controller->$name = new $class();
        }
    }

    public function library($name)
    {
        $class = ucfirst($name);
        $property = strtolower($name);
        $controller = get_instance();
        if (isset($controller->$property)) {
            return;
        }
        require_once $this->find("libraries/$class.php");
        $file = $this->find("config/$property.php", false);
        $controller->$property = $file === null ? new $class() : new $class(read_config($file, 'config'));
    }

    public function helper($name)
    {
        require_once $this->find("helpers/{$name}_helper.php");
    }

    /** Shows a view; with $return, gives it back as a string. */
    public function view($name, array $data = [], $return = false)
    {
        $html = self::render(APPPATH . "views/$name.php", $data);
        if ($return) {
            return $html;
        }
        get_instance()->output->append_output($html);
        return $this;
    }

    /** A view sees the data as variables, and the controller as $this would be: through get_instance(). */
    private static function render($_file, array $_data)
    {
        extract($_data, EXTR_SKIP);
        ob_start();
        try {
            require $_file;
            return ob_get_contents();
        } finally {
            ob_end_clean();
        }
    }

    private function find($file, $required = true)
    {
        foreach ($this->paths as $path) {
            if (is_file($path . $file)) {
                return $path . $file;
            }
        }
        if ($required) {
            throw new RuntimeException("$file was not found below " . implode(' or ', $this->paths));
        }
        return null;
    }
}

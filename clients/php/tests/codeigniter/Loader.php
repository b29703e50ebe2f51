<?php

/*
 * CodeIgniter 3's way of loading, as far as a library can tell the difference; the rules are those of its system/core/Loader.php
 * (3.1), the code is our own:
 *
 *   - library('cryptAPI') looks for libraries/CryptAPI.php (only the first letter is raised) in the application
 *   - without parameters, config/cryptapi.php and then config/<environment>/cryptapi.php fill $config, which the constructor
 *     gets; each may also be spelt Cryptapi.php; with neither, the constructor gets nothing; parameters that are no array
 *     count as none
 *   - the object goes to get_instance()->cryptapi, all lower-case, or to the object name that was given
 *   - what is there already is not made again: a second call does nothing, and something else by that name is an error
 *   - a model reads what it has not from get_instance()
 */

declare(strict_types=1);

class CI_Loader
{
    public function library($library, $params = null, $object_name = null): self
    {
        if (is_array($library)) {
            foreach ($library as $key => $value) {
                is_int($key) ? $this->library($value, $params) : $this->library($key, $params, $value);
            }
            return $this;
        }
        $class = ucfirst(trim($library, '/'));
        $name = empty($object_name) ? strtolower($class) : $object_name;
        $framework = get_instance();
        if (class_exists($class, false) && isset($framework->$name)) {
            return $this;
        }
        if (!class_exists($class, false)) {
            $file = APPPATH . "libraries/$class.php";
            if (!file_exists($file)) {
                throw new RuntimeException("Unable to load the requested class: $class");
            }
            include_once $file;
        }
        $config = is_array($params) ? $params : $this->configOf($class);
        if (!class_exists($class, false)) {
            throw new RuntimeException("Non-existent class: $class");
        }
        if (isset($framework->$name)) {
            if ($framework->$name instanceof $class) {
                return $this;
            }
            throw new RuntimeException("Resource '$name' already exists and is not a $class instance.");
        }
        $framework->$name = $config === null ? new $class() : new $class($config);
        return $this;
    }

    public function model(string $model): self
    {
        $class = ucfirst($model);
        $framework = get_instance();
        if (!isset($framework->$model)) {
            require_once APPPATH . "models/$class.php";
            $framework->$model = new $class();
        }
        return $this;
    }

    private function configOf(string $class): ?array
    {
        $config = null;
        foreach (['', ENVIRONMENT . '/'] as $folder) {
            foreach ([strtolower($class), ucfirst(strtolower($class))] as $name) {
                if (file_exists(APPPATH . "config/$folder$name.php")) {
                    include APPPATH . "config/$folder$name.php";
                    break;
                }
            }
        }
        return $config;
    }
}

#[AllowDynamicProperties]
class CI_Controller
{
    /** @var CI_Controller */
    private static $instance;
    /** @var CI_Loader */
    public $load;
    /** @var CI_Input */
    public $input;

    public function __construct()
    {
        self::$instance = $this;
        $this->load = new CI_Loader();
        $this->input = new CI_Input();
    }

    public static function &get_instance()
    {
        return self::$instance;
    }
}

class CI_Model
{
    public function __get($name)
    {
        return get_instance()->$name;
    }
}

class CI_Input
{
    public function post($name)
    {
        return $_POST[$name] ?? null;
    }
}

function &get_instance()
{
    return CI_Controller::get_instance();
}

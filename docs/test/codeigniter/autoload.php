<?php

/* What CodeIgniter 3 brings: nothing is loaded by itself. It is copied to application/config/. */

defined('BASEPATH') or exit('No direct script access allowed');

$autoload['libraries'] = [];
$autoload['helper'] = [];

<?php

/*
 * Settings of the library cryptAPI. Copy this file to application/config/cryptapi.php, or to
 * application/config/<environment>/cryptapi.php where environments differ; the latter goes over the former, setting by
 * setting. Keep the files named here outside the folder that the web server serves.
 */

defined('BASEPATH') or exit('No direct script access allowed');

// The data plane of the appliance.
$config['url'] = 'https://10.0.0.5:8443';

// The endpoint the certificate was issued for, and its API key: the path of a file that holds the key and nothing else.
$config['endpoint'] = 'absensi';
$config['api_key_file'] = '/etc/absensi/gembok.key';

// Who the appliance is, and who we are. No other CA is trusted.
$config['ca'] = '/etc/absensi/ca.pem';
$config['certificate'] = '/etc/absensi/client.pem';
$config['key'] = '/etc/absensi/client.key';

// The object of calls that name none, and of diagnose().
$config['object'] = 'karyawan';

// How long a call may take, with all its retries, and how often a request is repeated at most.
$config['deadline_ms'] = 3000;
$config['retries'] = 2;

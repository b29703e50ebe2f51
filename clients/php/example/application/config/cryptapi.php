<?php
/*
 * How to reach Gembok. CodeIgniter hands this array to the library cryptAPI. Certificate, key and API key are issued by the
 * operator of Gembok (gembok certificate issue, gembok api-key create) and lie outside of the web root, readable by the web
 * server's user alone. Replacing a file is enough to renew what is in it.
 */

defined('BASEPATH') or exit('No direct script access allowed');

$config['url'] = getenv('GEMBOK_URL');                      // https://10.0.0.5:8443
$config['endpoint'] = 'absensi';
$config['api_key_file'] = getenv('GEMBOK_API_KEY_FILE');    // /etc/absensi/gembok.key
$config['ca'] = getenv('GEMBOK_CA');                        // /etc/absensi/ca.pem
$config['certificate'] = getenv('GEMBOK_CERT');             // /etc/absensi/client.pem
$config['key'] = getenv('GEMBOK_KEY');                      // /etc/absensi/client.key
$config['deadline_ms'] = 3000;                              // the longest a page may wait for Gembok, repetitions included
$config['retries'] = 2;

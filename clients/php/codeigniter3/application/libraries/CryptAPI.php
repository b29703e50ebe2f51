<?php

/*
 * The library of CodeIgniter 3: $this->load->library('cryptAPI'), then $this->cryptAPI->encrypt($value, 'karyawan').
 *
 * CodeIgniter assigns a library under its lower-cased name, $this->cryptapi; this one also assigns itself as
 * $this->cryptAPI, as the figures of the paper spell it. Settings are in config/cryptapi.php. Where they are wrong, nothing
 * happens until the first call: a page that needs no personal data, such as a check-in by RFID, goes on working.
 */

defined('BASEPATH') or exit('No direct script access allowed');

class CryptAPI
{
    /** @var array<string, mixed> until the first call */
    private $settings;

    /** @var \Gembok\Client|null */
    private $client = null;

    /** @param array<string, mixed> $settings config/cryptapi.php, or the second argument of load->library() instead of it */
    public function __construct(
        #[\SensitiveParameter]
        array $settings = []
    ) {
        if (!class_exists('Gembok\\Client')) {
            $core = APPPATH . 'third_party/gembok/autoload.php';
            if (!is_file($core)) {
                throw new RuntimeException("There is no $core. Copy autoload.php and src/ of Gembok's clients/php there.");
            }
            require_once $core;
        }
        if (isset($settings['api_key']) && is_string($settings['api_key'])) {
            $settings['api_key'] = new \Gembok\Secret($settings['api_key']);
        }
        $this->settings = $settings;
        $framework =& get_instance();
        if (!isset($framework->cryptAPI)) {
            $framework->cryptAPI = $this;
        }
    }

    /**
     * @param string|int|null $plaintext null and '' come back as they are
     * @param string|null $object such as karyawan; null for the configured one
     * @param array<string, string|int> $context what it is bound to, such as ['row' => $id, 'column' => 'nik']
     * @return string|null base64, for a column of \Gembok\Client::width() characters
     * @throws \Gembok\Exception\GembokException
     */
    public function encrypt(
        #[\SensitiveParameter]
        $plaintext,
        $object = null,
        array $context = []
    ) {
        return $this->client()->encrypt($plaintext, $object, $context);
    }

    /**
     * @param string|null $ciphertext null and '' come back as they are
     * @param string|null $object
     * @param array<string, string|int> $context the same as for encrypt
     * @return string|null
     * @throws \Gembok\Exception\GembokException
     */
    public function decrypt($ciphertext, $object = null, array $context = [])
    {
        return $this->client()->decrypt($ciphertext, $object, $context);
    }

    /**
     * @param string|null $ciphertext null and '' come back as they are
     * @param string|null $object
     * @param array<string, string|int> $context the same as for encrypt
     * @param bool $force also where its key version is compromised; that is recorded
     * @return string|null the same value under the object's current key version
     * @throws \Gembok\Exception\GembokException
     */
    public function reencrypt($ciphertext, $object = null, array $context = [], $force = false)
    {
        return $this->client()->reencrypt($ciphertext, $object, $context, $force);
    }

    /**
     * @param string|int|null $plaintext null and '' give null
     * @param string|null $object such as karyawan; null for the configured one
     * @param string $field as the object's schema declares it, such as nik
     * @return string|null what it is found by: 40 characters where the index is unique, for a column with a UNIQUE key
     * @throws \Gembok\Exception\GembokException
     */
    public function index(
        #[\SensitiveParameter]
        $plaintext,
        $object,
        $field
    ) {
        return $this->client()->index($plaintext, $object, $field);
    }

    /**
     * @param string|int|null $plaintext
     * @param string|null $object
     * @param string $field
     * @return string[] all that it may be found by now: WHERE nik_index IN ?; two while the index root is being rotated
     * @throws \Gembok\Exception\GembokException
     */
    public function indexes(
        #[\SensitiveParameter]
        $plaintext,
        $object,
        $field
    ) {
        return $this->client()->indexes($plaintext, $object, $field);
    }

    /**
     * @param array<int|string, array> $items key => ['plaintext' => …, 'field' => …, 'object' => …]
     * @param string|null $object of items that name none
     * @return array<int|string, string|null> the same keys, the same order
     * @throws \Gembok\Exception\GembokException
     */
    public function indexMany(
        #[\SensitiveParameter]
        array $items,
        $object = null
    ) {
        return $this->client()->indexMany($items, $object);
    }

    /**
     * @param array<int|string, array> $items key => ['ciphertext' => …, 'field' => …, 'object' => …, 'context' => […]]
     * @param string|null $object of items that name none
     * @return array<int|string, string|null> the same keys, the same order
     * @throws \Gembok\Exception\GembokException
     */
    public function indexStoredMany(array $items, $object = null)
    {
        return $this->client()->indexStoredMany($items, $object);
    }

    /**
     * @param array<int|string, array> $items key => ['plaintext' => …, 'object' => …, 'context' => […]]
     * @param string|null $object of items that name none
     * @return array<int|string, string|null> the same keys, the same order
     * @throws \Gembok\Exception\GembokException
     */
    public function encryptMany(
        #[\SensitiveParameter]
        array $items,
        $object = null
    ) {
        return $this->client()->encryptMany($items, $object);
    }

    /**
     * @param array<int|string, array> $items key => ['ciphertext' => …, 'object' => …, 'context' => […]]
     * @param string|null $object of items that name none
     * @return array<int|string, string|null> the same keys, the same order
     * @throws \Gembok\Exception\GembokException
     */
    public function decryptMany(array $items, $object = null)
    {
        return $this->client()->decryptMany($items, $object);
    }

    /**
     * @param array<int|string, array> $items key => ['ciphertext' => …, 'object' => …, 'context' => […], 'force' => …]
     * @param string|null $object of items that name none
     * @return array<int|string, string|null> the same keys, the same order
     * @throws \Gembok\Exception\GembokException
     */
    public function reencryptMany(array $items, $object = null)
    {
        return $this->client()->reencryptMany($items, $object);
    }

    /**
     * Never throws; wrong settings are its first finding.
     *
     * @param array<string, array> $columns such as ['karyawan.nik' => ['bytes' => 16, 'width' => 92]]
     * @return \Gembok\Diagnosis
     */
    public function diagnose(array $columns = [])
    {
        return \Gembok\Client::diagnoseSettings($this->settings, $columns);
    }

    /** @return \Gembok\Client the client itself, made at the first call */
    public function client()
    {
        if ($this->client === null) {
            $this->client = new \Gembok\Client(\Gembok\Config::fromArray($this->settings));
        }
        return $this->client;
    }
}

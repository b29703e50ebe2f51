<?php

/*
 * The verbs and the diagnosis: what a program calls. Everything else in this folder serves this class.
 *
 *     $gembok = new Gembok\Client(Gembok\Config::fromArray([...]));
 *     $row['nik'] = $gembok->encrypt($nik, 'karyawan', ['table' => 'karyawan', 'row' => $id, 'column' => 'nik']);
 *     $nik = $gembok->decrypt($row['nik'], 'karyawan', ['table' => 'karyawan', 'row' => $id, 'column' => 'nik']);
 *
 * NULL stays NULL and '' stays '': neither is sent. So a database still shows which fields are empty, and only that.
 */

declare(strict_types=1);

namespace Gembok;

final class Client
{
    private Config $config;
    private Exchange $exchange;

    public function __construct(Config $config)
    {
        $this->config = $config;
        $this->exchange = new Exchange($config);
    }

    /**
     * One value to ciphertext: base64 text, to be stored as it is in a column of width() characters.
     *
     * @param string|int|null $plaintext any bytes, up to 64 KiB; an int is encrypted as its decimal digits; null and '' come
     *                                   back as they are
     * @param ?string $object  the object, such as karyawan; null for the configured one
     * @param array<string, string|int> $context what the ciphertext is bound to: it opens only with the same; ints count as
     *                                   their decimal digits
     *
     * @throws Exception\GembokException
     */
    public function encrypt(
        #[\SensitiveParameter]
        $plaintext,
        ?string $object = null,
        array $context = []
    ): ?string {
        return $this->one(Verb::encrypt(), $plaintext, $object, $context);
    }

    /**
     * One ciphertext to the value it was made of.
     *
     * @param ?string $ciphertext what encrypt() gave; null and '' come back as they are
     * @param ?string $object  the object it was encrypted for; null for the configured one
     * @param array<string, string|int> $context the context it was encrypted with
     *
     * @throws Exception\GembokException CannotOpen where it was altered, or belongs to another object or context
     */
    public function decrypt($ciphertext, ?string $object = null, array $context = []): ?string
    {
        return $this->one(Verb::decrypt(), $ciphertext, $object, $context);
    }

    /**
     * One ciphertext put under the object's current key version: the same value, for the same object and context. No plaintext
     * comes here. What is under the current version already comes back as it was.
     *
     * @param ?string $ciphertext what encrypt() or reencrypt() gave; null and '' come back as they are
     * @param ?string $object  the object it was encrypted for; null for the configured one
     * @param array<string, string|int> $context the context it was encrypted with
     * @param bool $force also where its key version is compromised; that is recorded
     *
     * @throws Exception\GembokException CannotOpen where it was altered, or belongs to another object or context
     */
    public function reencrypt($ciphertext, ?string $object = null, array $context = [], bool $force = false): ?string
    {
        return $this->one(Verb::reencrypt(), $ciphertext, $object, $context, $force);
    }

    /**
     * What a value is found by: the same text for the same value of the same field, however it is written. It goes into a column
     * of its own, with a UNIQUE key where values are unique, and nobody reads the value back from it.
     *
     * @param string|int|null $plaintext null and '' give null: nothing is found by nothing, and a UNIQUE key takes many NULLs
     * @param ?string $object  the object; null for the configured one
     * @param string $field    the field as the object's schema declares it
     * @param array<string, string|int> $context whose it is, as ['<the object's subject>' => …], where that is known; nothing else
     * @return ?string 40 characters of hex where the index is unique, fewer where it is truncated
     *
     * @throws Exception\GembokException BadRequest value-unfit where it is not written as the field declares
     */
    public function index(
        #[\SensitiveParameter]
        $plaintext,
        ?string $object,
        string $field,
        array $context = []
    ): ?string {
        return $this->indexes($plaintext, $object, $field, $context)[0] ?? null;
    }

    /**
     * All that a value may be found by now: what index() gives, and while the object's index root is being rotated also what it
     * gave before. Search by all of them (IN), store the first.
     *
     * @param string|int|null $plaintext
     * @param ?string $object
     * @param string $field
     * @param array<string, string|int> $context
     * @return string[] none for null and ''
     *
     * @throws Exception\GembokException
     */
    public function indexes(
        #[\SensitiveParameter]
        $plaintext,
        ?string $object,
        string $field,
        array $context = []
    ): array {
        if ($plaintext === null || $plaintext === '') {
            return [];
        }
        $verb = Verb::index();
        return $verb->indexes($this->ask($verb, $verb->json($plaintext, $object, $context, $this->config, false, $field)));
    }

    /**
     * What many values are found by, in one request.
     *
     * @param array<int|string, array{plaintext: string|int|null, field: string, object?: string, context?: array<string, string|int>}> $items
     * @param ?string $object the object of items that name none; null for the configured one
     * @return array<int|string, ?string> under the same keys, in the same order
     *
     * @throws Exception\BatchFailed where some items failed; it has the results of the others
     * @throws Exception\GembokException where the whole request failed
     */
    public function indexMany(
        #[\SensitiveParameter]
        array $items,
        ?string $object = null
    ): array {
        return (new Batch($this->config, $this->exchange, Verb::index(), $items, $object))->run();
    }

    /**
     * What many stored values are found by: they are opened inside and not shown. Needs a grant to reencrypt, too.
     *
     * @param array<int|string, array{ciphertext: ?string, field: string, object?: string, context?: array<string, string|int>}> $items
     * @param ?string $object the object of items that name none; null for the configured one
     * @return array<int|string, ?string> under the same keys, in the same order
     *
     * @throws Exception\BatchFailed where some items failed; it has the results of the others
     * @throws Exception\GembokException where the whole request failed
     */
    public function indexStoredMany(array $items, ?string $object = null): array
    {
        return (new Batch($this->config, $this->exchange, Verb::indexStored(), $items, $object))->run();
    }

    /**
     * Many values in one request: a page of rows costs one round trip.
     *
     * @param array<int|string, array{plaintext: string|int|null, object?: string, context?: array<string, string|int>}> $items
     * @param ?string $object the object of items that name none; null for the configured one
     * @return array<int|string, ?string> under the same keys, in the same order
     *
     * @throws Exception\BatchFailed where some items failed; it has the results of the others
     * @throws Exception\GembokException where the whole request failed
     */
    public function encryptMany(
        #[\SensitiveParameter]
        array $items,
        ?string $object = null
    ): array {
        return (new Batch($this->config, $this->exchange, Verb::encrypt(), $items, $object))->run();
    }

    /**
     * Many ciphertexts in one request.
     *
     * @param array<int|string, array{ciphertext: ?string, object?: string, context?: array<string, string|int>}> $items
     * @param ?string $object the object of items that name none; null for the configured one
     * @return array<int|string, ?string> under the same keys, in the same order
     *
     * @throws Exception\BatchFailed where some items failed; it has the results of the others
     * @throws Exception\GembokException where the whole request failed
     */
    public function decryptMany(array $items, ?string $object = null): array
    {
        return (new Batch($this->config, $this->exchange, Verb::decrypt(), $items, $object))->run();
    }

    /**
     * Many ciphertexts put under the current key versions of their objects, in one request.
     *
     * @param array<int|string, array{ciphertext: ?string, object?: string, context?: array<string, string|int>, force?: bool}> $items
     * @param ?string $object the object of items that name none; null for the configured one
     * @return array<int|string, ?string> under the same keys, in the same order; equal to what was given where that was current
     *
     * @throws Exception\BatchFailed where some items failed; it has the results of the others
     * @throws Exception\GembokException where the whole request failed
     */
    public function reencryptMany(array $items, ?string $object = null): array
    {
        return (new Batch($this->config, $this->exchange, Verb::reencrypt(), $items, $object))->run();
    }

    /**
     * How wide a column must be for the ciphertext of so many bytes: bytes, not characters; é has two.
     *
     * @throws Exception\BadRequest where the algorithm is not known here
     */
    public static function width(int $bytes, string $algorithm = 'xaes-256-gcm'): int
    {
        return Width::ofBytes($bytes, $algorithm);
    }

    /**
     * Looks at everything between this program and a stored ciphertext, and says what is wrong and what to do: settings,
     * files, certificate, API key, network, TLS, appliance, objects and grants, clocks, column widths. It encrypts and
     * decrypts a random value for each object. It throws nothing and shows no value.
     *
     * @param array<string, array{bytes: int, width: int, object?: string, context?: array<string, string|int>}> $columns
     *        such as ['karyawan.nik' => ['bytes' => 16, 'width' => 92]]: the most bytes of a value, and how many characters
     *        the column has; with the column's object where it is not the configured one, and with a sample of its context
     *        where the object requires one
     */
    public function diagnose(array $columns = []): Diagnosis
    {
        return (new Examination())->ofConfig($this->config, $columns);
    }

    /**
     * The same for settings that may be wrong, so that there is no client yet.
     *
     * @param array<string, mixed> $settings as for Config::fromArray()
     * @param array<string, array{bytes: int, width: int, object?: string, context?: array<string, string|int>}> $columns
     */
    public static function diagnoseSettings(
        #[\SensitiveParameter]
        array $settings,
        array $columns = []
    ): Diagnosis {
        return (new Examination())->ofSettings($settings, $columns);
    }

    /**
     * Closes the kept connection; the next call opens another. Call it before pcntl_fork(), and in workers that then sleep
     * for long. The TLS session is kept, so the next connection costs less; forget it too with true.
     */
    public function disconnect(bool $forgetSession = false): void
    {
        Connection::close($this->config, $forgetSession);
    }

    /**
     * @param mixed $value
     * @param array<mixed> $context
     */
    private function one(
        Verb $verb,
        #[\SensitiveParameter]
        $value,
        ?string $object,
        array $context,
        bool $force = false
    ): ?string {
        if ($value === null || $value === '') {
            return $value;
        }
        return $verb->result($this->ask($verb, $verb->json($value, $object, $context, $this->config, $force)));
    }

    /**
     * One item's answer.
     *
     * @return array<string, mixed>
     */
    private function ask(
        Verb $verb,
        #[\SensitiveParameter]
        string $json
    ): array {
        $deadline = $this->exchange->deadline();
        $limits = Limits::known($this->config);
        if (strlen($json) > $limits->bodyBytes() && !Limits::areTold($this->config)) {
            $limits = Limits::learn($this->config, $this->exchange->info($deadline));
        }
        if (strlen($json) > $limits->bodyBytes()) {
            throw $verb->tooLarge();
        }
        return $this->exchange->post($verb->name(), $json, $deadline);
    }
}

<?php

/*
 * What encrypt, decrypt, reencrypt and index differ in: what they take, what they give, and how its bytes are written.
 */

declare(strict_types=1);

namespace Gembok;

use Gembok\Exception\BadRequest;
use Gembok\Exception\GembokException;

/** @internal */
final class Verb
{
    /** Base64 of bytes that begin with GB. */
    private const ENVELOPE = '#^R0[I-L][A-Za-z0-9+/]+={0,2}$#D';
    /** The version of the root, then 1 to 128 bits, in hex. */
    private const INDEX = '#^[0-9a-f]{8}(?:[0-9a-f]{2}){1,16}$#D';

    private string $name;
    private string $takes;
    private string $gives;

    private function __construct(string $name, string $takes, string $gives)
    {
        $this->name = $name;
        $this->takes = $takes;
        $this->gives = $gives;
    }

    public static function encrypt(): self
    {
        return new self('encrypt', 'plaintext', 'ciphertext');
    }

    public static function decrypt(): self
    {
        return new self('decrypt', 'ciphertext', 'plaintext');
    }

    public static function reencrypt(): self
    {
        return new self('reencrypt', 'ciphertext', 'ciphertext');
    }

    public static function index(): self
    {
        return new self('index', 'plaintext', 'index');
    }

    /** The same of what is stored already: opened inside, and not shown. */
    public static function indexStored(): self
    {
        return new self('index', 'ciphertext', 'index');
    }

    /** Whether its items say of which field they are. */
    public function takesField(): bool
    {
        return $this->name === 'index';
    }

    /** Whether its items may come with force. */
    public function takesForce(): bool
    {
        return $this->name === 'reencrypt';
    }

    public function name(): string
    {
        return $this->name;
    }

    /** plaintext or ciphertext */
    public function takes(): string
    {
        return $this->takes;
    }

    /**
     * One item as it is sent.
     *
     * @param mixed $value
     * @param mixed $object null or '' for the configured one
     * @param array<mixed> $context
     * @param bool $force where takesForce()
     * @param mixed $field where takesField()
     * @throws GembokException
     */
    public function json(
        #[\SensitiveParameter]
        $value,
        $object,
        array $context,
        Config $config,
        bool $force = false,
        $field = null
    ): string {
        $object = $object === null || $object === '' ? $config->object() : $object;
        if (!is_string($object)) {
            throw new BadRequest(
                'missing-member',
                'No object is named.',
                "Name one, such as 'karyawan', or set 'object' in the settings for calls that name none."
            );
        }
        $text = $this->takes === 'plaintext' ? base64_encode(Item::plaintext($value)) : Item::ciphertext($value);
        if ($this->takesField() && (!is_string($field) || $field === '')) {
            throw new BadRequest('missing-member', 'No field is named.', "Name one that the object declares, such as 'nik'.");
        }
        return Item::json($this->takes, $text, $object, $context, $force, $this->takesField() ? $field : null);
    }

    /**
     * The value of one answered item.
     *
     * @param array<string, mixed> $item
     * @throws GembokException
     */
    public function result(
        #[\SensitiveParameter]
        array $item
    ): string {
        if ($this->gives === 'index') {
            return $this->indexes($item)[0];
        }
        $text = $item[$this->gives] ?? null;
        $result = null;
        if (is_string($text) && $this->gives === 'plaintext') {
            $result = base64_decode($text, true);
        } elseif (is_string($text) && preg_match(self::ENVELOPE, $text) === 1) {
            // It will be stored, so it must be an envelope: an answer that gave the plaintext back would be kept in the clear.
            $result = $text;
        }
        if (!is_string($result)) {
            throw Response::strange(200);
        }
        return $result;
    }

    /**
     * The index values of one answered item: the newest, and while the index root is being rotated the one before.
     *
     * @param array<string, mixed> $item
     * @return string[]
     * @throws GembokException
     */
    public function indexes(array $item): array
    {
        $values = array_values(array_filter([$item['index'] ?? null, $item['previous'] ?? null], static fn ($value): bool => $value !== null));
        foreach ($values as $value) {
            if (!is_string($value) || preg_match(self::INDEX, $value) !== 1) {
                throw Response::strange(200);
            }
        }
        if (!isset($item['index'])) {
            throw Response::strange(200);
        }
        return $values;
    }

    /** A value that is too large for any request. */
    public function tooLarge(): BadRequest
    {
        return new BadRequest(
            'field-too-large',
            "The $this->takes is larger than one request may be. It was not sent.",
            'Split the value; GET /v1/info tells the limits.'
        );
    }
}

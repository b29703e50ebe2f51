<?php

/*
 * What encrypt, decrypt and reencrypt differ in: what they take, what they give, and how its bytes are written.
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
     * @throws GembokException
     */
    public function json(
        #[\SensitiveParameter]
        $value,
        $object,
        array $context,
        Config $config,
        bool $force = false
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
        return Item::json($this->takes, $text, $object, $context, $force);
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

<?php

/*
 * One value as it is sent: checked, then encoded once. The checks are of what PHP would silently change on the way: a
 * 16-digit float loses digits, true becomes 1, null in a context becomes ''. None of their messages shows a value.
 */

declare(strict_types=1);

namespace Gembok;

use Gembok\Exception\BadRequest;

/** @internal */
final class Item
{
    /**
     * @param mixed $plaintext
     * @throws BadRequest bad-value
     */
    public static function plaintext(
        #[\SensitiveParameter]
        $plaintext
    ): string {
        if (is_int($plaintext)) {
            return (string) $plaintext;
        }
        if (!is_string($plaintext)) {
            throw new BadRequest(
                'bad-value',
                'The plaintext is of type ' . self::type($plaintext) . ', not a string.',
                is_float($plaintext)
                    ? 'Keep long numbers such as a NIK as strings everywhere: a float has lost digits and leading zeros.'
                    : 'Turn it into a string in the way you will want to read it again.'
            );
        }
        return $plaintext;
    }

    /**
     * @param mixed $ciphertext
     * @throws BadRequest bad-value
     */
    public static function ciphertext($ciphertext): string
    {
        if (!is_string($ciphertext)) {
            throw new BadRequest(
                'bad-value',
                'The ciphertext is of type ' . self::type($ciphertext) . ', not a string.',
                'Give the text as encrypt() returned it and the database keeps it.'
            );
        }
        return $ciphertext;
    }

    /**
     * The JSON of one item.
     *
     * @param string $member plaintext or ciphertext
     * @param string $text   base64
     * @param array<string, string|int> $context
     * @param bool $force     sent where it is true
     * @param ?string $field  sent where there is one
     * @throws BadRequest bad-context, bad-value
     */
    public static function json(
        string $member,
        #[\SensitiveParameter]
        string $text,
        string $object,
        array $context,
        bool $force = false,
        ?string $field = null
    ): string {
        $item = ['object' => $object, $member => $text] + ($force ? ['force' => true] : []);
        if ($field !== null) {
            $item['field'] = $field;
        }
        if ($context !== []) {
            // No cast to an object: json_encode() leaves out members of an object whose name begins with a NUL. All names are
            // strings, so this is an object anyway.
            $item['context'] = array_map('strval', self::context($context));
        }
        $json = json_encode($item, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE);
        if (!is_string($json)) {
            throw new BadRequest(
                'bad-value',
                "The object's name, the field's or the ciphertext is not UTF-8.",
                'Give the name as it was made, and the text as the database keeps it.'
            );
        }
        return $json;
    }

    /**
     * @param array<mixed> $context
     * @return array<string, string|int>
     * @throws BadRequest
     */
    private static function context(array $context): array
    {
        foreach ($context as $name => $value) {
            if (!is_string($name)) {
                throw self::badContext('has a value without a name', "Write it as ['row' => \$id, 'column' => 'nik'].");
            }
            if (!is_string($value) && !is_int($value)) {
                throw self::badContext(
                    "has under '" . self::shown($name) . "' a value of type " . self::type($value),
                    'Give strings or ints: an id must be there before its row can be bound to it.'
                );
            }
            if (!self::isUtf8($name) || !self::isUtf8((string) $value)) {
                throw self::badContext("has under '" . self::shown($name) . "' what is not UTF-8", 'Convert it first.');
            }
        }
        return $context;
    }

    private static function badContext(string $how, string $hint): BadRequest
    {
        return new BadRequest('bad-context', "The context $how.", $hint);
    }

    private static function isUtf8(string $text): bool
    {
        return preg_match('//u', $text) === 1;
    }

    private static function shown(string $name): string
    {
        return self::isUtf8($name) ? substr($name, 0, 64) : '?';
    }

    /** @param mixed $value */
    private static function type($value): string
    {
        return is_object($value) ? get_class($value) : gettype($value);
    }
}

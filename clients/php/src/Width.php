<?php

/*
 * How long ciphertext gets. An envelope is 12 bytes of header, a nonce, the value's own bytes and a tag of 16; base64 makes
 * four characters of each three bytes begun. So a column can be made wide enough before the first value is encrypted.
 */

declare(strict_types=1);

namespace Gembok;

use Gembok\Exception\BadRequest;

/** @internal */
final class Width
{
    /** Bytes an envelope has more than the value, by the algorithm's number in the envelope and by its name. */
    private const OVERHEAD = [
        1 => ['xaes-256-gcm', 52],
        2 => ['aes-256-gcm', 40],
        3 => ['aes-256-gcm-siv', 40],
        4 => ['xchacha20-poly1305', 52],
    ];

    /** @throws BadRequest */
    public static function ofBytes(int $bytes, string $algorithm): int
    {
        foreach (self::OVERHEAD as [$name, $overhead]) {
            if ($name === $algorithm && $bytes >= 0) {
                return self::characters($bytes + $overhead);
            }
        }
        throw new BadRequest(
            'bad-value',
            "There is no width for $bytes bytes under the algorithm '$algorithm'.",
            'The algorithms are ' . implode(', ', array_column(self::OVERHEAD, 0)) . '.'
        );
    }

    /** The name of the algorithm a ciphertext was made with; null where it is no envelope this library knows. */
    public static function algorithmOf(string $ciphertext): ?string
    {
        $head = (string) base64_decode(substr($ciphertext, 0, 8), true);
        return strncmp($head, "GB\x01", 3) === 0 && isset($head[3]) ? self::OVERHEAD[ord($head[3])][0] ?? null : null;
    }

    private static function characters(int $envelopeBytes): int
    {
        return 4 * intdiv($envelopeBytes + 2, 3);
    }
}

<?php

/*
 * Where the API key comes from, and whether it can be one at all: the last six characters check the others, so a typing
 * error is found here and not after a call. The form is
 *
 *     gbk_ | 34 of 0-9A-Za-z | CRC-32 of these 38 characters as 6 of 0-9A-Za-z
 */

declare(strict_types=1);

namespace Gembok;

use Gembok\Exception\Misconfigured;

final class ApiKey
{
    private const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

    /** @throws Misconfigured */
    public static function fromSettings(Settings $settings): Secret
    {
        $what = "a file that holds the API key, by 'api_key_file' => its path; or 'api_key' => the key itself";
        $file = $settings->file('api_key_file', 'the API key');
        if ($file !== null && $settings->has('api_key')) {
            throw Settings::wrong(
                'api_key',
                "stands beside 'api_key_file'",
                'Remove it; the file is better, because a program is copied more often than a file.'
            );
        }
        $text = $file === null ? $settings->secret('api_key', $what) : trim((string) file_get_contents($file));
        if (!self::isWellFormed($text)) {
            throw new Misconfigured(
                'api-key-mistyped',
                'The API key ' . ($file === null ? '' : "in $file ") . 'has a typing error: its check characters do not fit.',
                'Copy the API key again, whole: gbk_ and 40 more characters.'
            );
        }
        return new Secret($text);
    }

    /** Whether the check characters fit. It proves nothing else. */
    public static function isWellFormed(
        #[\SensitiveParameter]
        string $text
    ): bool {
        return preg_match('/^gbk_[0-9A-Za-z]{40}$/D', $text) === 1
            && substr($text, 38) === self::check(substr($text, 0, 38));
    }

    private static function check(
        #[\SensitiveParameter]
        string $body
    ): string {
        $rest = crc32($body);
        $check = '';
        for ($digit = 0; $digit < 6; $digit++) {
            $check = self::ALPHABET[$rest % 62] . $check;
            $rest = intdiv($rest, 62);
        }
        return $check;
    }
}

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

    /**
     * @param array<string, mixed> $settings
     * @throws Misconfigured
     */
    public static function fromSettings(
        #[\SensitiveParameter]
        array $settings
    ): Secret {
        $given = $settings['api_key'] ?? '';
        $file = Config::path($settings, 'api_key_file');
        if (($given === '') === ($file === null)) {
            throw $file === null
                ? Config::missing('api_key', "Set it, or 'api_key_file' to the path of a file that holds the API key.")
                : new Misconfigured(
                    'config-value',
                    "The settings 'api_key' and 'api_key_file' are both there.",
                    'Remove one of them; the file is better, because a program is copied more often than a file.'
                );
        }
        if ($file !== null) {
            Config::readable($file, 'api_key_file', 'the API key');
            $given = trim((string) file_get_contents($file));
        }
        if (!is_string($given) || !self::isWellFormed($given)) {
            throw new Misconfigured(
                'api-key-mistyped',
                'The API key ' . ($file === null ? '' : "in $file ") . 'has a typing error: its check characters do not fit.',
                'Copy the API key again, whole: gbk_ and 40 more characters.'
            );
        }
        return new Secret($given);
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

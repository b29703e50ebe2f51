<?php

/*
 * The settings as they were written, read one by one: each reader says what is wrong by the setting's name and never shows
 * its value, which may be the API key.
 */

declare(strict_types=1);

namespace Gembok;

use Gembok\Exception\Misconfigured;

/** @internal */
final class Settings
{
    private const NAME = '/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/D';

    /** @var array<string, mixed> what is '' or null counts as not there */
    private array $given;

    /**
     * @param array<string, mixed> $given
     * @param list<string> $known
     */
    public function __construct(
        #[\SensitiveParameter]
        array $given,
        array $known
    ) {
        $unknown = array_diff(array_keys($given), $known);
        if ($unknown !== []) {
            throw new Misconfigured(
                'config-unknown',
                'There is no setting named ' . implode(', ', array_map('strval', $unknown)) . '.',
                'The settings are ' . implode(', ', $known) . '.'
            );
        }
        $this->given = array_filter($given, static fn ($value): bool => $value !== null && $value !== '');
    }

    public function has(string $name): bool
    {
        return isset($this->given[$name]);
    }

    public function text(string $name, string $what): string
    {
        if (!$this->has($name)) {
            throw self::missing($name, "Set it: $what.");
        }
        if (!is_string($this->given[$name])) {
            throw self::wrong($name, 'is no text', "Set it: $what.");
        }
        return $this->given[$name];
    }

    /** A text that is a secret, given as one or not. */
    public function secret(string $name, string $what): string
    {
        $given = $this->given[$name] ?? null;
        return $given instanceof Secret ? $given->reveal() : $this->text($name, $what);
    }

    public function name(string $name, string $what): string
    {
        $text = $this->text($name, $what);
        if (!preg_match(self::NAME, $text)) {
            throw self::wrong($name, 'is no name', 'Use 1 to 64 of A-Z a-z 0-9 . _ - beginning with a letter or digit.');
        }
        return $text;
    }

    public function path(string $name): ?string
    {
        if (!$this->has($name)) {
            return null;
        }
        $path = $this->text($name, 'a path');
        // Relative to what? Under a web server to the folder that is served, where no key should lie.
        if ($path[0] !== '/' && !preg_match('#^[A-Za-z]:[\\\\/]#', $path)) {
            throw self::wrong($name, 'is not an absolute path', "Write the whole path, such as '/etc/absensi/…'.");
        }
        return $path;
    }

    /** The path of a file that can be read now. */
    public function file(string $name, string $what): ?string
    {
        $path = $this->path($name);
        if ($path === null || (is_file($path) && is_readable($path))) {
            return $path;
        }
        $user = function_exists('posix_geteuid') ? (posix_getpwuid(posix_geteuid())['name'] ?? '') : get_current_user();
        throw new Misconfigured(
            'file-unreadable',
            "The setting '$name' names $path, which " . (file_exists($path) ? 'cannot be read.' : 'is not there.'),
            "Put $what there, readable by the user PHP runs as" . ($user === '' ? '.' : ": $user.")
        );
    }

    public function flag(string $name): bool
    {
        $flag = $this->given[$name] ?? false;
        if (!is_bool($flag)) {
            throw self::wrong($name, 'is neither true nor false', 'Write true or false, without quotes.');
        }
        return $flag;
    }

    public function number(string $name, int $default, int $least, int $most): int
    {
        $number = $this->given[$name] ?? $default;
        if (!is_int($number) || $number < $least || $number > $most) {
            throw self::wrong($name, 'is out of range', "Set it to a number from $least to $most, without quotes.");
        }
        return $number;
    }

    public static function missing(string $name, string $hint): Misconfigured
    {
        return new Misconfigured('config-missing', "The setting '$name' is missing.", $hint);
    }

    public static function wrong(string $name, string $how, string $hint): Misconfigured
    {
        return new Misconfigured('config-value', "The setting '$name' $how.", $hint);
    }

    /** What a dump shows: which settings there are. */
    public function __debugInfo(): array
    {
        return ['names' => array_keys($this->given)];
    }
}

<?php

/*
 * Where the appliance is and who we are there: parsed once, checked at once, never changed. What is wrong is refused here,
 * by the name of the setting and with what to do, and not later by curl in words of its own.
 */

declare(strict_types=1);

namespace Gembok;

use Gembok\Exception\Misconfigured;

final class Config
{
    private const KNOWN = [
        'url', 'endpoint', 'api_key', 'api_key_file', 'ca', 'certificate', 'key', 'object',
        'deadline_ms', 'retries', 'sidecar', 'socket',
    ];
    private const NAME = '/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/D';

    private string $url;
    private string $endpoint;
    private Secret $apiKey;
    private ?string $ca;
    private ?string $certificate;
    private ?string $key;
    private ?string $object;
    private int $deadlineMs;
    private int $retries;
    private bool $sidecar;
    private ?string $socket;

    /**
     * @param array<string, mixed> $settings
     *   url           https://host:port of the data plane
     *   endpoint      the name the certificate was issued for, such as absensi
     *   api_key       the API key, gbk_…; or
     *   api_key_file  the path of a file that holds it and nothing else
     *   ca            the path of the appliance's CA, PEM; no other CA is trusted
     *   certificate   the path of the client certificate, PEM
     *   key           the path of its private key, PEM
     *   object        the object of calls that name none; optional
     *   deadline_ms   how long one call may take with all its retries: 100 to 60000, 3000 by default
     *   retries       how often one request is repeated at most: 0 to 5, 2 by default
     *   sidecar       true where a sidecar on this machine holds certificate and key (docs/sidecar.md): then these two may be
     *                 absent, the url may be http:// to loopback, and TLS 1.2 is enough to the sidecar; false by default
     *   socket        the path of a sidecar's Unix socket; optional
     *
     * @throws Misconfigured config-missing, config-unknown, config-value, file-unreadable, api-key-mistyped
     */
    public static function fromArray(
        #[\SensitiveParameter]
        array $settings
    ): self {
        return new self($settings);
    }

    private function __construct(
        #[\SensitiveParameter]
        array $settings
    ) {
        $unknown = array_diff(array_keys($settings), self::KNOWN);
        if ($unknown !== []) {
            throw new Misconfigured(
                'config-unknown',
                'There is no setting named ' . implode(', ', array_map('strval', $unknown)) . '.',
                'The settings are ' . implode(', ', self::KNOWN) . '.'
            );
        }
        $this->sidecar = self::flag($settings, 'sidecar');
        $this->socket = self::path($settings, 'socket');
        if ($this->socket !== null && !$this->sidecar) {
            throw self::wrong('socket', 'is for a sidecar', "Set 'sidecar' => true as well, or remove it.");
        }
        $this->url = self::url($settings, $this->sidecar);
        $this->endpoint = self::name($settings, 'endpoint', 'the name the certificate was issued for, such as absensi');
        $this->object = isset($settings['object']) && $settings['object'] !== ''
            ? self::name($settings, 'object', 'the name of an object, such as karyawan')
            : null;
        $this->deadlineMs = self::number($settings, 'deadline_ms', 3000, 100, 60000);
        $this->retries = self::number($settings, 'retries', 2, 0, 5);
        $this->files($settings);
        $this->apiKey = ApiKey::fromSettings($settings);
    }

    /** Without a path and without a slash at its end. */
    public function url(): string
    {
        return $this->url;
    }

    public function endpoint(): string
    {
        return $this->endpoint;
    }

    public function apiKey(): Secret
    {
        return $this->apiKey;
    }

    public function ca(): ?string
    {
        return $this->ca;
    }

    public function certificate(): ?string
    {
        return $this->certificate;
    }

    public function key(): ?string
    {
        return $this->key;
    }

    public function object(): ?string
    {
        return $this->object;
    }

    public function deadlineMs(): int
    {
        return $this->deadlineMs;
    }

    public function retries(): int
    {
        return $this->retries;
    }

    public function sidecar(): bool
    {
        return $this->sidecar;
    }

    public function socket(): ?string
    {
        return $this->socket;
    }

    public function isTls(): bool
    {
        return strncmp($this->url, 'https:', 6) === 0;
    }

    /** The same for two configurations that may use one connection; the API key has no part in it. */
    public function connectionId(): string
    {
        return implode("\n", [$this->url, $this->ca, $this->certificate, $this->key, $this->socket, (int) $this->sidecar]);
    }

    private static function url(array $settings, bool $sidecar): string
    {
        $url = rtrim(self::text($settings, 'url', "such as 'https://10.0.0.5:8443'"), '/');
        $parts = parse_url($url);
        $scheme = strtolower($parts['scheme'] ?? '');
        $host = $parts['host'] ?? '';
        if ($host === '' || array_diff(array_keys($parts), ['scheme', 'host', 'port']) !== []) {
            throw self::wrong('url', 'is not scheme, host and port alone', "Write it like 'https://10.0.0.5:8443'.");
        }
        if ($scheme === 'https') {
            return $url;
        }
        if ($scheme !== 'http') {
            throw self::wrong('url', 'does not begin with https://', "Write it like 'https://10.0.0.5:8443'.");
        }
        if (!$sidecar) {
            throw self::wrong('url', 'would send the API key and the data in the clear', 'Begin it with https://.');
        }
        if (!in_array($host, ['localhost', '127.0.0.1', '[::1]'], true)) {
            throw self::wrong(
                'url',
                'is http:// to another machine, where the network could read the API key and the data',
                'A sidecar over http:// runs on this machine: http://127.0.0.1:port.'
            );
        }
        return $url;
    }

    private function files(array $settings): void
    {
        $this->ca = self::file($settings, 'ca', "the appliance's CA");
        $this->certificate = self::file($settings, 'certificate', 'the client certificate');
        $this->key = self::file($settings, 'key', "the client certificate's private key");
        $needed = $this->isTls() ? ['ca' => $this->ca] : [];
        if (!$this->sidecar || $this->certificate !== null || $this->key !== null) {
            $needed += ['certificate' => $this->certificate, 'key' => $this->key];
        }
        foreach ($needed as $name => $path) {
            if ($path === null) {
                throw self::missing($name, "Set it to the path of a PEM file that came with the endpoint's certificate.");
            }
        }
    }

    private static function file(array $settings, string $name, string $what): ?string
    {
        $path = self::path($settings, $name);
        if ($path !== null) {
            self::readable($path, $name, $what);
        }
        return $path;
    }

    /** @internal */
    public static function readable(string $path, string $name, string $what): void
    {
        if (is_file($path) && is_readable($path)) {
            return;
        }
        $user = function_exists('posix_geteuid') ? (posix_getpwuid(posix_geteuid())['name'] ?? '') : get_current_user();
        throw new Misconfigured(
            'file-unreadable',
            "The setting '$name' names $path, which " . (file_exists($path) ? 'cannot be read.' : 'is not there.'),
            "Put $what there, readable by the user PHP runs as" . ($user === '' ? '.' : ": $user.")
        );
    }

    /** @internal */
    public static function path(array $settings, string $name): ?string
    {
        if (!isset($settings[$name]) || $settings[$name] === '') {
            return null;
        }
        $path = self::text($settings, $name, 'a path');
        if ($path[0] !== '/' && !preg_match('#^[A-Za-z]:[\\\\/]#', $path)) {
            throw self::wrong($name, 'is not an absolute path', "Write the whole path, such as '/etc/absensi/…'.");
        }
        return $path;
    }

    private static function name(array $settings, string $name, string $what): string
    {
        $text = self::text($settings, $name, $what);
        if (!preg_match(self::NAME, $text)) {
            throw self::wrong($name, 'is no name', 'Use 1 to 64 of A-Z a-z 0-9 . _ - beginning with a letter or digit.');
        }
        return $text;
    }

    private static function text(array $settings, string $name, string $what): string
    {
        $text = $settings[$name] ?? '';
        if ($text === '') {
            throw self::missing($name, "Set it: $what.");
        }
        if (!is_string($text)) {
            throw self::wrong($name, 'is no text', "Set it: $what.");
        }
        return $text;
    }

    private static function flag(array $settings, string $name): bool
    {
        $flag = $settings[$name] ?? false;
        if (!is_bool($flag)) {
            throw self::wrong($name, 'is neither true nor false', 'Write true or false, without quotes.');
        }
        return $flag;
    }

    private static function number(array $settings, string $name, int $default, int $least, int $most): int
    {
        $number = $settings[$name] ?? $default;
        if (!is_int($number) || $number < $least || $number > $most) {
            throw self::wrong($name, 'is out of range', "Set it to a number from $least to $most, without quotes.");
        }
        return $number;
    }

    /** @internal */
    public static function missing(string $name, string $hint): Misconfigured
    {
        return new Misconfigured('config-missing', "The setting '$name' is missing.", $hint);
    }

    private static function wrong(string $name, string $how, string $hint): Misconfigured
    {
        return new Misconfigured('config-value', "The setting '$name' $how.", $hint);
    }
}

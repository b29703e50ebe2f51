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

    private string $url;
    private string $endpoint;
    private Secret $apiKey;
    private ?string $apiKeyFile;
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
     *   api_key       the API key, gbk_…, as a string or a Secret; or
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
        return new self(new Settings($settings, self::KNOWN));
    }

    private function __construct(Settings $settings)
    {
        $this->sidecar = $settings->flag('sidecar');
        $this->socket = $settings->path('socket');
        if ($this->socket !== null && !$this->sidecar) {
            throw Settings::wrong('socket', 'is for a sidecar', "Set 'sidecar' => true as well, or remove it.");
        }
        $this->url = self::checkedUrl($settings->text('url', "such as 'https://10.0.0.5:8443'"), $this->sidecar);
        $this->endpoint = $settings->name('endpoint', 'the name the certificate was issued for, such as absensi');
        $this->object = $settings->has('object') ? $settings->name('object', 'the name of an object, such as karyawan') : null;
        $this->deadlineMs = $settings->number('deadline_ms', 3000, 100, 60000);
        $this->retries = $settings->number('retries', 2, 0, 5);
        $this->ca = $settings->file('ca', "the appliance's CA");
        $this->certificate = $settings->file('certificate', 'the client certificate');
        $this->key = $settings->file('key', "the client certificate's private key");
        $this->refuseMissingFiles();
        $this->apiKey = ApiKey::fromSettings($settings);
        $this->apiKeyFile = $settings->path('api_key_file');
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

    public function apiKeyFile(): ?string
    {
        return $this->apiKeyFile;
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

    private static function checkedUrl(string $url, bool $sidecar): string
    {
        // parse_url() replaces control characters in what it gives, and curl gets the whole.
        if (preg_match('/[^\x21-\x7e]|[?#\\\\]/', $url)) {
            throw Settings::wrong('url', 'has characters that no address has', "Write it like 'https://10.0.0.5:8443'.");
        }
        $url = rtrim($url, '/');
        $parts = parse_url($url);
        $host = $parts['host'] ?? '';
        if ($host === '' || array_diff(array_keys($parts), ['scheme', 'host', 'port']) !== []) {
            throw Settings::wrong('url', 'is not scheme, host and port alone', "Write it like 'https://10.0.0.5:8443'.");
        }
        $scheme = $parts['scheme'] ?? '';
        if ($scheme === 'https') {
            return $url;
        }
        if ($scheme !== 'http') {
            throw Settings::wrong('url', 'does not begin with https://', "Write it like 'https://10.0.0.5:8443'.");
        }
        if (!$sidecar) {
            throw Settings::wrong('url', 'would send the API key and the data in the clear', 'Begin it with https://.');
        }
        if (!in_array($host, ['localhost', '127.0.0.1', '[::1]'], true)) {
            throw Settings::wrong(
                'url',
                'is http:// to another machine, where the network could read the API key and the data',
                'A sidecar over http:// runs on this machine: http://127.0.0.1:port.'
            );
        }
        return $url;
    }

    private function refuseMissingFiles(): void
    {
        $needed = $this->isTls() ? ['ca' => $this->ca] : [];
        // Without TLS there is nobody to show them to; a sidecar shows its own.
        if (!$this->sidecar || $this->certificate !== null || $this->key !== null) {
            $needed += ['certificate' => $this->certificate, 'key' => $this->key];
        }
        foreach ($needed as $name => $path) {
            if ($path === null) {
                throw Settings::missing($name, "Set it to the path of a PEM file that came with the endpoint's certificate.");
            }
        }
    }
}

<?php

/*
 * Where the tests take place: a real gembok with SoftHSM in a sandbox of its own, its operator's commands, and a throw-away
 * CA for certificates that it must refuse.
 */

declare(strict_types=1);

use Gembok\Client;
use Gembok\Config;

final class World
{
    public static string $root;
    public static string $folder;
    public static int $port;
    /** @var resource|null */
    private static $serving = null;

    /** The first of two ports on 127.0.0.1 that are free, below those that the kernel gives to whoever connects. */
    public static function freePorts(): int
    {
        for ($port = 18443; $port < 32000; $port += 2) {
            $both = [@stream_socket_server("tcp://127.0.0.1:$port"), @stream_socket_server('tcp://127.0.0.1:' . ($port + 1))];
            if (!in_array(false, $both, true)) {
                return $port;
            }
        }
        throw new Failed('no two ports are free');
    }

    /** Makes the sandbox, or serves the one that is there again. */
    public static function start(array $environment = []): void
    {
        $environment += [
            'GEMBOK_SANDBOX' => self::sandbox(),
            'GEMBOK_DATA_PORT' => (string) self::$port,
            'GEMBOK_CONTROL_PORT' => (string) (self::$port + 1),
        ];
        $log = self::$folder . '/serving.log';
        file_put_contents($log, '');
        self::$serving = proc_open(
            [self::$root . '/provisioning/quickstart.sh', '--serve-only'],
            [['file', '/dev/null', 'r'], ['file', $log, 'a'], ['file', $log, 'a']],
            $pipes,
            self::$root,
            $environment + getenv()
        );
        for ($waited = 0; strpos((string) file_get_contents($log), '== serving') === false; $waited++) {
            if ($waited > 1200 || !proc_get_status(self::$serving)['running']) {
                throw new Failed('the sandbox does not serve: ' . file_get_contents($log));
            }
            usleep(100000);
        }
    }

    public static function stop(): void
    {
        if (self::$serving !== null) {
            proc_terminate(self::$serving);
            proc_close(self::$serving);
            self::$serving = null;
        }
    }

    public static function sandbox(): string
    {
        return self::$folder . '/sandbox';
    }

    /** One of the operator's verbs. */
    public static function gembok(string ...$words): string
    {
        $binary = getenv('GEMBOK_BIN') ?: self::$root . '/target/release/gembok';
        return self::command([$binary, ...$words], [
            'GEMBOK_CONFIG' => self::sandbox() . '/gembok.toml',
            'SOFTHSM2_CONF' => self::sandbox() . '/softhsm2.conf',
        ]);
    }

    public static function openssl(string ...$words): string
    {
        return self::command(['openssl', ...$words]);
    }

    /** @param list<string> $words */
    public static function command(array $words, array $environment = []): string
    {
        $process = proc_open(
            $words,
            [['file', '/dev/null', 'r'], ['pipe', 'w'], ['redirect', 1]],
            $pipes,
            self::$folder,
            $environment + getenv()
        );
        $output = (string) stream_get_contents($pipes[1]);
        if (proc_close($process) !== 0) {
            throw new Failed(implode(' ', $words) . " failed: $output");
        }
        return $output;
    }

    /** Settings that work; null takes one away. */
    public static function settings(array $changes = []): array
    {
        return array_filter($changes + [
            'url' => 'https://127.0.0.1:' . self::$port,
            'endpoint' => 'absensi',
            'api_key_file' => self::sandbox() . '/api-key',
            'ca' => self::sandbox() . '/client/ca.pem',
            'certificate' => self::sandbox() . '/client/client.pem',
            'key' => self::sandbox() . '/client/client.key',
            'object' => 'karyawan',
        ], static fn ($setting): bool => $setting !== null);
    }

    public static function client(array $changes = []): Client
    {
        return new Client(Config::fromArray(self::settings($changes)));
    }

    public static function apiKey(): string
    {
        return trim((string) file_get_contents(self::sandbox() . '/api-key'));
    }

    /** Another certificate of the endpoint: its folder. */
    public static function certificate(string $name): string
    {
        $folder = self::$folder . "/$name";
        self::gembok('certificate', 'issue', '--project', 'kantor', '--endpoint', 'absensi', '--out', $folder);
        return $folder;
    }

    /** SHA-256 of a certificate's public key: how the appliance names it. */
    public static function spki(string $certificate): string
    {
        $public = openssl_pkey_get_details(openssl_pkey_get_public((string) file_get_contents($certificate)))['key'];
        return hash('sha256', base64_decode(preg_replace('/-----.*?-----|\s/', '', $public)));
    }

    /** Another API key of the endpoint, with its own limits: its file. */
    public static function limitedKey(string $name, string ...$limits): string
    {
        $file = self::$folder . "/$name";
        self::gembok('api-key', 'create', '--project', 'kantor', '--endpoint', 'absensi', '--label', $name, '--out', $file, ...$limits);
        return $file;
    }
}

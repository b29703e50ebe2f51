<?php

/*
 * What a real appliance cannot be asked to show: certificates of another CA, and servers that are no Gembok. A server is a
 * child process that answers each connection with the next of its answers, over TLS of the foreign CA or in the clear.
 */

declare(strict_types=1);

final class Foreign
{
    /** A CA of its own, once: ca.pem and ca.key. */
    public static function ca(): string
    {
        $folder = World::$folder . '/foreign';
        if (!is_dir($folder)) {
            mkdir($folder);
            self::newKey("$folder/ca.key");
            World::openssl('req', '-x509', '-key', "$folder/ca.key", '-out', "$folder/ca.pem", '-days', '9', '-subj', '/CN=Foreign');
        }
        return $folder;
    }

    /** A certificate of that CA and its key: the paths without their endings, .pem and .key. */
    public static function certificate(string $name, string $extensions, string ...$dates): string
    {
        $folder = self::ca();
        $path = "$folder/$name";
        self::newKey("$path.key");
        World::openssl('req', '-new', '-key', "$path.key", '-out', "$path.csr", '-subj', "/CN=$name");
        file_put_contents("$path.ext", $extensions);
        // openssl ca takes dates in the past; openssl x509 of this version does not.
        file_put_contents("$path.index", '');
        file_put_contents("$path.conf", implode("\n", [
            '[ca]', 'default_ca = own', '[own]', "database = $path.index", "new_certs_dir = $folder", 'rand_serial = yes',
            'default_md = sha256', 'policy = any', 'default_days = 9', '[any]', 'commonName = supplied',
        ]));
        World::openssl(
            'ca', '-batch', '-notext', '-config', "$path.conf", '-cert', "$folder/ca.pem", '-keyfile', "$folder/ca.key",
            '-in', "$path.csr", '-out', "$path.pem", '-extfile', "$path.ext", ...$dates
        );
        return $path;
    }

    /** A certificate as an endpoint's would be, were this CA the appliance's. */
    public static function clientCertificate(string $name, string ...$dates): string
    {
        $says = "subjectAltName=URI:urn:gembok:endpoint:6f2c1b7e-3c39-4c8e-9d4b-0c7f6f0f2a11\nextendedKeyUsage=clientAuth\n";
        return self::certificate($name, $says, ...$dates);
    }

    public static function serverCertificate(string $name, string ...$dates): string
    {
        return self::certificate($name, "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth\n", ...$dates);
    }

    /**
     * Serves the answers to one connection each and counts: gives the port, and a function that ends it and says how many
     * connections came.
     *
     * @param list<string|list<string>> $answers the last one again and again; a list is answers to requests on one connection
     * @param ?string $certificate null for a server in the clear
     * @return array{int, callable(): int}
     */
    public static function serve(array $answers, ?string $certificate = null, array $tls = [], string $at = 'tcp://127.0.0.1:0'): array
    {
        $context = stream_context_create(['ssl' => $tls + [
            'local_cert' => "$certificate.pem", 'local_pk' => "$certificate.key", 'verify_peer' => false,
        ]]);
        $flags = STREAM_SERVER_BIND | STREAM_SERVER_LISTEN;
        $server = stream_socket_server($at, $number, $says, $flags, $context);
        $count = World::$folder . '/connections-' . bin2hex(random_bytes(4));
        file_put_contents($count, '');
        $child = pcntl_fork();
        if ($child === 0) {
            try {
                self::answer($server, $answers, $certificate !== null, $count, isset($tls['trickle']));
            } catch (\Throwable $cutOff) {
                // By a client that took no more of the answer. The child is no place for the tests' own handlers.
                posix_kill(posix_getpid(), SIGKILL);
            }
        }
        $end = static function () use ($child, $count): int {
            posix_kill($child, SIGKILL);
            pcntl_waitpid($child, $status);
            return (int) filesize($count);
        };
        $name = (string) stream_socket_get_name($server, false);
        return [(int) substr((string) strrchr($name, ':'), 1), $end];
    }

    /** An HTTP answer. */
    public static function http(string $head, string $body = ''): string
    {
        return "HTTP/1.1 $head\r\nContent-Length: " . strlen($body) . "\r\nConnection: close\r\n\r\n$body";
    }

    /** @param resource $server */
    private static function answer($server, array $answers, bool $isTls, string $count, bool $trickles): void
    {
        $parent = posix_getppid();
        // No child outlives the tests, whatever ended them.
        while (posix_getppid() === $parent) {
            $client = @stream_socket_accept($server, 1);
            if ($client === false) {
                continue;
            }
            file_put_contents($count, '.', FILE_APPEND);
            $answer = count($answers) > 1 ? array_shift($answers) : $answers[0];
            if (!$isTls) {
                fread($client, 8192);
                fwrite($client, $answer);
                while ($trickles && @fwrite($client, ' ') !== false) {
                    usleep(100000);
                }
            } elseif (@stream_socket_enable_crypto($client, true, STREAM_CRYPTO_METHOD_TLS_SERVER)) {
                foreach ((array) $answer as $one) {
                    self::readRequest($client);
                    fwrite($client, $one);
                }
            }
            fclose($client);
        }
        posix_kill(getmypid(), SIGKILL);
    }

    /** @param resource $client */
    private static function readRequest($client): void
    {
        $request = '';
        while (!preg_match('/\r\n\r\n/', $request) && !feof($client)) {
            $request .= fread($client, 8192);
        }
        preg_match('/content-length: (\d+)/i', $request, $found);
        $left = (int) ($found[1] ?? 0) - strlen(explode("\r\n\r\n", $request, 2)[1] ?? '');
        while ($left > 0 && !feof($client)) {
            $left -= strlen((string) fread($client, 8192));
        }
    }

    private static function newKey(string $file): void
    {
        World::openssl('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', $file);
    }
}

<?php

/*
 * The connections this process keeps: one curl handle for each appliance and client certificate, used again by every client
 * of the process, so that a call costs no handshake. Where a new connection is needed it takes up the TLS session of the
 * last, which costs half of one.
 *
 * A child of fork() has the handles of its parent, and must not use them: two processes on one connection would read each
 * other's answers. So the handles belong to a process id; a child opens its own, and leaves the parent's alone.
 */

declare(strict_types=1);

namespace Gembok;

use Gembok\Exception\Misconfigured;

/** @internal */
final class Connection
{
    /** @var array<int, array<string, resource|\CurlHandle>> by process, then by what may share a connection */
    private static array $handles = [];

    /** @var array<int, resource|\CurlShareHandle> by process: TLS sessions */
    private static array $sessions = [];

    /** @return resource|\CurlHandle ready to be given a request */
    public static function handle(Config $config)
    {
        $process = (int) getmypid();
        $id = $config->connectionId();
        if (!isset(self::$handles[$process][$id])) {
            self::$handles[$process][$id] = self::open($config, $process);
        }
        return self::$handles[$process][$id];
    }

    /** Closes the connection, if this process has it; the next one is new. */
    public static function close(Config $config, bool $forgetSession): void
    {
        $process = (int) getmypid();
        unset(self::$handles[$process][$config->connectionId()]);
        if ($forgetSession) {
            // Those that are open go on with it; the next one has none to take up.
            unset(self::$sessions[$process]);
        }
    }

    /** @return resource|\CurlHandle */
    private static function open(Config $config, int $process)
    {
        if (!isset(self::$sessions[$process])) {
            self::$sessions[$process] = curl_share_init();
            curl_share_setopt(self::$sessions[$process], CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
        }
        $handle = curl_init();
        $options = self::options($config) + [CURLOPT_SHARE => self::$sessions[$process]];
        // An option that curl refuses would also skip those behind it, silently.
        if (!curl_setopt_array($handle, $options)) {
            throw new Misconfigured(
                'curl-unusable',
                'The curl of this PHP lacks something this client needs, such as TLS 1.3.',
                'Use a PHP with libcurl 7.61 and OpenSSL 1.1.1 or newer; or a sidecar (docs/sidecar.md).'
            );
        }
        if ($config->isTls()) {
            // Many systems build curl so that it trusts the system's folder of CAs beside CURLOPT_CAINFO. PHP cannot take the
            // folder away, only name another: a file is a folder in which nothing is ever found.
            curl_setopt($handle, CURLOPT_CAPATH, $config->ca());
        }
        return $handle;
    }

    /** @return array<int, mixed> */
    private static function options(Config $config): array
    {
        $options = [
            CURLOPT_RETURNTRANSFER => true,
            CURLOPT_HTTP_VERSION => CURL_HTTP_VERSION_1_1,
            // Nobody else's address: no redirects, no proxy from the environment, no other protocol.
            CURLOPT_FOLLOWLOCATION => false,
            CURLOPT_PROXY => '',
            CURLOPT_NOPROXY => '*',
            CURLOPT_PROTOCOLS => $config->isTls() ? CURLPROTO_HTTPS : CURLPROTO_HTTP,
            // Time-outs under a second, also where curl asks the resolver of the C library.
            CURLOPT_NOSIGNAL => true,
            CURLOPT_TCP_KEEPALIVE => 1,
        ];
        if ($config->socket() !== null) {
            $options[CURLOPT_UNIX_SOCKET_PATH] = $config->socket();
        }
        if (!$config->isTls()) {
            return $options;
        }
        $options += [
            CURLOPT_SSLVERSION => $config->sidecar() ? CURL_SSLVERSION_TLSv1_2 : CURL_SSLVERSION_TLSv1_3,
            CURLOPT_SSL_VERIFYPEER => true,
            CURLOPT_SSL_VERIFYHOST => 2,
            CURLOPT_CAINFO => $config->ca(),
        ];
        if ($config->certificate() !== null) {
            $options += [CURLOPT_SSLCERT => $config->certificate(), CURLOPT_SSLKEY => $config->key()];
        }
        return $options;
    }
}

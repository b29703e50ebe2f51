<?php

/*
 * What diagnose() does: from the settings over files, name server, network and TLS to the appliance, its objects and the
 * columns. It goes on as far as it makes sense: without a connection there is no object to try.
 */

declare(strict_types=1);

namespace Gembok;

use Gembok\Exception\GembokException;

/** @internal */
final class Examination
{
    private const SKEW_WARNS_S = 30;

    /** @var list<Finding> */
    private array $findings = [];

    /**
     * @param array<string, mixed> $settings
     * @param array<string, mixed> $columns
     */
    public function ofSettings(
        #[\SensitiveParameter]
        array $settings,
        array $columns
    ): Diagnosis {
        try {
            $config = Config::fromArray($settings);
        } catch (GembokException $wrong) {
            $this->client();
            $this->add(Finding::PROBLEM, 'settings', $wrong->getHappened(), $wrong->getHint());
            return new Diagnosis($this->findings);
        }
        return $this->ofConfig($config, $columns);
    }

    /** @param array<string, mixed> $columns */
    public function ofConfig(Config $config, array $columns): Diagnosis
    {
        $this->client();
        $this->add(Finding::OK, 'settings', "url {$config->url()}, endpoint {$config->endpoint()}; the API key's check fits.");
        array_push($this->findings, ...(new FileExamination($config))->findings());
        $exchange = new Exchange($config);
        $algorithms = [];
        if ($this->network($config) && $this->appliance($exchange)) {
            $algorithms = (new ObjectExamination($config, $exchange))->run($columns, $this->findings);
        }
        $this->columns($config, $columns, $algorithms);
        return new Diagnosis($this->findings);
    }

    private function client(): void
    {
        $curl = curl_version();
        $says = 'PHP ' . PHP_VERSION . ", libcurl {$curl['version']}, {$curl['ssl_version']}.";
        $speaks = defined('CURL_SSLVERSION_TLSv1_3') && version_compare($curl['version'], '7.52.0', '>=')
            && !preg_match('#OpenSSL/(0\.|1\.0|1\.1\.0)#', $curl['ssl_version']);
        $speaks
            ? $this->add(Finding::OK, 'php', $says)
            : $this->add(Finding::PROBLEM, 'php', "$says It speaks no TLS 1.3.", 'Use a newer PHP, or a sidecar (docs/sidecar.md).');
    }

    private function network(Config $config): bool
    {
        if ($config->socket() !== null) {
            return $this->connects('unix://' . $config->socket(), $config->socket());
        }
        $parts = parse_url($config->url());
        $host = $parts['host'];
        $port = $parts['port'] ?? ($config->isTls() ? 443 : 80);
        $isAddress = filter_var(trim($host, '[]'), FILTER_VALIDATE_IP) !== false;
        if (!$isAddress) {
            // Name servers that are away would hold a page up for long; so does every call then, and that is worth telling.
            $addresses = gethostbynamel($host);
            if ($addresses === false && !$this->hasAddress6($host)) {
                $this->add(
                    Finding::PROBLEM,
                    'host',
                    "The name $host is not known to this machine.",
                    "Correct 'url', or the name server or /etc/hosts of this machine."
                );
                return false;
            }
            $this->add(Finding::OK, 'host', "$host is " . implode(', ', $addresses ?: ['an IPv6 address']) . '.');
        }
        return $this->connects("tcp://$host:$port", "$host port $port");
    }

    private function hasAddress6(string $host): bool
    {
        return (bool) @dns_get_record($host, DNS_AAAA);
    }

    private function connects(string $address, string $shown): bool
    {
        $stream = @stream_socket_client($address, $number, $says, 2.0);
        if ($stream === false) {
            $this->add(
                Finding::PROBLEM,
                'network',
                "No connection to $shown: " . ($says === '' ? 'no answer' : $says) . '.',
                "Check that it runs, that address and port are right, and what the firewalls between say."
            );
            return false;
        }
        fclose($stream);
        $this->add(Finding::OK, 'network', "$shown takes connections.");
        return true;
    }

    private function appliance(Exchange $exchange): bool
    {
        try {
            $info = $exchange->info($exchange->deadline());
            $version = is_string($info['version'] ?? null) ? $info['version'] : '?';
            $this->add(Finding::OK, 'appliance', "Gembok $version answers, and takes the client certificate.");
            $ahead = $exchange->clockAhead($exchange->deadline());
        } catch (GembokException $wrong) {
            $this->add(
                Finding::PROBLEM,
                'appliance',
                $wrong->getHappened(),
                $wrong->getHint() . " ({$wrong->getErrorCode()})"
            );
            return false;
        }
        if ($ahead !== null && abs($ahead) > self::SKEW_WARNS_S) {
            $this->add(
                Finding::WARNING,
                'clock',
                sprintf("This machine's clock is %d s %s the appliance's.", abs($ahead), $ahead > 0 ? 'behind' : 'ahead of'),
                'Set both by one time server: certificates are valid by the clock.'
            );
        } elseif ($ahead !== null) {
            $this->add(Finding::OK, 'clock', "This machine's clock and the appliance's agree.");
        }
        return true;
    }

    /**
     * @param array<string, mixed> $columns
     * @param array<string, string> $algorithms by object
     */
    private function columns(Config $config, array $columns, array $algorithms): void
    {
        foreach ($columns as $name => $column) {
            $bytes = $column['bytes'] ?? null;
            $width = $column['width'] ?? null;
            if (!is_int($bytes) || !is_int($width) || $bytes < 0) {
                $this->add(
                    Finding::PROBLEM,
                    "column $name",
                    'Its bytes and its width are not given as numbers.',
                    "Give it as ['bytes' => 16, 'width' => 92]: the most bytes of a value, and the column's characters."
                );
                continue;
            }
            $object = $column['object'] ?? $config->object();
            $algorithm = (is_string($object) ? $algorithms[$object] ?? null : null) ?? 'xaes-256-gcm';
            $needed = Width::ofBytes($bytes, $algorithm);
            $width >= $needed
                ? $this->add(Finding::OK, "column $name", "$width characters hold $bytes bytes under $algorithm.")
                : $this->add(
                    Finding::PROBLEM,
                    "column $name",
                    "It has $width characters; ciphertext of $bytes bytes under $algorithm has $needed.",
                    "Widen it to VARCHAR($needed) CHARACTER SET ascii, before anything is stored in it: what was cut off never opens."
                );
        }
    }

    private function add(string $level, string $about, string $says, string $hint = ''): void
    {
        $this->findings[] = new Finding($level, $about, $says, $hint);
    }
}

<?php

/*
 * The files of the configuration, looked at before anything is sent: whether they are what they should be, belong together,
 * and are kept from others.
 */

declare(strict_types=1);

namespace Gembok;

/** @internal */
final class FileExamination
{
    private const DAY_S = 86400;
    private const RENEW_DAYS = 30;

    private Config $config;

    public function __construct(Config $config)
    {
        $this->config = $config;
    }

    /** @return list<Finding> */
    public function findings(): array
    {
        $findings = [
            $this->access('key', $this->config->key()),
            $this->access('api-key', $this->config->apiKeyFile()),
        ];
        if (!extension_loaded('openssl')) {
            $findings[] = new Finding(
                Finding::SKIPPED,
                'certificate',
                'This PHP lacks the extension openssl, so certificates are not looked at.',
                'Enable it to see their dates here; calls do not need it.'
            );
            return array_values(array_filter($findings));
        }
        $ca = $this->read('ca', $this->config->ca());
        $findings[] = $this->authority($ca);
        $certificate = $this->read('certificate', $this->config->certificate());
        $findings[] = $this->dates('certificate', $certificate, $this->config->certificate());
        $findings[] = $this->identity($certificate);
        $findings[] = $this->issuer($certificate, $ca);
        $findings[] = $this->pair($certificate);
        return array_values(array_filter($findings));
    }

    private function access(string $about, ?string $file): ?Finding
    {
        if ($file === null) {
            return null;
        }
        $mode = (int) @fileperms($file);
        if ($mode === 0) {
            return new Finding(Finding::PROBLEM, $about, "$file is not there any more.", 'Put it back.');
        }
        if (($mode & 0007) !== 0) {
            return new Finding(
                Finding::WARNING,
                $about,
                sprintf('%s is open to every user of this machine (mode %04o).', $file, $mode & 0777),
                "Close it: chmod 640 $file, with the group PHP runs as."
            );
        }
        return new Finding(Finding::OK, $about, "$file is kept from other users.");
    }

    /** @return array<string, mixed>|null parsed, with its PEM; null where there is none */
    private function read(string $about, ?string $file): ?array
    {
        $pem = $file === null ? '' : (string) @file_get_contents($file);
        $parsed = strpos($pem, '-----BEGIN CERTIFICATE-----') === false ? false : openssl_x509_parse($pem);
        return $parsed === false ? null : $parsed + ['pem' => $pem];
    }

    /** @param ?array<string, mixed> $ca */
    private function authority(?array $ca): ?Finding
    {
        $bad = $this->dates('ca', $ca, $this->config->ca());
        if ($bad === null || $bad->level() === Finding::PROBLEM || $ca === null) {
            return $bad;
        }
        if (strpos($ca['extensions']['basicConstraints'] ?? '', 'CA:TRUE') === false) {
            return new Finding(
                Finding::PROBLEM,
                'ca',
                "{$this->config->ca()} is a certificate, but not of a CA.",
                'Use the ca.pem that came with the client certificate.'
            );
        }
        return $bad;
    }

    /** @param ?array<string, mixed> $certificate */
    private function dates(string $about, ?array $certificate, ?string $file): ?Finding
    {
        if ($file === null) {
            return null;
        }
        if ($certificate === null) {
            return new Finding(
                Finding::PROBLEM,
                $about,
                "$file is no certificate in PEM.",
                "Use the file that came with the endpoint's certificate: it has a line BEGIN CERTIFICATE."
            );
        }
        $from = $certificate['validFrom_time_t'];
        $until = $certificate['validTo_time_t'];
        $says = sprintf('%s is valid from %s until %s.', $file, self::day($from), self::day($until));
        if ($until < time()) {
            return new Finding(Finding::PROBLEM, $about, "$says It has expired.", 'Ask the operator for a new one.');
        }
        if ($from > time()) {
            return new Finding(Finding::PROBLEM, $about, "$says It is not valid yet.", "Correct this machine's clock.");
        }
        if ($until < time() + self::RENEW_DAYS * self::DAY_S) {
            return new Finding(Finding::WARNING, $about, "$says It ends soon.", 'Ask the operator for a new one now.');
        }
        return new Finding(Finding::OK, $about, $says);
    }

    /** @param ?array<string, mixed> $certificate */
    private function identity(?array $certificate): ?Finding
    {
        if ($certificate === null) {
            return null;
        }
        $names = (string) ($certificate['extensions']['subjectAltName'] ?? '');
        if (!preg_match('/URI:(urn:gembok:endpoint:[0-9a-f-]{36})/', $names, $found)) {
            return new Finding(
                Finding::PROBLEM,
                'certificate name',
                'The client certificate names no endpoint.',
                'Use a certificate that the operator issued to an endpoint; a user or server certificate does not do.'
            );
        }
        return new Finding(Finding::OK, 'certificate name', "It names {$found[1]}.");
    }

    /**
     * @param ?array<string, mixed> $certificate
     * @param ?array<string, mixed> $ca
     */
    private function issuer(?array $certificate, ?array $ca): ?Finding
    {
        if ($certificate === null || $ca === null) {
            return null;
        }
        if (openssl_x509_verify($certificate['pem'], $ca['pem']) === 1) {
            return new Finding(Finding::OK, 'certificate issuer', "The CA in 'ca' issued the client certificate.");
        }
        return new Finding(
            Finding::PROBLEM,
            'certificate issuer',
            "The CA in 'ca' did not issue the client certificate.",
            'Use the two files that came together.'
        );
    }

    /** @param ?array<string, mixed> $certificate */
    private function pair(?array $certificate): ?Finding
    {
        if ($certificate === null || $this->config->key() === null) {
            return null;
        }
        $key = openssl_pkey_get_private((string) @file_get_contents($this->config->key()));
        if ($key === false) {
            return new Finding(
                Finding::PROBLEM,
                'key pair',
                "{$this->config->key()} is no private key in PEM without a passphrase.",
                'Use the client.key that was issued with the certificate.'
            );
        }
        if (!openssl_x509_check_private_key($certificate['pem'], $key)) {
            return new Finding(
                Finding::PROBLEM,
                'key pair',
                'The private key does not belong to the client certificate.',
                'Use the two files that were issued together.'
            );
        }
        return new Finding(Finding::OK, 'key pair', 'The private key belongs to the client certificate.');
    }

    private static function day(int $time): string
    {
        return gmdate('Y-m-d H:i', $time) . ' UTC';
    }
}

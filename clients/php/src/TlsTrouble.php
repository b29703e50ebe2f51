<?php

/*
 * What TLS says when it fails, in words that say what to do. A client certificate that the appliance refuses shows only as
 * an alert, and with TLS 1.3 only after the handshake, when the answer is read; the alert's name is all there is.
 */

declare(strict_types=1);

namespace Gembok;

use Gembok\Exception\Denied;
use Gembok\Exception\GembokException;
use Gembok\Exception\Misconfigured;

/** @internal */
final class TlsTrouble
{
    /** What an alert of the appliance means: its name as OpenSSL writes it => code, what happened, what to do. */
    private const ALERTS = [
        'certificate expired' => [
            'certificate-not-valid',
            "The appliance says that the client certificate is not valid at this time: it has expired, or begins later.",
            "Ask the operator for a new one and put it where 'certificate' and 'key' point; or correct the clocks.",
        ],
        'certificate revoked' => [
            'certificate-revoked',
            'The appliance says that the client certificate is revoked.',
            "Ask the operator for a new one and put it where 'certificate' and 'key' point.",
        ],
        'unknown ca' => [
            'certificate-not-trusted',
            "The appliance says that its CA did not issue the client certificate.",
            "Set 'certificate' and 'key' to the files that this appliance's operator issued for the endpoint.",
        ],
        'certificate required' => [
            'certificate-missing',
            'The appliance says that no client certificate was shown.',
            "Set 'certificate' and 'key' to the files the operator issued for the endpoint.",
        ],
    ];

    /** Other alerts about the certificate: one answer for all. */
    private const CERTIFICATE_ALERTS = [
        'bad certificate', 'unsupported certificate', 'certificate unknown', 'access denied', 'decrypt error',
    ];

    /** What our own side found: curl's number, a part of what it says => code, what happened, what to do. */
    private const FINDINGS = [
        [CURLE_SSL_CONNECT_ERROR, 'wrong version number', 'not-tls',
            'What listens there speaks no TLS.',
            "Check the port in 'url': it is that of the appliance's data plane, 8443 by default."],
        [CURLE_SSL_CONNECT_ERROR, 'protocol version', 'tls-version',
            'What listens there speaks no TLS 1.3, and Gembok does: it is something else.',
            "Check 'url'. Only to a sidecar is TLS 1.2 spoken; then set 'sidecar' => true."],
        [CURLE_SSL_CACERT, 'certificate has expired', 'server-certificate-not-valid',
            "The appliance's own certificate has expired, by the clock of this machine.",
            'Compare the clocks; ask the operator to renew the certificate.'],
        [CURLE_SSL_CACERT, 'not yet valid', 'server-certificate-not-valid',
            "The appliance's own certificate begins later, by the clock of this machine.",
            'Compare the clocks.'],
        [CURLE_SSL_CACERT, 'subject name', 'server-name-mismatch',
            "The host in 'url' is not a name in the appliance's certificate.",
            "Write 'url' with a name or address that the operator has in [tls] server_names, or have this one added there."],
        [CURLE_SSL_CACERT, '', 'ca-mismatch',
            "The certificate of what answers was not issued by the CA in 'ca'.",
            "Set 'ca' to the ca.pem that came with the client certificate. If it is, something else answers: do not go on."],
        [CURLE_SSL_CACERT_BADFILE, '', 'ca-unusable',
            "The file in 'ca' is no PEM certificate.",
            "Set it to the ca.pem that came with the client certificate."],
        [CURLE_SSL_CERTPROBLEM, 'private key', 'certificate-unusable',
            "The file in 'key' is no PEM private key without a passphrase, or not that of the certificate in 'certificate'.",
            'Set both to the pair of files that were issued together.'],
        [CURLE_SSL_CERTPROBLEM, '', 'certificate-unusable',
            "The file in 'certificate' is no PEM certificate.",
            'Set it to the client.pem that was issued for the endpoint.'],
    ];

    /** Null where TLS is not to blame. */
    public static function of(int $number, string $says, Config $config): ?GembokException
    {
        foreach (self::FINDINGS as [$of, $part, $code, $happened, $hint]) {
            if ($number === $of && ($part === '' || stripos($says, $part) !== false)) {
                return new Misconfigured($code, $happened, $hint);
            }
        }
        return self::alert($says);
    }

    private static function alert(string $says): ?GembokException
    {
        if (!preg_match('/alert ([a-z ]+)/', $says, $found)) {
            return null;
        }
        foreach (self::ALERTS as $name => [$code, $happened, $hint]) {
            if (strncmp($found[1], $name, strlen($name)) === 0) {
                return new Denied($code, $happened, $hint);
            }
        }
        foreach (self::CERTIFICATE_ALERTS as $name) {
            if (strncmp($found[1], $name, strlen($name)) === 0) {
                return new Denied(
                    'certificate-refused',
                    "The appliance refuses the client certificate; TLS says: $name.",
                    "Let diagnose() look at the files; ask the operator for the appliance's log of this minute."
                );
            }
        }
        return null;
    }
}

<?php

/*
 * What TLS and the network do when something is wrong, each tried on the real appliance, and the sentence that the user
 * sees then. Each is tried often: with TLS 1.3 the alert comes after the handshake, and must not get lost in a close.
 */

declare(strict_types=1);

use Gembok\Exception\GembokException;

const TRIES = 20;

/** Tries it on new connections and compares what it says, whole. */
$says = static function (string $kind, string $message, array $changes, int $tries = TRIES): void {
    preg_match('/\(([a-z-]+)\)$/', $message, $code);
    for ($try = 0; $try < $tries; $try++) {
        $client = World::client($changes);
        $thrown = refuses($kind, $code[1], static fn () => $client->encrypt('x'));
        same($message, $thrown->getMessage());
        $client->disconnect(true);
    }
};

test('a revoked certificate', static function () use ($says): void {
    $folder = World::certificate('revoked');
    $files = ['certificate' => "$folder/client.pem", 'key' => "$folder/client.key"];
    $kept = World::client($files);
    same('x', $kept->decrypt($kept->encrypt('x')));
    World::gembok('certificate', 'revoke', World::spki("$folder/client.pem"));
    // From the revocation on nothing is served; from the next list of revoked certificates on, a moment later, TLS says so.
    for ($tries = 0, $answered = true; $answered; $tries++) {
        holds($tries < 200, 'TLS never came to know of it');
        $kept->disconnect(true);
        $answered = refuses('Denied', 'certificate-revoked', static fn () => $kept->encrypt('x'))->getStatus() !== null;
    }
    $says(
        'Denied',
        'The appliance says that the client certificate is revoked. '
        . "Ask the operator for a new one and put it where 'certificate' and 'key' point. (certificate-revoked)",
        $files
    );
});

test('a certificate of another CA', static function () use ($says): void {
    $path = Foreign::clientCertificate('stranger');
    $says(
        'Denied',
        'The appliance says that its CA did not issue the client certificate. '
        . "Set 'certificate' and 'key' to the files that this appliance's operator issued for the endpoint. (certificate-not-trusted)",
        ['certificate' => "$path.pem", 'key' => "$path.key"]
    );
});

test('a certificate of another CA that has expired too', static function (): void {
    $path = Foreign::clientCertificate('old-stranger', '-startdate', '20200101000000Z', '-enddate', '20200201000000Z');
    $thrown = null;
    try {
        World::client(['certificate' => "$path.pem", 'key' => "$path.key"])->encrypt('x');
    } catch (GembokException $thrown) {
    }
    holds($thrown instanceof Gembok\Exception\Denied, 'it was not denied');
});

test('no certificate at all', static function () use ($says): void {
    $says(
        'Denied',
        'The appliance says that no client certificate was shown. '
        . "Set 'certificate' and 'key' to the files the operator issued for the endpoint. (certificate-missing)",
        ['certificate' => null, 'key' => null, 'sidecar' => true]
    );
});

test("the admin's certificate", static function () use ($says): void {
    $admin = World::sandbox() . '/admin';
    $says(
        'Denied',
        'The client certificate is not enrolled here. '
        . 'Use the certificate issued to this endpoint, or ask for a new one. (certificate-not-enrolled)',
        ['certificate' => "$admin/admin.pem", 'key' => "$admin/admin.key"],
        1
    );
});

test('a key that is not the certificate\'s, and files that are neither', static function () use ($says): void {
    $path = Foreign::clientCertificate('mismatch');
    $key = "The file in 'key' is no PEM private key without a passphrase, or not that of the certificate in 'certificate'. "
        . 'Set both to the pair of files that were issued together. (certificate-unusable)';
    $says('Misconfigured', $key, ['key' => "$path.key"], 1);
    $says('Misconfigured', $key, ['key' => "$path.pem"], 1);
    $says(
        'Misconfigured',
        "The file in 'certificate' is no PEM certificate. Set it to the client.pem that was issued for the endpoint. (certificate-unusable)",
        ['certificate' => "$path.key"],
        1
    );
    $says(
        'Misconfigured',
        "The file in 'ca' is no PEM certificate. Set it to the ca.pem that came with the client certificate. (ca-unusable)",
        ['ca' => "$path.key"],
        1
    );
});

test('another CA at our side', static function () use ($says): void {
    $says(
        'Misconfigured',
        "The certificate of what answers was not issued by the CA in 'ca'. Set 'ca' to the ca.pem that came with the client "
        . 'certificate. If it is, something else answers: do not go on. (ca-mismatch)',
        ['ca' => Foreign::ca() . '/ca.pem'],
        1
    );
});

test('a host name that is not in the certificate', static function () use ($says): void {
    $says(
        'Misconfigured',
        "The host in 'url' is not a name in the appliance's certificate. Write 'url' with a name or address that the operator "
        . 'has in [tls] server_names, or have this one added there. (server-name-mismatch)',
        ['url' => 'https://gembok.localhost:' . World::$port],
        1
    );
});

test('a host name that nobody knows', static function () use ($says): void {
    $says(
        'Unavailable',
        "The name in https://gembok.invalid is not known to this machine. Correct 'url', or the name server or /etc/hosts of "
        . 'this machine. (host-unknown)',
        ['url' => 'https://gembok.invalid'],
        1
    );
});

test("the control plane's port", static function () use ($says): void {
    $says(
        'Misconfigured',
        "There is no such address here. Check the address and the listener's port. (no-such-route)",
        ['url' => 'https://127.0.0.1:' . (World::$port + 1)],
        1
    );
});

test('a port where nothing listens', static function () use ($says): void {
    $says(
        'Unavailable',
        "Nothing takes connections at https://127.0.0.1:1. Check that the appliance runs, that 'url' has its address and the "
        . "data plane's port, and what the firewall says. (unreachable)",
        ['url' => 'https://127.0.0.1:1', 'retries' => 0],
        1
    );
});

test('another endpoint, another API key', static function () use ($says): void {
    $says(
        'Misconfigured',
        'There is no such endpoint for this certificate. Use the endpoint name the certificate was issued for. (endpoint-unknown)',
        ['endpoint' => 'lain'],
        1
    );
    $says(
        'Denied',
        'The API key is not known here. Use the API key issued to this endpoint. (api-key-unknown)',
        ['api_key_file' => World::$folder . '/config/api-key'],
        1
    );
});

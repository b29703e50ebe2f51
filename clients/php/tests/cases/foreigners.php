<?php

/*
 * Servers that are no Gembok: none of them is sent what it should not have, none makes the client wait for long, and each is
 * named for what it is. They stand in for what a real appliance cannot be asked to show.
 */

declare(strict_types=1);

test('a port that never answers ends at the deadline', static function (): void {
    $silent = stream_socket_server('tcp://127.0.0.1:0');
    $url = 'https://' . stream_socket_get_name($silent, false);
    $took = elapsed(static function () use ($url): void {
        $thrown = refuses('Unavailable', 'timed-out', static fn () => World::client(['url' => $url, 'deadline_ms' => 500])->encrypt('x'));
        same(
            "No answer came from $url within 500 ms. Check the network and the firewall between; a larger 'deadline_ms' helps only "
            . 'where the appliance is slow. (timed-out)',
            $thrown->getMessage()
        );
    });
    holds($took > 450 && $took < 6000, "it took $took ms");
});

test('a server in the clear', static function (): void {
    [$port, $end] = Foreign::serve([Foreign::http('400 Bad Request')]);
    $thrown = refuses('Misconfigured', 'not-tls', static fn () => World::client(['url' => "https://127.0.0.1:$port"])->encrypt('x'));
    contains("Check the port in 'url'", $thrown->getMessage());
    $end();
});

test('a server of TLS 1.2 is for sidecars only', static function (): void {
    $tls = ['crypto_method' => STREAM_CRYPTO_METHOD_TLSv1_2_SERVER, 'max_proto_version' => STREAM_CRYPTO_PROTO_TLSv1_2];
    [$port, $end] = Foreign::serve([Foreign::http('200 OK', '{"ciphertext":"R0IB"}')], Foreign::serverCertificate('old-tls'), $tls);
    $settings = ['url' => "https://127.0.0.1:$port", 'ca' => Foreign::ca() . '/ca.pem'];
    refuses('Misconfigured', 'tls-version', static fn () => World::client($settings)->encrypt('x'));
    same('R0IB', World::client($settings + ['sidecar' => true])->encrypt('x'));
    $end();
});

test('a sidecar in the clear on this machine, by port and by Unix socket', static function (): void {
    $none = ['ca' => null, 'certificate' => null, 'key' => null, 'sidecar' => true];
    [$port, $end] = Foreign::serve([Foreign::http('200 OK', '{"ciphertext":"R0IB"}')]);
    same('R0IB', World::client($none + ['url' => "http://127.0.0.1:$port"])->encrypt('x'));
    same(1, $end());
    $socket = World::$folder . '/sidecar.sock';
    [, $end] = Foreign::serve([Foreign::http('200 OK', '{"ciphertext":"R0IB"}')], null, [], "unix://$socket");
    same('R0IB', World::client($none + ['url' => 'http://localhost', 'socket' => $socket])->encrypt('x'));
    same(1, $end());
});

test('an appliance whose certificate has expired', static function (): void {
    $path = Foreign::serverCertificate('expired-server', '-startdate', '20200101000000Z', '-enddate', '20200201000000Z');
    [$port, $end] = Foreign::serve([Foreign::http('200 OK')], $path);
    $settings = ['url' => "https://127.0.0.1:$port", 'ca' => Foreign::ca() . '/ca.pem'];
    refuses('Misconfigured', 'server-certificate-not-valid', static fn () => World::client($settings)->encrypt('x'));
    $end();
});

/** A server that the client trusts, with these answers. */
$trusted = static function (array $answers): array {
    [$port, $end] = Foreign::serve($answers, is_file(Foreign::ca() . '/server.pem') ? Foreign::ca() . '/server' : Foreign::serverCertificate('server'));
    return [['url' => "https://127.0.0.1:$port", 'ca' => Foreign::ca() . '/ca.pem'], $end];
};

test('a redirect is not followed', static function () use ($trusted): void {
    [$port, $elsewhere] = Foreign::serve([Foreign::http('200 OK', '{"ciphertext":"stolen"}')], Foreign::ca() . '/old-tls');
    foreach (['301 Moved Permanently', '307 Temporary Redirect'] as $status) {
        [$settings, $end] = $trusted([Foreign::http("$status\r\nLocation: https://127.0.0.1:$port/")]);
        refuses('Unavailable', 'bad-answer', static fn () => World::client($settings)->encrypt('x'));
        same(1, $end());
    }
    same(0, $elsewhere());
});

test('no proxy of the environment is asked', static function (): void {
    [$port, $end] = Foreign::serve([Foreign::http('502 Bad Gateway')]);
    $code = 'require $argv[1]; $g = new Gembok\Client(Gembok\Config::fromArray(json_decode($argv[2], true))); echo $g->decrypt($g->encrypt("x"));';
    $words = [PHP_BINARY, '-r', $code, '--', dirname(__DIR__, 2) . '/autoload.php', json_encode(World::settings())];
    $proxy = "http://127.0.0.1:$port";
    same('x', World::command($words, ['https_proxy' => $proxy, 'HTTPS_PROXY' => $proxy, 'all_proxy' => $proxy]));
    same(0, $end());
});

test("a CA that the system trusts is no CA of the appliance", static function (): void {
    $path = is_file(Foreign::ca() . '/server.pem') ? Foreign::ca() . '/server' : Foreign::serverCertificate('server');
    [$port, $end] = Foreign::serve([Foreign::http('200 OK', '{"ciphertext":"stolen"}')], $path);
    // In a mount namespace of its own, the system's folder of CAs holds the foreign one, by its hash.
    $folder = World::$folder . '/system-cas';
    mkdir($folder);
    $hash = trim(World::openssl('x509', '-in', Foreign::ca() . '/ca.pem', '-noout', '-subject_hash'));
    copy(Foreign::ca() . '/ca.pem', "$folder/$hash.0");
    // The file that curl reads beside it; that it holds another CA makes no difference.
    copy(World::sandbox() . '/client/ca.pem', "$folder/ca-certificates.crt");
    $code = 'require $argv[1]; $h = curl_init($argv[3]); curl_setopt_array($h, [CURLOPT_RETURNTRANSFER => true]); '
        . 'echo curl_exec($h) === false ? "system: refused " : "system: trusted "; '
        . 'try { (new Gembok\Client(Gembok\Config::fromArray(json_decode($argv[2], true))))->encrypt("x"); echo "we: trusted"; }'
        . 'catch (Gembok\Exception\Misconfigured $e) { echo "we: ", $e->getErrorCode(); }';
    $url = "https://127.0.0.1:$port";
    $output = World::command([
        'unshare', '--mount', ...(posix_geteuid() === 0 ? [] : ['--map-root-user']),
        'sh', '-c', 'mount --bind "$1" /etc/ssl/certs && shift && exec "$@"', 'sh', $folder,
        PHP_BINARY, '-d', 'curl.cainfo=', '-r', $code, '--', dirname(__DIR__, 2) . '/autoload.php', json_encode(World::settings(['url' => $url])), $url,
    ]);
    same('system: trusted we: ca-mismatch', $output);
    $end();
});

test('an answer that is none of Gembok\'s', static function () use ($trusted): void {
    foreach (['200 OK', '404 Not Found', '500 Internal Server Error'] as $status) {
        foreach (['<html>', '', '[]', '{"ciphertext":5}', '"x"'] as $body) {
            [$settings, $end] = $trusted([Foreign::http($status, $body)]);
            $thrown = refuses('Unavailable', 'bad-answer', static fn () => World::client($settings)->encrypt('x'));
            same((int) $status, $thrown->getStatus());
            same(1, $end());
        }
    }
});

test('an answer that would have the plaintext stored is none', static function () use ($trusted): void {
    foreach (['eA==', 'x', '', "R0IBAQ==\n", 'R0IB AQ=='] as $text) {
        [$settings, $end] = $trusted([Foreign::http('200 OK', json_encode(['ciphertext' => $text]))]);
        refuses('Unavailable', 'bad-answer', static fn () => World::client($settings)->encrypt('x'));
        $end();
    }
});

test('an answer without end is cut off, in its header and in its body', static function () use ($trusted): void {
    $long = str_repeat('x', 60);
    $many = implode('', array_map(static fn (int $at): string => "\r\nX-$at: $long", range(1, 2000)));
    // Both would be good answers, were they shorter.
    foreach ([Foreign::http("200 OK$many", '{"ciphertext":"R0IB"}'), Foreign::http('200 OK', '{"ciphertext":"R0IB"}' . str_repeat(' ', 40000000))] as $answer) {
        [$settings, $end] = $trusted([$answer]);
        refuses('Unavailable', 'bad-answer', static fn () => World::client($settings)->encrypt('x'));
        same(1, $end());
    }
});

test('a server that trickles ends at the deadline, and a strange Retry-After is none', static function () use ($trusted): void {
    [$port, $end] = Foreign::serve(["HTTP/1.1 200 OK\r\nContent-Length: 99\r\nConnection: keep-alive\r\n\r\n"], null, ['trickle' => true]);
    $none = ['ca' => null, 'certificate' => null, 'key' => null, 'sidecar' => true, 'deadline_ms' => 600, 'url' => "http://127.0.0.1:$port"];
    $took = elapsed(static function () use ($none): void {
        refuses('Unavailable', 'timed-out', static fn () => World::client($none)->encrypt('x'));
    });
    $end();
    holds($took > 550 && $took < 6000, "it took $took ms");
    foreach (['100000', '99999999999999999999', '-1', 'soon', '1e9'] as $after) {
        [$settings, $end] = $trusted([Foreign::http("503 No\r\nRetry-After: $after", '{"code":"journal-full","title":"No.","hint":"Wait."}')]);
        $took = elapsed(static function () use ($settings): void {
            refuses('Unavailable', 'journal-full', static fn () => World::client($settings)->encrypt('x'));
        });
        holds($took < 14000, "Retry-After: $after took $took ms");
        same($after === '100000' ? 1 : 3, $end(), $after);
    }
});

test('what an answer says becomes one line, under a code that is one', static function () use ($trusted): void {
    [$settings, $end] = $trusted([Foreign::http('400 No', json_encode(['code' => 'bad-name', 'title' => "a\r\nb\x1b[0m", 'hint' => "c\nd"]))]);
    same('a b [0m c d (bad-name)', refuses('BadRequest', 'bad-name', static fn () => World::client($settings)->encrypt('x'))->getMessage());
    $end();
    [$settings, $end] = $trusted([Foreign::http('400 No', json_encode(['code' => "bad\nname", 'title' => 'a', 'hint' => 'b']))]);
    refuses('Unavailable', 'bad-answer', static fn () => World::client($settings)->encrypt('x'));
    $end();
});

test('an item that fills a request to the last byte goes alone', static function () use ($trusted): void {
    $item = '{"ciphertext":"R0IBAQ=="}';
    [$settings, $end] = $trusted([
        Foreign::http('413 Too Large', '{"code":"body-too-large","title":"Too large.","hint":"Less."}'),
        Foreign::http('200 OK', '{"limits":{"items_max":9,"body_bytes_max":140}}'),
        Foreign::http('200 OK', "{\"items\":[$item],\"failed\":0}"),
    ]);
    // 12 bytes around the item, 28 of its members, 60 of base64, 40 of the object's name: 140.
    $items = ['a' => ['plaintext' => str_repeat('x', 45)]];
    same(['a' => 'R0IBAQ=='], World::client($settings)->encryptMany($items, str_repeat('x', 40)));
    same(3, $end());
    refuses('BatchFailed', 'batch-failed', static fn () => World::client($settings)->encryptMany($items, str_repeat('x', 41)));
});

test('an answer with too few, or strange items', static function () use ($trusted): void {
    foreach (['{"items":[]}', '{"items":[{"ciphertext":"a"}],"failed":0}', '{"items":[{"ciphertext":"a"},{}]}', '{"items":{"a":1,"b":2}}'] as $body) {
        [$settings, $end] = $trusted([Foreign::http('200 OK', $body)]);
        $items = [['plaintext' => 'x'], ['plaintext' => 'y']];
        refuses('Unavailable', 'bad-answer', static fn () => World::client($settings)->encryptMany($items));
        $end();
    }
});

$problem = static function (int $status, string $code, string $head = ''): string {
    return Foreign::http(rtrim("$status Refused\r\n$head"), json_encode(['code' => $code, 'title' => 'No.', 'hint' => 'Wait.', 'status' => $status]));
};
$good = Foreign::http('200 OK', '{"ciphertext":"R0IB"}');

test('503 with Retry-After is waited for where it fits', static function () use ($trusted, $problem, $good): void {
    [$settings, $end] = $trusted([$problem(503, 'journal-full', "Retry-After: 1"), $good]);
    $took = elapsed(static function () use ($settings): void {
        same('R0IB', World::client($settings + ['deadline_ms' => 20000])->encrypt('x'));
    });
    same(2, $end());
    holds($took >= 1000 && $took < 10000, "it took $took ms");
});

test('Retry-After beyond the deadline is not waited for', static function () use ($trusted, $problem, $good): void {
    [$settings, $end] = $trusted([$problem(503, 'token-away', "Retry-After: 50"), $good]);
    $settings['deadline_ms'] = 40000;
    $took = elapsed(static function () use ($settings): void {
        same(50, refuses('Unavailable', 'token-away', static fn () => World::client($settings)->encrypt('x'))->retryAfter());
    });
    same(1, $end());
    holds($took < 20000, "it took $took ms");
});

test('retries are bounded', static function () use ($trusted, $problem): void {
    foreach ([0, 1, 2] as $retries) {
        [$settings, $end] = $trusted([$problem(503, 'journal-full')]);
        refuses('Unavailable', 'journal-full', static fn () => World::client($settings + ['retries' => $retries])->encrypt('x'));
        same($retries + 1, $end());
    }
});

test('what would be refused again is not asked again', static function () use ($trusted, $problem): void {
    foreach ([
        [401, 'api-key-unknown'], [403, 'not-granted'], [422, 'cannot-open'], [500, 'fault'], [429, 'authentication-limited'],
    ] as [$status, $code]) {
        [$settings, $end] = $trusted([$problem($status, $code)]);
        try {
            World::client($settings)->encrypt('x');
            throw new Failed('nothing was thrown');
        } catch (Gembok\Exception\GembokException $thrown) {
            same($code, $thrown->getErrorCode());
        }
        same(1, $end(), $code);
    }
});

test('a connection that breaks off is tried again, and then told', static function () use ($trusted, $good): void {
    [$settings, $end] = $trusted(['', 'HTTP/1.1 200 OK' . "\r\nContent-Length: 99\r\n\r\n{", $good]);
    same('R0IB', World::client($settings)->encrypt('x'));
    same(3, $end());
    [$settings, $end] = $trusted(['']);
    refuses('Unavailable', 'connection-lost', static fn () => World::client($settings)->encrypt('x'));
    same(3, $end());
});

test('a kept connection that dies is no try: at once on a fresh one', static function () use ($trusted, $good): void {
    $kept = str_replace("Connection: close\r\n", '', $good);
    foreach (['', substr($kept, 0, -3)] as $dying) {
        [$settings, $end] = $trusted([[$kept, $dying], $good]);
        $gembok = World::client($settings + ['retries' => 0]);
        same(['R0IB', 'R0IB'], [$gembok->encrypt('x'), $gembok->encrypt('x')]);
        same(2, $end());
    }
});

test('an appliance with smaller limits is asked for them, and served by them', static function () use ($trusted): void {
    $item = '{"ciphertext":"R0IB"}';
    [$settings, $end] = $trusted([
        Foreign::http('413 Too Large', '{"code":"too-many-items","title":"Too many.","hint":"Fewer."}'),
        Foreign::http('200 OK', '{"limits":{"items_max":2,"body_bytes_max":1000}}'),
        Foreign::http('200 OK', "{\"items\":[$item,$item],\"failed\":0}"),
        Foreign::http('200 OK', "{\"items\":[$item],\"failed\":0}"),
    ]);
    same(['R0IB', 'R0IB', 'R0IB'], World::client($settings)->encryptMany(array_fill(0, 3, ['plaintext' => 'x'])));
    same(4, $end());
});

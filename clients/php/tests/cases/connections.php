<?php

/*
 * The kept connection: one for all calls, taken up again when it died, never shared with a child process; and what the
 * limits of an API key do to a call.
 */

declare(strict_types=1);

/** How many connections are open from this machine to the data plane, by the kernel's table. */
$open = static function (): int {
    $count = 0;
    foreach (array_slice((array) file('/proc/net/tcp'), 1) as $line) {
        $fields = preg_split('/\s+/', trim($line));
        if ($fields[2] === sprintf('0100007F:%04X', World::$port) && $fields[3] === '01') {
            $count++;
        }
    }
    return $count;
};

/** In a child process, which ends with 0 where nothing was thrown. */
$inChild = static function (callable $do): int {
    $child = pcntl_fork();
    if ($child === 0) {
        try {
            $do();
            $status = 0;
        } catch (Throwable $thrown) {
            fwrite(STDERR, $thrown->getMessage() . "\n");
            $status = 1;
        }
        exit($status);
    }
    pcntl_waitpid($child, $status);
    return pcntl_wexitstatus($status);
};

test('many calls, of several clients, use one connection', static function () use ($open): void {
    World::client()->disconnect();
    $before = $open();
    for ($call = 0; $call < 20; $call++) {
        World::client(['object' => null])->encrypt('x', 'karyawan');
        World::client(['deadline_ms' => 2000])->encryptMany([['plaintext' => 'x']]);
    }
    same($before + 1, $open());
    World::client()->disconnect();
    same($before, $open());
});

test('a new connection takes up the TLS session of the last', static function (): void {
    $relay = new Relay(World::$port);
    $gembok = World::client(['url' => "https://127.0.0.1:$relay->port"]);
    foreach ([false, false, true, false, true] as $forget) {
        $gembok->encrypt('x');
        $gembok->disconnect($forget);
    }
    $bytes = $relay->end(5);
    same(5, count($bytes));
    // A resumed handshake has no certificate in it, some 500 bytes.
    foreach ([0 => false, 1 => true, 2 => true, 3 => false, 4 => true] as $at => $isResumed) {
        same($isResumed, $bytes[$at] < $bytes[0] - 300, "connection $at of " . implode(', ', $bytes) . ':');
    }
});

test('a child of fork() uses no connection of its parent', static function () use ($inChild): void {
    $gembok = World::client();
    $ciphertext = $gembok->encrypt('of the parent');
    for ($round = 0; $round < 5; $round++) {
        same(0, $inChild(static function () use ($gembok, $ciphertext): void {
            for ($call = 0; $call < 5; $call++) {
                same('of the parent', $gembok->decrypt($ciphertext));
                $handle = Gembok\Connection::handle(Gembok\Config::fromArray(World::settings()));
                same($call === 0 ? 1 : 0, curl_getinfo($handle, CURLINFO_NUM_CONNECTS), 'new connections:');
            }
        }));
        // The child closed its copies at its end; here that shows at most as a connection that died.
        same('of the parent', $gembok->decrypt($ciphertext));
    }
});

test('parent and children at once get each their own answers', static function (): void {
    $gembok = World::client();
    $gembok->encrypt('x');
    $children = [];
    for ($child = 0; $child < 3; $child++) {
        $children[] = $id = pcntl_fork();
        if ($id === 0) {
            try {
                for ($call = 0; $call < 30; $call++) {
                    same("$child $call", $gembok->decrypt($gembok->encrypt("$child $call")));
                }
                exit(0);
            } catch (Throwable $thrown) {
                exit(1);
            }
        }
    }
    for ($call = 0; $call < 30; $call++) {
        same("parent $call", $gembok->decrypt($gembok->encrypt("parent $call")));
    }
    foreach ($children as $id) {
        pcntl_waitpid($id, $status);
        same(0, pcntl_wexitstatus($status));
    }
});

test('after fork the parent goes on, also where it disconnected before', static function () use ($inChild): void {
    $gembok = World::client();
    $gembok->encrypt('x');
    $gembok->disconnect();
    same(0, $inChild(static fn () => $gembok->encrypt('x')));
    same('x', $gembok->decrypt($gembok->encrypt('x')));
});

/** A client that may have so many fields at once and one a second, and a call that takes them all: the next has to wait for them. */
$limited = static function (int $fields, int $deadlineMs): array {
    $file = World::limitedKey("one-per-s-$fields", '--fields-per-s', '1', '--fields-burst', (string) $fields);
    $gembok = World::client(['api_key_file' => $file, 'deadline_ms' => $deadlineMs]);
    return [$gembok, array_fill(0, $fields, ['plaintext' => 'x'])];
};

test('429 is waited for where it fits the deadline', static function () use ($limited): void {
    [$gembok, $all] = $limited(6, 60000);
    $gembok->encryptMany($all);
    $took = elapsed(static fn () => $gembok->encryptMany($all));
    holds($took > 2000 && $took < 30000, "it took $took ms");
});

test('429 is told where it does not fit', static function () use ($limited): void {
    [$gembok, $all] = $limited(60, 20000);
    $gembok->encryptMany($all);
    $took = elapsed(static function () use ($gembok, $all): void {
        $thrown = refuses('Limited', 'fields-limited', static fn () => $gembok->encryptMany($all));
        same(429, $thrown->getStatus());
        holds($thrown->retryAfter() > 20 && $thrown->retryAfter() <= 60, "to come again after {$thrown->retryAfter()} s");
    });
    holds($took < 15000, "it took $took ms");
});

test('a page of 250 values is one quick round trip on a kept connection', static function (): void {
    $items = array_fill(0, 250, ['plaintext' => '3602041211870001', 'context' => ['row' => 7, 'column' => 'nik']]);
    $gembok = World::client();
    $times = [];
    for ($try = 0; $try < 20; $try++) {
        $times[] = elapsed(static fn () => $gembok->encryptMany($items));
    }
    sort($times);
    // benches/php measures it; this only notices when something has gone badly wrong.
    holds($times[10] < 5000, "the median is {$times[10]} ms");
});

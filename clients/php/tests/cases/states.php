<?php

/*
 * The appliance locked, stopped, and started again, under a client that keeps its connection.
 */

declare(strict_types=1);

test('locked: told at once, with when to come again; then unlocked', static function (): void {
    $gembok = World::client();
    $ciphertext = $gembok->encrypt('x');
    World::gembok('lock');
    $took = elapsed(static function () use ($gembok, $ciphertext): void {
        $thrown = refuses('Unavailable', 'locked', static fn () => $gembok->decrypt($ciphertext));
        same([503, 30], [$thrown->getStatus(), $thrown->retryAfter()]);
        refuses('Unavailable', 'locked', static fn () => $gembok->encryptMany([['plaintext' => 'x']]));
    });
    holds($took < 4000, "it took $took ms");
    contains('The appliance is locked', (string) $gembok->diagnose()->about('object karyawan'));
    World::gembok('unlock');
    same('x', $gembok->decrypt($ciphertext));
});

test('stopped: told within the deadline; started again: the dead connection is not noticed', static function (): void {
    $gembok = World::client(['retries' => 0]);
    $ciphertext = $gembok->encrypt('x');
    World::stop();
    $took = elapsed(static function () use ($gembok, $ciphertext): void {
        refuses('Unavailable', 'unreachable', static fn () => $gembok->decrypt($ciphertext));
        refuses('Unavailable', 'unreachable', static fn () => World::client()->decrypt($ciphertext));
    });
    holds($took < 8000, "it took $took ms");
    World::start();
    same('x', $gembok->decrypt($ciphertext));
    World::stop();
    World::start();
    // Without a single retry: a kept connection that died is no try.
    same('x', $gembok->decrypt($ciphertext));
});

test('started while a call is under way: the retry finds it', static function (): void {
    World::stop();
    // Longer than what an appliance that is not unlocked yet asks to wait.
    $gembok = World::client(['deadline_ms' => 60000, 'retries' => 5]);
    $child = pcntl_fork();
    if ($child === 0) {
        // Five retries are over in seconds: not before the process is there that will take connections.
        for ($waited = 0; !is_file(World::sandbox() . '/gembok.pid') && $waited < 60000; $waited++) {
            usleep(1000);
            clearstatcache();
        }
        try {
            $gembok->encrypt('x');
            exit(0);
        } catch (Gembok\Exception\Unavailable $thrown) {
            exit(1);
        }
    }
    World::start();
    pcntl_waitpid($child, $status);
    same(0, pcntl_wexitstatus($status));
});

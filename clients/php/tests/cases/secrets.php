<?php

/*
 * No dump, no JSON, no serialization and no trace shows the API key or a plaintext.
 */

declare(strict_types=1);

use Gembok\Exception\GembokException;

/** Everything PHP has to show a value with. */
$shown = static function ($value): string {
    ob_start();
    var_dump($value);
    $dump = (string) ob_get_clean();
    $json = (string) json_encode($value);
    $export = @var_export($value, true);
    try {
        $serialized = serialize($value);
    } catch (Throwable $refused) {
        $serialized = '';
    }
    return $dump . print_r($value, true) . $json . $export . $serialized;
};

/** Everything a logger or an error page shows of an exception. */
$told = static function (Throwable $thrown): string {
    return $thrown . $thrown->getTraceAsString() . print_r($thrown->getTrace(), true) . print_r($thrown, true)
        . json_encode($thrown->getTrace()) . serialize($thrown->getTrace());
};

// Also where PHP keeps the arguments of calls, as it does without a php.ini.
ini_set('zend.exception_ignore_args', '0');
$plaintext = '3602041211870001';

test('the client shows no API key', static function () use ($shown): void {
    foreach ([World::settings(), World::settings(['api_key_file' => null]) + ['api_key' => World::apiKey()]] as $settings) {
        $config = Gembok\Config::fromArray($settings);
        $client = new Gembok\Client($config);
        same('x', $client->decrypt($client->encrypt('x')));
        foreach ([$config, $client, $config->apiKey(), (array) $config] as $value) {
            lacks(substr(World::apiKey(), 4, 20), $shown($value), 'a dump');
        }
    }
});

test('a secret is not serialized', static function (): void {
    try {
        serialize(World::client());
    } catch (LogicException $refused) {
        contains('not serialized', $refused->getMessage());
        return;
    }
    throw new Failed('it was');
});

$call = static function (callable $call) use ($told, $plaintext): void {
    try {
        $call();
    } catch (GembokException $thrown) {
        $all = $told($thrown);
        lacks($plaintext, $all, 'the exception');
        lacks(base64_encode($plaintext), $all, 'the exception');
        lacks(substr(World::apiKey(), 4, 20), $all, 'the exception');
        foreach ($thrown->getTrace() as $frame) {
            holds(!isset($frame['args']), 'a frame has arguments');
        }
        return;
    }
    throw new Failed('nothing was thrown');
};

test('no exception shows what was asked', static function () use ($call, $plaintext): void {
    $key = World::apiKey();
    $ciphertext = World::client()->encrypt($plaintext);
    $other = ['row' => 'other'];
    // The function in between has the plaintext among its arguments, as a controller has.
    $save = static function (string $nik, array $changes): void {
        World::client($changes)->encrypt($nik, null, []);
    };
    $call(static fn () => $save($plaintext, ['object' => 'tak-ada']));
    $call(static fn () => $save($plaintext, ['url' => 'https://127.0.0.1:1', 'retries' => 0]));
    $call(static fn () => $save($plaintext, ['api_key_file' => null, 'api_key' => $key . 'x']));
    $call(static fn () => World::client()->encrypt($plaintext, null, ['row' => null]));
    $call(static fn () => World::client()->encrypt([$plaintext]));
    $call(static fn () => World::client()->encryptMany([['plaintext' => $plaintext, 'x' => 1]]));
    $call(static fn () => World::client()->encryptMany([['plaintext' => $plaintext], ['plaintext' => 'x', 'object' => 'tak-ada']]));
    $call(static fn () => World::client()->decryptMany([
        ['ciphertext' => $ciphertext], ['ciphertext' => $ciphertext, 'context' => $other],
    ]));
});

test('a failed batch shows none of its results', static function () use ($plaintext, $shown): void {
    $ciphertext = World::client()->encrypt($plaintext);
    $failed = refuses('BatchFailed', 'batch-failed', static fn () => World::client()->decryptMany([
        ['ciphertext' => $ciphertext], ['ciphertext' => $ciphertext, 'context' => ['row' => 'other']],
    ]));
    same([$plaintext], $failed->results());
    ob_start();
    var_dump($failed);
    lacks($plaintext, ob_get_clean() . print_r($failed, true) . json_encode($failed) . $failed, 'a dump');
    try {
        serialize($failed);
    } catch (LogicException $refused) {
        return;
    }
    throw new Failed('it was serialized');
});

test('what PHP itself throws shows neither', static function () use ($told, $plaintext): void {
    if (PHP_VERSION_ID < 80200) {
        return; // #[\SensitiveParameter] came with 8.2; before, PHP's own errors keep the arguments
    }
    foreach ([
        static fn () => World::client()->encrypt($plaintext, []),
        static fn () => World::client()->encryptMany([['plaintext' => $plaintext]], []),
    ] as $call) {
        try {
            $call();
            throw new Failed('nothing was thrown');
        } catch (TypeError $thrown) {
            // The frames of this test hold the plaintext themselves; those of the library must not.
            foreach ($thrown->getTrace() as $frame) {
                if (strncmp($frame['class'] ?? '', 'Gembok\\', 7) === 0) {
                    lacks($plaintext, print_r($frame['args'] ?? [], true), $frame['function']);
                }
            }
        }
    }
});

test('nothing is written anywhere', static function () use ($plaintext): void {
    $log = World::$folder . '/php-errors.log';
    $code = 'require $argv[1]; $s = json_decode($argv[2], true); $g = new Gembok\Client(Gembok\Config::fromArray($s));'
        . '$c = $g->encrypt($argv[3]); $g->decrypt($c); try { $g->decrypt($c, null, ["row" => 1]); } catch (Gembok\Exception\CannotOpen $e) {}';
    $output = World::command([
        PHP_BINARY, '-d', 'display_errors=1', '-d', 'log_errors=1', '-d', "error_log=$log", '-d', 'error_reporting=-1', '-r', $code, '--',
        dirname(__DIR__, 2) . '/autoload.php', json_encode(World::settings()), $plaintext,
    ]);
    same('', $output);
    holds(!file_exists($log), 'there is a log');
});

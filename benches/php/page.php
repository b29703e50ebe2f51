<?php

/*
 * What a user waits for: a page of 50 employees with 5 protected fields each, decrypted by php-cli through the client of
 * clients/php; one call per field against one batch, on fresh, resumed and kept connections.
 *
 *   fresh     a new connection with a full TLS handshake for each page, as without a sidecar under php-fpm
 *   resumed   a new connection for each page, which takes up the TLS session of the last
 *   kept      the connection of the page before, as in a worker, or through a sidecar
 *
 * A page is timed from before the call to the plaintexts in an array: encoding, the way, the appliance, decoding. Every
 * plaintext is compared. run.sh starts the appliance and calls this.
 */

declare(strict_types=1);

require __DIR__ . '/../../clients/php/autoload.php';

const ROWS = 50;
const COLUMNS = ['nik' => 16, 'nama' => 24, 'tanggal_lahir' => 10, 'alamat' => 60, 'no_jaminan_sosial' => 13];
const PAGES = 200;
const PAGES_BY_FIELD = 15; // each has 250 round trips
const TARGET_MS = 10.0;

$gembok = new Gembok\Client(Gembok\Config::fromArray([
    'url' => getenv('GEMBOK_URL'), 'endpoint' => getenv('GEMBOK_ENDPOINT'), 'api_key' => getenv('GEMBOK_API_KEY'),
    'ca' => getenv('GEMBOK_CA'), 'certificate' => getenv('GEMBOK_CERT'), 'key' => getenv('GEMBOK_KEY'),
    'object' => getenv('GEMBOK_OBJECT'),
]));

$plain = [];
foreach (range(1, ROWS) as $row) {
    foreach (COLUMNS as $column => $bytes) {
        $context = ['table' => 'karyawan', 'row' => $row, 'column' => $column];
        $plain["$row.$column"] = ['plaintext' => substr(bin2hex(random_bytes($bytes)), 0, $bytes), 'context' => $context];
    }
}
$page = $gembok->encryptMany($plain);
foreach ($page as $key => $ciphertext) {
    $page[$key] = ['ciphertext' => $ciphertext, 'context' => $plain[$key]['context']];
}
$expected = array_map(static fn (array $item): string => $item['plaintext'], $plain);

$byBatch = static fn (): array => $gembok->decryptMany($page);
$byField = static function () use ($gembok, $page): array {
    $values = [];
    foreach ($page as $key => $item) {
        $values[$key] = $gembok->decrypt($item['ciphertext'], null, $item['context']);
    }
    return $values;
};

$cpuMs = static function (): float {
    $used = getrusage();
    return ($used['ru_utime.tv_sec'] + $used['ru_stime.tv_sec']) * 1e3 + ($used['ru_utime.tv_usec'] + $used['ru_stime.tv_usec']) / 1e3;
};

/** @return array{median: float, p95: float, cpu: float} milliseconds; cpu is that of this process for a page */
$measure = static function (callable $read, callable $before, int $pages) use ($expected, $cpuMs): array {
    $times = [];
    $cpu = 0.0;
    for ($at = -3; $at < $pages; $at++) { // the first three warm up
        $before();
        $cpuBefore = $cpuMs();
        $began = hrtime(true);
        $values = $read();
        $took = (hrtime(true) - $began) / 1e6;
        $cpuAfter = $cpuMs();
        if ($values !== $expected) {
            throw new RuntimeException('a page came back wrong');
        }
        if ($at >= 0) {
            $times[] = $took;
            $cpu += $cpuAfter - $cpuBefore;
        }
    }
    sort($times);
    return ['median' => $times[intdiv($pages, 2)], 'p95' => $times[intdiv($pages * 95, 100)], 'cpu' => $cpu / $pages];
};

$connections = [
    'fresh' => static fn () => $gembok->disconnect(true),
    'resumed' => static fn () => $gembok->disconnect(),
    'kept' => static fn () => null,
];
$kept = 0.0;
printf("%-16s %-11s %6s %10s %10s %10s\n", 'page of 50 x 5', 'connection', 'pages', 'median ms', 'p95 ms', 'PHP CPU ms');
foreach (['one batch' => [$byBatch, PAGES], 'a call per field' => [$byField, PAGES_BY_FIELD]] as $how => [$read, $pages]) {
    foreach ($connections as $name => $before) {
        $result = $measure($read, $before, $pages);
        printf("%-16s %-11s %6d %10.2f %10.2f %10.2f\n", $how, $name, $pages, $result['median'], $result['p95'], $result['cpu']);
        if ($how === 'one batch' && $name === 'kept') {
            $kept = $result['median'];
        }
    }
}
printf("\none batch, kept: %.2f ms, target ≤ %.0f ms: %s\n", $kept, TARGET_MS, $kept <= TARGET_MS ? 'met' : 'missed');

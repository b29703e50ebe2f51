<?php
/*
 * Puts together what went over the wire: reads a capture (pcap) and writes the bytes of each TCP connection and direction in
 * their order, so that a text that two packets share is found too.
 *
 *     php streams.php CAPTURE OUT     OUT: all streams one after another. Prints a line for each pair of hosts.
 */

$pcap = file_get_contents($argv[1]);
$order = substr($pcap, 0, 4);
if (!in_array($order, ["\xd4\xc3\xb2\xa1", "\x4d\x3c\xb2\xa1"], true) || unpack('V', $pcap, 20)[1] !== 1) {
    fwrite(STDERR, "{$argv[1]} is no pcap of Ethernet frames\n");
    exit(2);
}

/** @var array<string, array<int, string>> $streams segments by their place, by connection and direction */
$streams = [];
$first = [];
for ($at = 24; $at + 16 <= strlen($pcap); $at += 16 + $length) {
    $length = unpack('V', $pcap, $at + 8)[1];
    $frame = substr($pcap, $at + 16, $length);
    if (strlen($frame) < 54 || substr($frame, 12, 2) !== "\x08\x00" || $frame[23] !== "\x06") {
        continue;   // not TCP over IPv4: name lookups, ARP
    }
    $ip = (ord($frame[14]) & 15) * 4;
    $total = unpack('n', $frame, 16)[1] ?: strlen($frame) - 14;
    $tcp = unpack('nfrom/nto/Nseq', $frame, 14 + $ip);
    $header = (ord($frame[14 + $ip + 12]) >> 4) * 4;
    $payload = substr($frame, 14 + $ip + $header, max(0, $total - $ip - $header));
    $name = inet_ntop(substr($frame, 26, 4)) . ":{$tcp['from']} -> " . inet_ntop(substr($frame, 30, 4)) . ":{$tcp['to']}";
    $first[$name] = $first[$name] ?? $tcp['seq'];
    $place = ($tcp['seq'] - $first[$name]) & 0xffffffff;
    if (strlen($payload) > strlen($streams[$name][$place] ?? '')) {
        $streams[$name][$place] = $payload;
    }
}

$out = fopen($argv[2], 'wb');
$hosts = [];
foreach ($streams as $name => $segments) {
    ksort($segments);
    $next = 0;
    foreach ($segments as $place => $payload) {
        $fresh = substr($payload, max(0, $next - $place));   // what was sent twice counts once
        fwrite($out, $fresh);
        $next = max($next, $place + strlen($payload));
    }
    fwrite($out, "\n");
    $pair = preg_replace('/:\d+/', '', $name);
    $hosts[$pair] = ($hosts[$pair] ?? 0) + $next;
}
foreach ($hosts as $pair => $bytes) {
    echo "$pair: $bytes bytes\n";
}

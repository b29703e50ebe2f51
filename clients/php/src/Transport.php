<?php

/*
 * One request and its answer, within a deadline, over the kept connection. What curl says when it fails becomes an exception
 * in TlsTrouble and NetworkTrouble; whether to try again is decided in Retry.
 */

declare(strict_types=1);

namespace Gembok;

use Gembok\Exception\GembokException;

/** @internal */
final class Transport
{
    /** What curl says when the other side was gone: at the first use of a connection that lay idle, no reason to worry. */
    private const GONE = [CURLE_SEND_ERROR, CURLE_RECV_ERROR, CURLE_GOT_NOTHING, CURLE_PARTIAL_FILE];

    /** An answer has about this much for each byte of the request at most: where every item of a batch failed, in words. */
    private const ANSWER_GROWS = 32;
    private const ANSWER_BYTES = 1048576;
    private const HEADER_BYTES = 65536;

    private Config $config;

    public function __construct(Config $config)
    {
        $this->config = $config;
    }

    /**
     * @param ?string $body JSON to post; null to get
     * @throws GembokException where no answer came
     */
    public function send(
        string $path,
        #[\SensitiveParameter]
        ?string $body,
        Deadline $deadline
    ): Response {
        $handle = Connection::handle($this->config);
        $headers = [];
        $headerBytes = 0;
        $mostBytes = self::ANSWER_BYTES + self::ANSWER_GROWS * strlen((string) $body);
        curl_setopt_array($handle, $this->request($path, $body) + [
            CURLOPT_FRESH_CONNECT => false,
            CURLOPT_HEADERFUNCTION => static function ($handle, string $line) use (&$headers, &$headerBytes): int {
                $headerBytes += strlen($line);
                if ($headerBytes > self::HEADER_BYTES) {
                    return 0;
                }
                $parts = explode(':', $line, 2);
                if (isset($parts[1])) {
                    $headers[strtolower($parts[0])] = trim($parts[1]);
                }
                return strlen($line);
            },
            // Whoever answers must not fill this process's memory.
            CURLOPT_NOPROGRESS => false,
            CURLOPT_PROGRESSFUNCTION => static fn ($handle, $whole, $got): int => $got > $mostBytes ? 1 : 0,
        ]);
        $answer = $this->run($handle, $deadline);
        // A kept connection that died while it lay idle says nothing about the appliance: at once on a fresh one. That the
        // appliance may have had the request does no harm: Retry says why.
        if ($answer === null && in_array(curl_errno($handle), self::GONE, true) && $this->wasKept($handle)) {
            curl_setopt($handle, CURLOPT_FRESH_CONNECT, true);
            $answer = $this->run($handle, $deadline);
        }
        $trouble = $answer === null ? $this->trouble($handle, $deadline) : null;
        $status = (int) curl_getinfo($handle, CURLINFO_RESPONSE_CODE);
        // The handle lives on; the request and the API key need not.
        curl_setopt_array($handle, [CURLOPT_HTTPHEADER => [], CURLOPT_POSTFIELDS => '', CURLOPT_HEADERFUNCTION => null]);
        if ($trouble !== null) {
            throw $trouble;
        }
        return new Response($status, (string) $answer, $headers);
    }

    /** @return array<int, mixed> */
    private function request(
        string $path,
        #[\SensitiveParameter]
        ?string $body
    ): array {
        $headers = [
            'Authorization: Bearer ' . $this->config->apiKey()->reveal(),
            'Accept: application/json',
            'User-Agent: gembok-php',
            // Without it curl would wait for leave before it sends a large body.
            'Expect:',
        ];
        $request = [CURLOPT_URL => $this->config->url() . $path];
        if ($body === null) {
            return $request + [CURLOPT_HTTPGET => true, CURLOPT_HTTPHEADER => $headers];
        }
        $headers[] = 'Content-Type: application/json';
        return $request + [CURLOPT_POST => true, CURLOPT_POSTFIELDS => $body, CURLOPT_HTTPHEADER => $headers];
    }

    /** @param resource|\CurlHandle $handle */
    private function run($handle, Deadline $deadline): ?string
    {
        $leftMs = max(1, $deadline->leftMs());
        curl_setopt_array($handle, [CURLOPT_TIMEOUT_MS => $leftMs, CURLOPT_CONNECTTIMEOUT_MS => $leftMs]);
        $answer = curl_exec($handle);
        return is_string($answer) ? $answer : null;
    }

    /** @param resource|\CurlHandle $handle */
    private function wasKept($handle): bool
    {
        return curl_getinfo($handle, CURLINFO_NUM_CONNECTS) === 0;
    }

    /** @param resource|\CurlHandle $handle */
    private function trouble($handle, Deadline $deadline): GembokException
    {
        $number = curl_errno($handle);
        $says = curl_error($handle);
        if ($number === CURLE_WRITE_ERROR || $number === CURLE_ABORTED_BY_CALLBACK) {
            return Response::strange((int) curl_getinfo($handle, CURLINFO_RESPONSE_CODE));
        }
        return TlsTrouble::of($number, $says, $this->config)
            ?? NetworkTrouble::of($number, $says, $this->config, $deadline);
    }
}

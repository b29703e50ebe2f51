<?php

/*
 * What the appliance answered.
 */

declare(strict_types=1);

namespace Gembok;

use Gembok\Exception\GembokException;
use Gembok\Exception\Unavailable;

/** @internal */
final class Response
{
    private int $status;
    private string $body;
    private ?int $retryAfter;
    private ?int $time;

    /** @param array<string, string> $headers by lower-case name */
    public function __construct(
        int $status,
        #[\SensitiveParameter]
        string $body,
        array $headers
    ) {
        $this->status = $status;
        $this->body = $body;
        $seconds = $headers['retry-after'] ?? '';
        $this->retryAfter = ctype_digit($seconds) && strlen($seconds) < 10 ? (int) $seconds : null;
        $time = strtotime($headers['date'] ?? '');
        $this->time = $time === false ? null : $time;
    }

    /** The other side's clock when it answered, in seconds since 1970; null where it did not say. */
    public function time(): ?int
    {
        return $this->time;
    }

    /**
     * Throws where the appliance refused.
     *
     * @throws GembokException
     */
    public function refuse(): void
    {
        if ($this->status !== 200) {
            throw Problem::exception($this->json(), $this->status, $this->retryAfter);
        }
    }

    /**
     * The JSON object of a good answer.
     *
     * @return array<string, mixed>
     * @throws GembokException
     */
    public function members(): array
    {
        $members = $this->json();
        if ($members === []) {
            throw self::strange($this->status);
        }
        return $members;
    }

    /** @return array<string, mixed> empty where it is none */
    private function json(): array
    {
        $members = json_decode($this->body, true);
        return is_array($members) ? $members : [];
    }

    /** An answer that no Gembok gives: a proxy's error page, another program on that port. */
    public static function strange(int $status): GembokException
    {
        return new Unavailable(
            'bad-answer',
            "The answer is not one of Gembok's; its HTTP status is $status.",
            "Check that 'url' leads to the appliance's data plane, and look at what stands between.",
            $status
        );
    }
}

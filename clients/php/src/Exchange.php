<?php

/*
 * The v1 contract: where each verb is posted, and what the appliance tells of itself.
 */

declare(strict_types=1);

namespace Gembok;

use Gembok\Exception\GembokException;

/** @internal */
final class Exchange
{
    private Config $config;
    private Transport $transport;

    public function __construct(Config $config)
    {
        $this->config = $config;
        $this->transport = new Transport($config);
    }

    public function deadline(): Deadline
    {
        return new Deadline($this->config->deadlineMs());
    }

    /**
     * @param string $verb encrypt or decrypt
     * @return array<string, mixed>
     * @throws GembokException
     */
    public function post(
        string $verb,
        #[\SensitiveParameter]
        string $body,
        Deadline $deadline
    ): array {
        $path = '/v1/endpoints/' . rawurlencode($this->config->endpoint()) . '/' . $verb;
        return $this->send($path, $body, $deadline)->members();
    }

    /**
     * @return array<string, mixed> the limits and algorithms of the appliance
     * @throws GembokException
     */
    public function info(Deadline $deadline): array
    {
        return $this->send('/v1/info', null, $deadline)->members();
    }

    /**
     * @return ?int how many seconds the appliance's clock is ahead of ours; null where it does not say
     * @throws GembokException
     */
    public function clockAhead(Deadline $deadline): ?int
    {
        $time = $this->send('/v1/info', null, $deadline)->time();
        return $time === null ? null : $time - time();
    }

    private function send(
        string $path,
        #[\SensitiveParameter]
        ?string $body,
        Deadline $deadline
    ): Response {
        return Retry::run(
            function () use ($path, $body, $deadline): Response {
                $response = $this->transport->send($path, $body, $deadline);
                $response->refuse();
                return $response;
            },
            $this->config->retries(),
            $deadline
        );
    }
}

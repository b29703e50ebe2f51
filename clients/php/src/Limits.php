<?php

/*
 * How much one request may hold. What every appliance takes unless its operator says otherwise is known here, so that a page
 * of rows costs one round trip and not two; the appliance is asked only where that is too little for a batch, or where it
 * has refused as much. Then its answer holds for the rest of the process.
 */

declare(strict_types=1);

namespace Gembok;

use Gembok\Exception\GembokException;

/** @internal */
final class Limits
{
    /** @var array<string, self> what appliances told, by connection */
    private static array $told = [];

    private int $items;
    private int $bodyBytes;

    private function __construct(int $items, int $bodyBytes)
    {
        $this->items = $items;
        $this->bodyBytes = $bodyBytes;
    }

    public static function known(Config $config): self
    {
        return self::$told[$config->connectionId()] ?? new self(1000, 1048576);
    }

    public static function areTold(Config $config): bool
    {
        return isset(self::$told[$config->connectionId()]);
    }

    /**
     * @param array<string, mixed> $info the answer of GET /v1/info
     * @throws GembokException
     */
    public static function learn(Config $config, array $info): self
    {
        $items = $info['limits']['items_max'] ?? null;
        $bodyBytes = $info['limits']['body_bytes_max'] ?? null;
        if (!is_int($items) || !is_int($bodyBytes) || $items < 1) {
            throw Response::strange(200);
        }
        return self::$told[$config->connectionId()] = new self($items, $bodyBytes);
    }

    /** How many items one request may have. */
    public function items(): int
    {
        return $this->items;
    }

    /** How many bytes one request may have, as it is sent. */
    public function bodyBytes(): int
    {
        return $this->bodyBytes;
    }
}

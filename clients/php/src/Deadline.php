<?php

/*
 * How long a call may still take: all its requests, retries and pauses together. By the monotonic clock, so that setting the
 * machine's clock neither ends a call nor prolongs it.
 */

declare(strict_types=1);

namespace Gembok;

/** @internal */
final class Deadline
{
    private int $totalMs;
    private int $endNs;

    public function __construct(int $totalMs)
    {
        $this->totalMs = $totalMs;
        $this->endNs = hrtime(true) + $totalMs * 1000000;
    }

    public function totalMs(): int
    {
        return $this->totalMs;
    }

    public function leftMs(): int
    {
        return max(0, intdiv($this->endNs - hrtime(true), 1000000));
    }

    /** Pauses if the pause leaves time for a request; says whether it did. */
    public function pause(int $ms): bool
    {
        if ($ms + 50 > $this->leftMs()) {
            return false;
        }
        usleep($ms * 1000);
        return true;
    }
}

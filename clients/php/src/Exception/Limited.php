<?php

/*
 * A limit was met: requests or fields per second, requests under way, the fields that may be decrypted in a day, or too
 * many failed sign-ins. It passes by itself; retryAfter() says when.
 */

declare(strict_types=1);

namespace Gembok\Exception;

final class Limited extends GembokException
{
    private ?int $retryAfter = null;

    /** Seconds until it is worth asking again; null where the appliance did not say. */
    public function retryAfter(): ?int
    {
        return $this->retryAfter;
    }

    /** @internal */
    public function after(?int $seconds): self
    {
        $this->retryAfter = $seconds;
        return $this;
    }
}

<?php

/*
 * When a request is made again: where the appliance was not reached, broke off, or said when to come again, a few times and
 * only while the deadline leaves time for it.
 *
 * Both verbs may be repeated, also where the appliance may have carried out the first try: to encrypt again gives another
 * ciphertext of the same value, and the first is lost with its answer; to decrypt again gives the same value. Neither changes
 * anything that is stored. What a repeat costs is a request and its fields against the limits, and of a decrypt against the
 * budget of the day.
 */

declare(strict_types=1);

namespace Gembok;

use Gembok\Exception\GembokException;
use Gembok\Exception\Limited;
use Gembok\Exception\Unavailable;

/** @internal */
final class Retry
{
    private const FIRST_PAUSE_MS = 100;
    private const PAUSE_GROWS = 3;

    /**
     * @param callable(): Response $once
     * @throws GembokException
     */
    public static function run(callable $once, int $retries, Deadline $deadline): Response
    {
        for ($tried = 0; ; $tried++) {
            try {
                return $once();
            } catch (Unavailable | Limited $refused) {
                $pauseMs = self::pauseMs($refused, $tried);
                if ($tried >= $retries || $pauseMs === null || !$deadline->pause($pauseMs)) {
                    throw $refused;
                }
            }
        }
    }

    /** Null where another try would end like this one. */
    private static function pauseMs(GembokException $refused, int $tried): ?int
    {
        // What failed to sign in fails again, and counts again.
        if ($refused->getErrorCode() === 'authentication-limited') {
            return null;
        }
        if ($refused->retryAfter() !== null) {
            return $refused->retryAfter() * 1000;
        }
        $passes = in_array($refused->getErrorCode(), ['unreachable', 'connection-lost'], true)
            || in_array($refused->getStatus(), [429, 502, 503, 504], true);
        // Not all who were cut off at once come back at once.
        return $passes ? intdiv(self::FIRST_PAUSE_MS * self::PAUSE_GROWS ** $tried * random_int(50, 100), 100) : null;
    }
}

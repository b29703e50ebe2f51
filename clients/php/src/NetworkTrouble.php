<?php

/*
 * What it means when the network gave no answer and TLS is not to blame.
 */

declare(strict_types=1);

namespace Gembok;

use Gembok\Exception\GembokException;
use Gembok\Exception\Unavailable;

/** @internal */
final class NetworkTrouble
{
    public static function of(int $number, string $says, Config $config, Deadline $deadline): GembokException
    {
        $where = $config->socket() ?? $config->url();
        switch ($number) {
            case CURLE_COULDNT_RESOLVE_HOST:
                return new Unavailable(
                    'host-unknown',
                    "The name in $where is not known to this machine.",
                    "Correct 'url', or the name server or /etc/hosts of this machine."
                );
            case CURLE_COULDNT_CONNECT:
                return new Unavailable(
                    'unreachable',
                    "Nothing takes connections at $where.",
                    "Check that the appliance runs, that 'url' has its address and the data plane's port, and what the firewall says."
                );
            case CURLE_OPERATION_TIMEOUTED:
                return new Unavailable(
                    'timed-out',
                    "No answer came from $where within {$deadline->totalMs()} ms.",
                    "Check the network and the firewall between; a larger 'deadline_ms' helps only where the appliance is slow."
                );
            default:
                return new Unavailable(
                    'connection-lost',
                    "The connection to $where broke off (curl $number: " . rtrim($says, '. ') . ').',
                    "Try again later. If it happens always, let diagnose() look, and ask the operator for the appliance's log."
                );
        }
    }
}

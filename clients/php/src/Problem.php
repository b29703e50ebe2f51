<?php

/*
 * How a refusal of the appliance becomes an exception: which kind each of its codes is. The codes are stable; a code that is
 * newer than this library becomes a kind by its HTTP status.
 */

declare(strict_types=1);

namespace Gembok;

use Gembok\Exception\BadRequest;
use Gembok\Exception\CannotOpen;
use Gembok\Exception\Denied;
use Gembok\Exception\GembokException;
use Gembok\Exception\Limited;
use Gembok\Exception\Misconfigured;
use Gembok\Exception\Unavailable;

/** @internal */
final class Problem
{
    private const KINDS = [
        BadRequest::class => [
            'malformed-json', 'unknown-member', 'missing-member', 'repeated-member', 'bad-base64', 'bad-context',
            'context-required', 'unknown-action', 'bad-name', 'bad-request',
            'body-too-large', 'field-too-large', 'too-many-items', 'batch-over-burst', 'batch-over-budget',
            'object-unknown', 'not-found', 'already-exists', 'key-taken', 'conflict', 'too-many-certificates', 'key-compromised',
            'field-not-declared', 'field-not-indexed', 'value-unfit',
            'last-admin', 'approval-ended', 'too-many-approvals', 'not-empty', 'not-retired', 'object-in-use',
            'changed-meanwhile', 'idempotency-key-reused', 'shown-once', 'ca-in-use', 'ca-roll-state', 'rotation-under-way',
            'index-rotation-state', 'index-given-up', 'not-in-escrow',
            'weak-password', 'link-ended', 'wrong-key-state', 'too-many-sessions', 'admin-is-there', 'too-many-projects',
            'too-many-things',
        ],
        Denied::class => [
            'certificate-missing', 'certificate-not-enrolled', 'certificate-not-valid', 'certificate-revoked',
            'api-key-missing', 'api-key-unknown', 'api-key-revoked', 'api-key-expired', 'api-key-disabled',
            'api-key-of-another-endpoint', 'endpoint-revoked', 'endpoint-disabled', 'forbidden', 'not-granted',
            'key-not-sealing', 'key-exhausted', 'denied-by-policy', 'not-a-second-person', 'subject-frozen',
            'endpoint-retired', 'object-retired', 'project-retired', 'network-not-allowed', 'use-the-control-plane',
            'sign-in-failed', 'session-ended', 'password-not-shown',
        ],
        Misconfigured::class => ['api-key-mistyped', 'endpoint-unknown', 'no-such-route', 'method-not-allowed'],
        CannotOpen::class => ['cannot-open', 'key-disabled', 'key-destroyed', 'key-window-over'],
        Limited::class => [
            'requests-limited', 'fields-limited', 'too-many-in-flight', 'budget-exhausted', 'authentication-limited',
            'renewal-limited', 'too-many-idempotency-keys', 'trail-busy',
        ],
        Unavailable::class => [
            'sign-ins-busy', 'locked', 'token-away', 'journal-full', 'wrong-state', 'fault', 'body-too-slow', 'client-gone',
        ],
    ];

    /**
     * @param array<string, mixed> $members of a problem document, or of one failed item of a batch
     */
    public static function exception(array $members, int $status, ?int $retryAfter = null): GembokException
    {
        $code = $members['code'] ?? null;
        $what = $members['detail'] ?? $members['title'] ?? null;
        if (!is_string($code) || !is_string($what) || preg_match('/^[a-z][a-z0-9-]{0,63}$/D', $code) !== 1) {
            return Response::strange($status);
        }
        $kind = self::kind($code, $status);
        $hint = $members['hint'] ?? '';
        return new $kind($code, self::line($what), is_string($hint) ? self::line($hint) : '', $status, $retryAfter);
    }

    /** Without line ends: an exception's message goes to logs, where a line is an entry. */
    private static function line(string $text): string
    {
        return (string) preg_replace('/[\x00-\x1f\x7f]+/', ' ', $text);
    }

    /** @return ?class-string<GembokException> null where the code is not known here */
    public static function kindOf(string $code): ?string
    {
        foreach (self::KINDS as $kind => $codes) {
            if (in_array($code, $codes, true)) {
                return $kind;
            }
        }
        return null;
    }

    private static function kind(string $code, int $status): string
    {
        $known = self::kindOf($code);
        if ($known !== null) {
            return $known;
        }
        if ($status === 401 || $status === 403) {
            return Denied::class;
        }
        if ($status === 429) {
            return Limited::class;
        }
        return $status >= 500 || $status === 408 ? Unavailable::class : BadRequest::class;
    }
}

<?php

/*
 * Many items as few requests: encoded, cut where the limits of one request end, sent one after the other, and put together
 * again under the caller's keys in the caller's order.
 *
 * What is wrong with the shape of the call is refused before anything is sent, as a whole: it is an error of the program.
 * What is wrong with one value is that item's failure.
 */

declare(strict_types=1);

namespace Gembok;

use Gembok\Exception\BadRequest;
use Gembok\Exception\BatchFailed;
use Gembok\Exception\GembokException;

/** @internal */
final class Batch
{
    /** {"items":[ and ]} */
    private const FRAME_BYTES = 12;

    private Config $config;
    private Exchange $exchange;
    private Verb $verb;
    /** @var array<int|string, string> the JSON of what is to be sent, by the caller's keys */
    private array $pending = [];
    /** @var array<int|string, string|GembokException|null> by the caller's keys, in order */
    private array $outcomes = [];

    /**
     * @param array<int|string, mixed> $items
     * @throws GembokException
     */
    public function __construct(
        Config $config,
        Exchange $exchange,
        Verb $verb,
        #[\SensitiveParameter]
        array $items,
        ?string $object
    ) {
        $this->config = $config;
        $this->exchange = $exchange;
        $this->verb = $verb;
        foreach ($items as $key => $item) {
            $this->outcomes[$key] = null;
            try {
                $this->take($key, $item, $object);
            } catch (BadRequest $wrong) {
                throw new BadRequest(
                    $wrong->getErrorCode(),
                    "Item '$key': " . lcfirst($wrong->getHappened()),
                    $wrong->getHint() . ' Nothing was sent.'
                );
            }
        }
    }

    /**
     * @return array<int|string, ?string>
     * @throws GembokException
     */
    public function run(): array
    {
        $deadline = $this->exchange->deadline();
        $limits = Limits::known($this->config);
        $asked = !Limits::areTold($this->config) && $this->takesMoreThanOne($limits);
        if ($asked) {
            $limits = Limits::learn($this->config, $this->exchange->info($deadline));
        }
        while ($this->pending !== []) {
            $part = $this->next($limits);
            if ($part === []) {
                continue;
            }
            try {
                $this->send($part, $deadline);
            } catch (BadRequest $tooMuch) {
                $isLimit = in_array($tooMuch->getErrorCode(), ['too-many-items', 'body-too-large'], true);
                if (!$isLimit || $asked) {
                    throw $tooMuch;
                }
                // This appliance takes less than others, or less than before: cut anew.
                $asked = true;
                $limits = Limits::learn($this->config, $this->exchange->info($deadline));
            }
        }
        return $this->results();
    }

    /**
     * @param int|string $key
     * @param mixed $item
     */
    private function take(
        $key,
        #[\SensitiveParameter]
        $item,
        ?string $object
    ): void {
        $takes = $this->verb->takes();
        if (!is_array($item) || !array_key_exists($takes, $item)) {
            throw new BadRequest('missing-member', "It has no '$takes'.", "Give each item as ['$takes' => …, 'context' => […]].");
        }
        $known = array_merge(
            [$takes, 'object', 'context'],
            $this->verb->takesForce() ? ['force'] : [],
            $this->verb->takesField() ? ['field'] : []
        );
        if (array_diff(array_keys($item), $known) !== []) {
            throw new BadRequest(
                'unknown-member',
                "It has a member that is none of '" . implode("', '", $known) . "'.",
                'Correct its spelling: unknown members are refused so that a typing error cannot weaken protection.'
            );
        }
        if ($item[$takes] === null || $item[$takes] === '') {
            // Nothing is found by nothing: NULL, of which a UNIQUE key takes many.
            $this->outcomes[$key] = $this->verb->takesField() ? null : $item[$takes];
            return;
        }
        $context = $item['context'] ?? [];
        if (!is_array($context)) {
            throw new BadRequest('bad-context', 'Its context is no array.', "Write it as ['row' => \$id, 'column' => 'nik'].");
        }
        $force = $item['force'] ?? false;
        if (!is_bool($force)) {
            throw new BadRequest('bad-value', "Its 'force' is no boolean.", 'Give true or false.');
        }
        $object = $item['object'] ?? $object;
        $this->pending[$key] = $this->verb->json($item[$takes], $object, $context, $this->config, $force, $item['field'] ?? null);
    }

    private function takesMoreThanOne(Limits $limits): bool
    {
        return count($this->pending) > $limits->items() || $this->bytes() > $limits->bodyBytes();
    }

    private function bytes(): int
    {
        return self::FRAME_BYTES + max(0, count($this->pending) - 1) + array_sum(array_map('strlen', $this->pending));
    }

    /**
     * As many of what is pending as one request takes. What does not fit into a request of its own fails.
     *
     * @return array<int|string, string>
     */
    private function next(Limits $limits): array
    {
        $part = [];
        $bytes = self::FRAME_BYTES;
        foreach ($this->pending as $key => $json) {
            $comma = $part === [] ? 0 : 1;
            if (self::FRAME_BYTES + strlen($json) > $limits->bodyBytes()) {
                $this->outcomes[$key] = $this->verb->tooLarge();
                unset($this->pending[$key]);
                continue;
            }
            $bytes += $comma + strlen($json);
            if ($bytes > $limits->bodyBytes() || count($part) === $limits->items()) {
                break;
            }
            $part[$key] = $json;
        }
        return $part;
    }

    /** @param array<int|string, string> $part */
    private function send(
        #[\SensitiveParameter]
        array $part,
        Deadline $deadline
    ): void {
        $answer = $this->exchange->post($this->verb->name(), '{"items":[' . implode(',', $part) . ']}', $deadline);
        $items = $answer['items'] ?? null;
        if (!is_array($items) || count($items) !== count($part)) {
            throw Response::strange(200);
        }
        foreach (array_keys($part) as $at => $key) {
            $item = is_array($items[$at] ?? null) ? $items[$at] : [];
            $this->outcomes[$key] = isset($item['code'])
                ? Problem::exception($item, 200)
                : $this->verb->result($item);
            unset($this->pending[$key]);
        }
    }

    /** @return array<int|string, ?string> */
    private function results(): array
    {
        $failures = array_filter(
            $this->outcomes,
            static fn ($outcome): bool => $outcome instanceof GembokException
        );
        if ($failures === []) {
            return $this->outcomes;
        }
        throw BatchFailed::of(array_diff_key($this->outcomes, $failures), $failures);
    }
}

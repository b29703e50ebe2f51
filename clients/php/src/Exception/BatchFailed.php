<?php

/*
 * Some items of a batch failed; the others are done. What was done is in results(), under the caller's keys, so that a page
 * can show it; why the rest failed is in failures(), one exception each. A batch that failed as a whole (not reached,
 * denied, …) throws the exception of that instead.
 */

declare(strict_types=1);

namespace Gembok\Exception;

final class BatchFailed extends GembokException implements \JsonSerializable
{
    /** @var array<int|string, ?string> */
    private array $results = [];
    /** @var array<int|string, GembokException> */
    private array $failures = [];

    /**
     * @internal
     * @param array<int|string, ?string> $results
     * @param array<int|string, GembokException> $failures
     */
    public static function of(
        #[\SensitiveParameter]
        array $results,
        array $failures
    ): self {
        $first = reset($failures);
        $of = count($results) + count($failures);
        $self = new self(
            'batch-failed',
            count($failures) . " of $of items failed. The first: " . $first->getHappened(),
            $first->getHint() . ' Ask failures() for each item; results() has the others.',
            $first->getStatus()
        );
        $self->results = $results;
        $self->failures = $failures;
        return $self;
    }

    /**
     * What did not fail, under the keys of the request and in its order.
     *
     * @return array<int|string, ?string>
     */
    public function results(): array
    {
        return $this->results;
    }

    /**
     * What failed, under the keys of the request: one exception each.
     *
     * @return array<int|string, GembokException>
     */
    public function failures(): array
    {
        return $this->failures;
    }

    /** What a dump shows: never the results, they may be plaintext. */
    public function __debugInfo(): array
    {
        return $this->jsonSerialize();
    }

    /** What JSON shows: as much. */
    #[\ReturnTypeWillChange]
    public function jsonSerialize(): array
    {
        $codes = [];
        foreach ($this->failures as $key => $failure) {
            $codes[$key] = $failure->getErrorCode();
        }
        return ['message' => $this->getMessage(), 'failures' => $codes, 'results' => count($this->results) . ' not shown'];
    }

    public function __serialize(): array
    {
        throw new \LogicException('A BatchFailed is not serialized: its results may be plaintext. Take what you need out of it.');
    }
}

<?php

/*
 * What diagnose() found, from the settings to the columns, in the order in which a person would look.
 *
 *     echo $gembok->diagnose(['karyawan.nik' => ['bytes' => 16, 'width' => 92]]);
 */

declare(strict_types=1);

namespace Gembok;

final class Diagnosis implements \IteratorAggregate, \Countable, \JsonSerializable
{
    /** @var list<Finding> */
    private array $findings;

    /** @param list<Finding> $findings */
    public function __construct(array $findings)
    {
        $this->findings = $findings;
    }

    /** Whether nothing is a problem; warnings may be there. */
    public function isHealthy(): bool
    {
        return $this->problems() === [];
    }

    /** @return list<Finding> */
    public function findings(): array
    {
        return $this->findings;
    }

    /** @return list<Finding> */
    public function problems(): array
    {
        return $this->of(Finding::PROBLEM);
    }

    /** @return list<Finding> */
    public function warnings(): array
    {
        return $this->of(Finding::WARNING);
    }

    /** The first finding about this, or null. */
    public function about(string $about): ?Finding
    {
        foreach ($this->findings as $finding) {
            if ($finding->about() === $about) {
                return $finding;
            }
        }
        return null;
    }

    /** A line for each finding. */
    public function __toString(): string
    {
        return implode('', array_map(static fn (Finding $finding): string => "$finding\n", $this->findings));
    }

    public function getIterator(): \Iterator
    {
        return new \ArrayIterator($this->findings);
    }

    #[\ReturnTypeWillChange]
    public function count(): int
    {
        return count($this->findings);
    }

    #[\ReturnTypeWillChange]
    public function jsonSerialize(): array
    {
        return ['healthy' => $this->isHealthy(), 'findings' => $this->findings];
    }

    /** @return list<Finding> */
    private function of(string $level): array
    {
        return array_values(array_filter(
            $this->findings,
            static fn (Finding $finding): bool => $finding->level() === $level
        ));
    }
}

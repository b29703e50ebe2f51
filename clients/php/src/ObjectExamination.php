<?php

/*
 * The part of a diagnosis that asks the appliance for what it is there for: a random value is encrypted and decrypted for
 * each object that is configured or named by a column. So API key, endpoint, object and grants are tried by using them.
 */

declare(strict_types=1);

namespace Gembok;

use Gembok\Exception\Denied;
use Gembok\Exception\GembokException;

/** @internal */
final class ObjectExamination
{
    private Config $config;
    private Exchange $exchange;

    public function __construct(Config $config, Exchange $exchange)
    {
        $this->config = $config;
        $this->exchange = $exchange;
    }

    /**
     * @param array<string, mixed> $columns
     * @param list<Finding> $findings where to add
     * @return array<string, string> by object, the algorithm it encrypts with
     */
    public function run(array $columns, array &$findings): array
    {
        $objects = $this->objects($columns);
        if ($objects === []) {
            $findings[] = new Finding(
                Finding::SKIPPED,
                'object',
                'No object is named, so API key and grants are not tried.',
                "Set 'object' in the settings, or name one with a column."
            );
        }
        $algorithms = [];
        foreach ($objects as $object => $context) {
            [$finding, $algorithms[$object]] = $this->attempt((string) $object, $context);
            $findings[] = $finding;
        }
        return array_filter($algorithms);
    }

    /**
     * @param array<string, mixed> $columns
     * @return array<string, array<mixed>> by object, a sample of its context
     */
    private function objects(array $columns): array
    {
        $objects = $this->config->object() === null ? [] : [$this->config->object() => []];
        foreach ($columns as $column) {
            $object = $column['object'] ?? $this->config->object();
            if (is_string($object)) {
                $objects[$object] = ($objects[$object] ?? []) ?: (array) ($column['context'] ?? []);
            }
        }
        return $objects;
    }

    /**
     * @param array<mixed> $context
     * @return array{Finding, ?string}
     */
    private function attempt(string $object, array $context): array
    {
        $about = "object $object";
        $value = random_bytes(16);
        try {
            $ciphertext = $this->exchangeOne(Verb::encrypt(), $value, $object, $context);
        } catch (GembokException $wrong) {
            return [$this->refused($about, 'Encrypting', $wrong), null];
        }
        $algorithm = Width::algorithmOf($ciphertext);
        try {
            $opened = $this->exchangeOne(Verb::decrypt(), $ciphertext, $object, $context);
        } catch (GembokException $wrong) {
            return [$this->refused($about, 'Encrypting works; decrypting', $wrong), $algorithm];
        }
        if ($opened !== $value) {
            return [new Finding(
                Finding::PROBLEM,
                $about,
                'A random value was encrypted, and decrypted to another.',
                'Store nothing; tell the operator.'
            ), $algorithm];
        }
        return [new Finding(Finding::OK, $about, "A random value was encrypted with $algorithm, and decrypted."), $algorithm];
    }

    /** @param array<mixed> $context */
    private function exchangeOne(
        Verb $verb,
        #[\SensitiveParameter]
        string $value,
        string $object,
        array $context
    ): string {
        $json = $verb->json($value, $object, $context, $this->config);
        return $verb->result($this->exchange->post($verb->name(), $json, $this->exchange->deadline()));
    }

    private function refused(string $about, string $what, GembokException $wrong): Finding
    {
        $says = "$what is refused: {$wrong->getHappened()}";
        $hint = "{$wrong->getHint()} ({$wrong->getErrorCode()})";
        if ($wrong->getErrorCode() === 'context-required') {
            return new Finding(
                Finding::SKIPPED,
                $about,
                $says,
                "Give a column of it a sample, such as 'context' => ['row' => '0'], and it is tried with that."
            );
        }
        // An endpoint that only writes, or only reads, is a fair thing to have.
        $oneWay = $wrong instanceof Denied && $wrong->getErrorCode() === 'not-granted';
        return new Finding($oneWay ? Finding::WARNING : Finding::PROBLEM, $about, $says, $hint);
    }
}

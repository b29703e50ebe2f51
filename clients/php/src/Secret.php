<?php

/*
 * A text that no dump may show: the API key. The text lies outside the object, so that var_dump, print_r, var_export, a cast
 * to array and an error tracker that walks through objects find nothing in it.
 */

declare(strict_types=1);

namespace Gembok;

final class Secret
{
    /** @var array<int, string> by object id */
    private static array $texts = [];

    public function __construct(
        #[\SensitiveParameter]
        string $text
    ) {
        self::$texts[spl_object_id($this)] = $text;
    }

    public function __destruct()
    {
        unset(self::$texts[spl_object_id($this)]);
    }

    /** The text. Give it only to what sends it. */
    public function reveal(): string
    {
        return self::$texts[spl_object_id($this)];
    }

    public function __serialize(): array
    {
        throw new \LogicException('A secret is not serialized. Make the client anew where it is needed.');
    }

    private function __clone()
    {
    }
}

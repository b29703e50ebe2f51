<?php

declare(strict_types=1);

namespace A;

final class B
{
    private ?int $x = null;

    public function f(
        #[\SensitiveParameter]
        string $secret
    ): ?int {
        $this->x ??= strlen($secret);
        $f = fn (int $y): int => $y + ($this->x ?? 0);
        return $f(...[1]) + CURLOPT_CAINFO + \JSON_ERROR_NONE;
    }
}

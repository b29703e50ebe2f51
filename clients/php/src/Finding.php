<?php

/*
 * One thing diagnose() looked at: what, how it is, and what to do where something is to be done.
 */

declare(strict_types=1);

namespace Gembok;

final class Finding implements \JsonSerializable
{
    public const OK = 'ok';
    public const WARNING = 'warning';
    public const PROBLEM = 'problem';
    public const SKIPPED = 'skipped';

    private string $level;
    private string $about;
    private string $says;
    private string $hint;

    public function __construct(string $level, string $about, string $says, string $hint = '')
    {
        $this->level = $level;
        $this->about = $about;
        $this->says = $says;
        $this->hint = $hint;
    }

    /** One of OK, WARNING, PROBLEM, SKIPPED. */
    public function level(): string
    {
        return $this->level;
    }

    /** What was looked at: url, ca, certificate, key, api-key, tcp, tls, object karyawan, column karyawan.nik, … */
    public function about(): string
    {
        return $this->about;
    }

    /** How it is. Never a value, never the API key. */
    public function says(): string
    {
        return $this->says;
    }

    /** What to do; empty where nothing is to be done. */
    public function hint(): string
    {
        return $this->hint;
    }

    public function __toString(): string
    {
        return sprintf('%-8s %-22s %s', $this->level, $this->about, trim("$this->says $this->hint"));
    }

    #[\ReturnTypeWillChange]
    public function jsonSerialize(): array
    {
        return ['level' => $this->level, 'about' => $this->about, 'says' => $this->says, 'hint' => $this->hint];
    }
}

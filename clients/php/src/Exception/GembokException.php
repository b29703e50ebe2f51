<?php

/*
 * What every error of this library is: a stable code for programs, a sentence that says what happened, a hint that says
 * what to do. Its trace has no arguments: PHP would keep the plaintext or the API key of every call on the way in it, and
 * a log, an error page or an error tracker would print them.
 */

declare(strict_types=1);

namespace Gembok\Exception;

abstract class GembokException extends \RuntimeException
{
    private string $errorCode;
    private string $happened;
    private string $hint;
    private ?int $status;
    private ?int $retryAfter;

    /**
     * @param string $errorCode stable, such as cannot-open; the appliance's own, or one of this library's (README.md)
     * @param string $happened  one sentence; never a value of the caller's
     * @param string $hint      what to do about it
     * @param ?int   $status    the HTTP status, where the appliance answered
     * @param ?int   $retryAfter seconds, where the appliance said when to come again
     */
    final public function __construct(
        string $errorCode,
        string $happened,
        string $hint,
        ?int $status = null,
        ?int $retryAfter = null
    ) {
        parent::__construct(trim("$happened $hint") . " ($errorCode)");
        $this->errorCode = $errorCode;
        $this->happened = $happened;
        $this->hint = $hint;
        $this->status = $status;
        $this->retryAfter = $retryAfter;
        $this->dropArguments();
    }

    /** The stable code: what a program compares. */
    public function getErrorCode(): string
    {
        return $this->errorCode;
    }

    /** What happened, without the hint and the code. */
    public function getHappened(): string
    {
        return $this->happened;
    }

    /** What to do about it. */
    public function getHint(): string
    {
        return $this->hint;
    }

    /** The HTTP status; null where no answer came, or the request was never sent. */
    public function getStatus(): ?int
    {
        return $this->status;
    }

    /** Seconds until it is worth asking again; null where waiting does not help, or nobody knows how long. */
    public function retryAfter(): ?int
    {
        return $this->retryAfter;
    }

    /** PHP fills the trace before the constructor runs, in a private property that only reflection reaches. */
    private function dropArguments(): void
    {
        $property = new \ReflectionProperty(\Exception::class, 'trace');
        $property->setAccessible(true);
        $frames = $property->getValue($this);
        foreach (array_keys($frames) as $at) {
            unset($frames[$at]['args']);
        }
        $property->setValue($this, $frames);
    }
}

<?php

/*
 * Just enough to test with: a test is a name and a function; it fails where something throws. Packages from elsewhere are
 * not needed, so the tests run wherever PHP does, PHP 7.4 included.
 */

declare(strict_types=1);

final class Failed extends Exception
{
}

final class Tests
{
    public static int $passed = 0;
    public static int $failed = 0;

    /** Runs a test at once. Output of the test itself is shown only where it fails. */
    public static function run(string $name, callable $test): void
    {
        $began = hrtime(true);
        ob_start();
        try {
            $test();
            $wrong = null;
            self::$passed++;
        } catch (Throwable $thrown) {
            $wrong = $thrown;
            self::$failed++;
        }
        $output = (string) ob_get_clean();
        printf("%s %5d ms  %s\n", $wrong === null ? 'ok  ' : 'FAIL', intdiv(hrtime(true) - $began, 1000000), $name);
        if ($wrong !== null) {
            echo '       ', get_class($wrong), ': ', $wrong->getMessage(), "\n", $output;
            foreach ($wrong->getTrace() as $frame) {
                if (isset($frame['file'])) {
                    echo "       {$frame['file']}:{$frame['line']}\n";
                }
            }
        }
    }
}

function test(string $name, callable $test): void
{
    Tests::run($name, $test);
}

function same($expected, $got, string $what = ''): void
{
    if ($expected !== $got) {
        throw new Failed(trim("$what expected " . var_export($expected, true) . ', got ' . var_export($got, true)));
    }
}

function holds(bool $claim, string $what): void
{
    if (!$claim) {
        throw new Failed($what);
    }
}

function contains(string $part, string $whole): void
{
    holds(strpos($whole, $part) !== false, "there is no «{$part}» in «{$whole}»");
}

function lacks(string $part, string $whole, string $where): void
{
    holds(strpos($whole, $part) === false, "$where shows «{$part}»");
}

/** The call throws this kind with this code; gives the exception for more questions. */
function refuses(string $kind, string $code, callable $call): Gembok\Exception\GembokException
{
    try {
        $call();
    } catch (Gembok\Exception\GembokException $thrown) {
        $shown = get_class($thrown) . " {$thrown->getErrorCode()}: {$thrown->getMessage()}";
        holds(get_class($thrown) === "Gembok\\Exception\\$kind" && $thrown->getErrorCode() === $code, "expected $kind $code, got $shown");
        holds($thrown->getHint() !== '', "$code has no hint");
        return $thrown;
    }
    throw new Failed("expected $kind $code, nothing was thrown");
}

/** Milliseconds a call takes. */
function elapsed(callable $call): float
{
    $began = hrtime(true);
    $call();
    return (hrtime(true) - $began) / 1e6;
}

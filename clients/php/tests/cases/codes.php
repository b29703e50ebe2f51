<?php

/*
 * Every code the appliance has is of a kind here: a new one in src/domain/refusal.rs that nobody gave a kind fails this
 * test. Needs no appliance.
 */

declare(strict_types=1);

use Gembok\Problem;

test('each code of the appliance has a kind', static function (): void {
    $rust = (string) file_get_contents(World::$root . '/src/domain/refusal.rs');
    // As the macro lists them: number, variant, code, comma.
    $count = preg_match_all('/^    \d+ \w+ "([a-z0-9-]+)",/m', $rust, $found);
    holds($count > 50, "only $count codes were found");
    foreach ($found[1] as $code) {
        holds(Problem::kindOf($code) !== null, "$code has no kind in src/Problem.php");
    }
    $ours = (new ReflectionClass(Problem::class))->getConstant('KINDS');
    $known = array_merge(...array_values($ours));
    same([], array_values(array_diff($known, $found[1])), 'codes the appliance does not have:');
    same(count($known), count(array_unique($known)), 'one kind for each code:');
});

test('a problem document becomes its exception', static function (): void {
    $problem = [
        'type' => '/problems/requests-limited', 'title' => 'The requests are used up.', 'status' => 429,
        'code' => 'requests-limited', 'hint' => 'Wait.', 'detail' => 'All 5 are used up.',
    ];
    $thrown = Problem::exception($problem, 429, 3);
    same(
        [Gembok\Exception\Limited::class, 'requests-limited', 'Wait.', 429, 3],
        [get_class($thrown), $thrown->getErrorCode(), $thrown->getHint(), $thrown->getStatus(), $thrown->retryAfter()]
    );
    same('All 5 are used up. Wait. (requests-limited)', $thrown->getMessage());
    unset($problem['detail']);
    same('The requests are used up. Wait. (requests-limited)', Problem::exception($problem, 429)->getMessage());
});

test('a code that is newer than this library goes by its status', static function (): void {
    foreach ([400 => 'BadRequest', 401 => 'Denied', 403 => 'Denied', 404 => 'BadRequest', 429 => 'Limited', 500 => 'Unavailable',
        503 => 'Unavailable', 408 => 'Unavailable', 200 => 'BadRequest'] as $status => $kind) {
        $thrown = Problem::exception(['code' => 'quite-new', 'title' => 'Something.', 'hint' => 'Do.'], $status);
        same(["Gembok\\Exception\\$kind", 'quite-new'], [get_class($thrown), $thrown->getErrorCode()]);
    }
});

test('what is no problem document is said to be none', static function (): void {
    foreach ([[], ['code' => 5, 'title' => 'x'], ['code' => 'x'], ['error' => 'Bad Gateway']] as $members) {
        same('bad-answer', Problem::exception($members, 502)->getErrorCode());
    }
});

test('README.md names every setting, kind and code', static function (): void {
    $readme = (string) file_get_contents(dirname(__DIR__, 2) . '/README.md');
    foreach ((new ReflectionClass(Gembok\Config::class))->getConstant('KNOWN') as $setting) {
        contains("`$setting`", $readme);
    }
    $codes = [];
    foreach ((array) glob(dirname(__DIR__, 2) . '/src/*.php') as $file) {
        $source = (string) file_get_contents($file);
        preg_match_all("/new [A-Z]\w+\(\s*'([a-z]+(?:-[a-z]+)+)'/", $source, $thrown);
        $codes = array_merge($codes, $thrown[1]);
    }
    $trouble = new ReflectionClass(Gembok\TlsTrouble::class);
    $codes = array_merge($codes, array_column($trouble->getConstant('ALERTS'), 0), array_column($trouble->getConstant('FINDINGS'), 2));
    $codes[] = 'batch-failed';
    holds(count($codes) > 30, 'only ' . count($codes) . ' codes were found');
    foreach ((new ReflectionClass(Problem::class))->getConstant('KINDS') as $kind => $theirs) {
        contains('`' . substr($kind, strrpos($kind, '\\') + 1) . '`', $readme);
        // Of what a program sends wrongly, README.md names what this library does not rule out.
        $codes = array_merge($codes, $kind === Gembok\Exception\BadRequest::class ? [] : $theirs);
    }
    foreach ($codes as $code) {
        contains("`$code`", $readme);
    }
});

// Holds the client to PHP 7.4 by PHP 7.4 itself, compiled to WebAssembly, so that no such old PHP must be installed:
//
//   1. every file of the client compiles there, and calls no function, class or constant that came later (check.php)
//   2. the checks are seen refusing each sample of PHP 8 under samples/, and taking samples/fine.php
//   3. the tests that need no appliance pass there
//
//   node check.mjs MODULES COUNTS      where node_modules lies; the file for "passed failed"

import { File } from 'node:buffer';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { pathToFileURL, fileURLToPath } from 'node:url';

globalThis.File ??= File; // Debian 12's node is older than that global

const [modules, counts] = process.argv.slice(2);
const from = (name) => import(pathToFileURL(join(modules, 'node_modules', '@php-wasm', name, 'index.js')).href);
const { PHP, loadPHPRuntime } = await from('universal');
const { getPHPLoaderModule } = await from('node-7-4');

const here = dirname(fileURLToPath(import.meta.url));
const project = resolve(here, '../../../..');
const client = join(project, 'clients/php');
let passed = 0;
let failed = 0;

const told = (good, name, output = '') => {
    good ? passed++ : failed++;
    console.log(`${good ? 'ok  ' : 'FAIL'}           ${name}${good ? '' : `\n${output}`}`);
};

const php = new PHP(await loadPHPRuntime(await getPHPLoaderModule()));
const run = async (code) => {
    try {
        const { text, errors } = await php.run({ code: `<?php ${code}` });
        return { text, errors };
    } catch (thrown) {
        return { text: thrown.response?.text ?? '', errors: thrown.response?.errors || String(thrown.message) };
    }
};
const put = (name, text) => {
    php.mkdir(dirname(name));
    php.writeFile(name, text);
};
// Compiles a file without running it: the first statement ends the script; a view, which is HTML, becomes a function.
const compile = async (text, isView) => {
    const ended = isView ? `<?php function view() { ?>${text}<?php }` : text.replace(/^(<\?php(?:[^]*?^namespace [^;]+;|[^]*?^declare\(strict_types=1\);)?)/m, '$1 exit(0);');
    put('/compiled.php', ended);
    return run("define('BASEPATH', '/'); require '/compiled.php';");
};
const refusal = async (text, isView = false) => {
    const { text: output, errors } = await compile(text, isView);
    if (errors || output) return errors || output;
    put('/checked.php', text);
    return (await run("require '/p/clients/php/tests/php74/check.php';")).text;
};

const filesOf = (folder) => readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (name === 'node_modules' || name === 'run' || path === join(here, 'samples')) return [];
    return statSync(path).isDirectory() ? filesOf(path) : [path];
});
const files = filesOf(client).filter((file) => file.endsWith('.php') || file.endsWith('gembok-diagnose'));
for (const file of [...files, join(client, 'README.md'), join(project, 'src/domain/refusal.rs')]) {
    put(join('/p', relative(project, file)), readFileSync(file, 'utf8'));
}

// What the files declare for each other outside of classes, such as the example's functions.
const declared = files.flatMap((file) =>
    [...readFileSync(file, 'utf8').matchAll(/^(?:final |abstract )?(?:class|function) &?(\w+)/gm)].map(([, name]) => name));
put('/declared', declared.join(' '));

const { text: version } = await run('echo PHP_VERSION;');
told(version.startsWith('7.4.'), `this is PHP ${version}`);
for (const file of files) {
    const text = readFileSync(file, 'utf8').replace(/^#!.*\n/, '');
    const wrong = await refusal(text, file.includes('/views/'));
    told(wrong === '', relative(client, file), wrong);
}

const samples = join(here, 'samples');
for (const name of readdirSync(samples)) {
    const wrong = await refusal(readFileSync(join(samples, name), 'utf8'));
    const good = name === 'fine.php' ? wrong === '' : wrong !== '';
    told(good, `sample ${name} is ${name === 'fine.php' ? 'taken' : 'refused'}`, wrong || 'it was taken');
}

const { text: output, errors } = await run("require '/p/clients/php/tests/php74/offline.php';");
// Not the line with the counts: run.sh has one for all.
console.log(output.replace(/^\d+ passed, \d+ failed$/m, '').trim());
const [ok, bad] = (output.match(/^(\d+) passed, (\d+) failed$/m) ?? ['', '0', '1']).slice(1).map(Number);
passed += ok;
failed += bad;
if (errors) told(false, 'the offline tests end', errors);

writeFileSync(counts, `${passed} ${failed}\n`);
process.exit(failed === 0 ? 0 : 1);

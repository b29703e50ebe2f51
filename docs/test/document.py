#!/usr/bin/env python3
"""Runs what a guide shows, so that a guide cannot show what does not work.

A guide marks each of its code blocks by an HTML comment right before it, which no reader sees:

    <!-- run -->              sh: run by bash, in order, in one directory; it must end with status 0
    <!-- run: fails -->       the same, and it must not end with 0
    <!-- run: torn -->        the same as run, but first killed outright again and again, also halfway through its work
    <!-- shows -->            what the run before it printed; … stands for anything within a line, and alone for any lines
    <!-- file: PATH MODE -->  is written to PATH (MODE may be absent), for the runs after it
    <!-- added to: PATH -->   is added at its end
    <!-- as in: PATH -->      must stand in that file of the project, line for line
    <!-- not run: WHY -->     is not tried, and the reason is said

A block without a mark is an error: nothing goes untried by oversight. Names and addresses that a guide speaks of are
replaced by those of the test, and back again in what is compared; the list of them is given by the caller.

    document.py run GUIDE --directory DIR [--replace 'WORD|WORD']… [--counts FILE]
    document.py pair GUIDE GUIDE [--counts FILE]     two languages of one guide: the same blocks, the same headings
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
MARK = re.compile(r"<!-- (run|shows|file|added to|as in|not run)(?:: (.*))? -->$")
RUN_SECONDS = 240


@dataclass
class Block:
    kind: str
    what: str
    language: str
    text: str
    line: int


def blocks_of(guide: Path) -> list[Block]:
    found, mark, fence = [], None, None
    for number, line in enumerate(guide.read_text().splitlines(), 1):
        if fence is not None:
            if line.strip() == "```":
                found.append(fence)
                fence = mark = None
            else:
                fence.text += line + "\n"
        elif line.startswith("```"):
            if mark is None:
                sys.exit(f"{guide}:{number}: a block without a mark; docs/test/document.py says which there are")
            if mark[1] == "not run" and not mark[2]:
                sys.exit(f"{guide}:{number}: it says no reason why it is not run")
            fence = Block(mark[1], (mark[2] or "").strip(), line[3:].strip(), "", number)
        elif match := MARK.match(line):
            mark = match
        elif line.strip():
            mark = None
    if fence is not None:
        sys.exit(f"{guide}:{fence.line}: the block does not end")
    return found


class Guide:
    def __init__(self, path: Path, directory: Path, replacements: list[tuple[str, str]]):
        self.path, self.directory = path, directory
        # The longest first, so that no word is replaced within another.
        self.replacements = sorted(replacements, key=lambda pair: -len(pair[0]))
        self.printed = ""

    def here(self, text: str) -> str:
        for word, ours in self.replacements:
            text = text.replace(word, ours)
        return text

    def there(self, text: str) -> str:
        for word, ours in sorted(self.replacements, key=lambda pair: -len(pair[1])):
            text = text.replace(ours, word)
        return text

    def do(self, block: Block) -> str | None:
        """What is wrong, or None."""
        if block.kind == "run":
            return self.torn(block) if block.what == "torn" else self.run(block)
        if block.kind == "shows":
            return self.compare(block)
        if block.kind == "file":
            return self.write(block)
        if block.kind == "added to":
            with Path(self.here(block.what)).open("a") as file:
                file.write(self.here(block.text))
            return None
        if block.kind == "as in":
            return None if block.text in (PROJECT / block.what).read_text() else f"{block.what} has other lines"
        raise AssertionError(block.kind)

    def start(self, block: Block) -> subprocess.Popen:
        script = "set -euo pipefail\n" + self.here(block.text)
        # Of its own group, so that it can be ended with all it started.
        return subprocess.Popen(
            ["bash", "-c", script], cwd=self.directory, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
        )

    def run(self, block: Block) -> str | None:
        process = self.start(block)
        try:
            self.printed, _ = process.communicate(timeout=RUN_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return f"it did not end within {RUN_SECONDS} s"
        if (process.returncode != 0) != (block.what == "fails"):
            return f"it ended with status {process.returncode}, and printed:\n{self.printed}"
        return None

    def torn(self, block: Block) -> str | None:
        """Killed after a little longer each time, until it comes to its end by itself."""
        torn, halfway, patience = 0, 0, 0.1
        while True:
            process = self.start(block)
            try:
                self.printed, _ = process.communicate(timeout=patience)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                printed, _ = process.communicate()
                torn, halfway, patience = torn + 1, halfway + bool(printed), patience + 0.1
                if patience > 60:
                    return "it never comes to its end"
                continue
            if process.returncode != 0:
                return f"it ended with status {process.returncode} after {torn} kills, and printed:\n{self.printed}"
            print(f"          killed {torn} times, {halfway} of them when it had done a part, then let go on")
            return None if halfway else "it was never killed halfway: give it more to do"

    def compare(self, block: Block) -> str | None:
        printed = [line.rstrip() for line in self.there(self.printed).strip().splitlines()]
        pattern = ""
        for line in block.text.strip().splitlines():
            line = line.rstrip()
            pattern += "(?:.*\n)*?" if line == "…" else re.escape(line).replace("…", ".*") + "\n"
        if re.fullmatch(pattern, "".join(line + "\n" for line in printed)):
            return None
        return "it printed instead:\n" + "\n".join(printed)

    def write(self, block: Block) -> str | None:
        path, _, mode = block.what.partition(" ")
        path = self.directory / self.here(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.here(block.text))
        # Whatever the umask: the application's user reads it, as on a host where it was put in place with care.
        path.chmod(int(mode or "644", 8))
        if path.suffix == ".php":
            check = subprocess.run(["php", "-l", path], capture_output=True, text=True)
            return None if check.returncode == 0 else check.stdout + check.stderr
        return None


def run(arguments) -> tuple[int, int]:
    replacements = [tuple(pair.split("|", 1)) for pair in arguments.replace]
    guide = Guide(arguments.guide[0], arguments.directory, replacements)
    passed, began = 0, time.monotonic()
    blocks = blocks_of(guide.path)
    for at, block in enumerate(blocks):
        name = f"{guide.path.name}:{block.line} {block.kind}" + (f": {block.what}" if block.what else "")
        if block.kind == "not run":
            print(f"          {name}")
            continue
        wrong = guide.do(block)
        if wrong is not None:
            # What follows builds on it.
            print(f"  FAILED  {name}\n{guide.there(wrong).rstrip()}\n          the {len(blocks) - at - 1} blocks after it were not tried")
            return passed, 1
        passed += 1
        print(f"  ok      {name}")
    print(f"          {time.monotonic() - began:.1f} s")
    return passed, 0


def bare(block: Block) -> str:
    """A block without its comments, which are in the language of the guide."""
    text = re.sub(r"/\*.*?\*/", "", block.text, flags=re.S)
    sign = {"php": r"//", "sql": r"--", "sh": r"#"}.get(block.language)
    if sign:
        text = re.sub(rf"(^|\s+){sign}(\s.*)?$", "", text, flags=re.M)
    return "\n".join(line.rstrip() for line in text.splitlines() if line.strip())


def pair(arguments) -> tuple[int, int]:
    one, other = arguments.guide
    headings = [re.findall(r"^(#+) ", re.sub(r"^```.*?^```", "", path.read_text(), flags=re.M | re.S), re.M) for path in (one, other)]
    wrong = []
    if headings[0] != headings[1]:
        wrong.append(f"their headings differ: {' '.join(headings[0])} and {' '.join(headings[1])}")
    ones, others = blocks_of(one), blocks_of(other)
    if len(ones) != len(others):
        wrong.append(f"{len(ones)} blocks and {len(others)}")
    for left, right in zip(ones, others):
        same_mark = left.kind == right.kind and (left.what == right.what or left.kind == "not run")
        if not same_mark or bare(left) != bare(right):
            wrong.append(f"the blocks at {one.name}:{left.line} and {other.name}:{right.line} differ")
            break
    name = f"{one.name} and {other.name} are one guide in two languages"
    print(f"  FAILED  {name}\n          " + "\n          ".join(wrong) if wrong else f"  ok      {name}")
    return (0, 1) if wrong else (1, 0)


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("verb", choices=["run", "pair"])
parser.add_argument("guide", type=Path, nargs="+")
parser.add_argument("--directory", type=Path)
parser.add_argument("--replace", action="append", default=[])
parser.add_argument("--counts", type=Path)
given = parser.parse_args()
sys.stdout.reconfigure(line_buffering=True)
passed, failed = run(given) if given.verb == "run" else pair(given)
if given.counts:
    with given.counts.open("a") as counts:
        counts.write(f"{passed} {failed}\n")
sys.exit(failed != 0)

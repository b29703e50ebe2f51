#!/usr/bin/env bash
# Every check of the project, on a fresh Debian 12 with a Rust toolchain: installs what is missing, then formats, lints,
# dependencies, scripts and tests. Ends with one line, "N passed, N failed"; fails when anything did.
#
#   tests/run.sh              everything
#   tests/run.sh --offline    installs nothing; what is missing is a failure
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

CARGO_DENY_VERSION=0.20.2

install=yes
case ${1:-} in
    '') ;;
    --offline) install=no ;;
    -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0"; exit ;;
    *) echo "unknown argument $1; --help lists them" >&2; exit 2 ;;
esac

target=${CARGO_TARGET_DIR:-$PWD/target}
[[ $target = /* ]] || target=$PWD/$target
mkdir -p "$target" || exit 1
log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed_steps=()
durations=()

say() { printf '\n== %s\n' "$*"; }

# step NAME COMMAND…: runs it, goes on when it fails, remembers both.
step() {
    local name=$1 start=$SECONDS
    shift
    say "$name"
    "$@" || failed_steps+=("$name")
    durations+=("$(printf '%5d s  %s' $((SECONDS - start)) "$name")")
}

as_root() {
    if ((EUID == 0)); then "$@"; else sudo -n "$@"; fi
}

has() { command -v "$1" >/dev/null; }

# What the build and the tests call, each with the Debian package it comes from.
packages() {
    has cc || echo gcc libc6-dev
    has curl || echo curl
    has git || echo git
    [[ -x /usr/sbin/mkfs.ext4 ]] || echo e2fsprogs
    has openssl || echo openssl
    has prlimit && has mount || echo util-linux mount
    has shellcheck || echo shellcheck
    has softhsm2-util && [[ -e /usr/lib/softhsm/libsofthsm2.so ]] || echo softhsm2
    has unzip || echo unzip
    has python3 && python3 -c 'import ensurepip, venv' 2>/dev/null || echo python3 python3-venv
}

prepare() {
    local wanted
    mapfile -t wanted < <(packages | tr ' ' '\n')
    if ((${#wanted[@]})); then
        if [[ $install = no ]]; then
            echo "missing: ${wanted[*]}; install them, or run without --offline" >&2
            return 1
        fi
        export DEBIAN_FRONTEND=noninteractive
        as_root apt-get update -q && as_root apt-get install -qy --no-install-recommends "${wanted[@]}" || return 1
    fi
    prepare_rust && prepare_python && prepare_cargo_deny
}

prepare_rust() {
    if ! has cargo; then
        echo "cargo is missing: install Rust 1.90 or later from https://rustup.rs" >&2
        return 1
    fi
    # Whole, also what no build here needs: cargo-deny looks at all of it, and asks nobody.
    [[ $install = no ]] || cargo fetch --quiet --locked || return 1
    local component
    for component in rustfmt clippy; do
        cargo "${component/rustfmt/fmt}" --version >/dev/null 2>&1 && continue
        [[ $install = yes ]] && has rustup && rustup component add "$component" && continue
        echo "$component is missing: rustup component add $component" >&2
        return 1
    done
}

# The second opinions of the cryptography tests, in an environment of their own.
prepare_python() {
    local venv=$target/test-venv
    export PYTHON=$venv/bin/python3
    if ! cmp -s tests/requirements.txt "$venv/requirements.txt"; then
        if [[ $install = no ]]; then
            echo "$venv lacks tests/requirements.txt; run without --offline" >&2
            return 1
        fi
        python3 -m venv --clear "$venv" &&
            "$PYTHON" -m pip install --quiet --disable-pip-version-check --only-binary :all: \
                -r tests/requirements.txt &&
            cp tests/requirements.txt "$venv/" || return 1
    fi
}

# Built without optimisation: its checks take seconds either way, its build does not.
prepare_cargo_deny() {
    cargo_deny=$target/tools/bin/cargo-deny
    if has cargo-deny; then cargo_deny=$(command -v cargo-deny); fi
    [[ -x $cargo_deny ]] && return
    if [[ $install = no ]]; then
        echo "cargo-deny is missing: cargo install --locked cargo-deny --version $CARGO_DENY_VERSION" >&2
        return 1
    fi
    CARGO_PROFILE_DEV_DEBUG=0 CARGO_TARGET_DIR=$target/tools/build cargo install --quiet --locked --debug \
        cargo-deny --version "$CARGO_DENY_VERSION" --root "$target/tools" &&
        rm -rf "$target/tools/build"
}

scripts() {
    local list
    mapfile -t list < <(grep -rlE '^#!.*\b(ba)?sh\b' .ci benches clients docs fuzz provisioning tests systemd 2>/dev/null | sort)
    shellcheck "${list[@]}"
}

tests() {
    # So often the daemon is killed under load; every phase of its life has to be hit.
    export GEMBOK_CRASH_ROUNDS=${GEMBOK_CRASH_ROUNDS:-100}
    GEMBOK_FUZZ_SECONDS=${GEMBOK_FUZZ_SECONDS:-5} cargo test --workspace --locked --no-fail-fast 2>&1 | tee "$log"
    return "${PIPESTATUS[0]}"
}

# What stands outside the Rust workspace, against the gembok that the tests have just built: each a script that installs what
# it needs and ends with one line, "N passed, N failed".
outside() {
    GEMBOK_BIN=$target/debug/gembok "$@" 2>&1 | tee -a "$log"
    return "${PIPESTATUS[0]}"
}

step 'what the tests need' prepare
if ((${#failed_steps[@]})); then
    echo '0 passed, 1 failed'
    exit 1
fi
step 'format' cargo fmt --all --check
step 'lints' cargo clippy --workspace --all-targets --locked -- -D warnings
step 'dependencies' "$cargo_deny" --offline check --hide-inclusion-graph licenses bans sources
step 'scripts' scripts
step 'tests' tests
step 'PHP library' outside clients/php/tests/run.sh
step 'PHP example' outside clients/php/example/run.sh --once
step 'PHP hosts' outside clients/php/example/hosts.sh
step 'guides' outside docs/test.sh

# Once more at the end, where whoever sees only that finds it: what each failed test said, without the backtraces, and what
# the scripts said that failed.
if ((${#failed_steps[@]})); then
    say 'what failed'
    awk '/panicked at (src|tests)\// { left = 8 } /^stack backtrace:/ { left = 0 } left-- > 0' "$log"
    grep -E '^test .* \.\.\. FAILED$|^  (FAILED|not ok)' "$log"
fi

say 'durations'
printf '%s\n' "${durations[@]}"
read -r passed failed < <(sed -n -e 's/^test result: .* \([0-9]*\) passed; \([0-9]*\) failed;.*/\1 \2/p' \
    -e 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$log" |
    awk '{passed += $1; failed += $2} END {print passed + 0, failed + 0}')
# A step that failed without a failed test, such as a lint or a test that does not compile, counts as one failure.
for name in ${failed_steps[@]+"${failed_steps[@]}"}; do
    echo "failed: $name"
    [[ $name =~ ^(tests|PHP|guides) && $failed -gt 0 ]] || failed=$((failed + 1))
done
echo "$passed passed, $failed failed"
((failed == 0))

#!/usr/bin/env bash
# Every check of the PHP client, on a fresh Debian 12: installs what is missing, holds the code to PHP 7.4, then runs it
# against a real gembok with SoftHSM in a sandbox of its own. Ends with one line, "N passed, N failed"; fails when anything
# did. About a minute once gembok is there.
#
#   clients/php/tests/run.sh            everything
#   clients/php/tests/run.sh CASE…      only these files of cases/, such as: verbs troubles
#
#   GEMBOK_BIN        a gembok that is built already (default: cargo build --release)
#   GEMBOK_DATA_PORT  the sandbox's port on 127.0.0.1; the next one is its control plane's (default: free ones)
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.." || exit 1

case ${1:-} in -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0"; exit ;; esac

work=$(mktemp -d) # mode 0700: keys lie in it
trap 'rm -rf "$work"' EXIT
passed=0
failed=0

say() { printf '\n== %s\n' "$*"; }
finish() { printf '\n%d passed, %d failed\n' "$passed" "$failed"; ((failed == 0)); exit; }
stop() { printf '%s\n' "$@" >&2; failed=$((failed + 1)); finish; }
has() { command -v "$1" >/dev/null; }
# Not php -m | grep -q: grep ends at the first match, php fails at the closed pipe, and pipefail says the extension is missing.
has_extension() { php -r "exit(extension_loaded('$1') ? 0 : 1);" 2>/dev/null; }
as_root() { if ((EUID == 0)); then "$@"; else sudo -n "$@"; fi; }

# What the tests call, each with the Debian package it comes from.
packages() {
    has php || echo php-cli
    has_extension curl || echo php-curl
    has openssl || echo openssl
    has curl || echo curl
    has node || echo nodejs
    has npm || echo npm
    has unshare && has mount || echo util-linux mount
    [[ -n $(compgen -G '/usr/lib/*/faketime/libfaketime.so.1') ]] || echo faketime
    has shellcheck || echo shellcheck
    [[ -e /usr/lib/softhsm/libsofthsm2.so ]] || echo softhsm2
}

install_missing() {
    local wanted
    mapfile -t wanted < <(packages | tr ' ' '\n')
    ((${#wanted[@]})) || return 0
    say "installing ${wanted[*]}"
    export DEBIAN_FRONTEND=noninteractive
    as_root apt-get update -qq && as_root apt-get install -qqy --no-install-recommends "${wanted[@]}" >/dev/null
}

# Kept beside the builds: it is 50 MB, and the same until php74/package.json changes.
php74_modules() {
    local modules=${CARGO_TARGET_DIR:-$PWD/target}/php74
    [[ $modules = /* ]] || modules=$PWD/$modules
    if ! cmp -s clients/php/tests/php74/package.json "$modules/package.json" || [[ ! -e $modules/complete ]]; then
        rm -rf "$modules" && mkdir -p "$modules" && cp clients/php/tests/php74/package.json "$modules/" &&
            npm install --prefix "$modules" --no-audit --no-fund --loglevel error >&2 && touch "$modules/complete" || return 1
    fi
    printf '%s' "$modules"
}

# count NAME COMMAND…: runs what writes "passed failed" to its counts file; without that file it failed.
count() {
    local name=$1 good bad
    shift
    rm -f "$work/counts"
    "$@"
    if read -r good bad 2>/dev/null <"$work/counts"; then
        passed=$((passed + good)) failed=$((failed + bad))
    else
        printf '%s did not come to its end\n' "$name" >&2
        failed=$((failed + 1))
    fi
}

install_missing || stop 'what is missing could not be installed'
if [[ -z ${GEMBOK_BIN:-} ]]; then
    has cargo || stop 'there is neither GEMBOK_BIN nor cargo'
    cargo build --release --locked --package gembok --bin gembok || stop 'gembok was not built'
    export GEMBOK_BIN=${CARGO_TARGET_DIR:-$PWD/target}/release/gembok
fi
GEMBOK_BIN=$(realpath -- "$GEMBOK_BIN")
export GEMBOK_BIN GEMBOK_TESTS_FOLDER=$work

if (($# == 0)); then
    say 'PHP 7.4'
    modules=$(php74_modules) || stop 'the PHP 7.4 of clients/php/tests/php74/package.json could not be installed'
    count 'PHP 7.4' node clients/php/tests/php74/check.mjs "$modules" "$work/counts"
    say 'scripts'
    if shellcheck clients/php/tests/run.sh benches/php/run.sh; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
fi
say 'the client against gembok'
count 'the client' php -d memory_limit=512M clients/php/tests/all.php "$@"
finish

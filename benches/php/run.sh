#!/usr/bin/env bash
# Measures a page of an attendance application under php-cli: page.php says what. Starts a sandbox of its own and stops it.
#
#   benches/php/run.sh
#
#   GEMBOK_BIN           a gembok that is built already (default: cargo build --release)
#   GEMBOK_DATA_PORT     the sandbox's ports on 127.0.0.1 (default 18443 and 19443)
#   GEMBOK_CONTROL_PORT
#
# Fails when a page came back wrong, not when a target is missed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

case ${1:-} in
    '') ;;
    -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0"; exit ;;
    *) echo "unknown argument $1; --help lists them" >&2; exit 2 ;;
esac

START_LIMIT_S=600 # it may have to be built

work=$(mktemp -d)
serving=
clean_up() {
    if [[ -n $serving ]]; then
        kill -TERM "$serving" 2>/dev/null || true
        wait "$serving" || true
    fi
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP

missing=()
command -v php >/dev/null || missing+=(php-cli)
php -r "exit(extension_loaded('curl') ? 0 : 1);" 2>/dev/null || missing+=(php-curl)
if ((${#missing[@]})); then
    as_root=()
    ((EUID == 0)) || as_root=(sudo)
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qqy --no-install-recommends "${missing[@]}" >/dev/null
fi

export GEMBOK_SANDBOX=$work/sandbox
export GEMBOK_DATA_PORT=${GEMBOK_DATA_PORT:-18443} GEMBOK_CONTROL_PORT=${GEMBOK_CONTROL_PORT:-19443}
: >"$work/log"
provisioning/quickstart.sh --serve-only >"$work/log" 2>&1 &
serving=$!
deadline=$((SECONDS + START_LIMIT_S))
until grep -q '^== serving' "$work/log"; do
    if ! kill -0 "$serving" 2>/dev/null || ((SECONDS > deadline)); then
        cat "$work/log" >&2
        exit 1
    fi
    sleep 0.1
done

# shellcheck disable=SC1091 # written by the quickstart
source "$GEMBOK_SANDBOX/env"
gembok=${GEMBOK_BIN:-${CARGO_TARGET_DIR:-target}/release/gembok}
# All pages together are more fields than may be decrypted in a day.
api_key=$("$gembok" api-key list --project kantor --endpoint "$GEMBOK_ENDPOINT" |
    grep -oE '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}' | head -n 1)
"$gembok" budget set --project kantor --endpoint "$GEMBOK_ENDPOINT" --fields 10000000 >/dev/null
"$gembok" budget set --api-key "$api_key" --fields 10000000 >/dev/null
php benches/php/page.php

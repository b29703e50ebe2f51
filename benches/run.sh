#!/usr/bin/env bash
# Measures gembok against a bare warp + rustls echo, in one run on this machine.
#
#   benches/run.sh                 everything, about twelve minutes after the build
#   benches/run.sh --quick         the figures of the summary, under three minutes after the build
#   benches/run.sh --headline      one field at 64 connections only, half a minute: to see what a change did
#   benches/run.sh --sandbox DIR   drives a sandbox that is serving already, and leaves it serving
#   benches/run.sh --pin           servers on the first processor, load on the others: steadier
#   benches/run.sh --self          echo against echo: the noise of the harness; needs no gembok
#
# Writes ${CARGO_TARGET_DIR:-target}/bench/summary.json (self.json with --self). Fails when a request
# failed, not when a target is missed. benches/README.md says how to read it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

START_LIMIT_S=60         # until the sandbox answers, once built
STOP_LIMIT_S=10          # until what we started is gone
QUICK_LIMIT_S=150
FULL_LIMIT_S=1500

plan=full
pin=no
self=no
sandbox=
while (($#)); do
    case $1 in
        --quick) plan=quick ;;
        --headline) plan=headline ;;
        --pin) pin=yes ;;
        --self) self=yes ;;
        --sandbox) sandbox=${2:?--sandbox needs a folder}; shift ;;
        -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0"; exit ;;
        *) echo "unknown argument $1; --help lists them" >&2; exit 2 ;;
    esac
    shift
done

say() { printf '%s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

target=${CARGO_TARGET_DIR:-$PWD/target}
[[ $target = /* ]] || target=$PWD/$target
release=$target/release
results=$target/bench
work=$(mktemp -d)
children=()

# Stops what this script started, newest first, and waits for it, but not for ever.
clean_up() {
    local index pid deadline
    for ((index = ${#children[@]} - 1; index >= 0; index--)); do
        pid=${children[index]}
        kill -TERM "$pid" 2>/dev/null || continue
        deadline=$((SECONDS + STOP_LIMIT_S))
        while kill -0 "$pid" 2>/dev/null && ((SECONDS < deadline)); do sleep 0.1; done
        kill -KILL "$pid" 2>/dev/null || true
    done
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP

# wait_for LIMIT_S PID CONDITION...: until the condition holds, while PID lives.
wait_for() {
    local deadline=$((SECONDS + $1)) pid=$2
    shift 2
    until "$@"; do
        kill -0 "$pid" 2>/dev/null || return 1
        ((SECONDS < deadline)) || return 1
        sleep 0.1
    done
}

# start_echo NAME PKI_DIR: sets echo_pid and echo_address.
start_echo() {
    "$release/echo" --listen 127.0.0.1:0 --cert "$2/server.pem" --key "$2/server.key" \
        --client-ca "$2/ca.pem" --crl "$2/crl.pem" >"$work/$1.address" 2>"$work/$1.log" &
    echo_pid=$!
    children+=("$echo_pid")
    wait_for 5 "$echo_pid" test -s "$work/$1.address" || fail "the echo did not start: $(<"$work/$1.log")"
    echo_address=$(<"$work/$1.address")
}

start_self() {
    mkdir "$work/pki"
    "$release/pki" "$work/pki"
    pki=$work/pki
    start_echo candidate "$pki"
    candidate_pid=$echo_pid
    candidate=(--candidate echo --candidate-url "https://$echo_address")
    host=${echo_address%:*}
    GEMBOK_CA=$pki/ca.pem GEMBOK_CERT=$pki/client.pem GEMBOK_KEY=$pki/client.key
    # As long as a real one, so that the request has its true length.
    export GEMBOK_API_KEY=gbk_0000000000000000000000000000000000000000
}

serving() {
    [[ -s $sandbox/env && -s $sandbox/gembok.pid ]] || return 1
    # shellcheck disable=SC1091
    (. "$sandbox/env" && curl --silent --fail --output /dev/null --max-time 5 \
        --cacert "$GEMBOK_CA" "$GEMBOK_ADMIN_URL/health/ready")
}

start_sandbox() {
    if [[ -z $sandbox ]]; then
        sandbox=$work/sandbox
        GEMBOK_SANDBOX=$sandbox GEMBOK_BIN=$release/gembok \
            ./provisioning/quickstart.sh --fresh --serve-only >"$work/quickstart.log" 2>&1 &
        local quickstart=$!
        children+=("$quickstart")
        wait_for "$START_LIMIT_S" "$quickstart" serving ||
            fail "the sandbox did not start within $START_LIMIT_S s; quickstart said:
$(tail -n 30 "$work/quickstart.log")"
        # A daemon that outlives its quickstart must still be found by clean_up.
        children+=("$(<"$sandbox/gembok.pid")")
    else
        sandbox=$(cd "$sandbox" && pwd)
        serving || fail "nothing is serving from $sandbox; start it with provisioning/quickstart.sh"
    fi

    set -a
    # shellcheck disable=SC1091
    . "$sandbox/env"
    set +a
    # BENCH_API_KEY stands for the sandbox's own key where that one's limits are too low to measure.
    export GEMBOK_API_KEY=${BENCH_API_KEY:-$GEMBOK_API_KEY}

    candidate_pid=$(<"$sandbox/gembok.pid")
    local exe
    exe=$(readlink "/proc/$candidate_pid/exe")
    [[ $exe -ef $release/gembok ]] ||
        fail "process $candidate_pid runs $exe, not the release build $release/gembok; figures of another build say nothing"
    pki=$sandbox/state/pki
    candidate=(--candidate gembok --candidate-url "$GEMBOK_URL"
        --endpoint "$GEMBOK_ENDPOINT" --object "$GEMBOK_OBJECT")
    host=${GEMBOK_URL#https://}
    host=${host%:*}
}

say "building (release) …"
cargo build --release --locked --quiet -p gembok-bench
if [[ $self = no ]]; then
    cargo build --release --locked --quiet -p gembok
fi
mkdir -p "$results"

if [[ $self = yes ]]; then
    summary=$results/self.json
    start_self
else
    summary=$results/summary.json
    start_sandbox
fi
# What a failed run leaves must not pass for a measurement.
rm -f "$summary"

start_echo reference "$pki"
limit=$FULL_LIMIT_S
[[ $plan = full ]] || limit=$QUICK_LIMIT_S

# The load gives way to the servers, as a client on another machine would: under SCHED_BATCH a woken
# load thread does not interrupt the server in the middle of its queue.
polite=(chrt --batch 0)
if [[ $pin = yes ]]; then
    (($(nproc) > 1)) || fail "--pin needs two processors"
    for pid in "$candidate_pid" "$echo_pid"; do
        taskset --all-tasks --cpu-list --pid 0 "$pid" >/dev/null
    done
    polite+=(taskset --cpu-list "1-$(($(nproc) - 1))")
fi

timeout --signal=TERM "$limit" "${polite[@]}" "$release/load" "${candidate[@]}" \
    --candidate-pid "$candidate_pid" \
    --reference-pid "$echo_pid" --reference-url "https://$host:${echo_address##*:}" \
    --ca "$GEMBOK_CA" --cert "$GEMBOK_CERT" --key "$GEMBOK_KEY" \
    --plan "$plan" --summary "$summary" &
children+=("$!")
# In the background, so that an interrupt is not kept waiting for the end of the run.
wait "$!" ||
    fail "the run failed (exit status $?; 124 means it took over $limit s)"
say "written: $summary"

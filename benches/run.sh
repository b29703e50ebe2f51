#!/usr/bin/env bash
# Measures gembok against a bare warp + rustls echo, in one run on this machine.
#
#   benches/run.sh                 everything, about twenty minutes after the build; the first time makes a store of a
#                                  million objects, which stays under the target directory
#   benches/run.sh --quick         the figures of the summary, under three minutes after the build
#   benches/run.sh --headline      one field at 64 connections only, half a minute: to see what a change did
#   benches/run.sh --million       a million objects against ten, and the start-up with them; then the headline
#   benches/run.sh --strict        the strict journal against the batched one; then the headline
#   benches/run.sh --soak MINUTES  half load, with another server certificate put in force by SIGHUP each minute
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
COMPARE_LIMIT_S=180
OBJECTS=1000000
STARTS=3                 # with a million objects; the median is told

plan=full
pin=no
self=no
million=
strict=
soak=
sandbox=
while (($#)); do
    case $1 in
        --quick) plan=quick ;;
        --headline) plan=headline ;;
        --soak) soak=${2:?--soak needs minutes}; plan=soak; shift ;;
        --million) plan=headline million=yes ;;
        --strict) plan=headline strict=yes ;;
        --pin) pin=yes ;;
        --self) self=yes ;;
        --sandbox) sandbox=${2:?--sandbox needs a folder}; shift ;;
        -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0"; exit ;;
        *) echo "unknown argument $1; --help lists them" >&2; exit 2 ;;
    esac
    shift
done

if [[ $plan = full && $self = no && -z $sandbox ]]; then million=yes strict=yes; fi

# The load gives way to the servers, as a client on another machine would: under SCHED_BATCH a woken load thread does not
# interrupt the server in the middle of its queue, and niced it does not keep a woken server waiting for its own slice.
polite=(chrt --batch 0 nice -n 19)

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

# provision DIR: makes a sandbox there, whose daemon is stopped. Its ports are those of the environment, plus ten.
provision() {
    GEMBOK_SANDBOX=$1 GEMBOK_BIN=$release/gembok \
        GEMBOK_DATA_PORT=$((${GEMBOK_DATA_PORT:-8443} + $2)) \
        GEMBOK_CONTROL_PORT=$((${GEMBOK_CONTROL_PORT:-9443} + $2)) \
        ./provisioning/quickstart.sh --fresh --once >"$work/provision.log" 2>&1 ||
        fail "the sandbox $1 was not made: $(tail -n 5 "$work/provision.log")"
}

# of DIR VARIABLE: what the sandbox's env file says.
# shellcheck disable=SC1091
of() { (. "$1/env" && printf '%s' "${!2}"); }

ready() { curl --silent --fail --output /dev/null --max-time 2 --cacert "$1/client/ca.pem" "$2/health/ready"; }

# serve DIR: starts its daemon; sets served_pid, and served_ms from exec to ready.
serve() {
    local url began
    url=$(of "$1" GEMBOK_ADMIN_URL)
    began=$(date +%s%3N)
    GEMBOK_CONFIG=$1/gembok.toml SOFTHSM2_CONF=$1/softhsm2.conf "$release/gembok" serve 2>"$1/gembok.log" &
    served_pid=$!
    children+=("$served_pid")
    until ready "$1" "$url"; do
        kill -0 "$served_pid" 2>/dev/null || fail "the daemon of $1 ended: $(tail -n 5 "$1/gembok.log")"
        (($(date +%s%3N) - began < START_LIMIT_S * 1000)) || fail "the daemon of $1 was not ready in $START_LIMIT_S s"
        sleep 0.01
    done
    served_ms=$(($(date +%s%3N) - began))
}

stop_served() {
    kill -TERM "$1"
    wait "$1" || fail "a daemon did not end well"
}

populate() {
    local dir=$1
    shift
    SOFTHSM2_CONF=$dir/softhsm2.conf "$release/populate" --config "$dir/gembok.toml" "$@"
}

# compare NAME PLAN DIR PID OBJECTS DIR PID OBJECTS: two appliances in alternating rounds; sets ratio, p99_ratio, rate, rss.
compare() {
    say "$1 …"
    GEMBOK_API_KEY=$(of "$3" GEMBOK_API_KEY) REFERENCE_API_KEY=$(of "$6" GEMBOK_API_KEY) \
        timeout --signal=TERM "$COMPARE_LIMIT_S" "${polite[@]}" "$release/load" \
        --candidate gembok --candidate-url "$(of "$3" GEMBOK_URL)" --candidate-pid "$4" --objects "$5" \
        --ca "$3/client/ca.pem" --cert "$3/client/client.pem" --key "$3/client/client.key" \
        --reference gembok --reference-url "$(of "$6" GEMBOK_URL)" --reference-pid "$7" --reference-objects "$8" \
        --reference-client "$6/client" \
        --plan "$2" --summary "$results/$1.json" --ratios "$work/ratios" || fail "$1: the run failed"
    read -r ratio p99_ratio rate rss <"$work/ratios"
}

# Two server keys with their certificates: the one there is, and the one that an unlock makes when it finds none.
make_second_pair() {
    mkdir "$work/pair0" "$work/pair1"
    cp -p "$pki/server.key" "$pki/server.pem" "$work/pair0"
    rm "$pki/server.pem"
    "$release/gembok" lock >&2
    "$release/gembok" unlock >&2
    cp -p "$pki/server.key" "$pki/server.pem" "$work/pair1"
    ! cmp --silent "$work/pair0/server.pem" "$work/pair1/server.pem" || fail "there is no second server certificate"
    pair=1
}

exchange_server_pair() {
    local file
    pair=$((1 - pair))
    for file in server.key server.pem; do
        cp -p "$work/pair$pair/$file" "$pki/$file.next"
        mv "$pki/$file.next" "$pki/$file"
    done
    kill -HUP "$candidate_pid"
}

figures=()
# Small sandboxes with ten objects, one of them strict with encrypt; both daemons stopped.
ten_objects() {
    provision "$1" "$2"
    populate "$1" --objects 10 >&2
}

measure_million() {
    local few=$work/ten store=$results/million few_pid starts=()
    ten_objects "$few" 20
    local made_by
    made_by=$(cat src/crypto/*.rs src/domain/*.rs src/store/*.rs benches/src/bin/populate.rs | sha256sum)
    if [[ ! -e $store/populated || $(<"$store/populated") != "$made_by" ]]; then
        say "making $OBJECTS objects; this takes minutes, once as long as crypto, domain and store stay the same …"
        rm -rf "$store"
        provision "$store" 30
        populate "$store" --objects "$OBJECTS" >&2
        printf '%s' "$made_by" >"$store/populated"
    fi
    serve "$few"
    few_pid=$served_pid
    for ((start = 0; start < STARTS; start++)); do
        ((start == 0)) || stop_served "$served_pid"
        serve "$store"
        starts+=("$served_ms")
    done
    local median_ms
    median_ms=$(printf '%s\n' "${starts[@]}" | sort -n | sed -n "$(((STARTS + 1) / 2))p")
    say "from exec to ready with $OBJECTS objects: ${starts[*]} ms"
    figures+=("\"startup_million_s\": $(awk "BEGIN { print $median_ms / 1000 }")")
    compare million-hits headline "$store" "$served_pid" 10 "$few" "$few_pid" 10
    figures+=("\"million_objects_ratio\": $ratio" "\"million_rss_mib\": $rss")
    compare million-misses headline "$store" "$served_pid" "$OBJECTS" "$few" "$few_pid" 10
    figures+=("\"million_misses_ratio\": $ratio" "\"million_misses_per_s\": $rate" "\"million_misses_rss_mib\": $rss")
    stop_served "$served_pid"
    stop_served "$few_pid"
}

measure_strict() {
    local batched=$work/batched durable=$work/durable batched_pid commit_us
    ten_objects "$batched" 40
    ten_objects "$durable" 50
    printf "\n[journal]\nstrict = ['encrypt', 'decrypt']\n" >>"$durable/gembok.toml"
    commit_us=$(populate "$durable" --commits 300)
    serve "$batched"
    batched_pid=$served_pid
    serve "$durable"
    compare strict wide "$durable" "$served_pid" 10 "$batched" "$batched_pid" 10
    say "a commit of 256 records takes $commit_us µs"
    figures+=("\"strict_ratio_c256\": $ratio" "\"strict_p99_ratio_c256\": $p99_ratio" "\"commit_us\": $commit_us")
    figures+=("\"strict_bound_ratio_c256\": $(awk "BEGIN { print $rate / (256 / (1.5 * $commit_us / 1e6)) }")")
    stop_served "$served_pid"
    stop_served "$batched_pid"
}

say "building (release) …"
cargo build --release --locked --quiet -p gembok-bench
if [[ $self = no ]]; then
    cargo build --release --locked --quiet -p gembok
fi
mkdir -p "$results"

if [[ -n $million ]]; then measure_million; fi
if [[ -n $strict ]]; then measure_strict; fi
(IFS=, && printf '{%s}\n' "${figures[*]}") >"$work/figures"

if [[ $self = yes ]]; then
    summary=$results/self.json
    start_self
else
    summary=$results/summary.json
    start_sandbox
fi
# What a failed run leaves must not pass for a measurement.
rm -f "$summary"

if [[ -n $soak ]]; then
    make_second_pair
    timeout --signal=TERM "$((soak * 60 + 120))" "${polite[@]}" "$release/load" "${candidate[@]}" \
        --candidate-pid "$candidate_pid" --ca "$GEMBOK_CA" --cert "$GEMBOK_CERT" --key "$GEMBOK_KEY" \
        --soak "$soak" --summary "$results/soak.json" &
    load_pid=$!
    children+=("$load_pid")
    while sleep 60 && kill -0 "$load_pid" 2>/dev/null; do exchange_server_pair; done &
    children+=("$!")
    wait "$load_pid" || fail "the soak failed (exit status $?)"
    say "written: $results/soak.json"
    exit
fi

start_echo reference "$pki"
limit=$FULL_LIMIT_S
[[ $plan = full ]] || limit=$QUICK_LIMIT_S

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
    --plan "$plan" --summary "$summary" --figures "$work/figures" &
children+=("$!")
# In the background, so that an interrupt is not kept waiting for the end of the run.
wait "$!" ||
    fail "the run failed (exit status $?; 124 means it took over $limit s)"
say "written: $summary"

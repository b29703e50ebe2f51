#!/usr/bin/env bash
# From a fresh machine to the published transcript: installs what is missing, builds, makes a sandbox (its own token, keys,
# certificates, project, object, endpoint), encrypts and decrypts once over mutual TLS, and keeps serving until Ctrl-C.
# Everything it makes lies under one directory, which a second run uses again.
set -euo pipefail

usage() {
  cat <<'USAGE'
usage: provisioning/quickstart.sh [--once] [--fresh] [--serve-only]

  --once         stop after the round trip; exit status 0 only if the decoded answer equals the sample
  --fresh        start over: remove the sandbox first
  --serve-only   no transcript: serve until SIGINT or SIGTERM

environment
  GEMBOK_SANDBOX        where the sandbox lies (default: sandbox/ beside this project's README)
  GEMBOK_DATA_PORT      data plane on 127.0.0.1 (default 8443)
  GEMBOK_CONTROL_PORT   control plane on 127.0.0.1 (default 9443)
  GEMBOK_BIN            a gembok that is built already (default: cargo build --release)
USAGE
}

readonly MARK="# A Gembok sandbox, written by provisioning/quickstart.sh on each run."
readonly PROJECT=kantor OBJECT=karyawan ENDPOINT=absensi
readonly SAMPLE="contoh data karyawan"

say() { printf '\n== %s\n' "$*"; }
stop() {
  printf 'quickstart: %s\n' "$1" >&2
  shift
  for hint in "$@"; do printf '  %s\n' "$hint" >&2; done
  exit 1
}

once=false fresh=false transcript=true
for argument in "$@"; do
  case $argument in
    --once) once=true ;;
    --fresh) fresh=true ;;
    --serve-only) transcript=false ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
  esac
done
if $once && ! $transcript; then usage >&2 && exit 2; fi

# Before the directory changes: a relative path is meant from where the script was called.
sandbox=$(realpath -m -- "${GEMBOK_SANDBOX:-$(dirname -- "${BASH_SOURCE[0]}")/../sandbox}")
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
root=$PWD
data_port=${GEMBOK_DATA_PORT:-8443}
control_port=${GEMBOK_CONTROL_PORT:-9443}
case $sandbox$root in *[\'\"\\]* | *$'\n'*) stop "the path $sandbox has quotes in it" "choose another with GEMBOK_SANDBOX" ;; esac
# A Unix socket's path ends at 107 bytes.
[[ ${#sandbox} -le 88 ]] || stop "the path $sandbox is too long for a socket in it" "choose a shorter one with GEMBOK_SANDBOX"

daemon=
# On every way out: no daemon outlives this script.
# shellcheck disable=SC2317 # the trap calls it
clean_up() {
  local status=$?
  trap - EXIT INT TERM
  if [[ -n $daemon ]] && kill -0 "$daemon" 2>/dev/null; then
    kill -TERM "$daemon" 2>/dev/null || true
    wait "$daemon" || true
  fi
  if [[ -n $daemon ]]; then rm -f -- "$sandbox/gembok.pid"; fi
  exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

install_missing() {
  local missing=()
  find_module || missing+=(softhsm2)
  command -v curl >/dev/null || missing+=(curl)
  if [[ -z ${GEMBOK_BIN:-} ]]; then
    command -v cc >/dev/null || missing+=(gcc)
    [[ -e /usr/include/stdio.h ]] || missing+=(libc6-dev)
  fi
  [[ ${#missing[@]} -gt 0 ]] || return 0
  command -v apt-get >/dev/null || stop "missing: ${missing[*]}" "install them with this system's package manager, then run this again"
  say "installing ${missing[*]}"
  local as_root=()
  if [[ $EUID -ne 0 ]]; then
    command -v sudo >/dev/null || stop "missing: ${missing[*]}, and there is no sudo" "as root: apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  find_module || stop "softhsm2 is installed, but libsofthsm2.so was not found"
}

module=
find_module() {
  local candidate
  for candidate in /usr/lib/softhsm/libsofthsm2.so /usr/lib/*/softhsm/libsofthsm2.so /usr/lib64/pkcs11/libsofthsm2.so; do
    if [[ -e $candidate ]]; then
      module=$candidate
      return 0
    fi
  done
  return 1
}

build() {
  if [[ -n ${GEMBOK_BIN:-} ]]; then
    gembok=$(realpath -- "$GEMBOK_BIN")
    return
  fi
  command -v cargo >/dev/null || stop "there is no cargo" "install Rust 1.90 or newer: https://rustup.rs"
  say "building (the first time takes some minutes)"
  cargo build --release --locked --package gembok --bin gembok
  gembok=$(realpath -- "${CARGO_TARGET_DIR:-target}")/release/gembok
}

# What lies in a directory of somebody else may be links to anything, and its env file would be sourced.
refuse_foreign_directory() {
  [[ -e $sandbox || -L $sandbox ]] || return 0
  if [[ -L $sandbox || ! -d $sandbox || ! -O $sandbox || $(stat -c %a -- "$sandbox") != *00 ]]; then
    stop "$sandbox is not a directory of yours alone" "choose another GEMBOK_SANDBOX, or: chmod 700 it, if it is yours"
  fi
}

is_sandbox() { [[ -f $sandbox/gembok.toml && $(head -n 1 -- "$sandbox/gembok.toml") == "$MARK" ]]; }

refuse_second_daemon() {
  local pid
  pid=$(cat -- "$sandbox/gembok.pid" 2>/dev/null) || return 0
  if [[ $pid =~ ^[0-9]+$ && $(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null) == *" serve "* ]]; then
    stop "the sandbox's daemon is running already, as process $pid" "use it: source $sandbox/env" "or stop it: kill $pid"
  fi
}

lay_out() {
  refuse_foreign_directory
  if $fresh && [[ -e $sandbox ]]; then
    if ! is_sandbox && [[ -n $(ls -A -- "$sandbox") ]]; then
      stop "$sandbox does not look like a sandbox, so it is not removed" "look what it is, then remove it yourself or choose another GEMBOK_SANDBOX"
    fi
    rm -rf -- "$sandbox"
  fi
  (umask 077 && mkdir -p -- "$sandbox"/{tokens,state,run})
  sed "s|@SANDBOX@|$sandbox|" "$root/provisioning/softhsm2.conf" >"$sandbox/softhsm2.conf"
  cat >"$sandbox/gembok.toml" <<CONFIG
$MARK
# Every key is explained in provisioning/gembok.toml.
policies = '$root/policies'

[state]
directory = 'state'

[local]
socket = 'run/gembok.sock'

[data]
listen = '127.0.0.1:$data_port'

[control]
listen = '127.0.0.1:$control_port'

# One machine plays all clients here.
[tls]
connections_per_address_max = 1024
requests_in_flight_per_certificate_max = 1024

[token]
module = '$module'
label = 'gembok-sandbox'
pin_file = 'pin'
# SoftHSM makes its keys on this machine's own processors, which may have other work.
deadline_ms = 30000

[memory]
lock = 'best-effort'
CONFIG
}

refuse_busy_port() {
  local port
  for port in "$data_port" "$control_port"; do
    if (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      stop "port $port on 127.0.0.1 is in use" "choose others: GEMBOK_DATA_PORT=18443 GEMBOK_CONTROL_PORT=19443 ${BASH_SOURCE[0]}"
    fi
  done
}

start() {
  export GEMBOK_CONFIG=$sandbox/gembok.toml SOFTHSM2_CONF=$sandbox/softhsm2.conf
  "$root/provisioning/keep-token.sh" "$sandbox/tokens"
  "$gembok" serve 2>"$sandbox/gembok.log" &
  daemon=$!
  echo "$daemon" >"$sandbox/gembok.pid"
  wait_until "the daemon answers" "$gembok" status
}

# wait_until WHAT COMMAND…: polls for a minute, and gives up at once when the daemon is gone.
wait_until() {
  local what=$1 tries
  shift
  for ((tries = 0; tries < 600; tries++)); do
    if "$@" >/dev/null 2>&1; then return 0; fi
    kill -0 "$daemon" 2>/dev/null || stop "the daemon ended before $what; the end of $sandbox/gembok.log:" "$(tail -n 5 -- "$sandbox/gembok.log")"
    sleep 0.1
  done
  stop "waited a minute until $what, in vain; gembok status says:" "$("$gembok" status 2>&1)"
}

is_state() { [[ $("$gembok" --json status) == *"\"state\":\"$1\""* ]]; }
# shellcheck disable=SC2317 # wait_until calls it
is_open() { (: <>"/dev/tcp/127.0.0.1/$1"); }

provision() {
  say "making the sandbox in $sandbox"
  # Nobody is asked for names here: the configuration has them.
  "$gembok" init --sandbox --out "$sandbox/admin" </dev/null
  "$gembok" project create "$PROJECT"
  "$gembok" object create "$OBJECT" --project "$PROJECT"
  "$gembok" endpoint create "$ENDPOINT" --project "$PROJECT"
  "$gembok" grant create encrypt decrypt --project "$PROJECT" --endpoint "$ENDPOINT" --object "$OBJECT"
  "$gembok" certificate issue --project "$PROJECT" --endpoint "$ENDPOINT" --out "$sandbox/client"
  # So high that the benches measure the appliance and not its limits.
  "$gembok" api-key create --project "$PROJECT" --endpoint "$ENDPOINT" --label quickstart --out "$sandbox/api-key" \
    --requests-per-s 1000000 --requests-burst 1000000 --fields-per-s 10000000 --fields-burst 10000000
}

# Files that keep keys off command lines, and one to source.
write_env() {
  api_key=$(<"$sandbox/api-key")
  (
    umask 077
    printf 'Authorization: Bearer %s\n' "$api_key" >"$sandbox/authorization"
    curl_config client/client >"$sandbox/curl"
    curl_config admin/admin >"$sandbox/curl-admin"
    cat >"$sandbox/env" <<ENV
# source this file; it holds an API key, so it is yours alone
export GEMBOK_URL='https://127.0.0.1:$data_port'
export GEMBOK_ADMIN_URL='https://127.0.0.1:$control_port'
export GEMBOK_CA='$sandbox/client/ca.pem'
export GEMBOK_CERT='$sandbox/client/client.pem'
export GEMBOK_KEY='$sandbox/client/client.key'
export GEMBOK_API_KEY='$api_key'
export GEMBOK_ENDPOINT='$ENDPOINT'
export GEMBOK_OBJECT='$OBJECT'
export GEMBOK_CONFIG='$sandbox/gembok.toml'
export GEMBOK_ADMIN_CERT='$sandbox/admin/admin.pem'
export GEMBOK_ADMIN_KEY='$sandbox/admin/admin.key'
export SOFTHSM2_CONF='$sandbox/softhsm2.conf'
export PATH='$(dirname -- "$gembok")':"\$PATH"
ENV
  )
}

curl_config() {
  printf '%s\n' silent show-error max-time=10 "cacert=\"$sandbox/client/ca.pem\"" "cert=\"$sandbox/$1.pem\"" "key=\"$sandbox/$1.key\""
}

# post PATH SHOWN BODY: the body goes through a pipe, so that no process list shows the API key in it.
post() {
  printf '$ curl --config %s --data @- %s <<< %s\n' "$sandbox/curl" "$url$1" "'$2'" >&2
  printf '%s' "$3" | curl --config "$sandbox/curl" --data @- "$url$1"
}

member() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }

round_trip() {
  local url=https://127.0.0.1:$data_port plaintext answer ciphertext body decoded
  say "the published transcript, over mutual TLS"
  plaintext=$(echo "$SAMPLE" | base64)
  printf '$ echo "%s" | base64\n%s\n' "$SAMPLE" "$plaintext"

  body='{"api-key":"%s","objek":"'$OBJECT'","aksi":"enkrip","plaintext":"'$plaintext'"}'
  # shellcheck disable=SC2059 # the bodies are templates with the place of the API key
  answer=$(post "/cryptAPI/Crypt/$ENDPOINT/" "$(printf "$body" '…')" "$(printf "$body" "$api_key")")
  printf '%s\n' "$answer"
  ciphertext=$(member ciphertext <<<"$answer")
  [[ $answer == *'"Sukses!"'* && -n $ciphertext ]] || stop "the encryption was refused" "the log is in $sandbox/gembok.log"

  body='{"api-key":"%s","objek":"'$OBJECT'","aksi":"dekrip","chiptext":"'$ciphertext'"}'
  # shellcheck disable=SC2059
  answer=$(post "/CryptAPI/Crypt/$ENDPOINT/" "$(printf "$body" '…')" "$(printf "$body" "$api_key")")
  printf '%s\n' "$answer"
  plaintext=$(member plaintext <<<"$answer")
  decoded=$(base64 -d <<<"$plaintext") || true
  printf '$ echo "%s" | base64 -d\n%s\n' "$plaintext" "$decoded"
  [[ $decoded == "$SAMPLE" ]] || stop "the decoded answer is not the sample" "the log is in $sandbox/gembok.log"
  say "the answer equals the sample"
}

show_next_steps() {
  cat <<NEXT

Try next, in another terminal:

  source $sandbox/env
  # a batch over v1; the API key comes from a file
  curl --config $sandbox/curl --header @$sandbox/authorization --json '{"items":[{"object":"$OBJECT","plaintext":"QnVkaQ==","ref":"nama"},{"object":"$OBJECT","plaintext":"U3VyYWthcnRh","ref":"kota"}]}' \$GEMBOK_URL/v1/endpoints/$ENDPOINT/encrypt
  # who asked for how much, and how the appliance is, as the admin
  curl --config $sandbox/curl-admin \$GEMBOK_ADMIN_URL/v1/statistics
  curl --config $sandbox/curl-admin \$GEMBOK_ADMIN_URL/health/state
  # the operator's verbs
  gembok status
  gembok statistics
  gembok audit list
  gembok lock && gembok unlock
  gembok help

The log is in $sandbox/gembok.log. Serving until Ctrl-C.
NEXT
}

install_missing
refuse_second_daemon
build
lay_out
refuse_busy_port
start
if is_state unprovisioned; then
  provision
elif [[ -e $sandbox/api-key ]]; then
  say "using the sandbox in $sandbox"
else
  stop "the sandbox in $sandbox was left half made" "start over: ${BASH_SOURCE[0]} --fresh"
fi
wait_until "the appliance is operational" is_state operational
wait_until "the data plane is open" is_open "$data_port"
wait_until "the control plane is open" is_open "$control_port"
write_env
if $transcript; then round_trip; fi
if $once; then exit 0; fi
if $transcript; then show_next_steps; else say "serving; source $sandbox/env"; fi

# From here on an end by signal is the planned one.
trap 'exit 0' INT TERM
status=0
wait "$daemon" || status=$?
stop "the daemon ended by itself, with status $status; the end of $sandbox/gembok.log:" "$(tail -n 5 -- "$sandbox/gembok.log")"

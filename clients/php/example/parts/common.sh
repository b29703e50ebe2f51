# shellcheck shell=bash disable=SC2034,SC2154,SC2119,SC2120 # the parts share variables, and arguments may be absent
# What run.sh and hosts.sh have in common: words, packages, waiting, checks, and one clean end. Sourced, not run.

example=$(realpath -- "$(dirname -- "${BASH_SOURCE[0]}")/..")
root=$(realpath -- "$example/../../..")

say() { printf '\n== %s\n' "$*"; }
stop() {
  printf '%s: %s\n' "${0##*/}" "$1" >&2
  shift
  for hint in "$@"; do printf '  %s\n' "$hint" >&2; done
  exit 1
}
has() { command -v "$1" >/dev/null || [[ -x /usr/sbin/$1 ]]; }
export PATH=$PATH:/usr/sbin:/sbin

has_module() { has php && php --ri "$1" >/dev/null 2>&1; }

# What the example calls, each with the Debian package it comes from. More are named by the caller: packages_more.
packages() {
  has curl || echo curl
  has openssl || echo openssl
  has php || echo php-cli
  has_module curl || echo php-curl
  has_module pdo_mysql || echo php-mysql
  has mariadbd && has mariadb-install-db || echo mariadb-server
  if declare -F packages_more >/dev/null; then packages_more; fi
}

install_missing() {
  local missing as_root=()
  mapfile -t missing < <(packages)
  [[ ${#missing[@]} -gt 0 ]] || return 0
  has apt-get || stop "missing: ${missing[*]}" "install them with this system's package manager, then run this again"
  if [[ $EUID -ne 0 ]]; then
    has sudo || stop "missing: ${missing[*]}, and there is no sudo" "as root: apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  say "installing ${missing[*]}"
  "${as_root[@]}" apt-get update -qq
  # Debian starts a database of the system's at installation. This example has one of its own, so that one is not started.
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# On every way out: what was started is stopped, the last first, and a directory that is only for this run is removed.
on_exit=()
clean_up() {
  local status=$? at
  trap - EXIT INT TERM
  for ((at = ${#on_exit[@]} - 1; at >= 0; at--)); do ${on_exit[at]} || true; done
  exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# end_process PID: asks it to end and waits until it has.
end_process() {
  [[ -n ${1:-} ]] && kill -0 "$1" 2>/dev/null || return 0
  kill -TERM "$1" 2>/dev/null || true
  wait "$1" 2>/dev/null || true
}

# wait_until WHAT PID LOG COMMAND…: polls for a minute, and gives up at once when the process is gone.
wait_until() {
  local what=$1 pid=$2 log=$3 tries
  shift 3
  for ((tries = 0; tries < 600; tries++)); do
    if "$@" >/dev/null 2>&1; then return 0; fi
    kill -0 "$pid" 2>/dev/null || stop "it ended before $what; the end of $log:" "$(tail -n 8 -- "$log")"
    sleep 0.1
  done
  stop "waited a minute until $what, in vain; the end of $log:" "$(tail -n 8 -- "$log")"
}

is_open() { (: <>"/dev/tcp/$1/$2") 2>/dev/null; }
# free_port FROM: the first from there on that is free, and below those that the kernel gives to whoever connects.
free_port() {
  local port
  for ((port = $1; port < 32768; port++)); do
    if ! is_open 127.0.0.1 "$port"; then
      printf '%s' "$port"
      return
    fi
  done
  stop "no port from $1 on is free"
}
refuse_busy_port() {
  ! is_open 127.0.0.1 "$1" || stop "port $1 on 127.0.0.1 is in use" "choose another: $2=… ${0##*/}"
}

# A secret of letters and digits: 128 bits.
new_secret() { openssl rand -hex 16; }

# check WHAT COMMAND…: one line that says what was seen.
passed=0 failed=0
check() {
  local what=$1
  shift
  if "$@"; then
    passed=$((passed + 1))
    printf '  ok      %s\n' "$what"
  else
    failed=$((failed + 1))
    printf '  FAILED  %s\n' "$what"
    if [[ -n ${seen:-} ]]; then printf '          seen instead: %s\n' "$seen"; fi
  fi
  seen=
}

# Compares, and remembers what was seen when it differs.
is() {
  seen=$1
  [[ $1 == "$2" ]]
}

finish() {
  printf '\n%d passed, %d failed\n' "$passed" "$failed"
  [[ $failed -eq 0 && $passed -gt 0 ]]
}

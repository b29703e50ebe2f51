#!/usr/bin/env bash
# The attendance application, ready to use: installs what is missing, starts a database, a Gembok sandbox and PHP's built-in
# server of its own, all on loopback, and prints where to go. Everything it makes lies under one directory.
set -euo pipefail

usage() {
  cat <<'USAGE'
usage: clients/php/example/run.sh [--once]

  --once   in a directory of its own, uses the application from end to end as people would, looks for every plaintext in the
           database, breaks Gembok in every way, and exits 0 only if all was well

environment
  EXAMPLE_DIR           where it all lies (default: run/ beside this script; with --once a new directory, removed at the end)
  EXAMPLE_PORT          the application on 127.0.0.1 (default 8080; with --once a free one, here and below)
  EXAMPLE_DB_PORT       the database on 127.0.0.1 (default 13306)
  GEMBOK_DATA_PORT, GEMBOK_CONTROL_PORT, GEMBOK_BIN
                        as in provisioning/quickstart.sh
USAGE
}

once=false
for argument in "$@"; do
  case $argument in
    --once) once=true ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
  esac
done

for part in common database gembok web; do
  # shellcheck disable=SC1090
  source "$(dirname -- "${BASH_SOURCE[0]}")/parts/$part.sh"
done
# Whoever looks finds it where it is said to be; a test takes what is free.
default_port() { if $once; then free_port "$2"; else printf '%s' "$1"; fi; }
# shellcheck disable=SC2034 # the parts use them
{
  web_address=127.0.0.1 web_port=${EXAMPLE_PORT:-$(default_port 8080 18080)}
  db_address=127.0.0.1 db_port=${EXAMPLE_DB_PORT:-$(default_port 13306 13306)}
  data_port=${GEMBOK_DATA_PORT:-$(default_port 8443 18443)} control_port=${GEMBOK_CONTROL_PORT:-$(default_port 9443 19443)}
  gembok_url=https://127.0.0.1:$data_port
}

remove_directory() { rm -rf -- "$dir"; }
if $once; then
  dir=$(mktemp -d "${TMPDIR:-/tmp}/absensi.XXXXXX")
  on_exit+=(remove_directory)
  # A certificate that has expired, without waiting a year for it: the appliance issues it by a clock that is behind.
  packages_more() { [[ -e $(faketime_library) ]] || echo faketime; }
  faketime_library() { compgen -G '/usr/lib/*/faketime/libfaketime.so.1' | head -n 1; }
else
  dir=$(realpath -m -- "${EXAMPLE_DIR:-$example/run}")
fi
install_missing
refuse_busy_port "$web_port" EXAMPLE_PORT
refuse_busy_port "$db_port" EXAMPLE_DB_PORT
(umask 077 && mkdir -p -- "$dir"/{etc,log,sessions})

start_all() {
  say "Gembok: a sandbox on $gembok_url"
  on_exit+=(gembok_stop)
  if $once; then
    gembok_start LD_PRELOAD="$(faketime_library)" FAKETIME=-400d FAKETIME_DONT_FAKE_MONOTONIC=1
    gembok_provision
    mv -- "$dir/issued" "$dir/expired"
    gembok_stop
    gembok_start
    issue_certificate "$dir/issued"
    use_certificate "$dir/issued"
  else
    gembok_start
    gembok_provision
  fi
  say "MariaDB: an instance on $db_address:$db_port"
  on_exit+=(database_stop)
  database_start
  say "the application: http://$web_address:$web_port/"
  on_exit+=(web_stop)
  web_start
}
start_all

if $once; then
  for part in user people chapters/{use,find,search,swap,rotate,faults}; do
    # shellcheck disable=SC1090
    source "$example/parts/$part.sh"
  done
  # The checks say what failed; none of them ends the drive.
  set +e
  chapter_use
  chapter_find
  chapter_swap
  chapter_rotate
  chapter_faults
  # Last: what was typed into forms that were refused must be nowhere either.
  chapter_search
  finish
  exit
fi

cat <<NEXT

The door (no password):    http://$web_address:$web_port/
The employees' pages:      http://$web_address:$web_port/karyawan
Their password:            $(<"$dir/admin-password")

What the database holds:   mariadb --socket=$dir/mariadb.sock absensi -e 'SELECT nik, nama FROM karyawan'
Serving until Ctrl-C. Everything lies in $dir.
NEXT
trap 'exit 0' INT TERM
# shellcheck disable=SC2154 # web.sh sets it
wait "$web" || true
stop "the application's server ended by itself; the end of its log:" "$(tail -n 8 "$dir/log/web")"

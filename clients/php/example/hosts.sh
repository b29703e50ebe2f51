#!/usr/bin/env bash
# The application, its database and Gembok as three hosts of a LAN, and a fourth for the person at the browser: who reaches
# whom, and what the database gets to see. Network namespaces on this machine; needs root, and is skipped aloud without.
# Prints a line for each check and "N passed, N failed" at the end; exits 0 only if all was well.
#
#   clients/php/example/hosts.sh      environment: GEMBOK_BIN, GEMBOK_DATA_PORT, GEMBOK_CONTROL_PORT as in run.sh --once
# shellcheck disable=SC2154 # the parts set variables
set -euo pipefail

for part in common database gembok web user people lan chapters/search; do
  # shellcheck disable=SC1090
  source "$(dirname -- "${BASH_SOURCE[0]}")/parts/$part.sh"
done
if [[ $EUID -ne 0 ]]; then
  echo 'SKIPPED: network namespaces need root. Run it as: sudo -E clients/php/example/hosts.sh'
  exit 0
fi
packages_more() {
  has ip || echo iproute2
  has nft || echo nftables
  has tcpdump || echo tcpdump
}
install_missing

remove_directory() { rm -rf -- "$dir"; }
dir=$(mktemp -d "${TMPDIR:-/tmp}/absensi.XXXXXX")
on_exit+=(remove_directory)
mkdir -p "$dir"/{etc,log,sessions}
# shellcheck disable=SC2034 # the parts use them
{
  web_address=$APP_HOST web_port=8080
  db_address=$DATABASE_HOST db_port=3306
  data_port=${GEMBOK_DATA_PORT:-$(free_port 18443)} control_port=${GEMBOK_CONTROL_PORT:-$(free_port 19443)}
  gembok_url=https://$GEMBOK_HOST:8443
  on_user=(ip netns exec absensi-user) on_web=(ip netns exec absensi-app) on_database=(ip netns exec absensi-database)
}

# The sandbox is made on loopback; then the same appliance moves to its host: the data plane on the LAN's address, which the
# server certificate must name, the control plane on the host's own loopback.
move_gembok() {
  sed -e "s|^listen = '127.0.0.1:$data_port'|listen = '$GEMBOK_HOST:8443'|" -e "s|^listen = '127.0.0.1:$control_port'|listen = '127.0.0.1:9443'|" \
    -e "s|^\[tls\]|[tls]\nserver_names = ['$GEMBOK_HOST', 'localhost', '127.0.0.1']|" "$sandbox/gembok.toml" >"$sandbox/host.toml"
  # Not by on(): what is put aside must be the daemon itself, to be ended by its number.
  ip netns exec absensi-gembok env GEMBOK_CONFIG="$sandbox/host.toml" SOFTHSM2_CONF="$sandbox/softhsm2.conf" \
    "$gembok_bin" serve >"$dir/log/gembok-host" 2>&1 &
  gembok_pid=$!
  wait_until 'Gembok answers on its host' "$gembok_pid" "$dir/log/gembok-host" on absensi-gembok bash -c ": <>/dev/tcp/$GEMBOK_HOST/8443"
}

# reaches HOST URL [CURL-OPTION…]: 7 is curl's word for a refused connection.
refused() {
  local status=0 host=$1 url=$2
  shift 2
  seen=$(on "$host" curl --silent --show-error --max-time 5 --output /dev/null "$@" "$url" 2>&1) || status=$?
  [[ $status -eq 7 ]]
}
info() {
  local host=$1 url=$2
  shift 2
  printf 'Authorization: Bearer %s' "$(<"$dir/etc/gembok.key")" | on "$host" curl --silent --max-time 5 --header @- --output /dev/null --write-out '%{http_code}' \
    --cacert "$dir/etc/ca.pem" --cert "$dir/etc/client.pem" --key "$dir/etc/client.key" "$@" "$url" 2>/dev/null || true
}

chapter_reach() {
  say 'who reaches whom'
  check 'application -> Gembok, data plane: answers' is "$(info absensi-app "$gembok_url/v1/info")" 200
  check 'application -> Gembok, control plane: refused' refused absensi-app "https://$GEMBOK_HOST:9443/health/live" --insecure
  check 'database -> Gembok, data plane: refused' refused absensi-database "$gembok_url/v1/info" --insecure
  check 'database -> Gembok, control plane: refused' refused absensi-database "https://$GEMBOK_HOST:9443/health/live" --insecure
  check 'person -> Gembok: refused' refused absensi-user "$gembok_url/v1/info" --insecure
  check 'person -> database: refused' refused absensi-user "telnet://$DATABASE_HOST:3306"
  check "Gembok's own host -> control plane: it is there" test "$(control_plane)" = 200
}
control_plane() {
  on absensi-gembok curl --silent --max-time 5 --output /dev/null --write-out '%{http_code}' --cacert "$dir/etc/ca.pem" \
    --cert "$sandbox/admin/admin.pem" --key "$sandbox/admin/admin.key" https://127.0.0.1:9443/v1/statistics || true
}

chapter_work() {
  say 'the application at work'
  sign_in
  local person id
  for person in siti agus ayu mei budi; do
    add_employee "$person"
    check "added from the person's host: $person" shows 'Karyawan baru tersimpan'
  done
  id=$(id_of "${budi[rfid_tag]}")
  edit_employee budi_pindah "$id"
  check 'edited' shows 'Perubahan tersimpan'
  visit karyawan
  for person in siti agus ayu mei budi_pindah; do check "the list shows $person" shows_employee "$person"; done
  tap "${siti[rfid_tag]}"
  check 'check-in: «Kehadiran tercatat»' shows 'Kehadiran tercatat'
}

# What must never be on the database's wire or disk besides the plaintexts: whatever opens envelopes, or the way to them.
secrets() {
  local line file
  printf '%s\0' "$(<"$dir/etc/gembok.key")" "$(<"$sandbox/pin")"
  for file in "$dir/etc/client.key" "$sandbox/admin/admin.key" "$sandbox/state/pki/server.key"; do
    while read -r line; do [[ $line == -* ]] || printf '%s\0' "$line"; done <"$file"
  done
}

chapter_wire() {
  say "what went over the database host's wire"
  end_captures
  check 'no packet was lost to the capture' grep -q '^0 packets dropped by kernel' "$dir/database.pcap.log"
  php "$example/parts/streams.php" "$dir/database.pcap" "$dir/database.stream" | sed 's/^/  /'
  php "$example/parts/streams.php" "$dir/app.pcap" "$dir/app.stream" >/dev/null
  plaintexts >"$dir/plaintexts"
  secrets >"$dir/secrets"
  printf '%s\0' "${siti[rfid_tag]}" "${budi_pindah[rfid_tag]}" >"$dir/plain-columns"
  check "the search works: on the application's wire, towards the person, it finds plaintexts" finds_some "$dir/plaintexts" "$dir/app.stream"
  check '… and on the database'"'"'s the plain column rfid_tag' finds_some "$dir/plain-columns" "$dir/database.stream"
  check '… and envelopes' grep -qa 'R0IBA' "$dir/database.stream"
  finds_none "$dir/plaintexts" "$dir/database.stream"
  check "plaintexts: ${seen##*$'\n'}" test "${seen##*: }" = '0 found'
  finds_none "$dir/secrets" "$dir/database.stream"
  check "API key, PIN, private keys: ${seen##*$'\n'}" test "${seen##*: }" = '0 found'
  check 'nothing went between database and Gembok but what was refused above' test -z "$(grep -a "$GEMBOK_HOST" <(php "$example/parts/streams.php" "$dir/database.pcap" /dev/null))"

  say "what lies on the database's disk and in its process"
  database_dump >"$dir/dump.sql"
  tr '\0' '\n' <"/proc/$database/environ" >"$dir/database.environ"
  mapfile -d '' files < <(find "$dir/mariadb" -type f -size +0 -print0)
  finds_none "$dir/plaintexts" "$dir/dump.sql" "${files[@]}"
  check "plaintexts: ${seen##*$'\n'}" test "${seen##*: }" = '0 found'
  finds_none "$dir/secrets" "$dir/dump.sql" "$dir/database.environ" "${files[@]}"
  check "API key, PIN, private keys: ${seen##*$'\n'}" test "${seen##*: }" = '0 found'
}

chapter_open_gate() {
  say "Gembok's gate left open"
  on absensi-gembok nft flush ruleset
  local seen_status=0
  on absensi-database curl --silent --max-time 5 --output /dev/null --insecure "$gembok_url/v1/info" || seen_status=$?
  check "database -> Gembok now connects, and is turned away without a certificate (curl $seen_status)" test "$seen_status" -ne 0 -a "$seen_status" -ne 7
  check 'application -> control plane: refused still, it does not listen on the LAN' refused absensi-app "https://$GEMBOK_HOST:9443/health/live" --insecure
}

say 'Gembok: a sandbox'
on_exit+=(gembok_stop)
gembok_start
gembok_provision
gembok_stop
say "four hosts: person $USER_HOST, application $APP_HOST, database $DATABASE_HOST, Gembok $GEMBOK_HOST"
lan_up
admit absensi-gembok "$APP_HOST" 8443
admit absensi-database "$APP_HOST" 3306
on_exit+=(end_captures)
move_gembok
capture absensi-database "$dir/database.pcap"
capture absensi-app "$dir/app.pcap"
on_exit+=(database_stop)
database_start
on_exit+=(web_stop)
web_start

set +e
chapter_work
chapter_reach
chapter_wire
chapter_open_gate
finish

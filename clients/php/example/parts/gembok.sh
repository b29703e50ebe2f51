# shellcheck shell=bash disable=SC2034,SC2154,SC2119,SC2120 # the parts share variables, and arguments may be absent
# A Gembok sandbox by provisioning/quickstart.sh, and in it what this application needs: a project, an object whose
# encryptions must bind table, column and row, an endpoint, a certificate, an API key. Sourced.
# Uses $dir, $data_port, $control_port.

readonly PROJECT=kepegawaian OBJECT=karyawan ENDPOINT=absensi
sandbox=
gembok_pid=
api_key_id=
gembok_bin=$(realpath -m -- "${GEMBOK_BIN:-${CARGO_TARGET_DIR:-$root/target}/release/gembok}")

# gembok_start [VARIABLE=VALUE…]: with these in its environment.
gembok_start() {
  sandbox=$dir/gembok
  : >"$dir/log/gembok"
  env GEMBOK_SANDBOX="$sandbox" GEMBOK_DATA_PORT="$data_port" GEMBOK_CONTROL_PORT="$control_port" "$@" \
    "$root/provisioning/quickstart.sh" --serve-only >"$dir/log/gembok" 2>&1 &
  gembok_pid=$!
  # Without GEMBOK_BIN it builds first, which takes minutes.
  while ! grep -q '^== serving' "$dir/log/gembok"; do
    kill -0 "$gembok_pid" 2>/dev/null || stop "Gembok did not start; the end of $dir/log/gembok:" "$(tail -n 8 "$dir/log/gembok")"
    sleep 0.1
  done
}

gembok_stop() {
  end_process "$gembok_pid"
  gembok_pid=
}

# The operator's verbs, over the sandbox's local socket.
gembok() { GEMBOK_CONFIG=$sandbox/gembok.toml "$gembok_bin" "$@" 2>&1; }

# The same where a no is the end.
operate() {
  local answer
  answer=$(gembok "$@") || stop "gembok $1 $2 was refused:" "$answer" "what a broken run left in $dir can go: rm -r $dir"
}

gembok_provision() {
  [[ ! -e $dir/etc/gembok.key ]] || return 0
  operate project create "$PROJECT"
  # What every encryption must bind, and the field that a row is found by.
  cat >"$dir/etc/karyawan.toml" <<'END'
required_context = ["table", "column", "row"]

[fields.nik]
normaliser = "digits"
length = 16
distinct = 50000
index = "unique"
END
  operate object create "$OBJECT" --project "$PROJECT" --schema "$dir/etc/karyawan.toml"
  operate endpoint create "$ENDPOINT" --project "$PROJECT"
  operate grant create encrypt decrypt reencrypt index --project "$PROJECT" --endpoint "$ENDPOINT" --object "$OBJECT"
  issue_certificate "$dir/issued"
  use_certificate "$dir/issued"
  install -m 644 -- "$dir/issued/ca.pem" "$dir/etc/ca.pem"
  use_new_api_key
}

# issue_certificate DIRECTORY [ENDPOINT]
issue_certificate() {
  rm -rf -- "$1"
  operate certificate issue --project "$PROJECT" --endpoint "${2:-$ENDPOINT}" --out "$1"
}

# What an operator does to renew a certificate: replaces two files of the application's.
use_certificate() { install -m 600 -- "$1/client.pem" "$1/client.key" "$dir/etc/"; }

# use_new_api_key [LIMITS…]: makes one, remembers its id, with limits of its own, and puts it where the application reads it.
use_new_api_key() {
  local label
  label=absensi-$(openssl rand -hex 4)
  rm -f -- "$dir/etc/gembok.key.new"
  operate api-key create --project "$PROJECT" --endpoint "$ENDPOINT" --label "$label" --out "$dir/etc/gembok.key.new" "$@"
  mv -- "$dir/etc/gembok.key.new" "$dir/etc/gembok.key"
  api_key_id=$(gembok api-key list --project "$PROJECT" --endpoint "$ENDPOINT" | awk -v label="$label" '$1 == label { print $2 }')
}

# What the envelopes of the object must name: eight hex digits.
object_key_id() { gembok --json object show --project "$PROJECT" "$OBJECT" | sed -n 's/.*"key_id":"\([0-9a-f]*\)".*/\1/p'; }

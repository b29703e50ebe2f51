# shellcheck shell=bash disable=SC2034,SC2154 # the parts share variables
# A person at a browser: real HTTP requests by curl, with cookies, a form's token taken from the page that shows the form, and
# redirects followed. What came back is in $status, $page (HTML) and $text (what a reader sees). Sourced.

on_user=()
status='' page='' text=''

user_request() {
  local answer
  answer=$("${on_user[@]}" curl --silent --show-error --max-time 20 --cookie "$dir/cookies" --cookie-jar "$dir/cookies" \
    --location --write-out '\n%{http_code}' "$@" 2>&1)
  status=${answer##*$'\n'}
  page=${answer%$'\n'*}
  text=$(printf '%s' "$page" | php -r 'echo preg_replace("/\s+/", " ", html_entity_decode(strip_tags(stream_get_contents(STDIN)), ENT_QUOTES));')
}

address() { printf 'http://%s:%s/%s' "$web_address" "$web_port" "$1"; }
visit() { user_request "$(address "$1")"; }

# The token of the form that the page shows.
token() { sed -n 's/.*name="csrf_token" value="\([0-9a-f]*\)".*/\1/p' <<<"$page" | head -n 1; }

# fill PAGE-WITH-THE-FORM ADDRESS FIELD=VALUE…
fill() {
  local where=$2 fields=() field
  visit "$1"
  set -- "csrf_token=$(token)" "${@:3}"
  for field in "$@"; do fields+=(--data-urlencode "$field"); done
  user_request "${fields[@]}" "$(address "$where")"
}

sign_in() { fill masuk masuk "kata_sandi=$(<"$dir/admin-password")"; }
tap() { fill '' kios/catat "rfid_tag=$1"; }

# Employees are kept by the drive as associative arrays, one field per name; this makes the form's fields of one.
fields_of() {
  local -n of=$1
  local name
  fields=()
  for name in nama nik tanggal_lahir no_jaminan_sosial alamat rfid_tag; do fields+=("$name=${of[$name]}"); done
}
add_employee() {
  local fields
  fields_of "$1"
  fill karyawan/tambah karyawan/tambah "${fields[@]}"
}
# edit_employee NAME ID: the form's token is any form's, and that of a new employee shows whatever state Gembok is in.
edit_employee() {
  local fields
  fields_of "$1"
  fill karyawan/tambah "karyawan/ubah/$2" "${fields[@]}"
}

# What the checks ask.
answers() { is "HTTP $status" "HTTP $1"; }
shows() {
  local wanted
  for wanted in "$@"; do
    [[ $text == *"$wanted"* ]] || {
      seen="HTTP $status, no «${wanted:0:60}» in: ${text:0:300}"
      return 1
    }
  done
}
# A page that is there and does not show them.
shows_not() {
  local unwanted
  [[ $status == 200 || $status == 503 ]] || {
    seen="HTTP $status"
    return 1
  }
  for unwanted in "$@"; do
    [[ $text != *"$unwanted"* ]] || {
      seen="«${unwanted:0:60}»"
      return 1
    }
  done
}
# The employee's fields as the list shows them; the date in words is left to a check of its own.
shows_employee() {
  local -n shown=$1
  shows "${shown[nama]}" "${shown[nik]}" "${shown[alamat]}" "${shown[no_jaminan_sosial]}" "${shown[rfid_tag]}"
}
# The form still holds what was typed, in the answer's input elements.
keeps_input() {
  local -n kept=$1
  local name escaped
  for name in nama nik tanggal_lahir no_jaminan_sosial alamat rfid_tag; do
    escaped=$(printf '%s' "${kept[$name]}" | php -r 'echo htmlspecialchars(stream_get_contents(STDIN), ENT_QUOTES);')
    [[ $page == *"value=\"$escaped\""* || $page == *">$escaped</textarea>"* ]] || {
      seen="the form has lost $name"
      return 1
    }
  done
}

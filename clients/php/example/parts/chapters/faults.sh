# shellcheck shell=bash disable=SC2034,SC2154 # the parts share variables
# Gembok away, locked, limiting, and every way in which a certificate or an API key stops counting. Each time: the door still
# records, the pages say what is wrong in words and by code, nothing is stored, a form keeps its input; and when it is over,
# all works again in the same process of the application.

chapter_faults() {
  local web_before=$web

  say 'Gembok stopped'
  gembok_stop
  fault 'Gembok sedang tidak dapat dihubungi' unreachable
  gembok_start
  recovered

  say 'Gembok hangs: it takes connections and answers none'
  kill -STOP "$(<"$sandbox/gembok.pid")"
  fault 'Gembok sedang tidak dapat dihubungi' timed-out
  kill -CONT "$(<"$sandbox/gembok.pid")"
  recovered

  say 'Gembok locked'
  operate lock
  fault 'Gembok sedang terkunci' locked
  operate unlock
  recovered

  say 'an API key with tiny limits: one field a second'
  use_new_api_key --fields-per-s 1 --fields-burst 30
  before_each=drain_limit
  fault 'Terlalu banyak permintaan' fields-limited
  before_each=
  use_new_api_key
  recovered

  say 'the budget of decrypted fields used up'
  operate budget set --api-key "$api_key_id" --fields 25
  for _ in {1..5}; do visit karyawan; done
  check 'the list: «Jatah membuka data untuk 24 jam sudah habis» budget-exhausted' shows 'Jatah membuka data untuk 24 jam sudah habis' budget-exhausted
  add_employee tamu
  check 'adding goes on: encrypting is not charged' is "$(count_of karyawan)" 6
  sql "DELETE FROM absensi.karyawan WHERE rfid_tag = '${tamu[rfid_tag]}'"
  use_new_api_key
  recovered

  say 'the API key revoked'
  operate api-key revoke "$api_key_id"
  fault 'Izin aplikasi ini sudah dicabut' api-key-revoked
  use_new_api_key
  recovered

  say "the client certificate expired: $(openssl x509 -in "$dir/expired/client.pem" -noout -enddate)"
  use_certificate "$dir/expired"
  fault 'Izin aplikasi ini sudah kedaluwarsa' certificate-not-valid
  use_certificate "$dir/issued"
  recovered

  say 'the client certificate revoked'
  operate certificate revoke "$(openssl x509 -in "$dir/issued/client.pem" -pubkey -noout | openssl pkey -pubin -outform DER | sha256sum | cut -d ' ' -f 1)"
  fault 'Izin aplikasi ini sudah dicabut' certificate-revoked
  issue_certificate "$dir/issued"
  use_certificate "$dir/issued"
  recovered

  say 'the certificate of another endpoint'
  operate endpoint create gudang --project "$PROJECT"
  issue_certificate "$dir/other" gudang
  use_certificate "$dir/other"
  fault 'Pengaturan aplikasi ini keliru' endpoint-unknown
  use_certificate "$dir/issued"
  recovered

  say 'a certificate that another CA issued'
  foreign_certificate
  use_certificate "$dir/foreign"
  fault 'Gembok menolak aplikasi ini' certificate-not-trusted
  use_certificate "$dir/issued"
  recovered

  say 'somebody else answers at the address of Gembok: not a certificate of its CA'
  install -m 644 "$dir/foreign/ca.pem" "$dir/etc/ca.pem"
  fault 'Pengaturan aplikasi ini keliru' ca-mismatch
  install -m 644 "$dir/issued/ca.pem" "$dir/etc/ca.pem"
  recovered

  say 'the private key is not where the configuration says'
  rm "$dir/etc/client.key"
  fault 'Pengaturan aplikasi ini keliru' file-unreadable
  use_certificate "$dir/issued"
  recovered

  check "all this in one process of the application: $web" is "$web" "$web_before"
  check 'its log holds no error' test ! -s "$dir/log/php"
}

foreign_certificate() {
  local new=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30)
  mkdir -p "$dir/foreign"
  (
    cd "$dir/foreign" || exit
    openssl req -x509 "${new[@]}" -subj '/CN=another CA' -keyout ca.key -out ca.pem
    openssl req -x509 "${new[@]}" -subj /CN=absensi -CA ca.pem -CAkey ca.key -addext basicConstraints=critical,CA:FALSE -keyout client.key -out client.pem
  ) 2>"$dir/log/openssl"
}

# Something to do before each request, to keep the fault as it is.
before_each=

# Takes what the API key may still do, one field at a time, until nothing is left.
drain_limit() {
  local answer='' item='{"object":"karyawan","plaintext":"eA==","context":{"table":"t","column":"c","row":"r"}}'
  until [[ $answer == 429 ]]; do
    answer=$(printf 'Authorization: Bearer %s' "$(<"$dir/etc/gembok.key")" | curl --silent --max-time 10 --output /dev/null --write-out '%{http_code}' \
      --cacert "$dir/etc/ca.pem" --cert "$dir/etc/client.pem" --key "$dir/etc/client.key" --header @- --json "$item" \
      "$gembok_url/v1/endpoints/$ENDPOINT/encrypt")
  done
}

# fault WORDS CODE: what holds in each of them.
fault() {
  local words=$1 code=$2 records stored began
  records=$(count_of kehadiran) stored=$(fingerprint)
  tap "${siti[rfid_tag]}"
  check 'check-in: «Kehadiran tercatat»' shows 'Kehadiran tercatat'
  check '… and the record is stored' is "$(count_of kehadiran)" $((records + 1))

  $before_each
  began=$(date +%s%N)
  visit karyawan
  local took=$((($(date +%s%N) - began) / 1000000))
  check "the list: 503, «$words», code $code, after $took ms" shows_trouble "$words" "$code"
  check '… cards still show, personal data does not' shows_only_plain
  check '… within 10 s' test "$took" -lt 10000

  $before_each
  add_employee tamu
  check "add: refused with 503, «$words»" shows_trouble "$words" "$code"
  check '… the form keeps what was typed' keeps_input tamu

  local -A moved
  copy_person budi_pindah moved
  moved[alamat]=${tamu[alamat]}
  $before_each
  edit_employee moved "$(id_of "${budi_pindah[rfid_tag]}")"
  check "edit: refused with 503, «$words»" shows_trouble "$words" "$code"
  check '… the form keeps what was typed' keeps_input moved
  check '… no row was added or changed' is "$(fingerprint)" "$stored"
}

shows_trouble() { answers 503 && shows "$1" "Kode untuk administrator: $2"; }
shows_only_plain() {
  shows "${siti[rfid_tag]}" "${agus[rfid_tag]}" && shows_not "${siti[nama]}" "${siti[nik]}" "${agus[nama]}" "${ayu[alamat]}"
}

recovered() {
  visit karyawan
  check 'over: the list shows everybody again' shows_everybody
  edit_employee siti "$(id_of "${siti[rfid_tag]}")"
  check '… and an edit is saved' shows 'Perubahan tersimpan'
}
shows_everybody() {
  local person
  answers 200 || return
  for person in siti agus ayu mei budi_pindah; do shows_employee "$person" || return; done
}

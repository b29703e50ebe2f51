# shellcheck shell=bash disable=SC2034,SC2154 # the parts share variables
# What a thief of the database has: the dump and the files hold no plaintext in any form, and every protected value is an
# envelope of the object's key. The search is tried on files in which it must find something, first.

# search WHAT PLAINTEXTS FILE…: none must be found.
finds_none() {
  local plaintexts=$1
  shift
  seen=$(php "$example/parts/search.php" "$plaintexts" "$@")
}
finds_some() { ! finds_none "$@"; }

chapter_search() {
  say 'what a thief of the database has'
  local notes
  notes=$(mktemp -d)
  plaintexts >"$notes/plaintexts"
  local file form
  for form in plain base64 shifted hex; do
    case $form in
      plain) printf 'xx%s' "${siti[nama]}" ;;
      base64) printf '%s' "${siti[nama]}" | base64 ;;
      shifted) printf 'x%sy' "${siti[nama]}" | base64 ;;
      hex) printf '%s' "${siti[nama]}" | od -An -tx1 | tr -d ' \n' | tr a-f A-F ;;
    esac >"$notes/with-$form"
    check "the search finds a name as $form" finds_some "$notes/plaintexts" "$notes/with-$form"
  done

  database_dump >"$notes/dump.sql"
  printf '%s\0' "${siti[rfid_tag]}" "${budi_pindah[rfid_tag]}" >"$notes/plain-columns"
  check 'the dump is of this table: the plain column rfid_tag is found' finds_some "$notes/plain-columns" "$notes/dump.sql"
  finds_none "$notes/plaintexts" "$notes/dump.sql"
  check "mariadb-dump: ${seen##*$'\n'}" test "${seen##*: }" = '0 found'

  # All pages on the disk, and the logs of changes beside them.
  sql "SET GLOBAL innodb_max_dirty_pages_pct = 0; FLUSH TABLES"
  local tries
  for ((tries = 0; tries < 600 && $(dirty_pages) > 0; tries++)); do sleep 0.1; done
  check 'the database has no page in memory alone' is "$(dirty_pages)" 0
  look_at_files "$notes" "the database's files" "$dir/mariadb"
  look_at_files "$notes" "the application's sessions and logs" "$dir/sessions" "$dir/log"
  look_at_files "$notes" "Gembok's own files" "$dir/gembok"
  rm -rf -- "$notes"

  local key_id
  key_id=$(object_key_id)
  seen=$(sql "SELECT nik, nama, tanggal_lahir, alamat, no_jaminan_sosial FROM absensi.karyawan" | php "$example/parts/envelopes.php" "$key_id")
  check "every protected column: ${seen##*$'\n'}" test "${seen##*: }" = '0 wrong'
  check 'two who share an address: the envelopes differ' is \
    "$(sql "SELECT COUNT(DISTINCT alamat) FROM absensi.karyawan WHERE rfid_tag IN ('${siti[rfid_tag]}', '${agus[rfid_tag]}')")" 2
  check 'two who share a birthday: the envelopes differ' is \
    "$(sql "SELECT COUNT(DISTINCT tanggal_lahir) FROM absensi.karyawan WHERE rfid_tag IN ('${siti[rfid_tag]}', '${ayu[rfid_tag]}')")" 2
}

dirty_pages() { sql "SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_pages_dirty'" | cut -f 2; }

# look_at_files NOTES WHAT DIRECTORY…
look_at_files() {
  local notes=$1 what=$2 files
  shift 2
  mapfile -d '' files < <(find "$@" -type f -size +0 -print0)
  if [[ $1 == "$dir/mariadb" ]]; then
    check "$what: the plain column rfid_tag is found" finds_some "$notes/plain-columns" "${files[@]}"
  fi
  finds_none "$notes/plaintexts" "${files[@]}"
  check "$what: ${seen##*$'\n'}" test "${seen##*: }" = '0 found'
}

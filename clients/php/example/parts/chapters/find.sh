# shellcheck shell=bash disable=SC2034,SC2154 # the parts share variables
# Somebody is found by a NIK that nobody can read in the database, and a NIK that is there already is refused by the database
# itself; then the index root is rotated while people search and save.

chapter_find() {
  say 'find by NIK'
  find_nik "${siti[nik]}"
  check 'a NIK: her row and no other' finds_only siti
  find_nik "${siti[nik]:0:6}.${siti[nik]:6:6}-${siti[nik]:12} "
  check '… written with dots and blanks' finds_only siti
  find_nik "${tamu[nik]}"
  check 'a NIK of nobody: «Tidak ada karyawan dengan NIK itu»' shows 'Tidak ada karyawan dengan NIK itu'
  find_nik 33720667
  check 'no NIK: 422, says so' answers 422
  check 'every row has an index of 40 digits, all different' is \
    "$(sql "SELECT COUNT(*) = COUNT(DISTINCT nik_index), MIN(LENGTH(nik_index)), MAX(LENGTH(nik_index)) FROM absensi.karyawan")" $'1\t40\t40'

  local -A twin
  copy_person tamu twin
  twin[nik]=${siti[nik]}
  local before
  before=$(count_of karyawan)
  add_employee twin
  check 'a NIK that is there: 422, «NIK ini sudah terdaftar»' answers 422
  check '… says so and keeps what was typed' shows 'NIK ini sudah terdaftar'
  check '… and nothing was stored' is "$(count_of karyawan)" "$before"
  check 'the database itself refuses it' refused_twice

  say 'the index root is rotated'
  operate index rotate-root "$OBJECT" --project "$PROJECT"
  find_nik "${siti[nik]}"
  check 'found by the value of before' finds_only siti
  add_employee twin
  check 'refused by the value of before' shows 'NIK ini sudah terdaftar'
  index_table --baris=1 --henti=1
  check 'one batch of one row, then broken off: the others are left' is "$status ${told##*$'\n'}" "1 $((before - 1)) baris tersisa"
  local person
  for person in siti agus ayu; do
    find_nik "$(nik_of "$person")"
    check "half-way: $person is found" finds_only "$person"
  done
  index_table --baris=2
  check 'begun again: nothing is left' is "$status ${told##*$'\n'}" '0 0 baris tersisa'
  operate index finish-rotation "$OBJECT" --project "$PROJECT"
  for person in siti agus; do
    find_nik "$(nik_of "$person")"
    check "finished: $person is found" finds_only "$person"
  done
  check '… all by the second version' is "$(sql "SELECT DISTINCT LEFT(nik_index, 8) FROM absensi.karyawan")" 00000002
}

# find_nik NIK: in the form of the list.
find_nik() { fill karyawan karyawan/cari "nik=$1"; }
nik_of() {
  local -n person_of=$1
  printf '%s' "${person_of[nik]}"
}

# finds_only PERSON: the list shows one row, and it is hers.
finds_only() {
  local -n found=$1
  shows "${found[nama]}" "${found[rfid_tag]}" '1 orang' && is "$(grep -c 'class="nama"' <<<"$page")" 1
}

refused_twice() {
  seen=$(sql "INSERT INTO absensi.karyawan (id, nik, nik_index, nama, tanggal_lahir, alamat, no_jaminan_sosial, rfid_tag)
    SELECT 'kembar', nik, nik_index, nama, tanggal_lahir, alamat, no_jaminan_sosial, 'FFFF0001' FROM absensi.karyawan LIMIT 1" 2>&1)
  [[ $seen == *Duplicate*nik_index* ]]
}

# index_table [OPTION…]: as the application; what it said and how it ended.
index_table() {
  told=$(ABSENSI_DB_HOST=$db_address ABSENSI_DB_PORT=$db_port ABSENSI_DB_PASSWORD_FILE=$dir/etc/database-password \
    GEMBOK_URL=$gembok_url GEMBOK_API_KEY_FILE=$dir/etc/gembok.key \
    GEMBOK_CA=$dir/etc/ca.pem GEMBOK_CERT=$dir/etc/client.pem GEMBOK_KEY=$dir/etc/client.key \
    php "$example/indeks_ulang.php" "$@" 2>&1)
  status=$?
}

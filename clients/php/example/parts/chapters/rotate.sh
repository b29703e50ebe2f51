# shellcheck shell=bash disable=SC2034,SC2154 # the parts share variables
# The object's key is rotated: what was stored still opens, and enkripsi_ulang.php puts it under the new version, in batches,
# broken off and begun again.

chapter_rotate() {
  say 'the key is rotated, and the table follows'
  local rows before
  rows=$(sql "SELECT COUNT(*) FROM absensi.karyawan")
  before=$(sql "SELECT GROUP_CONCAT(nik ORDER BY id) FROM absensi.karyawan")
  operate key rotate "$OBJECT" --project "$PROJECT"
  visit karyawan
  check 'rotated: everything shows' shows_employee siti
  reencrypt_table --baris=1 --henti=1
  check 'one batch of one row, then broken off: the others are left' is "$status ${told##*$'\n'}" "1 $((rows - 1)) baris tersisa"
  check '… the table is under two key versions' is "$(key_versions)" 2
  visit karyawan
  check '… everything shows' shows_employee siti
  reencrypt_table --baris=2
  check 'begun again: nothing is left' is "$status ${told##*$'\n'}" '0 0 baris tersisa'
  check '… the table is under one key version' is "$(key_versions)" 1
  check '… and no envelope is what it was' is \
    "$(sql "SELECT COUNT(*) FROM absensi.karyawan WHERE FIND_IN_SET(nik, '$before')")" 0
  visit karyawan
  check '… everything shows' shows_employee siti
  before=$(sql "SELECT GROUP_CONCAT(nik ORDER BY id) FROM absensi.karyawan")
  reencrypt_table
  check 'and once more: nothing changes' is "$status $(sql "SELECT GROUP_CONCAT(nik ORDER BY id) FROM absensi.karyawan")" "0 $before"
}

# reencrypt_table [OPTION…]: as the application; what it said and how it ended.
reencrypt_table() {
  told=$(ABSENSI_DB_HOST=$db_address ABSENSI_DB_PORT=$db_port ABSENSI_DB_PASSWORD_FILE=$dir/etc/database-password \
    GEMBOK_URL=$gembok_url GEMBOK_API_KEY_FILE=$dir/etc/gembok.key \
    GEMBOK_CA=$dir/etc/ca.pem GEMBOK_CERT=$dir/etc/client.pem GEMBOK_KEY=$dir/etc/client.key \
    php "$example/enkripsi_ulang.php" "$@" 2>&1)
  status=$?
}

# The headers of envelopes differ by key version alone.
key_versions() {
  local columns=(nik nama tanggal_lahir alamat no_jaminan_sosial)
  sql "SELECT COUNT(DISTINCT h) FROM ($(printf 'SELECT LEFT(%s, 16) AS h FROM absensi.karyawan UNION ALL ' "${columns[@]}") SELECT LEFT(nik, 16) FROM absensi.karyawan) AS all_of_them"
}

# shellcheck shell=bash disable=SC2034,SC2154 # the parts share variables
# Somebody who writes in the database moves envelopes about. Each is bound to table, column and row, so it does not open where
# it does not belong: its cell says so, and the others show.

chapter_swap() {
  say 'envelopes moved by somebody who writes in the database'
  local a b
  a=$(id_of "${siti[rfid_tag]}") b=$(id_of "${agus[rfid_tag]}")

  exchange "$a" nik "$b" nik
  visit karyawan
  check 'two rows exchange their NIK: neither NIK shows' shows_not "${siti[nik]}" "${agus[nik]}"
  check '… two cells say «tidak terbuka cannot-open»' is "$(count_closed)" 2
  check '… everything else shows, theirs and the others'"'"'' shows "${siti[nama]}" "${siti[no_jaminan_sosial]}" "${agus[nama]}" "${ayu[nik]}" "${ayu[alamat]}"
  visit "karyawan/ubah/$a"
  check '… the edit form asks for the NIK again' shows 'tidak dapat dibuka. Isi kembali dari dokumen aslinya'
  exchange "$a" nik "$b" nik
  visit karyawan
  check 'exchanged back: all show again' shows_employee siti

  # Both are as long, so both fit: 10 and 11 bytes become 84 characters.
  exchange "$a" tanggal_lahir "$a" no_jaminan_sosial
  visit karyawan
  check 'two columns of one row exchanged: neither value shows' shows_not "${siti[no_jaminan_sosial]}"
  check '… two cells say so' is "$(count_closed)" 2
  check '… the rest of the row shows' shows "${siti[nama]}" "${siti[nik]}" "${siti[alamat]}"
  exchange "$a" tanggal_lahir "$a" no_jaminan_sosial
  visit karyawan
  check 'exchanged back: all show again' shows_employee siti

  sql "UPDATE absensi.karyawan SET nama = CONCAT(LEFT(nama, 40), IF(SUBSTR(nama, 41, 1) = 'A', 'B', 'A'), SUBSTR(nama, 42)) WHERE id = '$b'"
  visit karyawan
  check 'one character of an envelope altered: that name does not open, one cell says so' is "$(count_closed)" 1
  check '… the rest of the row shows' shows "${agus[nik]}" "${agus[no_jaminan_sosial]}"
  visit "karyawan/ubah/$b"
  edit_employee agus "$b"
  check 'typed in again and saved: the row is whole' shows_employee agus
}

# exchange ID COLUMN ID COLUMN: two stored values.
exchange() {
  local one other
  one=$(stored "$1" "$2") other=$(stored "$3" "$4")
  sql "UPDATE absensi.karyawan SET $2 = '$other' WHERE id = '$1'; UPDATE absensi.karyawan SET $4 = '$one' WHERE id = '$3'"
}
stored() { sql "SELECT $2 FROM absensi.karyawan WHERE id = '$1'"; }
count_closed() { grep -o 'class="tertutup"' <<<"$page" | wc -l; }

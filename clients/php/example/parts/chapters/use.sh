# shellcheck shell=bash disable=SC2034,SC2154 # the parts share variables
# The application as it is meant to be used: signing in, columns that are too narrow, add, list, edit, check in, delete.

chapter_use() {
  say 'who may see what'
  visit karyawan
  check 'the list without signing in: the sign-in form instead' shows 'Kata sandi' 'Masuk'
  fill masuk masuk kata_sandi=salah
  check 'a wrong password: 401, «Kata sandi keliru»' answers 401
  local before
  before=$(token)
  user_request --data-urlencode "kata_sandi=$(<"$dir/admin-password")" "$(address masuk)"
  check 'the right password without the form'"'"'s token: 403' answers 403
  sign_in
  check 'the right password: «Belum ada karyawan»' shows 'Belum ada karyawan'
  user_request --data-urlencode "csrf_token=$before" "$(address karyawan/tambah)"
  check 'the forms'"'"' token of before signing in: 403' answers 403

  say 'a column that is too narrow'
  sql 'ALTER TABLE absensi.karyawan MODIFY nik VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL'
  visit karyawan
  check 'the list names karyawan.nik, its 64 and VARCHAR(92)' shows karyawan.nik 'lebarnya 64' 'VARCHAR(92)' column-too-narrow
  add_employee siti
  check 'adding is refused with 503' answers 503
  check '… the page says why and keeps what was typed' keeps_input siti
  check '… and nothing was stored' is "$(count_of karyawan)" 0
  sql 'ALTER TABLE absensi.karyawan MODIFY nik VARCHAR(92) CHARACTER SET ascii COLLATE ascii_bin NOT NULL'
  visit karyawan
  check 'widened: the warning is gone' shows_not column-too-narrow

  say 'add and list'
  local person
  for person in siti agus ayu mei budi; do
    local -n added=$person
    add_employee "$person"
    check "added: ${added[nama]:0:40}" shows 'Karyawan baru tersimpan' "${added[nama]}"
  done
  check 'an address of 999 bytes is shown whole' shows "${ayu[alamat]}"
  visit karyawan
  for person in siti agus ayu mei budi; do check "the list shows $person in all fields" shows_employee "$person"; done
  check 'dates in words: 4 November 1990' shows '4 November 1990'
  check 'markup in a name is text, not markup' shows_no_markup '<b>Wibowo</b>'
  visit diagnosa
  check 'the diagnosis finds nothing wrong' shows 'semua baik'

  say 'what is typed wrong'
  local -A bad
  copy_person tamu bad
  bad[nik]=33720667
  add_employee bad
  check 'a NIK of 8 digits: 422, says so, keeps the rest' answers 422
  check '… «NIK terdiri atas 16 angka»' shows 'NIK terdiri atas 16 angka'
  check '… and the form keeps what was typed' keeps_input bad
  copy_person tamu bad
  bad[rfid_tag]=${siti[rfid_tag]}
  add_employee bad
  check 'somebody else'"'"'s card: «Kartu ini sudah dipakai»' shows 'Kartu ini sudah dipakai'
  copy_person tamu bad
  bad[alamat]=$(printf 'é%.0s' {1..501})
  add_employee bad
  check 'an address of 1002 bytes: «terlalu panjang: 1002 byte»' shows 'terlalu panjang: 1002 byte'
  check 'none of the three was stored' is "$(count_of karyawan)" 5

  say 'edit'
  local id
  id=$(id_of "${budi[rfid_tag]}")
  visit "karyawan/ubah/$id"
  check 'the form shows what is stored' keeps_input budi
  edit_employee budi_pindah "$id"
  check 'edited: «Perubahan tersimpan», the new address in the list' shows 'Perubahan tersimpan' "${budi_pindah[alamat]}"
  check '… and the old one no more' shows_not "${budi[alamat]}"

  say 'check in'
  tap "${siti[rfid_tag]}"
  check 'a known card: «Kehadiran tercatat»' shows 'Kehadiran tercatat' '…C3D4'
  tap "${siti[rfid_tag]}"
  tap "${mei[rfid_tag]}"
  tap 'FFFF0000'
  check 'an unknown card: «belum terdaftar»' shows 'belum terdaftar'
  tap '🙂'
  check 'what no card has: «belum terdaftar»' shows 'belum terdaftar'
  check 'three records are stored' is "$(count_of kehadiran)" 3
  visit kehadiran
  check 'the attendance shows two names, Siti twice' shows "${siti[nama]}" '2 kali' "${mei[nama]}" '1 kali'
  visit 'kehadiran?tanggal=%00'
  check 'a date that is none: today' shows "${siti[nama]}"

  say 'delete'
  fill kehadiran "karyawan/hapus/$(id_of "${mei[rfid_tag]}")"
  check 'deleted: «dihapus», gone from the list' shows_not "${mei[nama]}"
  check '… with her attendance' is "$(count_of kehadiran)" 2
  add_employee mei
  check 'added again: the list shows her' shows "${mei[nama]}"
}

shows_no_markup() { answers 200 && [[ $page != *"$1"* ]]; }

# copy_person FROM TO
copy_person() {
  local -n from=$1 to=$2
  local name
  for name in "${!from[@]}"; do to["$name"]=${from["$name"]}; done
}

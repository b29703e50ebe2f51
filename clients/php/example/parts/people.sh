# shellcheck shell=bash disable=SC2034 # the chapters use them
# The people of the drive, all invented: names in several scripts and with characters that HTML and SQL mind, addresses up to
# what the column takes, two who live together. Sourced.

long_address() {
  local text
  printf -v text 'Perumahan Taman Melati Blok C%02d No. 17 RT 004 RW 011, Kelurahan Jebres ' {1..16}
  printf '%s' "${text:0:999}"
}

declare -A siti=([nama]='Siti Rahmawati Kusumaningtyas' [nik]=3372014411900001 [tanggal_lahir]=1990-11-04
  [no_jaminan_sosial]=10023456781 [alamat]='Jalan Slamet Riyadi 251, Sriwedari, Surakarta' [rfid_tag]=04A1B2C3D4)
declare -A agus=([nama]="Agus Nur'aini \"Gus\" <b>Wibowo</b> & Anak" [nik]=3372022508880002 [tanggal_lahir]=1988-08-25
  [no_jaminan_sosial]=10034567892 [alamat]='Jalan Slamet Riyadi 251, Sriwedari, Surakarta' [rfid_tag]=04A1B2C3D5)
declare -A ayu=([nama]='Raden Ayu Śrī Wahyuningsih-Çelebi' [nik]=3372036104950003 [tanggal_lahir]=1990-11-04
  [no_jaminan_sosial]=10045678903 [alamat]="$(long_address)" [rfid_tag]=04A1B2C3D6)
declare -A mei=([nama]='李美華 (Mei Hwa Lestari) 🌸' [nik]=3372045502920004 [tanggal_lahir]=1992-02-15
  [no_jaminan_sosial]=0001234567894 [alamat]='Gang Kepuh 7, Sudiroprajan – Pasar Gede, Surakarta' [rfid_tag]=04A1B2C3D7)
declare -A budi=([nama]='Budi Santosa Prawirodirjo' [nik]=3372051203790005 [tanggal_lahir]=1979-03-12
  [no_jaminan_sosial]=10056789015 [alamat]='Kampung Baluwarti RT 02, Pasar Kliwon, Surakarta' [rfid_tag]=04A1B2C3D8)
# What Budi's record becomes.
declare -A budi_pindah=([nama]='Budi Santosa Prawirodirjo' [nik]=3372051203790005 [tanggal_lahir]=1979-03-12
  [no_jaminan_sosial]=10056789015 [alamat]='Desa Ngemplak 14, Kartasura, Sukoharjo' [rfid_tag]=04A1B2C3D9)
# Who is only ever refused: what she gives must be nowhere afterwards.
declare -A tamu=([nama]='Tamara Ditolakwati Purnamasari' [nik]=3372066707930006 [tanggal_lahir]=1993-07-27
  [no_jaminan_sosial]=10067890126 [alamat]='Jalan Tak Tersimpan 99, Banjarsari, Surakarta' [rfid_tag]=04A1B2C3E0)

readonly PEOPLE=(siti agus ayu mei budi budi_pindah tamu)
readonly PROTECTED=(nik nama tanggal_lahir alamat no_jaminan_sosial)

# Every plaintext, each ended by a zero byte.
plaintexts() {
  local person column
  for person in "${PEOPLE[@]}"; do
    local -n whose=$person
    for column in "${PROTECTED[@]}"; do printf '%s\0' "${whose[$column]}"; done
  done
}

id_of() { sql "SELECT id FROM absensi.karyawan WHERE rfid_tag = '$1'"; }
count_of() { sql "SELECT COUNT(*) FROM absensi.$1"; }
# One number over all protected values as they are stored: it changes when any does.
fingerprint() { sql "SELECT * FROM absensi.karyawan ORDER BY id" | sha256sum; }

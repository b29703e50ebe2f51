//! Sentences of other floors and words for states, in English as they come, and in Indonesian: of a chain's check, of an export's
//! form, of what ends, of what stands in the way of an act.

/// English and Indonesian, with the same values.
type Echo = (&'static str, &'static str);

/// Of states: an approval's, a key version's, the appliance's; and what a rule does.
pub(super) const WORDS: &[Echo] = &[
    ("waiting", "menunggu"),
    ("expired", "lewat waktu"),
    ("approved", "disetujui"),
    ("refused", "ditolak"),
    ("withdrawn", "ditarik kembali"),
    ("used", "terpakai"),
    ("pre_active", "belum aktif"),
    ("active", "aktif"),
    ("decrypt_only", "hanya dekripsi"),
    ("disabled", "nonaktif"),
    ("destroy_scheduled", "menunggu dimusnahkan"),
    ("destroyed", "dimusnahkan"),
    ("compromised", "bocor"),
    ("unprovisioned", "belum disiapkan"),
    ("locked", "terkunci"),
    ("not locked", "tidak terkunci"),
    ("operational", "beroperasi"),
    ("degraded", "terbatas"),
    ("permit", "izin"),
    ("forbid", "larangan"),
];

/// Whole sentences.
pub(super) const SENTENCES: &[Echo] = &[
    ("the journal", "jurnal"),
    ("the daemon", "daemon"),
    ("standard output", "keluaran baku"),
    // of a chain
    ("there is no block in it", "tidak ada blok di dalamnya"),
    ("its sequence numbers go beyond 2^64", "nomor urutnya melampaui 2^64"),
    ("it belongs to the chain {chain}", "blok ini milik rantai {chain}"),
    (
        "records {first} to {last} are missing before it",
        "catatan {first} sampai {last} sebelum blok ini tidak ada",
    ),
    (
        "it begins again at record {first}; record {expected} comes next",
        "blok ini mulai lagi pada catatan {first}; seharusnya catatan {expected}",
    ),
    (
        "it does not follow the block before it: the hashes differ",
        "blok ini tidak menyambung blok sebelumnya: hash-nya berbeda",
    ),
    ("its epoch, {epoch}, is before {before}", "epoch-nya, {epoch}, mendahului {before}"),
    ("it was closed before the block before it", "blok ini ditutup lebih dahulu daripada blok sebelumnya"),
    ("a checkpoint is of another chain, {chain}", "sebuah checkpoint berasal dari rantai lain, {chain}"),
    ("it is the first and names a block before it", "blok ini yang pertama, tetapi menyebut blok sebelumnya"),
    (
        "it holds {held} records and counts {counted}",
        "blok ini memuat {held} catatan tetapi menghitung {counted}",
    ),
    (
        "its records are not those its header was made over",
        "catatannya bukan yang menjadi dasar kepala bloknya",
    ),
    ("record {index} of it is out of order", "catatan {index} di dalamnya tidak berurutan"),
    (
        "record {index} of it is not proved by its path",
        "catatan {index} di dalamnya tidak terbukti oleh jalurnya",
    ),
    ("an audit record in it cannot be read", "sebuah catatan audit di dalamnya tidak dapat dibaca"),
    (
        "a checkpoint names it as of epoch {named}, it says {said}",
        "sebuah checkpoint menyebutnya dari epoch {named}, tetapi blok ini mengatakan {said}",
    ),
    (
        "the checkpoint at record {next} is by {signer}, a key that is not here",
        "checkpoint pada catatan {next} dibuat oleh {signer}, kunci yang tidak ada di sini",
    ),
    (
        "the signature of the checkpoint at record {next} does not fit",
        "tanda tangan checkpoint pada catatan {next} tidak cocok",
    ),
    (
        "no checkpoint of it is signed by a key you named: whoever made this export could have made it all up",
        "tidak ada checkpoint di dalamnya yang ditandatangani kunci yang Anda sebut: pembuat ekspor ini bisa saja mengarang \
         semuanya",
    ),
    (
        "no checkpoint names a block of it: whoever made this export could have made it all up",
        "tidak ada checkpoint yang menyebut bloknya: pembuat ekspor ini bisa saja mengarang semuanya",
    ),
    (
        "FORK: of chain {chain}, epoch {epoch}, a block that ends before record {next} was signed with the hash {signed}, and \
         here is {here}. Two histories were written under one name: a clone, or a store that was put back",
        "BERCABANG: dari rantai {chain}, epoch {epoch}, sebuah blok yang berakhir sebelum catatan {next} ditandatangani dengan \
         hash {signed}, sedangkan di sini {here}. Dua riwayat ditulis dengan satu nama: sebuah klon, atau penyimpanan yang \
         dikembalikan",
    ),
    (
        "FORK: of chain {chain}, epoch {epoch}, one export has a block at record {one} with the hash {hash}, and the other one \
         at record {other} with {another}. Two histories were written under one name: a clone, or a store that was put back",
        "BERCABANG: dari rantai {chain}, epoch {epoch}, satu ekspor mempunyai blok pada catatan {one} dengan hash {hash}, dan \
         yang lain pada catatan {other} dengan {another}. Dua riwayat ditulis dengan satu nama: sebuah klon, atau penyimpanan \
         yang dikembalikan",
    ),
    (
        "its records are not here and no prune record in this export covers them: they were taken away, or the export ends \
         before that record (then export again without --to). Prune records here reach to {to}",
        "catatannya tidak ada di sini dan tidak ada catatan pemangkasan dalam ekspor ini yang mencakupnya: catatan itu diambil, \
         atau ekspor berakhir sebelum catatan pemangkasannya (ekspor ulang tanpa --to). Catatan pemangkasan di sini mencapai {to}",
    ),
    (
        "its records are not here, and the prune record in the block at record {prune} does not prove that they were pruned: \
         no checkpoint that counts stands behind it, so anybody could have added it to hide what was taken away. If it is the \
         appliance's, export again once a checkpoint was made (gembok status names the newest), or give a later one with \
         --checkpoint",
        "catatannya tidak ada di sini, dan catatan pemangkasan dalam blok pada catatan {prune} tidak membuktikan bahwa catatan \
         itu dipangkas: tidak ada checkpoint yang berlaku sesudahnya, jadi siapa pun bisa menambahkannya untuk menutupi yang \
         diambil. Jika memang milik perangkat, ekspor lagi setelah ada checkpoint (gembok status menyebut yang terbaru), atau \
         berikan yang lebih baru dengan --checkpoint",
    ),
    (
        "it is of epoch {epoch}, and a checkpoint names another block there, of epoch {other}. Either a restore left this chain \
         behind (then verify an export made after it), or this chain was never the appliance's: nothing of a later epoch is \
         signed here",
        "blok ini dari epoch {epoch}, sedangkan sebuah checkpoint menyebut blok lain di sana, dari epoch {other}. Mungkin \
         pemulihan meninggalkan rantai ini (periksalah ekspor yang dibuat sesudahnya), atau rantai ini tidak pernah milik \
         perangkat: tidak ada dari epoch kemudian yang ditandatangani di sini",
    ),
    (
        "the chain ends before record {next}, but a checkpoint of {time} names record {named}, and this chain was signed later \
         than that. Times of checkpoints do not go back, so its end was cut off",
        "rantai berakhir sebelum catatan {next}, padahal checkpoint dari {time} menyebut catatan {named}, dan rantai ini \
         ditandatangani sesudah itu. Waktu checkpoint tidak mundur, jadi ujungnya dipotong",
    ),
    (
        "the checkpoint of {time} (epoch {epoch}, record {next}) {what}",
        "checkpoint dari {time} (epoch {epoch}, catatan {next}) {what}",
    ),
    (
        "they are of different chains; there is nothing to compare",
        "keduanya dari rantai berbeda; tidak ada yang dapat dibandingkan",
    ),
    (
        "from record {at} on one is of epoch {one} and the other of epoch {other}: a restore left one of them behind",
        "mulai catatan {at} yang satu dari epoch {one} dan yang lain dari epoch {other}: pemulihan meninggalkan salah satunya",
    ),
    // of an export's form
    ("something follows after its end", "masih ada sesuatu setelah akhirnya"),
    ("its end changed while it was read", "akhirnya berubah selagi dibaca"),
    (
        "it has no end: it was cut off behind record {after} or is still being made",
        "tidak ada akhirnya: terpotong setelah catatan {after} atau masih dibuat",
    ),
    // of what stands in the way
    ("The user {name} is disabled.", "Pengguna {name} dinonaktifkan."),
    ("The request is {state}.", "Permintaan itu {state}."),
    ("The endpoint {name} is revoked.", "Endpoint {name} sudah dicabut."),
    ("The endpoint {name} is disabled.", "Endpoint {name} dinonaktifkan."),
    ("The endpoint {name} is retired.", "Endpoint {name} sudah dipensiunkan."),
    ("The project {project} is retired.", "Proyek {project} sudah dipensiunkan."),
    ("The object {object} is retired.", "Objek {object} sudah dipensiunkan."),
    ("The endpoint {name} has no grant to {what}.", "Endpoint {name} tidak mempunyai izin {what}."),
];

/// What to do before something ends.
pub(super) const HINTS: &[Echo] = &[
    (
        "begin a roll in time: gembok certificate roll-ca start",
        "mulailah penggantian pada waktunya: gembok certificate roll-ca start",
    ),
    (
        "put the next one where pki.outside_ca and pki.outside_crl say, and send SIGHUP: without it its clients are refused",
        "letakkan yang berikutnya di tempat yang disebut pki.outside_ca dan pki.outside_crl, lalu kirim SIGHUP: tanpanya kliennya \
         ditolak",
    ),
    (
        "the old CA is trusted no more then: move its clients over, users each by itself; gembok certificate \
         roll-ca show tells how many there are",
        "CA lama tidak dipercaya lagi sesudah itu: pindahkan kliennya, pengguna masing-masing sendiri; gembok certificate roll-ca \
         show menyebut jumlahnya",
    ),
    (
        "the token has to be there to sign the next one; gembok status tells how it is",
        "token harus ada untuk menandatangani yang berikutnya; gembok status menyebut keadaannya",
    ),
    (
        "it is renewed while the token is there, and the log says why it was not; one from outside is put in place by you",
        "diperbarui selama token ada, dan log menyebut mengapa tidak; yang dari luar Anda pasang sendiri",
    ),
    (
        "what was encrypted under it is lost then; until then gembok key cancel-destruction takes it back",
        "yang dienkripsi dengannya hilang sesudah itu; sebelumnya gembok key cancel-destruction membatalkannya",
    ),
    (
        "let the endpoint renew it (POST /v1/endpoints/{endpoint}/certificate), or run gembok certificate issue",
        "biarkan endpoint memperbaruinya (POST /v1/endpoints/{endpoint}/certificate), atau jalankan gembok certificate issue",
    ),
    (
        "let its user renew it, signed in by it while it counts: gembok certificate issue --user; one that somebody else issues \
         makes the account wait for confirmation",
        "biarkan penggunanya memperbaruinya, masuk dengan sertifikat itu selama masih berlaku: gembok certificate issue --user; \
         yang diterbitkan orang lain membuat akunnya menunggu konfirmasi",
    ),
    (
        "make the next one with gembok api-key rotate and install it, or give this one another end: gembok api-key expire",
        "buat yang berikutnya dengan gembok api-key rotate lalu pasang, atau beri yang ini akhir lain: gembok api-key expire",
    ),
];

/// Parts of sentences, and those with a value in front.
pub(super) const PARTS: &[Echo] = &[
    (
        "names a block before the first one here, so it could not be compared",
        "menyebut blok sebelum yang pertama di sini, jadi tidak dapat dibandingkan",
    ),
    (
        "names a block behind the last one here, so it could not be compared",
        "menyebut blok sesudah yang terakhir di sini, jadi tidak dapat dibandingkan",
    ),
    (
        "names a block that is not in this chain: a restore left it behind, and a later epoch was signed",
        "menyebut blok yang tidak ada dalam rantai ini: pemulihan meninggalkannya, dan epoch kemudian sudah ditandatangani",
    ),
    ("it was cut off in the middle of an item", "terpotong di tengah sebuah bagian"),
    ("an item is longer than {most} bytes", "sebuah bagian lebih panjang dari {most} byte"),
    ("a block header is 139 bytes long", "kepala blok panjangnya 139 byte"),
    ("a block header begins with GK 01", "kepala blok dimulai dengan GK 01"),
    ("a block holds at least one record", "sebuah blok memuat sedikitnya satu catatan"),
    ("a leaf is longer than what is left of its block", "sebuah daun lebih panjang dari sisa bloknya"),
    ("an item of an export is not deterministic CBOR", "sebuah bagian ekspor bukan CBOR deterministik"),
    (
        "an item of an export has members that it must not have",
        "sebuah bagian ekspor mempunyai anggota yang tidak semestinya",
    ),
    (
        "an item of an export has no definite length",
        "sebuah bagian ekspor tidak mempunyai panjang yang pasti",
    ),
    ("a record of an export is not exactly one leaf", "sebuah catatan ekspor bukan tepat satu daun"),
    (
        "a proved record has an index, a leaf and a path",
        "catatan yang terbukti mempunyai indeks, daun, dan jalur",
    ),
    ("a hash of a path is 32 bytes long", "hash sebuah jalur panjangnya 32 byte"),
    ("a path is longer than any block is deep", "sebuah jalur lebih panjang dari kedalaman blok mana pun"),
    ("a byte string of an export has the wrong length", "sebuah untai byte ekspor salah panjangnya"),
    ("a list of an export has no definite length", "sebuah daftar ekspor tidak mempunyai panjang yang pasti"),
    ("these bytes are not an item of an export", "byte ini bukan bagian ekspor"),
    (
        "a checkpoint has seven lines, each ended by a line feed",
        "sebuah checkpoint mempunyai tujuh baris, masing-masing diakhiri ganti baris",
    ),
    (
        "a checkpoint ends with its signer and its signature",
        "sebuah checkpoint diakhiri penanda tangan dan tanda tangannya",
    ),
    (
        "a checkpoint has six lines, its signer and its signature",
        "sebuah checkpoint mempunyai enam baris, penanda tangan, dan tanda tangannya",
    ),
    (
        "a checkpoint begins with gembok/checkpoint/v1",
        "sebuah checkpoint dimulai dengan gembok/checkpoint/v1",
    ),
    (
        "a checkpoint's chain, hash or signer is not lower-case hex of its length",
        "rantai, hash, atau penanda tangan sebuah checkpoint bukan hex huruf kecil sepanjang semestinya",
    ),
    (
        "a checkpoint's signature is not 64 bytes in base64",
        "tanda tangan sebuah checkpoint bukan 64 byte dalam base64",
    ),
    (
        "a checkpoint key is an EC public key on P-256, uncompressed",
        "kunci checkpoint adalah kunci publik EC pada P-256, tanpa pemampatan",
    ),
    (
        "a number of a checkpoint is not decimal, is too large, or has zeros before it",
        "sebuah angka checkpoint bukan desimal, terlalu besar, atau didahului nol",
    ),
    ("{why} (byte {offset})", "{why} (byte {offset})"),
];

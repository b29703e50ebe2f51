//! What the command line says of key versions, in English and Indonesian.

use super::words::{Pair, sentences};

pub(super) mod fixed {
    //! The same every time.

    use crate::cli::words::pairs;

    pairs! {
        NEVER_YET "never" "belum pernah";
        ROTATE "rotate the key: gembok key rotate" "lakukan rotasi kunci: gembok key rotate";
        REENCRYPT "look what may have been read or forged (gembok report incident), then encrypt again, under the newest \
             version, what was encrypted under this one: POST .../reencrypt with force: true (enkripsi_ulang.php --paksa)"
            "periksa apa yang mungkin terbaca atau dipalsukan (gembok report incident), lalu enkripsi ulang dengan \
             versi terbaru semua yang dienkripsi dengan versi ini: POST .../reencrypt dengan force: true \
             (enkripsi_ulang.php --paksa)";
        LOOK "make sure that nothing depends on it any more" "pastikan tidak ada lagi yang bergantung padanya";
        SCHEDULE "destroy it: gembok key schedule-destruction --reason ..." "musnahkan: gembok key schedule-destruction --reason ...";
        ENABLE "let it be used again: gembok key enable --reason ..." "izinkan dipakai lagi: gembok key enable --reason ...";
        DUE_AGE "it is as old as it may become" "umurnya sudah mencapai batas";
        DUE_USES "half of its uses are used up" "separuh pemakaiannya sudah terpakai";
        DUE_WINDOW "it is about to encrypt no more" "masa enkripsinya hampir berakhir";
        DUE_COMPROMISED "it is compromised and encrypts nothing" "bocor dan tidak mengenkripsi apa pun";
        FILE_STANDS "something destroyed lies in the store's file, which is about to be written anew"
            "ada yang sudah dimusnahkan masih tersisa di berkas penyimpanan, yang akan segera ditulis ulang";
        KEPT_FILE_STANDS "a damaged file that may have it lies beside the store's: gembok status says which, and what to do"
            "berkas rusak yang mungkin masih memuatnya ada di samping berkas penyimpanan: gembok status menyebutkan yang mana dan apa yang harus dilakukan";
        ANY_AGE "its key may become any age" "kuncinya boleh berumur berapa pun";
        HELD_CLOCK "none is destroyed while the clock is not trusted, not even when it is due"
            "selama jam tidak dipercaya tidak ada yang dimusnahkan, juga yang sudah jatuh tempo";
        HELD_AHEAD "the clock was ahead at the unlock: none is destroyed in the first hour; make sure that the clock is right"
            "jam mendahului jurnal saat dibuka: tidak ada yang dimusnahkan dalam satu jam pertama; pastikan jam sudah benar";
        NOT_ALL_MET "there may be more: not all key versions were looked at yet"
            "mungkin masih ada lagi: belum semua versi kunci diperiksa";
        ENABLE_FIRST "before what was encrypted under it can be encrypted again, let it be used again: gembok key enable \
             --reason ..."
            "sebelum semua yang dienkripsi dengannya dapat dienkripsi ulang, izinkan dipakai lagi: gembok key enable --reason ...";
        WINDOW_FIRST "its window to decrypt is over: before anything can be encrypted again, set a later end: gembok key windows \
             --decrypt-until ... --reason ..."
            "masa dekripsinya sudah berakhir: sebelum ada yang dapat dienkripsi ulang, tetapkan akhir yang lebih lama: gembok key \
             windows --decrypt-until ... --reason ...";
        WAS_COMPROMISED "was compromised" "sudah dinyatakan bocor";
        OVER "over" "sudah berakhir";
        NO_END "no end" "tanpa batas";
        NOT_YET "not yet:" "belum:";
        AGE_OF_A_DAY "its key becomes 1 day old at most" "kuncinya berumur paling lama 1 hari";
        OF_MEMBERS " (a step of the project's members)" " (langkah anggota proyek)";
        BY_AGE "its age" "umurnya";
        BY_USES "half of its uses are used up" "separuh pemakaiannya sudah terpakai";
        BY_WINDOW "its window to encrypt ends" "masa enkripsinya berakhir";
        BY_COMPROMISE "it is compromised" "versi itu bocor";
        BY_WAIT "its waiting period is over" "masa tunggunya sudah lewat";
        CANCEL "it can be kept still: gembok key cancel-destruction --reason ..."
            "masih dapat dipertahankan: gembok key cancel-destruction --reason ...";
    }
}

/// Reasons of what comes about by itself, in English as they are recorded.
pub(super) const BY_ITSELF: [Pair; 5] =
    [fixed::BY_AGE, fixed::BY_USES, fixed::BY_WINDOW, fixed::BY_COMPROMISE, fixed::BY_WAIT];

sentences! {
    made(fields, most, last) "{fields} fields encrypted of {most} that may be, last {last}" "{fields} nilai dienkripsi dari {most} yang mungkin, terakhir {last}";
    opened(fields, last) "{fields} fields decrypted, last {last}" "{fields} nilai didekripsi, terakhir {last}";
    at_most(fields) "at most {fields}" "paling banyak {fields}";
    asked_by(who) "asked by {who}" "diminta oleh {who}";
    windows_set(encrypt, decrypt) "encrypts to {encrypt}, decrypts to {decrypt}" "enkripsi s.d. {encrypt}, dekripsi s.d. {decrypt}";
    at_stake_now(state, sealed, opened) "{state}, {sealed} encrypted, {opened} decrypted" "{state}, {sealed} dienkripsi, {opened} didekripsi";
    at_stake(state, sealed, opened, at) "{state}, {sealed} encrypted, {opened} decrypted, gone {at}"
        "{state}, {sealed} dienkripsi, {opened} didekripsi, hilang {at}";
    depends(fields) "{fields} fields since it last encrypted" "{fields} nilai sejak terakhir mengenkripsi";
    number(number, key_id) "{number} of key {key_id}" "{number} dari kunci {key_id}";
    uses(uses, most) "{uses} of {most} at most" "paling banyak {uses} dari {most}";
    age(days) "its key becomes {days} days old at most" "kuncinya berumur paling lama {days} hari";
    due(key, why) "{key} waits to be rotated: {why}" "{key} menunggu rotasi: {why}";
    doomed(key, at) "{key} at {at}; gembok key cancel-destruction takes it back" "{key} pada {at}; gembok key cancel-destruction membatalkannya";
    doomed_damaged(count)
        "damaged key versions, of which nobody knows whether they wait, and which are not destroyed: {count}; gembok key verify names them"
        "versi kunci rusak, yang tidak diketahui apakah menunggu dan tidak dimusnahkan: {count}; gembok key verify menyebutkannya";
    doomed_more(count) "{count} more later" "{count} lagi sesudahnya";
    kek_stands(number) "KEK version {number} exists, which may unwrap a copy" "versi KEK {number} masih ada dan dapat membuka bungkus salinan";
    master_key_stands(number) "MK generation {number} exists, which may unwrap a copy"
        "generasi kunci induk {number} masih ada dan dapat membuka bungkus salinan";
}

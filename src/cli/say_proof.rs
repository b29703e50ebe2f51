//! What the command line says of a verification, in English and Indonesian. What is bad, and what was noticed, is said by
//! the chain's own check: [`super::say_echoed`] has it.

use super::words::sentences;

pub(super) mod fixed {
    //! The same every time.

    use crate::cli::words::pairs;

    pairs! {
        CHAIN "chain" "rantai";
        BLOCKS "blocks" "blok";
        CLOSED "closed" "ditutup";
        LAST_HASH "last hash" "hash akhir";
        RECORDS_HERE "records here" "catatan";
        PROVED "PROVED" "TERBUKTI";
        NOT_PROVED "NOT PROVED" "TIDAK TERBUKTI";
        BAD "BAD" "SALAH";
        FOLLOWS "each block follows the one before by sequence, hash, epoch and time"
            "setiap blok menyambung blok sebelumnya menurut urutan, hash, epoch, dan waktu";
        FOLLOWS_TO_BAD "each block follows the one before by sequence, hash, epoch and time (up to what is bad)"
            "setiap blok menyambung blok sebelumnya menurut urutan, hash, epoch, dan waktu (sampai yang salah)";
        BY_NAMED_KEY "by a key you named" "dengan kunci yang Anda sebut";
        BY_ITS_KEY "by the key that came with it" "dengan kunci yang menyertainya";
        ANCHORED "a checkpoint also names what came before the first block"
            "sebuah checkpoint juga menyebut apa yang ada sebelum blok pertama";
    }
}

sentences! {
    chain(chain, first, last) "{chain}, epochs {first} to {last}" "{chain}, epoch {first} sampai {last}";
    blocks(blocks, first, last) "{blocks}, records {first} to {last}" "{blocks}, catatan {first} sampai {last}";
    closed(first, last) "{first} to {last}" "{first} sampai {last}";
    records(access, audit, gap) "{access} access, {audit} audit, {gap} gap" "{access} akses, {audit} audit, {gap} celah";
    whole(whole) "{whole} records, in whole blocks, are those the headers were made over"
        "{whole} catatan, dalam blok utuh, adalah yang menjadi dasar kepala bloknya";
    each(proved) "{proved} records are each proved to be part of their block"
        "{proved} catatan masing-masing terbukti bagian dari bloknya";
    signed(checkpoints, by, at, last)
        "{checkpoints} checkpoints, signed {by}, fit; the last one, of {at}, stands for everything up to record {last}"
        "{checkpoints} checkpoint, ditandatangani {by}, cocok; yang terakhir, dari {at}, menjamin semuanya sampai catatan {last}";
    unsigned(from) "records from {from} on come after the last checkpoint and could still be changed"
        "catatan mulai {from} ada sesudah checkpoint terakhir dan masih dapat diubah";
    signer(signer)
        "whose key signed: {signer} came with the export. Compare it with the fingerprint you noted from gembok audit key, or name the key with --checkpoint-key"
        "kunci siapa yang menandatangani: {signer} menyertai ekspor ini. Bandingkan dengan sidik jari yang Anda catat dari gembok audit key, atau sebutkan kuncinya dengan --checkpoint-key";
    before(first) "what came before record {first}: it is not in this export"
        "apa yang ada sebelum catatan {first}: tidak ada dalam ekspor ini";
    left_out(count) "what {count} records say: they were left out; only their places are proved"
        "apa isi {count} catatan: tidak disertakan; hanya tempatnya yang terbukti";
    pruned(count) "what {count} records said: they were pruned; only their places are proved"
        "apa isi {count} catatan dahulu: sudah dipangkas; hanya tempatnya yang terbukti";
    in_common(one, other, blocks) "{one} and {other}\n  {blocks} blocks in common"
        "{one} dan {other}\n  {blocks} blok yang sama";
    bad(why) "BAD: {why}" "SALAH: {why}";
    at_block(sequence, why) "the block at record {sequence}: {why}" "blok pada catatan {sequence}: {why}";
}

//! What a report says to people, in Indonesian and in English: titles, columns, facts, notes. What is not here (names, codes,
//! moments, numbers) stands as it is.

use std::str::FromStr;

/// In which language a page is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// Bahasa Indonesia.
    #[default]
    Indonesian,
    /// English.
    English,
}

impl Language {
    /// As HTML names it.
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Indonesian => "id",
            Self::English => "en",
        }
    }

    /// What a word of a report is called; the word itself where it is nobody's.
    #[must_use]
    pub fn say(self, word: &str) -> &str {
        let found = WORDS.iter().find(|(known, ..)| *known == word);
        found.map_or(word, |(_, indonesian, english)| match self {
            Self::Indonesian => indonesian,
            Self::English => english,
        })
    }
}

impl FromStr for Language {
    type Err = ();

    fn from_str(tag: &str) -> Result<Self, ()> {
        [Self::Indonesian, Self::English].into_iter().find(|language| language.tag() == tag).ok_or(())
    }
}

/// Word, Indonesian, English.
pub(super) const WORDS: &[(&str, &str, &str)] = &[
    // titles, and what law they answer to
    ("title-processing", "Laporan kegiatan pemrosesan data pribadi", "Record of processing of personal data"),
    ("title-subject", "Riwayat pemrosesan data satu subjek", "Trail of one data subject"),
    ("title-incident", "Laporan insiden pelindungan data pribadi", "Personal data incident report"),
    ("title-posture", "Laporan langkah pengamanan data pribadi", "Security posture report"),
    ("title-erasure", "Penghapusan dan pemusnahan data pribadi", "Erasure of personal data"),
    ("law-processing", "UU 27/2022 (PDP) Pasal 31", "Law 27/2022 (PDP), article 31"),
    ("law-subject", "UU 27/2022 (PDP) Pasal 32", "Law 27/2022 (PDP), article 32"),
    ("law-incident", "UU 27/2022 (PDP) Pasal 46", "Law 27/2022 (PDP), article 46"),
    ("law-posture", "UU 27/2022 (PDP) Pasal 35", "Law 27/2022 (PDP), article 35"),
    ("law-erasure", "UU 27/2022 (PDP) Pasal 43–45", "Law 27/2022 (PDP), articles 43 to 45"),
    // the page
    ("made", "Dibuat", "Made"),
    ("appliance", "Perangkat Gembok", "Gembok appliance"),
    ("checkpoint-sequence", "Nomor checkpoint (catatan berikutnya)", "Checkpoint number (next record)"),
    ("checkpoint-time", "Checkpoint ditandatangani", "Checkpoint signed"),
    (
        "checkpoint-key",
        "Sidik jari kunci publik checkpoint (SHA-256)",
        "Fingerprint of the checkpoint public key (SHA-256)",
    ),
    (
        "how-proved",
        "Laporan ini disusun dari jurnal dan katalog perangkat. Yang dibuktikan tanda tangan adalah jurnalnya: ekspor jurnal (gembok audit export) dapat diperiksa tanpa perangkat dengan kunci publik di atas (gembok audit verify).",
        "This report was made from the appliance's journal and catalog. What the signature proves is the journal: an export of it (gembok audit export) can be checked without the appliance, with the public key above (gembok audit verify).",
    ),
    ("no-rows", "Tidak ada catatan.", "There are no records."),
    ("next", "Lanjutan mulai dari catatan", "Goes on from record"),
    ("signature", "Disusun oleh", "Prepared by"),
    ("approved", "Disetujui oleh", "Approved by"),
    // tables
    ("processing", "Pemrosesan", "Processing"),
    ("trail", "Riwayat", "Trail"),
    ("uses", "Pemakaian", "Uses"),
    ("subjects", "Subjek", "Subjects"),
    ("users", "Pengguna", "Users"),
    ("policies", "Kebijakan akses", "Access policies"),
    ("keys", "Kunci", "Keys"),
    ("expiring", "Sertifikat yang segera berakhir", "Certificates that end soon"),
    // columns and facts
    ("project", "Proyek", "Project"),
    ("endpoint", "Endpoint", "Endpoint"),
    ("api-key", "Kunci API", "API key"),
    ("certificate", "Sertifikat", "Certificate"),
    ("address", "Alamat", "Address"),
    ("object", "Objek", "Object"),
    ("key-version", "Versi kunci", "Key version"),
    ("operation", "Operasi", "Operation"),
    ("outcome", "Hasil", "Outcome"),
    ("requests", "Permintaan", "Requests"),
    ("fields", "Nilai data", "Fields"),
    ("first", "Pertama", "First"),
    ("last", "Terakhir", "Last"),
    ("time", "Waktu", "Time"),
    ("sequence", "Catatan", "Record"),
    ("certainty", "Kepastian", "Certainty"),
    ("subject", "Subjek (pseudonim)", "Subject (pseudonym)"),
    ("rows", "Baris", "Rows"),
    ("since", "Sejak", "Since"),
    ("until", "Sampai", "Until"),
    ("pruned-to", "Catatan dipangkas sampai", "Records pruned up to"),
    ("state", "Keadaan", "State"),
    ("token", "Token", "Token"),
    ("master-key-generation", "Generasi kunci induk", "Master key generation"),
    ("epoch", "Epoch (jumlah pemulihan)", "Epoch (restores)"),
    ("records", "Catatan jurnal", "Records in the journal"),
    ("last-block", "Blok terakhir", "Last block"),
    ("journal-trouble", "Gangguan jurnal", "Trouble of the journal"),
    ("journal-retention", "Penyimpanan jurnal", "Retention of the journal"),
    ("clock", "Jam", "Clock"),
    ("clock-shows", "Jam menunjukkan", "The clock shows"),
    ("clock-known", "Waktu yang pasti", "Time that is certain"),
    ("memory", "Pelindungan memori", "Protection of memory"),
    ("witness", "Checkpoint", "Checkpoints"),
    ("worn-keys", "Kunci yang perlu dirotasi", "Keys to be rotated"),
    ("expiring-certificates", "Sertifikat yang segera berakhir", "Certificates that end soon"),
    ("backups", "Cadangan (backup)", "Backups"),
    ("objects", "Objek", "Objects"),
    ("objects-with-subject", "Objek yang menyatakan subjek", "Objects that declare a subject"),
    (
        "damaged-rows",
        "Objek dan versi kunci yang barisnya rusak",
        "Objects and key versions whose rows are damaged",
    ),
    ("role", "Peran", "Role"),
    ("disabled", "Dinonaktifkan", "Disabled"),
    ("rule", "Aturan", "Rule"),
    ("effect", "Akibat", "Effect"),
    ("why", "Alasan", "Why"),
    ("alasan", "Alasan (Indonesia)", "Why (Indonesian)"),
    ("algorithm", "Algoritma", "Algorithm"),
    ("oldest", "Tertua", "Oldest"),
    ("newest", "Terbaru", "Newest"),
    ("of", "Milik", "Of"),
    ("name", "Nama", "Name"),
    ("value", "Nilai", "Value"),
    ("valid-until", "Berlaku sampai", "Valid until"),
    // values
    ("*", "semua", "all"),
    ("beginning", "awal", "the beginning"),
    ("now", "sekarang", "now"),
    ("done", "berhasil", "done"),
    ("encrypt", "enkripsi", "encrypt"),
    ("decrypt", "dekripsi", "decrypt"),
    ("reencrypt", "enkripsi ulang", "re-encrypt"),
    ("index", "indeks", "index"),
    ("unsaid", "tidak disebut", "not said"),
    ("none", "tidak ada", "none"),
    ("certain", "pasti", "certain"),
    ("perhaps", "mungkin", "perhaps"),
    ("present", "ada", "present"),
    ("away", "tidak menjawab", "away"),
    ("trusted", "dipercaya", "trusted"),
    ("clock-behind", "tidak dipercaya: tertinggal dari jurnal", "not trusted: behind the journal"),
    ("clock-jumped", "tidak dipercaya: diubah saat berjalan", "not trusted: set while it ran"),
    (
        "clock-lost",
        "tidak dipercaya: catatan tentangnya rusak",
        "not trusted: what was known of it is damaged",
    ),
    ("signed", "ditandatangani", "signed"),
    ("unlimited", "tanpa batas", "without limit"),
    ("not-yet", "belum tersedia", "not offered yet"),
    ("permit", "mengizinkan", "permit"),
    ("forbid", "melarang", "forbid"),
    // notes
    (
        "note-sandbox",
        "Perangkat ini adalah sandbox: kuncinya dibuat oleh satu orang saja. Jangan dipakai untuk data sungguhan.",
        "This appliance is a sandbox: one person made its keys. It is not for real data.",
    ),
    (
        "note-incomplete",
        "Laporan ini belum lengkap: batas satu laporan tercapai.",
        "This report is not complete: it came to the bounds of one report.",
    ),
    (
        "note-pruned",
        "Catatan yang lebih lama sudah dipangkas; ekspornya disimpan di tempat lain.",
        "Older records were pruned; exports of them are kept elsewhere.",
    ),
    (
        "note-damaged",
        "Sebagian jurnal rusak dan tidak terbaca; lihat gembok audit check.",
        "Parts of the journal are damaged and cannot be read; see gembok audit check.",
    ),
    (
        "note-perhaps",
        "“mungkin”: permintaan itu menyangkut lebih dari 1.000 subjek, sehingga nama samarannya tidak dicatat satu per satu.",
        "“perhaps”: that request was about more than 1,000 subjects, so that its record does not name each.",
    ),
    (
        "note-more-subjects",
        "Ada subjek lain yang tidak disebut satu per satu.",
        "There are subjects that are not named one by one.",
    ),
    (
        "note-erasure-offered",
        "Tersedia: pencabutan semua izin atas suatu objek, pencabutan endpoint, pembekuan satu subjek (data tidak dapat didekripsi), dan pemusnahan versi kunci suatu objek oleh dua orang setelah masa tunggu (ciphertext-nya tidak terbaca untuk selamanya); gembok key show menyebut tanggal dan apa yang masih dapat membuka salinan. Gembok tidak menyimpan data pribadi; ciphertext dihapus di basis data aplikasi.",
        "Offered: every grant on an object can be revoked, an endpoint can be revoked, one subject can be frozen, so that nothing of it is decrypted, and a key version of an object can be destroyed by two persons after a time of waiting, after which none of its ciphertexts can be read again; gembok key show tells the dates, and what could unwrap a copy still. Gembok stores no personal data; ciphertext is deleted in the application's database.",
    ),
    (
        "note-erasure-not-yet",
        "Belum tersedia: pemusnahan untuk satu subjek.",
        "Not offered yet: destruction for one subject.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_said_once_in_both_languages() {
        let mut seen = std::collections::BTreeSet::new();
        for (word, indonesian, english) in WORDS {
            assert!(seen.insert(word), "{word} is there twice");
            assert!(!indonesian.is_empty() && !english.is_empty(), "{word}");
        }
        assert_eq!(Language::Indonesian.say("fields"), "Nilai data");
        assert_eq!(Language::English.say("cannot-open"), "cannot-open");
        assert_eq!(("id".parse(), "fr".parse::<Language>()), (Ok(Language::Indonesian), Err(())));
    }
}

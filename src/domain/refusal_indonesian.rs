//! What we say no with, in Indonesian: for each code what happened and what to do. The published contract says both as one
//! sentence, the command line each on a line.

use super::refusal::Code;

macro_rules! indonesian {
    ($($name:ident $title:literal, $hint:literal;)+) => {
        impl Code {
            /// What happened, in Indonesian, without a full stop.
            #[must_use]
            pub const fn indonesian_title(self) -> &'static str {
                match self { $(Self::$name => $title,)+ }
            }

            /// What to do about it, in Indonesian, without a full stop.
            #[must_use]
            pub const fn indonesian_hint(self) -> &'static str {
                match self { $(Self::$name => $hint,)+ }
            }

            /// Both as one Indonesian sentence.
            #[must_use]
            pub const fn indonesian(self) -> &'static str {
                match self { $(Self::$name => concat!($title, "; ", $hint, "."),)+ }
            }
        }
    };
}

indonesian! {
    MalformedJson "Isi permintaan bukan JSON yang diminta", "kirim satu objek JSON";
    UnknownMember "Ada anggota JSON yang tidak dikenal", "hapus atau perbaiki ejaannya";
    MissingMember "Ada anggota JSON yang kurang", "api-key, objek, aksi, dan plaintext atau ciphertext wajib ada";
    RepeatedMember "Ada anggota JSON yang ditulis dua kali", "kirim masing-masing satu kali";
    BadBase64 "Nilai bukan base64 baku dengan padding", "enkode ulang nilainya";
    BadContext "Konteks tidak sah", "periksa nama dan panjangnya";
    ContextRequired "Objek ini mewajibkan konteks", "gunakan antarmuka v1";
    UnknownAction "Aksi tidak dikenal", "kirim enkrip atau dekrip";
    BadName "Nama tidak sah", "gunakan huruf, angka, titik, garis bawah, atau tanda hubung";
    BodyTooLarge "Isi permintaan terlalu besar", "kirim nilai yang lebih kecil";
    BodyTooSlow "Isi permintaan terlalu lambat datang", "kirim sekaligus";
    ClientGone "Klien memutus sambungan sebelum dijawab", "tunggu jawabannya";
    FieldTooLarge "Nilai terlalu besar", "bagi nilainya";
    TooManyItems "Jumlah nilai dalam satu permintaan tidak diperbolehkan", "kirim lebih sedikit";
    BatchOverBurst "Permintaan melebihi batas kunci API sekali kirim", "kirim lebih sedikit";
    BatchOverBudget "Permintaan melebihi jatah 24 jam", "kirim lebih sedikit atau mintalah jatah lebih besar";
    CertificateMissing "Sertifikat klien tidak ditunjukkan", "pasang sertifikat dan kuncinya";
    CertificateNotEnrolled "Sertifikat klien tidak terdaftar", "gunakan sertifikat yang diterbitkan untuk endpoint ini";
    CertificateNotValid "Sertifikat klien tidak berlaku saat ini", "perbarui sertifikat atau periksa jam";
    CertificateRevoked "Sertifikat klien sudah dicabut", "mintalah yang baru";
    ApiKeyMissing "Kunci API tidak ada", "kirim dalam anggota api-key";
    ApiKeyMistyped "Kunci API salah ketik", "salin kembali seutuhnya";
    ApiKeyUnknown "Kunci API tidak dikenal", "gunakan kunci yang diterbitkan untuk endpoint ini";
    ApiKeyRevoked "Kunci API sudah dicabut", "mintalah yang baru";
    ApiKeyDisabled "Kunci API dinonaktifkan setelah pemulihan", "hubungi operator";
    EndpointDisabled "Endpoint dinonaktifkan setelah pemulihan", "hubungi operator";
    ApiKeyExpired "Kunci API sudah kedaluwarsa", "mintalah yang baru";
    ApiKeyOfAnother "Kunci API milik endpoint lain", "gunakan sertifikat dan kunci dari endpoint yang sama";
    EndpointUnknown "Endpoint tidak ada untuk sertifikat ini", "periksa nama endpoint";
    EndpointRevoked "Endpoint sudah dicabut", "hubungi pemilik proyek";
    Forbidden "Tidak diizinkan", "gunakan identitas yang berwenang";
    PolicyDenied "Kebijakan akses tidak mengizinkan ini saat ini dari sini", "hubungi operator";
    ObjectUnknown "Objek tidak ada dalam proyek", "periksa ejaannya";
    NotGranted "Endpoint tidak diberi izin untuk aksi ini pada objek ini", "hubungi pemilik proyek";
    WrongKeyState "Keadaan versi kunci tidak mengizinkan ini", "lihat keadaannya dengan gembok key show";
    KeyWindowOver "Masa dekripsi versi kunci ini sudah berakhir", "hubungi pemilik proyek";
    CannotOpen "Ciphertext tidak dapat dibuka", "kirim tanpa perubahan, dengan objek yang sama";
    KeyDisabled "Versi kunci dinonaktifkan", "mintalah pemilik proyek mengaktifkannya, atau membatalkan pemusnahannya";
    KeyCompromised "Versi kunci ciphertext ini bocor", "periksa dulu apa yang mungkin terbaca atau dipalsukan dengannya, lalu kirim lagi dengan force: true; itu dicatat";
    KeyDestroyed "Versi kunci sudah dimusnahkan", "ciphertext ini tidak dapat dibuka lagi";
    KeyNotSealing "Kunci objek saat ini tidak mengenkripsi",
        "mintalah pemilik proyek merotasi kuncinya, atau tunggu sampai kuncinya tercatat di log escrow";
    KeyExhausted "Kunci objek mencapai batas pemakaian", "hubungi pemilik proyek untuk rotasi";
    LastAdmin "Ini admin terakhir yang dapat masuk", "buat atau aktifkan admin lain dahulu";
    ApprovalEnded "Permintaan ini tidak menunggu persetujuan lagi", "lihat daftar persetujuan";
    NotASecondPerson "Anda tidak dapat menjadi orang kedua untuk ini", "mintalah orang lain";
    TooManyApprovals "Terlalu banyak permintaan menunggu persetujuan", "putuskan yang ada dahulu";
    AdminIsThere "Masih ada admin yang dapat masuk", "hubungi admin itu; sehari setelah disetujui pemulihan berlanjut";
    SignInFailed "Gagal masuk", "periksa nama, kata sandi, dan kode verifikasi";
    SessionEnded "Sesi sudah berakhir", "masuk kembali";
    SignInsBusy "Terlalu banyak yang sedang masuk", "coba lagi sebentar";
    TooManySessions "Jumlah sesi sudah penuh", "akhiri sesi yang tidak dipakai";
    WeakPassword "Kata sandi terlalu mudah ditebak", "pilih yang lebih panjang";
    PasswordNotShown "Sesi saja tidak cukup untuk mendapat sertifikat",
        "tunjukkan lagi kata sandi dan kode (POST /v1/certificate), atau masuk dengan sertifikat";
    LinkEnded "Tautan sekali pakai sudah tidak berlaku", "mintalah yang baru kepada admin";
    ChangedMeanwhile "Data diubah pihak lain sejak dibaca", "baca kembali, lalu ulangi";
    IdempotencyKeyReused "Idempotency-Key ini sudah dipakai permintaan lain", "gunakan kunci baru";
    ShownOnce "Permintaan ini sudah dilaksanakan, dan hasilnya hanya ditunjukkan sekali",
        "lihat apa yang sudah dibuat; bila teksnya hilang, cabut lalu buat yang baru dengan Idempotency-Key baru";
    TooManyIdempotencyKeys "Terlalu banyak Idempotency-Key dalam 24 jam", "kirim tanpa kunci itu";
    FieldNotDeclared "Objek ini tidak menyatakan kolom itu", "periksa ejaannya atau mintalah pemilik proyek menyatakannya";
    FieldNotIndexed "Kolom ini tidak berindeks", "cari dengan kolom lain atau mintalah pemilik proyek menyatakan indeksnya";
    ValueUnfit "Nilai tidak ditulis seperti yang dinyatakan kolomnya", "perbaiki nilainya";
    IndexGivenUp "Nilai indeks yang tersimpan tidak akan cocok lagi",
        "bila memang dimaksud, gunakan --new-index (new_index), lalu indeks ulang yang tersimpan";
    IndexRotationState "Langkah itu tidak cocok dengan keadaan rotasi akar indeks", "lihat gembok object show";
    UseTheControlPlane "Soket lokal melayani ini hanya pada sandbox", "gunakan bidang kendali";
    NotFound "Tidak ditemukan", "periksa namanya";
    KeyTaken "Kunci publik ini sudah atau pernah terdaftar", "buat kunci baru dan permintaan sertifikatnya";
    AlreadyExists "Nama sudah dipakai", "pilih nama lain";
    Conflict "Data diubah pihak lain pada saat yang sama", "ulangi";
    NoSuchRoute "Alamat tidak ada", "periksa URL";
    MethodNotAllowed "Metode tidak diterima", "gunakan POST";
    BadRequest "Permintaan tidak dipahami", "periksa kembali";
    RequestsLimited "Batas permintaan per detik tercapai", "tunggu sesuai Retry-After";
    FieldsLimited "Batas nilai per detik tercapai", "tunggu sesuai Retry-After";
    TooManyInFlight "Terlalu banyak permintaan yang sedang berjalan", "tunggu jawabannya dahulu";
    TrailBusy "Jurnal sedang dibaca oleh sebanyak yang boleh sekaligus", "coba lagi sebentar";
    BudgetExhausted "Jatah 24 jam sudah habis", "tunggu sesuai Retry-After atau hubungi operator";
    AuthenticationLimited "Terlalu sering gagal membuktikan identitas",
        "tunggu sesuai Retry-After, lalu gunakan kunci yang benar";
    RenewalLimited "Sertifikat baru saja diperbarui", "tunggu sesuai Retry-After";
    TooManyCertificates "Terlalu banyak sertifikat hasil pembaruan yang masih berlaku", "hubungi operator";
    Locked "Gembok sedang terkunci", "coba lagi nanti atau hubungi operator";
    TokenAway "Token kunci sedang tidak tersedia", "coba lagi nanti";
    JournalFull "Jurnal sedang penuh", "coba lagi sebentar";
    WrongState "Gembok tidak dalam keadaan yang mengizinkan hal ini", "lihat keadaannya dengan gembok status";
    SubjectFrozen "Pemrosesan data orang ini sedang dibekukan", "hubungi pemilik proyek";
    EndpointRetired "Endpoint sudah dipensiunkan", "hubungi pemilik proyek";
    ProjectRetired "Proyek sudah dipensiunkan", "hubungi pemilik proyek";
    ObjectRetired "Objek sudah dipensiunkan: hanya dapat mendekripsi", "gunakan objek lain atau hubungi pemilik proyek";
    NetworkDenied "Endpoint tidak boleh datang dari alamat ini", "kirim dari jaringannya atau hubungi pemilik proyek";
    CaInUse "Masih ada sertifikat dari CA lama yang berlaku",
        "biarkan endpoint dan pengguna memperbarui miliknya, cabut yang sudah diganti dengan terbitan lain; sebelum --force angkat seorang petugas baru";
    CaRollState "Langkah ini tidak sesuai dengan keadaan penggantian CA",
        "lihat keadaannya dengan gembok certificate roll-ca show";
    TooManyProjects "Pengguna ini sudah membuat proyek sebanyak yang diizinkan", "hapus proyek kosong yang tidak dipakai lagi";
    TooManyThings "Sudah ada sebanyak yang diizinkan", "hapus atau cabut yang tidak dipakai lagi";
    RotationUnderWay "Rotasi kunci ini sedang berjalan", "tunggu sampai selesai; gembok status menunjukkan kemajuannya";
    NotInEscrow "Kunci baru menunggu sampai tercatat di log escrow", "periksa disk log itu; gembok status menunjukkan halangannya";
    NotEmpty "Masih ada isinya", "hapus isinya dahulu";
    ObjectInUse "Mungkin sudah ada data yang dienkripsi untuk objek ini", "biarkan pensiun";
    NotRetired "Harus sudah dipensiunkan sekurangnya satu menit", "pensiunkan dahulu dan tunggu satu menit, lalu hapus";
    Fault "Terjadi gangguan pada Gembok", "beri tahu operator waktu permintaan ini";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_and_what_to_do_make_one_sentence() {
        for code in Code::ALL {
            let (title, hint) = (code.indonesian_title(), code.indonesian_hint());
            assert!(title.starts_with(char::is_uppercase) && !title.ends_with('.'), "{code:?}");
            assert!(!hint.is_empty() && !hint.ends_with('.'), "{code:?}");
            assert_eq!(code.indonesian(), format!("{title}; {hint}."));
        }
    }
}

//! What the published contract says no with: one Indonesian sentence per code, what happened and what to do.

use crate::domain::refusal::Code;

/// The sentence of a code.
#[expect(clippy::too_many_lines, reason = "a line for each code, and nothing else")]
#[must_use]
pub(super) const fn sentence(code: Code) -> &'static str {
    match code {
        Code::MalformedJson => "Isi permintaan bukan JSON yang diminta; kirim satu objek JSON.",
        Code::UnknownMember => "Ada anggota JSON yang tidak dikenal; hapus atau perbaiki ejaannya.",
        Code::MissingMember => {
            "Ada anggota JSON yang kurang: api-key, objek, aksi, dan plaintext atau ciphertext wajib ada."
        }
        Code::RepeatedMember => "Ada anggota JSON yang ditulis dua kali; kirim masing-masing satu kali.",
        Code::BadBase64 => "Nilai bukan base64 baku dengan padding; enkode ulang nilainya.",
        Code::BadContext => "Konteks tidak sah; periksa nama dan panjangnya.",
        Code::ContextRequired => "Objek ini mewajibkan konteks; gunakan antarmuka v1.",
        Code::UnknownAction => "Aksi tidak dikenal; kirim enkrip atau dekrip.",
        Code::BadName => "Nama tidak sah; gunakan huruf, angka, titik, garis bawah, atau tanda hubung.",
        Code::BodyTooLarge => "Isi permintaan terlalu besar; kirim nilai yang lebih kecil.",
        Code::BodyTooSlow => "Isi permintaan terlalu lambat datang; kirim sekaligus.",
        Code::ClientGone => "Klien memutus sambungan sebelum dijawab; tunggu jawabannya.",
        Code::FieldTooLarge => "Nilai terlalu besar; bagi nilainya.",
        Code::TooManyItems => "Jumlah nilai dalam satu permintaan tidak diperbolehkan; kirim lebih sedikit.",
        Code::BatchOverBurst => "Permintaan melebihi batas kunci API sekali kirim; kirim lebih sedikit.",
        Code::BatchOverBudget => {
            "Permintaan melebihi jatah dekripsi 24 jam; kirim lebih sedikit atau mintalah jatah lebih besar."
        }
        Code::CertificateMissing => "Sertifikat klien tidak ditunjukkan; pasang sertifikat dan kuncinya.",
        Code::CertificateNotEnrolled => {
            "Sertifikat klien tidak terdaftar; gunakan sertifikat yang diterbitkan untuk endpoint ini."
        }
        Code::CertificateNotValid => {
            "Sertifikat klien tidak berlaku saat ini; perbarui sertifikat atau periksa jam."
        }
        Code::CertificateRevoked => "Sertifikat klien sudah dicabut; mintalah yang baru.",
        Code::ApiKeyMissing => "Kunci API tidak ada; kirim dalam anggota api-key.",
        Code::ApiKeyMistyped => "Kunci API salah ketik; salin kembali seutuhnya.",
        Code::ApiKeyUnknown => "Kunci API tidak dikenal; gunakan kunci yang diterbitkan untuk endpoint ini.",
        Code::ApiKeyRevoked => "Kunci API sudah dicabut; mintalah yang baru.",
        Code::ApiKeyDisabled => "Kunci API dinonaktifkan setelah pemulihan; hubungi operator.",
        Code::EndpointDisabled => "Endpoint dinonaktifkan setelah pemulihan; hubungi operator.",
        Code::ApiKeyExpired => "Kunci API sudah kedaluwarsa; mintalah yang baru.",
        Code::ApiKeyOfAnother => {
            "Kunci API milik endpoint lain; gunakan sertifikat dan kunci dari endpoint yang sama."
        }
        Code::EndpointUnknown => "Endpoint tidak ada untuk sertifikat ini; periksa nama endpoint.",
        Code::EndpointRevoked => "Endpoint sudah dicabut; hubungi pemilik proyek.",
        Code::Forbidden => "Tidak diizinkan; gunakan identitas yang berwenang.",
        Code::PolicyDenied => "Kebijakan akses tidak mengizinkan ini saat ini dari sini; hubungi operator.",
        Code::ObjectUnknown => "Objek tidak ada dalam proyek; periksa ejaannya.",
        Code::NotGranted => {
            "Endpoint tidak diberi izin untuk aksi ini pada objek ini; hubungi pemilik proyek."
        }
        Code::CannotOpen => "Ciphertext tidak dapat dibuka; kirim tanpa perubahan, dengan objek yang sama.",
        Code::KeyDisabled => "Versi kunci dinonaktifkan; hubungi pemilik proyek.",
        Code::KeyDestroyed => "Versi kunci sudah dimusnahkan; ciphertext ini tidak dapat dibuka lagi.",
        Code::KeyNotSealing => "Kunci objek saat ini tidak mengenkripsi; hubungi pemilik proyek.",
        Code::KeyExhausted => "Kunci objek mencapai batas pemakaian; hubungi pemilik proyek untuk rotasi.",
        Code::LastAdmin => "Ini admin terakhir yang dapat masuk; buat atau aktifkan admin lain dahulu.",
        Code::ApprovalEnded => "Permintaan ini tidak menunggu persetujuan lagi; lihat daftar persetujuan.",
        Code::NotASecondPerson => "Anda tidak dapat menjadi orang kedua untuk ini; mintalah orang lain.",
        Code::TooManyApprovals => "Terlalu banyak permintaan menunggu persetujuan; putuskan yang ada dahulu.",
        Code::AdminIsThere => "Masih ada admin yang dapat masuk; hubungi admin itu.",
        Code::SignInFailed => "Gagal masuk; periksa nama, kata sandi, dan kode verifikasi.",
        Code::SessionEnded => "Sesi sudah berakhir; masuk kembali.",
        Code::SignInsBusy => "Terlalu banyak yang sedang masuk; coba lagi sebentar.",
        Code::TooManySessions => "Jumlah sesi sudah penuh; akhiri sesi yang tidak dipakai.",
        Code::WeakPassword => "Kata sandi terlalu mudah ditebak; pilih yang lebih panjang.",
        Code::LinkEnded => "Tautan sekali pakai sudah tidak berlaku; mintalah yang baru kepada admin.",
        Code::ChangedMeanwhile => "Data diubah pihak lain sejak dibaca; baca kembali, lalu ulangi.",
        Code::IdempotencyKeyReused => {
            "Idempotency-Key ini sudah dipakai permintaan lain; gunakan kunci baru."
        }
        Code::ShownOnce => "Permintaan ini sudah dilaksanakan, dan hasilnya hanya ditunjukkan sekali.",
        Code::TooManyIdempotencyKeys => "Terlalu banyak Idempotency-Key dalam 24 jam; kirim tanpa kunci itu.",
        Code::UseTheControlPlane => "Soket lokal melayani ini hanya pada sandbox; gunakan bidang kendali.",
        Code::NotFound => "Tidak ditemukan; periksa namanya.",
        Code::AlreadyExists => "Nama sudah dipakai; pilih nama lain.",
        Code::Conflict => "Data diubah pihak lain pada saat yang sama; ulangi.",
        Code::NoSuchRoute => "Alamat tidak ada; periksa URL.",
        Code::MethodNotAllowed => "Metode tidak diterima; gunakan POST.",
        Code::BadRequest => "Permintaan tidak dipahami; periksa kembali.",
        Code::RequestsLimited => "Batas permintaan per detik tercapai; tunggu sesuai Retry-After.",
        Code::FieldsLimited => "Batas nilai per detik tercapai; tunggu sesuai Retry-After.",
        Code::TooManyInFlight => "Terlalu banyak permintaan yang sedang berjalan; tunggu jawabannya dahulu.",
        Code::BudgetExhausted => {
            "Jatah dekripsi 24 jam sudah habis; tunggu sesuai Retry-After atau hubungi operator."
        }
        Code::AuthenticationLimited => {
            "Terlalu sering gagal membuktikan identitas; tunggu sesuai Retry-After, lalu gunakan kunci yang benar."
        }
        Code::RenewalLimited => "Sertifikat endpoint ini baru saja diperbarui; tunggu sesuai Retry-After.",
        Code::TooManyCertificates => {
            "Terlalu banyak sertifikat hasil pembaruan yang masih berlaku; hubungi operator."
        }
        Code::Locked => "Gembok sedang terkunci; coba lagi nanti atau hubungi operator.",
        Code::TokenAway => "Token kunci sedang tidak tersedia; coba lagi nanti.",
        Code::JournalFull => "Jurnal sedang penuh; coba lagi sebentar.",
        Code::WrongState => "Gembok tidak dalam keadaan yang mengizinkan hal ini.",
        Code::SubjectFrozen => "Pemrosesan data orang ini sedang dibekukan; hubungi pemilik proyek.",
        Code::EndpointRetired => "Endpoint sudah dipensiunkan; hubungi pemilik proyek.",
        Code::ProjectRetired => "Proyek sudah dipensiunkan; hubungi pemilik proyek.",
        Code::ObjectRetired => {
            "Objek sudah dipensiunkan: hanya dapat mendekripsi; gunakan objek lain atau hubungi pemilik proyek."
        }
        Code::NetworkDenied => {
            "Endpoint tidak boleh datang dari alamat ini; kirim dari jaringannya atau hubungi pemilik proyek."
        }
        Code::CaInUse => "Masih ada sertifikat dari CA lama yang berlaku; perbarui dahulu.",
        Code::CaRollState => "Langkah ini tidak sesuai dengan keadaan penggantian CA.",
        Code::NotEmpty => "Masih ada isinya; hapus isinya dahulu.",
        Code::ObjectInUse => "Mungkin sudah ada data yang dienkripsi untuk objek ini; biarkan pensiun.",
        Code::NotRetired => "Pensiunkan dahulu dan tunggu satu menit, lalu hapus.",
        Code::Fault => "Terjadi gangguan pada Gembok; beri tahu operator waktu permintaan ini.",
    }
}

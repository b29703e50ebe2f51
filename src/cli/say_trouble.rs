//! What the command line says when a command is not done, in English and Indonesian: what happened, then what to do.

use super::words::sentences;

pub(super) mod fixed {
    //! The same every time.

    use crate::cli::words::pairs;

    pairs! {
        ANSWER "the daemon's answer is not understood\n  use the gembok of the same version as the one that runs"
            "jawaban daemon tidak dipahami\n  gunakan gembok yang versinya sama dengan yang berjalan";
        EXISTS "nothing is overwritten: move it away, or choose another place"
            "tidak ada yang ditimpa: pindahkan berkas itu, atau pilih tempat lain";
        NOT_THERE "check the path" "periksa alamat berkasnya";
        RIGHTS "check the rights and the disk" "periksa hak akses dan disk";
        BECOME_ROOT "become root, or the user that the daemon runs as" "jadilah root, atau pengguna yang menjalankan daemon";
        START_IT "start it with gembok serve, or see that --config names the configuration it runs with"
            "jalankan dengan gembok serve, atau pastikan --config menyebut konfigurasi yang dipakainya";
        NO_ANSWER "it closed without an answer; see its log" "ditutup tanpa jawaban; lihat lognya";
        HALF_ANSWER "the daemon closed in the middle of an answer; see its log"
            "daemon menutup di tengah jawaban; lihat lognya";
        HALF_EXPORT "the daemon closed in the middle of an export; see its log"
            "daemon menutup di tengah ekspor; lihat lognya";
        LATE "it does not answer in time" "tidak menjawab pada waktunya";
        NO_PORT "the data plane has no port of its own\n  say how it is reached with --url"
            "bidang data tidak memiliki port sendiri\n  sebutkan alamatnya dengan --url";
        NAME_HOLDER "name an --endpoint of a --project, or a --user"
            "sebutkan --endpoint dari suatu --project, atau --user";
        NAME_PASSPHRASE_FILE "the passphrase has no place in the daemon's answer\n  name a --passphrase-file beside --json"
            "frasa sandi tidak mempunyai tempat dalam jawaban daemon\n  sebutkan --passphrase-file di samping --json";
        NOT_TAKEN_BACK "what was issued could not be taken back: see gembok certificate list and api-key list"
            "yang sudah diterbitkan tidak dapat ditarik kembali: lihat gembok certificate list dan api-key list";
        NO_PLANE "people sign in at the control plane, and none is named\n  --profile FILE, with control and ca in it"
            "orang masuk di bidang kendali, dan tidak ada yang disebut\n  --profile FILE, yang memuat control dan ca";
        BY_CERTIFICATE "this way to the control plane signs in by certificate\n  a profile without certificate and key signs in by password"
            "jalan ke bidang kendali ini masuk dengan sertifikat\n  profil tanpa certificate dan key masuk dengan kata sandi";
        NO_SESSION "this way to the control plane has no session\n  it signs in by certificate"
            "jalan ke bidang kendali ini tidak memiliki sesi\n  ia masuk dengan sertifikat";
        NOT_THE_SAME "the two are not the same; nothing was changed\n  try again"
            "keduanya tidak sama; tidak ada yang diubah\n  coba lagi";
        NOBODY_SIGNED_IN "nobody is signed in by this profile\n  gembok sign-in NAME"
            "belum ada yang masuk dengan profil ini\n  gembok sign-in NAMA";
        NO_RANDOM "the system gives no random bytes" "sistem tidak memberikan byte acak";
        NAME_PROJECT "say whose: --project NAME" "sebutkan milik siapa: --project NAMA";
        NO_SUBJECT "standard input holds no value of a subject: give one line of UTF-8, by a pipe or a file"
            "masukan baku tidak memuat nilai subjek: berikan satu baris UTF-8, lewat pipa atau berkas";
        TOO_LONG "it is larger than a gibibyte; take the lines with checkpoints out of it"
            "berkas itu lebih besar dari satu gibibyte; ambil baris-baris checkpoint darinya";
        NO_CHECKPOINT "there is no checkpoint in it; they begin with gembok/checkpoint/v1"
            "tidak ada checkpoint di dalamnya; checkpoint dimulai dengan gembok/checkpoint/v1";
        NO_KEYS "it must hold PUBLIC KEY blocks in PEM, as gembok audit key writes them"
            "berkas itu harus memuat blok PUBLIC KEY dalam PEM, seperti yang ditulis gembok audit key";
    }
}

sentences! {
    broken_escrow(path, entries, bytes, why) "{path} is not as it was written: {entries} entries are sound, and from byte {bytes} on: {why}"
        "{path} tidak seperti saat ditulis: {entries} entri benar, dan mulai byte {bytes}: {why}";
    keys_unproved(count) "{count} of the stored keys are not proved: what they sealed may be lost\n  keep the store as it is, and restore the rows named from a backup"
        "{count} dari kunci tersimpan tidak terbukti: yang dienkripsi dengannya mungkin hilang\n  biarkan penyimpanan apa adanya, dan pulihkan baris yang disebut dari cadangan";
    fault(what) "the appliance met a fault: {what}" "perangkat mengalami gangguan: {what}";
    unreached(url, why)
        "the control plane at {url} cannot be asked: {why}\n  see that the URL is right, that ca is the appliance's, and that your certificate still counts"
        "bidang kendali di {url} tidak dapat ditanya: {why}\n  pastikan URL benar, ca adalah milik perangkat, dan sertifikat Anda masih berlaku";
    unreachable(socket, why, hint) "no daemon answers at {socket}: {why}\n  {hint}"
        "tidak ada daemon yang menjawab di {socket}: {why}\n  {hint}";
    no_bundle(why) "the bundle cannot be made: {why}" "bundel tidak dapat dibuat: {why}";
    no_profile(file, why) "{file}: {why}\n  a profile names control and ca, and certificate and key, or neither for who signs in by password"
        "{file}: {why}\n  profil menyebut control dan ca, serta certificate dan key, atau tidak keduanya bagi yang masuk dengan kata sandi";
    half_profile(file) "{file}: one is missing\n  a profile names certificate and key, or neither for who signs in by password"
        "{file}: salah satunya kurang\n  profil menyebut certificate dan key, atau tidak keduanya bagi yang masuk dengan kata sandi";
    no_tls(why) "no TLS can be spoken: {why}" "TLS tidak dapat dipakai: {why}";
    open_token(why) "{why}\n  remove it, and sign in again: whoever read it is signed in as you"
        "{why}\n  hapus berkas itu, lalu masuk kembali: siapa pun yang membacanya masuk sebagai Anda";
    long_secret(most) "a line has more than {most} bytes\n  write one secret a line"
        "satu baris lebih dari {most} byte\n  tulis satu rahasia per baris";
    no_control(url) "{url} is no control plane\n  write it like https://gembok.lan:9443"
        "{url} bukan bidang kendali\n  tulislah seperti https://gembok.lan:9443";
    no_pem(file, why) "{file}: {why}\n  it has to be PEM" "{file}: {why}\n  harus berupa PEM";
    no_asking(why) "nothing can be asked: {why}" "tidak dapat bertanya: {why}";
    of_file(file, why) "{file}: {why}" "{file}: {why}";
    in_line(file, line, why) "{file}: line {line}: {why}" "{file}: baris {line}: {why}";
    no_key(why) "a key cannot be made: {why}" "kunci tidak dapat dibuat: {why}";
    short_passphrase(file, least)
        "the passphrase in {file} is too short\n  give it {least} characters or more, in one line"
        "frasa sandi dalam {file} terlalu pendek\n  berikan {least} karakter atau lebih, dalam satu baris";
    no_p12(why) "the PKCS #12 file cannot be made: {why}" "berkas PKCS #12 tidak dapat dibuat: {why}";
    damaged_export(blocks, damage)
        "{blocks} blocks of the journal could not be exported:\n  {damage}\n  keep the store as it is, and find out why; gembok audit verify shows the first of them"
        "{blocks} blok jurnal tidak dapat diekspor:\n  {damage}\n  biarkan penyimpanan apa adanya, dan cari sebabnya; gembok audit verify menunjukkan yang pertama";
    findings(file, said) "{file} can be read, but\n{said}" "{file} dapat dibaca, tetapi\n{said}";
    no_schema(file, why) "{file} is no schema: {why}" "{file} bukan skema: {why}";
    not_proved(name, why) "{name} is not proved: {why}" "{name} tidak terbukti: {why}";
}

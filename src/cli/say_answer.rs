//! What the command line says of an answer, in English and Indonesian.

use super::words::sentences;

pub(super) mod fixed {
    //! The same every time.

    use crate::cli::words::pairs;

    pairs! {
        SECOND_FACTOR_COUNTS "the second factor counts: signing in by password needs a code from now on"
            "faktor kedua berlaku: masuk dengan kata sandi memerlukan kode mulai sekarang";
        NO_SECOND_FACTOR "the second factor is gone" "faktor kedua sudah dihapus";
        DONE "done" "selesai";
        INDEXED_FIELDS "indexed fields" "nilai yang diindeks";
        MISSED_FIELDS "fields that did not open" "nilai yang tidak terbuka";
        SHOWN_ONCE "It is shown this once and kept nowhere: store it now."
            "Hanya ditunjukkan sekali ini dan tidak disimpan di mana pun: simpan sekarang.";
        EXPORT "an export" "ekspor";
        KEPT_ALL "kept: no records may be pruned yet" "disimpan: belum ada catatan yang boleh dipangkas";
        SANDBOX_WARNING "yes: never put real data under its keys" "ya: jangan lindungi data sungguhan dengan kuncinya";
        PRESENT "present" "ada";
        CLOCK_TRUSTED "trusted" "dipercaya";
        AWAY "AWAY" "TIDAK ADA";
        ENDED "ended" "sudah berakhir";
        ENDS "ends" "berakhir";
        POLICYS "policy's" "kebijakan";
        A_PASSWORD "a password" "kata sandi";
        OUTSIDE "outside" "CA luar";
        REVOKED_BEFORE "done: it was revoked before" "selesai: sudah dicabut sebelumnya";
        UNLOCKED "unlocked" "terbuka";
        WORN "WORN" "AUS";
        OBJECTS "objects" "objek";
        ENDPOINTS "endpoints" "endpoint";
        PROJECTS "projects" "proyek";
        CERTIFICATES "certificates" "sertifikat";
        GRANTS "grants" "izin";
        API_KEYS "API keys" "kunci API";
        BUDGETS "budgets" "jatah";
        ALLOWED "allowed by the access policies" "diizinkan oleh kebijakan akses";
        DENIED "denied by the access policies" "ditolak oleh kebijakan akses";
        BROKEN "broken" "rusak";
        NO_RULE "no rule permits it" "tidak ada aturan yang mengizinkannya";
        BUT "but" "tetapi";
        BECOME_MEMBER "become a member" "menjadi anggota";
        BE_CONFIRMED "be confirmed" "dikonfirmasi";
        DESTROY_KEY "destroy a key version" "musnahkan versi kunci";
        BECOME_ADMIN "become the admin" "menjadi admin";
        NEVER "never" "tidak pernah";
        ANYWHERE "anywhere" "mana pun";
        OF_CONFIGURATION "tls.server_names of the configuration" "tls.server_names dalam konfigurasi";
        OF_COMMAND "server-names set" "perintah server-names set";
        FROZEN "frozen: nothing of it is decrypted" "dibekukan: tidak ada datanya yang didekripsi";
        NOT_FROZEN "not frozen" "tidak dibekukan";
        NONE "none" "tidak ada";
        NO_ESCROW "none: a dead disk loses every key" "tidak ada: disk yang rusak menghilangkan semua kunci";
        ESCROW_SAME_DISK "the escrow log lies on the file system of the store: a dead disk takes both; let escrow_path be on another disk"
            "log escrow berada di sistem berkas yang sama dengan penyimpanan: disk yang rusak menghilangkan keduanya; arahkan \
             escrow_path ke disk lain";
        YES "yes" "ya";
        MASTER_KEY "master key" "kunci induk";
        STORE_KEY "store key" "kunci penyimpanan";
        NAME_KEY "name key" "kunci nama";
        SUBJECT_KEY "subject key" "kunci subjek";
        KEK "project key (KEK)" "kunci proyek (KEK)";
        DATA_KEY "data key" "kunci data";
        INDEX_ROOT "index root" "akar indeks";
        DESTROYED "destroyed, nothing to unwrap" "dimusnahkan, tidak ada yang dibuka";
        ROW_DAMAGED "its row does not open" "barisnya tidak terbuka";
        ROW_OF_ANOTHER "its row is of another key" "barisnya milik kunci lain";
        NO_WRAPPED_KEY "what is stored is no wrapped key" "yang tersimpan bukan kunci terbungkus";
        DOES_NOT_UNWRAP "does not unwrap at this place" "tidak terbuka di tempat ini";
        NO_KEY_ABOVE "the key above it is missing" "kunci di atasnya tidak ada";
        NO_OWNER "its object or project is lost" "objek atau proyeknya hilang";
        TOTAL "total" "jumlah";
        MORE_OBJECTS "there are more: gembok object list --project NAME"
            "masih ada lagi: gembok object list --project NAMA";
        MORE_ENDPOINTS "there are more: gembok endpoint list --project NAME"
            "masih ada lagi: gembok endpoint list --project NAMA";
        MORE_ROWS "there are more rows; ask for a shorter period, or for a longer resolution"
            "masih ada baris lain; minta masa yang lebih pendek, atau resolusi yang lebih panjang";
        ASK_SUBJECT "The subject's value, such as a NIK, and the end of input (Ctrl-D):"
            "Nilai subjek, misalnya NIK, lalu akhir masukan (Ctrl-D):";
    }
}

sentences! {
    clock_behind(shows, known)
        "the clock shows {shows}, but the journal was written until {known}; correct it, or, if it is right, run gembok clock acknowledge"
        "jam menunjukkan {shows}, padahal jurnal ditulis sampai {known}; perbaiki, atau, jika sudah benar, jalankan gembok clock acknowledge";
    clock_jumped(shows, known)
        "the clock shows {shows}, but by the stop-watch it should be {known}; correct it, or, if it is right, run gembok clock acknowledge"
        "jam menunjukkan {shows}, padahal menurut penghitung waktu seharusnya {known}; perbaiki, atau, jika sudah benar, jalankan gembok clock acknowledge";
    clock_lost(shows, known)
        "the clock shows {shows}, but what was known of it is damaged; the journal was written until {known}; correct it, or, if it is right, run gembok clock acknowledge"
        "jam menunjukkan {shows}, tetapi catatan tentangnya rusak; jurnal ditulis sampai {known}; perbaiki, atau, jika sudah benar, jalankan gembok clock acknowledge";
    verifying(percent, keys) "{percent} %, {keys} keys unwrapped" "{percent} %, {keys} kunci terbuka";
    more(next) "There are more: --after {next}" "Masih ada lagi: --after {next}";
    more_records(next) "more: --from {next}" "masih ada lagi: --from {next}";
    kept(last) "kept: records up to {last} are exported and may be pruned"
        "disimpan: catatan sampai {last} sudah diekspor dan boleh dipangkas";
    pruned(from, to, blocks) "pruned: records {from} to {to}, in {blocks} blocks"
        "dipangkas: catatan {from} sampai {to}, dalam {blocks} blok";
    fingerprint(of, pem) "fingerprint {of}\n{pem}" "sidik jari {of}\n{pem}";
    issued(spki, until) "certificate {spki}\nvalid until {until}" "sertifikat {spki}\nberlaku sampai {until}";
    compacted(before, after) "before        {before} bytes\nafter         {after} bytes"
        "sebelum       {before} byte\nsesudah       {after} byte";
    initialised(id, token, kcv, spki, until)
        "appliance     {id}\ntoken         {token}\nmaster key    KCV {kcv} (for eyes only)\nadmin         certificate {spki}, valid until {until}\nThis is a sandbox: one person made its keys. Never put real data under them."
        "perangkat     {id}\ntoken         {token}\nkunci induk   KCV {kcv} (hanya untuk dilihat)\nadmin         sertifikat {spki}, berlaku sampai {until}\nIni sandbox: satu orang membuat semua kuncinya. Jangan lindungi data sungguhan dengan kunci itu.";
    serial(presence, serial) "{presence}, serial {serial}" "{presence}, nomor seri {serial}";
    master_key(generation, kcv) "generation {generation}, KCV {kcv} (for eyes only)"
        "generasi {generation}, KCV {kcv} (hanya untuk dilihat)";
    journal(epoch, next, last) "epoch {epoch}, next record {next}, last block {last}"
        "epoch {epoch}, catatan berikutnya {next}, blok terakhir {last}";
    unrecorded(count) "{count} records found no place" "{count} catatan tidak mendapat tempat";
    disk(free, reserve) "{free} MiB free, {reserve} MiB of it reserve" "{free} MiB kosong, {reserve} MiB di antaranya cadangan";
    kept_file(path) "{path} was kept when its damage was accepted, and has every wrapped key of then: look into it, then take it away, copies included"
        "{path} disimpan saat kerusakannya diterima, dan memuat semua kunci terbungkus saat itu: periksa isinya, lalu singkirkan beserta salinannya";
    signed_to(sequence, time) "up to record {sequence}, signed {time}" "sampai catatan {sequence}, ditandatangani {time}";
    since(since, trouble) "since {since}: {trouble}" "sejak {since}: {trouble}";
    data_keys(count) "{count} in memory" "{count} dalam memori";
    refused_locked(count) "{count} requests while locked" "{count} permintaan selama terkunci";
    api_key_named(id) "API key {id}" "kunci API {id}";
    strained(of, used, size) "{of}: {used} of {size} fields in 24 hours are used"
        "{of}: {used} dari {size} nilai dalam 24 jam terpakai";
    worn(key, uses, most) "{key} has {uses} of {most} uses; rotate it" "{key} sudah {uses} dari {most} pemakaian; lakukan rotasi";
    kek_begins(version) "{version}, rewrapping" "{version}, pembungkusan ulang";
    kek_on_its_way(version, done, of) "{version}, rewrapping {done} of {of} keys"
        "{version}, pembungkusan ulang {done} dari {of} kunci";
    rewrapping(project, done, of) "{project}: {done} of {of} keys are wrapped by its newest KEK"
        "{project}: {done} dari {of} kunci sudah dibungkus KEK terbarunya";
    rewrapping_begins(project) "{project}: its keys are being counted" "{project}: kuncinya sedang dihitung";
    store_key(generation) "generation {generation}" "generasi {generation}";
    store_key_coming(generation, coming) "generation {generation} still; {coming} seals by itself as soon as every row is added up for it"
        "masih generasi {generation}; {coming} menyegel dengan sendirinya begitu semua baris dijumlahkan untuknya";
    store_key_waits_for_log(generation, coming) "generation {generation} still; {coming} is not in the escrow log yet, and seals by itself once it is: gembok status says what is in the way"
        "masih generasi {generation}; {coming} belum ada di log escrow, dan menyegel dengan sendirinya begitu ada: gembok status menyebutkan halangannya";
    store_key_waits_for_token(generation, coming) "generation {generation} still; the token is away, and {coming} seals by itself once it is back"
        "masih generasi {generation}; token tidak ada, dan {coming} menyegel dengan sendirinya begitu token kembali";
    store_key_stuck(generation, coming) "generation {generation} still; {coming} does NOT seal yet, and is tried again each minute: gembok status and the log say why"
        "masih generasi {generation}; {coming} BELUM menyegel, dan dicoba lagi setiap menit: gembok status dan log menyebutkan sebabnya";
    store_key_resealing(generation, done, of, older)
        "generation {generation}; {done} of {of} rows are sealed anew, then {older} is destroyed"
        "generasi {generation}; {done} dari {of} baris sudah disegel ulang, lalu {older} dimusnahkan";
    escrow(entries, path) "{entries} entries in {path}" "{entries} entri di {path}";
    escrow_waits(entries, path, waiting) "{entries} entries in {path}; {waiting} new key versions WAIT for it"
        "{entries} entri di {path}; {waiting} versi kunci baru MENUNGGU";
    no_escrow(count) "none: a dead disk loses all {count} key versions" "tidak ada: disk yang rusak menghilangkan semua {count} versi kunci";
    escrow_sound(path, entries, boots, keks, versions, roots, others)
        "{path} is sound: {entries} entries; boot rows {boots}, KEKs {keks}, key versions {versions}, index roots {roots}, others {others}"
        "{path} benar: {entries} entri; baris boot {boots}, KEK {keks}, versi kunci {versions}, akar indeks {roots}, lainnya {others}";
    escrow_cut(path, bytes) "{path}: the last {bytes} bytes are an entry that was cut off; the next start saves them beside it and writes the entry anew"
        "{path}: {bytes} byte terakhir adalah entri yang terpotong; permulaan berikutnya menyimpannya di sampingnya dan menulis ulang entri itu";
    rolling(until, left) "until {until}; {left} certificates hang on the old CA"
        "sampai {until}; {left} sertifikat masih bergantung pada CA lama";
    days_left(days) ", {days} days left" ", tersisa {days} hari";
    revoked(spki) "revoked       {spki}" "dicabut       {spki}";
    recovery_asked(user, asked, approval)
        "{user} is to become the admin, asked at {asked}, once an officer approves it; gembok approval refuse {approval} stops it"
        "{user} akan menjadi admin, diminta pada {asked}, bila petugas menyetujuinya; gembok approval refuse {approval} menghentikannya";
    recovery_approved(user, until, approval)
        "{user} is to become the admin, approved; an admin holds it up until {until}, and gembok approval refuse {approval} stops it"
        "{user} akan menjadi admin, sudah disetujui; admin menahannya sampai {until}, dan gembok approval refuse {approval} menghentikannya";
    counts_descendant(spki) "STILL COUNTS  {spki}, renewed from it; revoke it too unless you know who holds it"
        "MASIH BERLAKU {spki}, hasil pembaruannya; cabut juga, kecuali Anda tahu siapa pemegangnya";
    counts_ancestor(spki) "STILL COUNTS  {spki}, the one it was renewed from; revoke it if that was not its owner"
        "MASIH BERLAKU {spki}, asal pembaruannya; cabut bila yang memperbarui bukan pemiliknya";
    unevaluated(rule) "{rule}: it cannot be evaluated, so it denies" "{rule}: tidak dapat dievaluasi, maka menolak";
    approval(id, state, kind, user, requester, asked, expires)
        "approval      {id}\nstate         {state}\nwhat          {kind}\nuser          {user}\nasked by      {requester}\nasked         {asked}\nexpires       {expires}"
        "persetujuan   {id}\nkeadaan       {state}\nhal           {kind}\npengguna      {user}\ndiminta oleh  {requester}\ndiminta       {asked}\nberakhir      {expires}";
    at_once(rate, burst) "{rate} ({burst} at once)" "{rate} ({burst} sekaligus)";
    used_from(time, from) "{time} from {from}" "{time} dari {from}";
    may_come_from(networks) "may come from {networks}" "boleh datang dari {networks}";
    link(user, token, path, until)
        "user          {user}\ntoken         {token}\npath          {path}\nvalid until   {until}\nIt is shown this once and can be used once: give it to nobody but the user."
        "pengguna      {user}\ntoken         {token}\nalamat        {path}\nberlaku s.d.  {until}\nHanya ditunjukkan sekali ini dan dapat dipakai sekali: berikan kepada pengguna itu saja.";
    names(names, from) "names         {names}\nfrom          {from}" "nama          {names}\ndari          {from}";
    ca_signs(generation) "CA            generation {generation} signs" "CA            generasi {generation} menandatangani";
    second_factor(uri, codes)
        "{uri}\n\nrecovery codes, each good once in place of a code:\n{codes}\nthis is shown once; give the address to your telephone, keep the codes elsewhere, then: gembok totp confirm"
        "{uri}\n\nkode pemulihan, masing-masing berlaku sekali sebagai pengganti kode:\n{codes}\nini hanya ditunjukkan sekali; berikan alamatnya kepada ponsel, simpan kodenya di tempat lain, lalu: gembok totp confirm";
    other_ca(path)
        "ca.pem is another than the appliance's, and was left as it is; the appliance's is in {path}"
        "ca.pem berbeda dari milik perangkat dan dibiarkan; milik perangkat ada di {path}";
    ca_key_left(generation)
        "KEY LEFT      the key of generation {generation} is still in the token, which was away or refused\n              it is tried again each hour, and by: gembok certificate roll-ca finish"
        "SISA KUNCI    kunci generasi {generation} masih ada di token, yang sedang pergi atau menolak\n              dicoba lagi setiap jam, dan dengan: gembok certificate roll-ca finish";
    ca_rolls(generation, since, until, count)
        "ROLL          generation {generation} is trusted beside it since {since}, until {until} at most\n              {count} certificates of it count still and were not renewed; whoever renews moves over, with both CAs in ca.pem\n              then: gembok certificate roll-ca finish"
        "GANTI         generasi {generation} ikut dipercaya sejak {since}, paling lama sampai {until}\n              {count} sertifikatnya masih berlaku dan belum diperbarui; yang memperbarui berpindah, dengan kedua CA dalam ca.pem\n              sesudah itu: gembok certificate roll-ca finish";
    subject(pseudonym, how) "subject {pseudonym}\n{how}" "subjek {pseudonym}\n{how}";
    schema(subject, required) "subject           {subject}\nrequired context  {required}\n" "subjek            {subject}\nkonteks wajib     {required}\n";
    no_fields(none) "fields            {none}" "kolom             {none}";
    bits(bits) " to {bits} bits" " sampai {bits} bit";
    period(from, to, group) "{from} to {to}, by {group}" "{from} sampai {to}, menurut {group}";
    resolution(resolution) "resolution: {resolution}" "resolusi: {resolution}";
    damaged_rows(count) "{count} rows of the statistics are damaged: what they counted is missing here"
        "{count} baris statistik rusak: yang dihitungnya tidak termasuk di sini";
    gone(resolution, kept_from) "earlier {resolution}s than {kept_from} are gone; ask for a longer resolution"
        "data per {resolution} sebelum {kept_from} sudah tidak ada; minta resolusi yang lebih panjang";
    refused(requests, outcome) "refused: {requests} {outcome}" "ditolak: {requests} {outcome}";
    percentiles(counted, requests) "percentiles: of {counted} of {requests} requests; the others are of before there were any"
        "persentil: dari {counted} di antara {requests} permintaan; sisanya dari masa sebelum ada persentil";
    records_pruned(last) "records up to {last} were pruned; exports hold them" "catatan sampai {last} sudah dipangkas; ekspor menyimpannya";
    records_damaged(row) "DAMAGED {row}: its records cannot be read, and the chain is not proved across it"
        "RUSAK {row}: catatannya tidak dapat dibaca, dan rantai tidak terbukti melewatinya";
    passphrase(text) "passphrase    {text}\nIt is shown this once and kept nowhere: hand it over by another way than the file."
        "frasa sandi   {text}\nHanya ditunjukkan sekali ini dan tidak disimpan di mana pun: serahkan lewat jalan lain daripada berkasnya.";
    key_in(path) "the API key is in {path}" "kunci API ada di {path}";
    report_in(path) "the report is in {path}" "laporan ada di {path}";
    admin_in(folder) "admin.key, admin.pem and ca.pem are in {folder}" "admin.key, admin.pem, dan ca.pem ada di {folder}";
    records_in(first, last, blocks, path) "records {first} to {last} in {blocks} blocks are in {path}"
        "catatan {first} sampai {last} dalam {blocks} blok ada di {path}";
    certificate_in(name, folder) "{name}.pem and ca.pem are in {folder}" "{name}.pem dan ca.pem ada di {folder}";
    key_and_certificate_in(name, folder) "{name}.key, {name}.pem and ca.pem are in {folder}"
        "{name}.key, {name}.pem, dan ca.pem ada di {folder}";
    bundle_in(path, url)
        "the bundle is in {path}, for {url}; --url names another address\nwhoever has it comes in as this endpoint: hand it over in private, and delete it"
        "bundel ada di {path}, untuk {url}; --url menyebut alamat lain\nsiapa pun yang memegangnya masuk sebagai endpoint ini: serahkan secara pribadi, lalu hapus";
    bundle_here(path, url)
        "the bundle is in {path}, for {url}, which leads to this machine only; --url names another address\nwhoever has it comes in as this endpoint: hand it over in private, and delete it"
        "bundel ada di {path}, untuk {url}, yang hanya menuju mesin ini; --url menyebut alamat lain\nsiapa pun yang memegangnya masuk sebagai endpoint ini: serahkan secara pribadi, lalu hapus";
    p12_in(path) "certificate, key and CA are in {path}" "sertifikat, kunci, dan CA ada di {path}";
    ask_names(proposed)
        "By which names and addresses do clients reach this server? They stand in its certificate; gembok server-names set\nchanges them later.\n[{proposed}] "
        "Dengan nama dan alamat apa klien mencapai server ini? Semuanya tercantum dalam sertifikatnya; gembok server-names set\nmengubahnya kelak.\n[{proposed}] ";
    config_sound(file, data, control, state) "{file} is sound: data plane {data}, control plane {control}, state in {state}"
        "{file} benar: bidang data {data}, bidang kendali {control}, keadaan di {state}";
    policy_sound(file, rules) "{file} is sound: {rules} rules" "{file} benar: {rules} aturan";
}

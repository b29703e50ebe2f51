//! What leaves in one file: an application's bundle, which makes its first call, and a user's PKCS #12, which openssl opens.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::daemon::{Daemon, ENDPOINT, OBJECT, PROJECT, Sandbox};
use crate::{errors, mode};

fn provisioned() -> (Sandbox, Daemon) {
    let sandbox = Sandbox::new();
    let daemon = sandbox.start();
    sandbox.provision();
    (sandbox, daemon)
}

/// Enrolments that count, API keys that count.
fn counting(sandbox: &Sandbox) -> (usize, usize) {
    let live =
        |listed: &Value| listed.as_array().unwrap().iter().filter(|one| one["revoked"].is_null()).count();
    let of = ["--project", PROJECT, "--endpoint", ENDPOINT];
    let api_keys = sandbox.done(&[&["api-key", "list"], &of[..]].concat());
    (
        live(&sandbox.done(&["certificate", "list"])["certificates"]["items"]),
        live(&api_keys["api-keys"]["items"]),
    )
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap() + &errors(output)
}

fn unzip(sandbox: &Sandbox, zip: &str, to: &str) -> Vec<String> {
    let output = Command::new("unzip")
        .arg("-q")
        .arg(sandbox.path(zip))
        .arg("-d")
        .arg(sandbox.path(to))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let listed = Command::new("unzip").arg("-Z1").arg(sandbox.path(zip)).output().unwrap();
    let mut names: Vec<_> = String::from_utf8(listed.stdout).unwrap().lines().map(str::to_owned).collect();
    names.sort();
    names
}

const FILES: [&str; 7] = [
    "README.txt",
    "api-key",
    "application/config/cryptapi.php",
    "ca.pem",
    "client.key",
    "client.pem",
    "curl.sh",
];

#[test]
fn a_bundle_makes_its_first_call() {
    let (sandbox, daemon) = provisioned();
    let url = format!("https://{}", daemon.data());
    let bundle = |out: &str, more: &[&str]| {
        let of = ["endpoint", "bundle", "--project", PROJECT, "--endpoint", ENDPOINT, "--out", out];
        sandbox.run(&[&of, more].concat())
    };
    let before = counting(&sandbox);
    let made = bundle("absensi.zip", &["--url", &url]);
    assert!(made.status.success(), "{}", said(&made));
    assert_eq!(mode(&sandbox.path("absensi.zip")), 0o600);
    assert_eq!(counting(&sandbox), (before.0 + 1, before.1 + 1));
    assert_eq!(unzip(&sandbox, "absensi.zip", "isi"), FILES);
    let file = |name: &str| fs::read_to_string(sandbox.path("isi").join(name)).unwrap();
    for name in &FILES[..6] {
        assert_eq!(mode(&sandbox.path("isi").join(name)), 0o600, "{name}");
    }
    let api_key = file("api-key");
    assert!(api_key.starts_with("gbk_") && api_key.len() == 45);
    for shown in [said(&made), daemon.log()] {
        assert!(!shown.contains(api_key.trim()) && !shown.contains("PRIVATE KEY"), "{shown}");
    }
    let php = file("application/config/cryptapi.php");
    for line in [
        format!("$config['url'] = '{url}';"),
        "$config['endpoint'] = 'absensi';".into(),
        "$config['api_key_file'] = '/etc/absensi/api-key';".into(),
        "$config['ca'] = '/etc/absensi/ca.pem';".into(),
        "$config['certificate'] = '/etc/absensi/client.pem';".into(),
        "$config['key'] = '/etc/absensi/client.key';".into(),
    ] {
        assert!(php.lines().any(|written| written == line), "{line}");
    }
    assert!(
        !php.contains("gbk_") && !file("README.txt").contains("gbk_") && !file("curl.sh").contains("gbk_")
    );
    assert!(file("README.txt").contains("BAHASA INDONESIA") && file("README.txt").contains("ENGLISH"));
    let call = Command::new("sh").arg(sandbox.path("isi/curl.sh")).arg(OBJECT).output().unwrap();
    assert!(said(&call).contains("\"ciphertext\":\"R0IB"), "{}", said(&call));

    // Nothing is overwritten, and what cannot be handed over whole leaves nothing that counts.
    let held = fs::read(sandbox.path("absensi.zip")).unwrap();
    let before = counting(&sandbox);
    for (out, more, expected) in [
        ("absensi.zip", &["--url", url.as_str()][..], "nothing is overwritten"),
        ("lain.zip", &[], "--url"),
        ("lain.zip", &["--url", &url, "--label", "tidak sah"], "bad-name"),
        ("tidak/ada.zip", &["--url", &url], "check the path"),
    ] {
        let refused = bundle(out, more);
        assert_eq!(refused.status.code(), Some(1), "{more:?}");
        assert!(said(&refused).contains(expected), "{}", said(&refused));
        assert_eq!((counting(&sandbox), sandbox.path("lain.zip").exists()), (before, false), "{more:?}");
    }
    assert_eq!(bundle("lain.zip", &["--url", "http://gembok.lan"]).status.code(), Some(2));
    assert_eq!(fs::read(sandbox.path("absensi.zip")).unwrap(), held);

    // Without an API key: the endpoint has one.
    let of = [
        "certificate",
        "issue",
        "--project",
        PROJECT,
        "--endpoint",
        ENDPOINT,
        "--bundle",
        "tanpa.zip",
        "--url",
        &url,
    ];
    sandbox.done(&of);
    assert_eq!(counting(&sandbox), (before.0 + 1, before.1));
    assert_eq!(
        unzip(&sandbox, "tanpa.zip", "tanpa"),
        FILES.into_iter().filter(|name| *name != "api-key").collect::<Vec<_>>()
    );
    fs::write(sandbox.path("tanpa/api-key"), api_key).unwrap();
    let call = Command::new("sh").arg(sandbox.path("tanpa/curl.sh")).output().unwrap();
    assert!(said(&call).contains("\"ciphertext\":\"R0IB"), "{}", said(&call));
}

fn openssl(p12: &Path, passphrase: &Path, more: &[&str]) -> Output {
    let mut command = Command::new("openssl");
    command.args(["pkcs12", "-in"]).arg(p12).arg("-passin").arg(format!("file:{}", passphrase.display()));
    command.args(more).output().unwrap()
}

#[test]
fn a_users_pkcs_12_is_opened_by_openssl_and_signs_the_user_in() {
    let (sandbox, daemon) = provisioned();
    let made = sandbox.run(&["certificate", "issue", "--user", "admin", "--p12", "admin.p12"]);
    assert!(made.status.success(), "{}", said(&made));
    let (p12, passphrase) = (sandbox.path("admin.p12"), sandbox.path("sandi"));
    assert_eq!(mode(&p12), 0o600);
    let shown = String::from_utf8(made.stdout.clone()).unwrap();
    let text = shown.lines().find_map(|line| line.strip_prefix("passphrase    ")).unwrap();
    assert!(!daemon.log().contains(text) && !errors(&made).contains(text));
    fs::write(&passphrase, text).unwrap();

    let about = openssl(&p12, &passphrase, &["-info", "-noout"]);
    let about = said(&about);
    for part in
        ["MAC: sha256, Iteration 100000", "PBES2, PBKDF2, AES-256-CBC, Iteration 100000, PRF hmacWithSHA256"]
    {
        assert!(about.contains(part), "{about}");
    }
    fs::create_dir(sandbox.path("peramban")).unwrap();
    for (file, args) in [
        ("peramban/user.key", &["-nocerts", "-nodes"][..]),
        ("peramban/user.pem", &["-clcerts", "-nokeys"]),
        ("peramban/ca.pem", &["-cacerts", "-nokeys"]),
    ] {
        let part = openssl(&p12, &passphrase, args);
        assert!(part.status.success(), "{}", errors(&part));
        fs::write(sandbox.path(file), part.stdout).unwrap();
    }
    let ca = |path: &str| pem::parse(fs::read(sandbox.path(path)).unwrap()).unwrap();
    assert_eq!(ca("peramban/ca.pem"), ca("admin/ca.pem"));
    daemon.wait_until("the user is signed in", || {
        sandbox.get_as("peramban/user", &daemon, "/health/state").is_some_and(|(status, _)| status == 200)
    });
    fs::write(&passphrase, "bukan sandi yang benar").unwrap();
    assert!(!openssl(&p12, &passphrase, &["-noout"]).status.success());

    // A passphrase of one's own comes from a file that nobody else may read.
    let ask = |more: &[&str]| {
        let asked = ["certificate", "issue", "--user", "admin", "--p12", "lain.p12"];
        sandbox.run(&[&asked, more].concat())
    };
    let from = passphrase.display().to_string();
    assert!(errors(&ask(&["--json"])).contains("--passphrase-file"));
    let refused = ask(&["--passphrase-file", &from]);
    assert!(
        refused.status.code() == Some(1) && errors(&refused).contains("chmod 600"),
        "{}",
        errors(&refused)
    );
    crate::chmod(&passphrase, 0o600);
    fs::write(&passphrase, "pendek\n").unwrap();
    assert!(errors(&ask(&["--passphrase-file", &from])).contains("12 characters"));
    assert!(!sandbox.path("lain.p12").exists());
    fs::write(&passphrase, "sandi pilihan sendiri\n").unwrap();
    let made = ask(&["--passphrase-file", &from]);
    assert!(made.status.success() && !said(&made).contains("sandi pilihan"), "{}", said(&made));
    assert!(openssl(&sandbox.path("lain.p12"), &passphrase, &["-noout"]).status.success());
}

/// Who asks over the control plane needs neither --url nor a configuration: the appliance says where it is reached.
#[test]
fn a_member_makes_a_bundle_by_a_profile_alone() {
    let (sandbox, daemon) = provisioned();
    sandbox.done(&["user", "create", "siti", "--role", "user"]);
    sandbox.done(&["project", "member", "add", "siti", "--project", PROJECT]);
    sandbox.done(&["certificate", "issue", "--user", "siti", "--out", "siti"]);
    let profile = sandbox.path("siti/profile.toml");
    let text = format!(
        "control = \"https://{}\"\nca = \"ca.pem\"\ncertificate = \"user.pem\"\nkey = \"user.key\"\n",
        daemon.control()
    );
    fs::write(&profile, text).unwrap();
    let mut gembok = Command::new(crate::support::daemon::GEMBOK);
    gembok
        .current_dir(sandbox.path("."))
        .env("GEMBOK_CONFIG", "/nowhere/gembok.toml")
        .arg("--profile")
        .arg(&profile);
    gembok.args(["endpoint", "bundle", "--project", PROJECT, "--endpoint", ENDPOINT, "--out", "absensi.zip"]);
    let made = gembok.output().unwrap();
    assert!(made.status.success(), "{}", said(&made));
    unzip(&sandbox, "absensi.zip", "isi");
    let php = fs::read_to_string(sandbox.path("isi/application/config/cryptapi.php")).unwrap();
    let port = daemon.data().rsplit_once(':').unwrap().1.to_owned();
    assert!(php.contains(&format!("$config['url'] = 'https://localhost:{port}';")), "{php}");
    let call = Command::new("sh").arg(sandbox.path("isi/curl.sh")).arg(OBJECT).output().unwrap();
    assert!(said(&call).contains("\"ciphertext\":\"R0IB"), "{}", said(&call));
    // Names that the operator gives are what it says then.
    sandbox.done(&["server-names", "set", "localhost", "127.0.0.1", "gembok.lan"]);
    let words = ["endpoint", "bundle", "--project", PROJECT, "--endpoint", ENDPOINT, "--out", "lain.zip"];
    let made = sandbox.run(&[&["--profile", profile.to_str().unwrap()], &words[..]].concat());
    assert!(said(&made).contains(&format!("https://gembok.lan:{port}")), "{}", said(&made));
}

#[test]
fn no_certificate_that_is_there_is_overwritten() {
    let (sandbox, _daemon) = provisioned();
    let before = counting(&sandbox);
    let key = rcgen::KeyPair::generate().unwrap();
    let csr = rcgen::CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap();
    fs::write(sandbox.path("absensi.csr"), csr).unwrap();
    fs::create_dir(sandbox.path("baru")).unwrap();
    fs::write(sandbox.path("baru/client.pem"), "milik orang lain").unwrap();
    let of = [
        "certificate",
        "issue",
        "--project",
        PROJECT,
        "--endpoint",
        ENDPOINT,
        "--csr",
        "absensi.csr",
        "--out",
    ];
    let refused = sandbox.run(&[&of[..], &["baru"]].concat());
    assert!(said(&refused).contains("nothing is overwritten"), "{}", said(&refused));
    assert_eq!(fs::read_to_string(sandbox.path("baru/client.pem")).unwrap(), "milik orang lain");
    assert_eq!(counting(&sandbox), before, "nothing was issued");
    // Nor is another CA's.
    fs::create_dir(sandbox.path("lain")).unwrap();
    fs::write(sandbox.path("lain/ca.pem"), "CA lain").unwrap();
    let made = sandbox.run(&[&of[..], &["lain"]].concat());
    assert!(made.status.success() && said(&made).contains("ca.pem.new"), "{}", said(&made));
    assert_eq!(fs::read_to_string(sandbox.path("lain/ca.pem")).unwrap(), "CA lain");
    let pem = |path: &str| fs::read_to_string(sandbox.path(path)).unwrap();
    assert!(pem("lain/client.pem").contains("BEGIN CERT"));
    assert_eq!(pem("lain/ca.pem.new"), pem("state/pki/ca.pem"));
    assert_eq!(mode(&sandbox.path("lain/client.pem")) & 0o444, 0o444, "a certificate is no secret");
}

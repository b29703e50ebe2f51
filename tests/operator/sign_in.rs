//! People who come in by password at the command line: signing in and out, the file that keeps a session, another password. What is
//! secret is read from standard input, or asked on a terminal that shows nothing of it.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};

use crate::errors;
use crate::support::daemon::{Daemon, PROJECT, Sandbox};

const PASSWORD: &str = "empat kata acak benar";
const OTHER: &str = "lima kata yang lain lagi";

/// Siti, a member of the first project, with a password, and a profile without certificate.
struct Siti {
    sandbox: Sandbox,
    _daemon: Daemon,
    profile: String,
}

impl Siti {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        let daemon = sandbox.start();
        sandbox.provision();
        sandbox.done(&["user", "create", "siti", "--role", "user"]);
        sandbox.done(&["project", "member", "add", "siti", "--project", PROJECT]);
        let link = sandbox.done(&["user", "reset", "siti"]);
        let body = serde_json::json!({ "token": link["link"]["token"], "password": PASSWORD }).to_string();
        let url = format!("https://{}/v1/reset", daemon.control());
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--fail", "--cacert"]).arg(sandbox.path("admin/ca.pem"));
        curl.args(["--json", "@-", &url]);
        assert!(fed(&mut curl, &body).status.success());
        let file = sandbox.path("siti.toml");
        let text = format!("control = \"https://{}\"\nca = \"admin/ca.pem\"\n", daemon.control());
        fs::write(&file, text).unwrap();
        Self { profile: file.display().to_string(), sandbox, _daemon: daemon }
    }

    fn asks(&self, words: &[&str], typed: &str) -> Output {
        fed(&mut self.sandbox.command(&[&["--profile", &self.profile], words].concat()), typed)
    }

    #[track_caller]
    fn says(&self, words: &[&str], typed: &str, said: &str) {
        let output = self.asks(words, typed);
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        assert!(errors(&output).contains(said), "{words:?}: {}", errors(&output));
    }
}

fn fed(command: &mut Command, typed: &str) -> Output {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Who reads nothing has said why.
    let _ = child.stdin.take().unwrap().write_all(typed.as_bytes());
    child.wait_with_output().unwrap()
}

#[test]
fn a_profile_without_certificate_works_by_session() {
    let siti = Siti::new();
    let list = ["project", "list"];
    siti.says(&list, "", "gembok sign-in NAME");
    siti.says(&["sign-out"], "", "gembok sign-in NAME");
    siti.says(&["sign-in", "siti"], "salah semuanya ini\n", "sign-in-failed");
    let begun = siti.asks(&["sign-in", "siti"], &format!("{PASSWORD}\n"));
    assert!(begun.status.success(), "{}", errors(&begun));
    let said = String::from_utf8(begun.stdout).unwrap();
    assert!(said.starts_with("signed in as siti (user)") && !said.contains("gbs_"), "{said}");
    let file = siti.sandbox.path("siti.session");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(fs::read_to_string(&file).unwrap().starts_with("gbs_"));

    let listed = siti.asks(&list, "");
    assert!(String::from_utf8(listed.stdout).unwrap().contains(PROJECT));
    assert!(siti.asks(&["object", "create", "alamat", "--project", PROJECT], "").status.success());
    siti.says(&["user", "list"], "", "forbidden");
    let shown = siti.sandbox.done(&["session", "list", "siti"]);
    assert_eq!(shown["sessions"]["items"].as_array().unwrap().len(), 1);

    // A certificate of its own takes the password again, asked for and on no command line.
    let issue =
        |to: &str, typed: &str| siti.asks(&["certificate", "issue", "--user", "siti", "--out", to], typed);
    let to = siti.sandbox.path("hers").display().to_string();
    for (typed, code) in [("\n", "bad-request"), ("salah semuanya ini\n", "sign-in-failed")] {
        let no = issue(&to, typed);
        assert!(!no.status.success() && errors(&no).contains(code), "{}", errors(&no));
    }
    assert!(!siti.sandbox.path("hers/user.pem").exists());
    let issued = issue(&to, &format!("{PASSWORD}\n\n"));
    assert!(issued.status.success(), "{}", errors(&issued));
    assert!(fs::read_to_string(siti.sandbox.path("hers/user.pem")).unwrap().contains("BEGIN CERTIFICATE"));
    let listed = siti.sandbox.run(&["user", "show", "siti"]);
    assert!(String::from_utf8_lossy(&listed.stdout).contains("a password"));

    // Read by nobody else; signing in again mends it.
    fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
    siti.says(&list, "", "others may touch it");
    let json = siti.asks(&["--json", "sign-in", "siti"], &format!("{PASSWORD}\r\n\n"));
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!([&json["user"], &json["role"]], ["siti", "user"]);
    assert!(json["token"].is_null() && json["session"]["id"].is_string(), "{json}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(siti.asks(&list, "").status.success());

    // Another password; this session goes on.
    let change = |typed: &str| siti.asks(&["password"], typed);
    assert!(errors(&change(&format!("salah semuanya\n{OTHER}\n"))).contains("sign-in-failed"));
    assert!(errors(&change(&format!("{PASSWORD}\npendek\n"))).contains("weak-password"));
    let changed = change(&format!("{PASSWORD}\n{OTHER}\n"));
    assert!(changed.status.success(), "{}", errors(&changed));
    assert!(siti.asks(&list, "").status.success());
    siti.says(&["sign-in", "siti"], &format!("{PASSWORD}\n"), "sign-in-failed");

    assert!(siti.asks(&["sign-out"], "").status.success());
    assert!(!file.exists());
    siti.says(&list, "", "gembok sign-in NAME");
    // One that ended elsewhere is told of, and forgotten.
    assert!(siti.asks(&["sign-in", "siti"], &format!("{OTHER}\n")).status.success());
    siti.sandbox.done(&["user", "disable", "siti"]);
    siti.sandbox.done(&["user", "enable", "siti"]);
    siti.says(&list, "", "session-ended");
    assert!(siti.asks(&["sign-out"], "").status.success());
    assert!(!file.exists());
}

/// The code of a second factor at this moment, by a program that is not ours.
fn code(uri: &str) -> String {
    const TOTP: &str = r#"
import base64, hashlib, hmac, re, struct, sys, time
secret = re.search(r"[?&]secret=([A-Z2-7]+)", sys.argv[1]).group(1)
key = base64.b32decode(secret + "=" * (-len(secret) % 8))
mac = hmac.new(key, struct.pack(">Q", int(time.time()) // 30), hashlib.sha1).digest()
at = mac[-1] & 15
print("%06d" % ((struct.unpack(">I", mac[at:at + 4])[0] & 0x7fffffff) % 1000000))
"#;
    let python = std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
    let output = Command::new(python).args(["-c", TOTP, uri]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn a_second_factor_is_enrolled_confirmed_and_taken_away() {
    let siti = Siti::new();
    siti.says(&["totp", "enrol"], &format!("{PASSWORD}\n"), "gembok sign-in NAME");
    assert!(siti.asks(&["sign-in", "siti"], &format!("{PASSWORD}\n")).status.success());
    siti.says(&["totp", "enrol"], "salah semuanya ini\n", "sign-in-failed");
    let told = siti.asks(&["totp", "enrol"], &format!("{PASSWORD}\n"));
    let told = String::from_utf8(told.stdout).unwrap();
    let uri = told.lines().next().unwrap().to_owned();
    assert!(uri.starts_with("otpauth://totp/") && told.contains("gembok totp confirm"), "{told}");
    let recovery: Vec<&str> = told.lines().filter(|line| line.len() == 19 && !line.contains(' ')).collect();
    assert_eq!(recovery.len(), 10, "{told}");
    // It does not count before it was shown to work.
    assert!(siti.asks(&["sign-in", "siti"], &format!("{PASSWORD}\n")).status.success());
    siti.says(&["totp", "confirm"], "000\n", "sign-in-failed");
    let confirmed = siti.asks(&["totp", "confirm"], &format!("{}\n", code(&uri)));
    assert!(confirmed.status.success(), "{}", errors(&confirmed));
    siti.says(&["sign-in", "siti"], &format!("{PASSWORD}\n"), "sign-in-failed");
    let begun = siti.asks(&["sign-in", "siti"], &format!("{PASSWORD}\n{}\n", recovery[0]));
    assert!(begun.status.success(), "{}", errors(&begun));
    // Another one, for a program to read; then none.
    let json = siti.asks(&["--json", "totp", "enrol"], &format!("{PASSWORD}\n{}\n", recovery[1]));
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert!(json["uri"].as_str().unwrap() != uri && json["recovery_codes"].as_array().unwrap().len() == 10);
    let gone = siti.asks(&["totp", "remove"], &format!("{}\n", recovery[2]));
    assert!(gone.status.success(), "{}", errors(&gone));
    assert!(siti.asks(&["sign-in", "siti"], &format!("{PASSWORD}\n")).status.success());
    // A code is no argument.
    assert_eq!(siti.asks(&["totp", "confirm", "123456"], "").status.code(), Some(2));
}

#[test]
fn a_profile_says_what_it_lacks() {
    let siti = Siti::new();
    let text = fs::read_to_string(&siti.profile).unwrap();
    fs::write(&siti.profile, format!("{text}certificate = \"admin/admin.pem\"\n")).unwrap();
    siti.says(&["project", "list"], "", "certificate and key");
    fs::write(&siti.profile, format!("{text}certificate = \"admin/admin.pem\"\nkey = \"admin/admin.key\"\n"))
        .unwrap();
    assert!(siti.asks(&["user", "list"], "").status.success());
    siti.says(&["sign-in", "siti"], &format!("{PASSWORD}\n"), "signs in by certificate");
    siti.says(&["sign-out"], "", "signs in by certificate");
    // Whoever comes by certificate gives itself the first password.
    let set = siti.asks(&["password"], &format!("\n{OTHER}\n"));
    assert!(set.status.success(), "{}", errors(&set));
    siti.says(&["password"], &format!("\n{PASSWORD}\n"), "present password");
    fs::write(&siti.profile, text).unwrap();
    assert!(siti.asks(&["sign-in", "admin"], &format!("{OTHER}\n")).status.success());
    // Without a profile there is nothing to sign in to.
    let output = fed(&mut siti.sandbox.command(&["sign-in", "siti"]), PASSWORD);
    assert!(errors(&output).contains("--profile"), "{}", errors(&output));
}

/// On a terminal of its own, made by a program that is not ours: the question shows, the answer does not.
#[test]
fn a_terminal_shows_nothing_of_what_is_typed() {
    const TYPIST: &str = r#"
import os, pty, signal, sys
signal.alarm(60)
child, terminal = pty.fork()
if child == 0:
    os.execv(sys.argv[1], sys.argv[1:])
shown = b""
for question, answer in [(b"password: ", os.environ["TYPED"]), (b"none): ", "")]:
    while not shown.endswith(question):
        shown += os.read(terminal, 1)
    os.write(terminal, answer.encode() + b"\n")
try:
    while more := os.read(terminal, 1024):
        shown += more
except OSError:
    pass
sys.stdout.buffer.write(shown)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"#;
    let siti = Siti::new();
    let words = siti.sandbox.command(&["--profile", &siti.profile, "sign-in", "siti"]);
    let mut typist = Command::new(std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into()));
    typist.args(["-c", TYPIST]).arg(words.get_program()).args(words.get_args()).env("TYPED", PASSWORD);
    typist.envs(words.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Some(folder) = words.get_current_dir() {
        typist.current_dir(folder);
    }
    let output = typist.output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{shown} {}", errors(&output));
    assert!(shown.contains("signed in as siti") && !shown.contains(PASSWORD), "{shown}");
}

//! A real daemon: the built program on free ports, with a `SoftHSM` and a state directory of its own. A [`Sandbox`] is the
//! folder that stays; a [`Daemon`] is a process over it that comes and goes.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::disk;
use super::softhsm::{MODULE, SoftHsm};

pub(crate) const GEMBOK: &str = env!("CARGO_BIN_EXE_gembok");
/// For things that take milliseconds on an idle machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Of calls to the token where a test says no other: keys are made in it, and on a busy machine that takes a while.
const TOKEN_DEADLINE: &str = "deadline_ms = 30000";

/// The names `provision` makes.
pub(crate) const PROJECT: &str = "kantor";
pub(crate) const OBJECT: &str = "karyawan";
pub(crate) const ENDPOINT: &str = "absensi";

/// The folder of a sandbox: configuration, policies, token, state, the files of its clients.
pub(crate) struct Sandbox {
    folder: TempDir,
    softhsm: SoftHsm,
    /// Which PKCS#11 module, and what more `[token]` says.
    module: PathBuf,
    token: String,
    /// Preloaded into each daemon, when there is one.
    disk: Option<PathBuf>,
    starts: AtomicUsize,
}

/// A daemon at work. Killed when dropped.
pub(crate) struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Sandbox {
    /// Lays out the folder; nothing runs yet.
    pub(crate) fn new() -> Self {
        Self::with_module(MODULE.as_ref(), "")
    }

    /// The same with another PKCS#11 module, and with `token` at the end of its section, which gives calls to it much time unless
    /// that says how much.
    pub(crate) fn with_module(module: &Path, token: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("gembok-").tempdir().unwrap();
        let softhsm = SoftHsm::lay_out(&folder.path().join("softhsm"));
        let sandbox = Self {
            folder,
            softhsm,
            module: module.to_owned(),
            token: token.to_owned(),
            disk: None,
            starts: AtomicUsize::new(0),
        };
        fs::create_dir(sandbox.path("policies")).unwrap();
        for policy in ["crypto.toml", "limits.toml", "access.cedar", "access.cedarschema"] {
            let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies").join(policy);
            fs::copy(ours, sandbox.path("policies").join(policy)).unwrap();
        }
        sandbox.configure("");
        sandbox
    }

    /// Writes the configuration, with `more` at its end.
    pub(crate) fn configure(&self, more: &str) {
        let deadline = if self.token.contains("deadline_ms") { "" } else { TOKEN_DEADLINE };
        self.configure_token(&format!("{deadline}\n{}", self.token), more);
    }

    /// The same with `token` at the end of that section.
    pub(crate) fn configure_token(&self, token: &str, more: &str) {
        let module = self.module.display();
        let config = format!(
            "[state]\ndirectory = \"state\"\n[local]\nsocket = \"run/gembok.sock\"\n\
             [data]\nlisten = \"127.0.0.1:0\"\n[control]\nlisten = \"127.0.0.1:0\"\n\
             [token]\nmodule = \"{module}\"\nlabel = \"sandbox\"\npin_file = \"pin\"\n{token}\n\
             [memory]\nlock = \"best-effort\"\n{more}"
        );
        fs::write(self.config(), config).unwrap();
    }

    /// From the next start on the disk of its daemons obeys [`Sandbox::disk`].
    pub(crate) fn command_disk(&mut self) {
        self.disk = Some(disk::build(self.folder.path()));
    }

    /// What the disk does: `tests/support/disk.c` says which words there are.
    pub(crate) fn disk(&self, command: &str) {
        fs::write(self.path("disk"), command).unwrap();
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path("gembok.toml")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path("run/gembok.sock")
    }

    /// Something in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The token's folder.
    pub(crate) fn softhsm(&self) -> &SoftHsm {
        &self.softhsm
    }

    /// The program, told where this sandbox is.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(GEMBOK);
        command
            .args(args)
            .env("LC_ALL", "C")
            .env("GEMBOK_CONFIG", self.config())
            .env("SOFTHSM2_CONF", self.softhsm.conf())
            .envs(self.softhsm.shim().environment())
            .env_remove("CREDENTIALS_DIRECTORY")
            .env_remove("NOTIFY_SOCKET")
            .current_dir(self.folder.path());
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs an operator's verb that has to be done; what it showed.
    pub(crate) fn done(&self, args: &[&str]) -> Value {
        let output = self.run(&[args, &["--json"]].concat());
        assert!(output.status.success(), "gembok {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        answer["done"].clone()
    }

    /// Runs an operator's verb that has to be refused; the stable code.
    pub(crate) fn refused(&self, args: &[&str]) -> String {
        let output = self.run(&[args, &["--json"]].concat());
        assert_eq!(output.status.code(), Some(1), "gembok {args:?}: {output:?}");
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        answer["refused"]["code"].as_str().unwrap_or_else(|| panic!("gembok {args:?}: {answer}")).to_owned()
    }

    pub(crate) fn state(&self) -> String {
        self.done(&["status"])["status"]["state"].as_str().unwrap().to_owned()
    }

    /// Sends a line as it is; the answer.
    pub(crate) fn send(&self, line: &[u8]) -> Value {
        let mut stream = UnixStream::connect(self.socket()).unwrap();
        // A line that is too long is answered before it was read.
        let _ = stream.write_all(line);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        serde_json::from_slice(&answer).unwrap()
    }

    /// Starts a daemon and waits until the local socket answers.
    pub(crate) fn start(&self) -> Daemon {
        let daemon = self.spawn();
        daemon.wait_until("the local socket answers", || UnixStream::connect(self.socket()).is_ok());
        daemon
    }

    /// Starts a daemon that has a store already, and waits until it has unlocked itself.
    pub(crate) fn resume(&self) -> Daemon {
        let daemon = self.start();
        daemon.wait_until("it is operational", || self.state() == "operational");
        daemon
    }

    /// Starts a daemon and waits for nothing.
    pub(crate) fn spawn(&self) -> Daemon {
        self.spawn_with(|command| command)
    }

    /// The same with something more in its environment.
    pub(crate) fn spawn_with(&self, more: impl FnOnce(&mut Command) -> &mut Command) -> Daemon {
        let start = self.starts.fetch_add(1, Ordering::Relaxed);
        let log = self.path(&format!("log-{start}"));
        let mut command = self.command(&["serve"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log).unwrap());
        if let Some(disk) = &self.disk {
            command.env("LD_PRELOAD", disk).env("GEMBOK_TEST_DISK", self.path("disk"));
        }
        let child = more(&mut command).spawn().unwrap();
        Daemon { child, log }
    }

    /// Initialises, and makes project, object, endpoint, both grants, a certificate (`client/`) and an API key
    /// (`api-key`). The admin's files are in `admin/`.
    pub(crate) fn provision(&self) {
        let below = ["--project", PROJECT];
        let of = ["--project", PROJECT, "--endpoint", ENDPOINT];
        self.done(&["init", "--sandbox", "--out", "admin"]);
        self.done(&["project", "create", PROJECT]);
        self.done(&[&["object", "create", OBJECT], &below[..]].concat());
        self.done(&[&["endpoint", "create", ENDPOINT], &below[..]].concat());
        self.done(&[&["grant", "create", "encrypt", "decrypt", "--object", OBJECT], &of[..]].concat());
        self.done(&[&["certificate", "issue", "--out", "client"], &of[..]].concat());
        self.done(&[&["api-key", "create", "--label", "tests", "--out", "api-key"], &of[..]].concat());
    }

    /// The API key that `provision` made.
    pub(crate) fn api_key(&self) -> String {
        fs::read_to_string(self.path("api-key")).unwrap().trim().to_owned()
    }

    /// Sends JSON to the data plane of `daemon`, as the client; status and answer. `None` when TLS refuses.
    pub(crate) fn post(&self, daemon: &Daemon, path: &str, body: &Value) -> Option<(u16, Value)> {
        self.post_as("client/client", daemon, path, body)
    }

    /// The same with the certificate and key of that path.
    pub(crate) fn post_as(
        &self,
        who: &str,
        daemon: &Daemon,
        path: &str,
        body: &Value,
    ) -> Option<(u16, Value)> {
        let url = format!("https://{}{path}", daemon.data());
        self.curl(who, &["--data", &body.to_string(), &url])
    }

    /// Asks the control plane of `daemon`, as the admin.
    pub(crate) fn get(&self, daemon: &Daemon, path: &str) -> Option<(u16, Value)> {
        self.get_as("admin/admin", daemon, path)
    }

    /// The same with the certificate and key of that path.
    pub(crate) fn get_as(&self, who: &str, daemon: &Daemon, path: &str) -> Option<(u16, Value)> {
        self.curl(who, &[&format!("https://{}{path}", daemon.control())])
    }

    /// The same where the answer is no JSON.
    pub(crate) fn get_text(&self, daemon: &Daemon, path: &str) -> Option<(u16, String)> {
        self.curl_text("admin/admin", &[&format!("https://{}{path}", daemon.control())])
    }

    fn curl(&self, who: &str, args: &[&str]) -> Option<(u16, Value)> {
        let (status, body) = self.curl_text(who, args)?;
        Some((status, serde_json::from_str(&body).unwrap_or(Value::Null)))
    }

    fn curl_text(&self, who: &str, args: &[&str]) -> Option<(u16, String)> {
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--max-time", "30", "--write-out", "\n%{http_code}"]);
        command.arg("--header").arg(format!("Authorization: Bearer {}", self.api_key()));
        command.arg("--cacert").arg(self.path("admin/ca.pem"));
        command.arg("--cert").arg(self.path(&format!("{who}.pem")));
        command.arg("--key").arg(self.path(&format!("{who}.key")));
        let output = command.args(args).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (body, status) = text.rsplit_once('\n').unwrap();
        match status {
            "000" => {
                // Shown only when the test fails.
                println!("curl {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
                None
            }
            status => Some((status.parse().unwrap(), body.to_owned())),
        }
    }
}

impl Daemon {
    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Address and port of the data plane.
    pub(crate) fn data(&self) -> String {
        self.plane("data")
    }

    /// Address and port of the control plane.
    pub(crate) fn control(&self) -> String {
        self.plane("control")
    }

    fn plane(&self, plane: &str) -> String {
        let mut address = None;
        self.wait_until("the listener is open", || {
            address = self.said("listening").find(|line| line["plane"] == plane);
            address.is_some()
        });
        address.unwrap()["address"].as_str().unwrap().to_owned()
    }

    /// Lines of the log with this message.
    pub(crate) fn said(&self, message: &str) -> impl Iterator<Item = Value> {
        let lines: Vec<Value> =
            self.log().lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let message = message.to_owned();
        lines.into_iter().filter(move |line| line["message"] == message.as_str())
    }

    /// The whole log so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    pub(crate) fn wait_until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let start = Instant::now();
        while !is_so() {
            assert!(start.elapsed() < PATIENCE, "waited in vain until {what}; log:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// SIGTERM, and how it ended.
    pub(crate) fn stop(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Waits until it has unlocked itself, or tried and stays locked, or ended, and says how.
    pub(crate) fn settled(&mut self) -> Option<ExitStatus> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(status);
            }
            let is_operational = self.said("state").any(|line| line["state"] == "operational");
            if is_operational || self.said("still locked").next().is_some() {
                return None;
            }
            assert!(start.elapsed() < PATIENCE, "it is not clear how it is; log:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// How it ended by itself.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(start.elapsed() < PATIENCE, "the daemon does not end; log:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // The sandbox goes with its test, and the log is half of what there is to know of a failure.
        if std::thread::panicking() {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            let told = log.lines().filter(|line| line.contains(r#""WARN""#) || line.contains(r#""ERROR""#));
            let told: Vec<&str> = told.collect();
            eprintln!("the daemon warned:\n{}", told[told.len().saturating_sub(20)..].join("\n"));
        }
    }
}

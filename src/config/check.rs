//! What a sound configuration still lacks on this machine: looked for by `gembok config check` and before the daemon starts.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{Config, PinSource, read_secret};

/// One thing that is wrong, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The key it is about.
    pub place: &'static str,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub hint: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}\n  {}", self.place, self.what, self.hint)
    }
}

impl Config {
    /// Looks at the machine; empty when nothing is wrong. `credentials` is `$CREDENTIALS_DIRECTORY`, where it is set.
    /// Changes nothing: directories are tried with a file that is removed again.
    #[must_use]
    pub fn check(&self, credentials: Option<&Path>) -> Vec<Finding> {
        let mut findings = Findings(Vec::new());
        findings.own_directory("state.directory", &self.state.directory);
        findings.server_key(&self.state.pki().join("server.key"));
        match self.local.socket.parent() {
            Some(directory) => findings.writable("local.socket", directory),
            None => {
                findings.add(
                    "local.socket",
                    "it names no file".into(),
                    "name a socket in a directory".into(),
                );
            }
        }
        findings.module(&self.token.module);
        findings.pin(self.token.pin.as_ref(), credentials);
        findings.0
    }
}

struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, place: &'static str, what: String, hint: String) {
        self.0.push(Finding { place, what, hint });
    }

    /// A directory that holds secrets: ours to write, nobody else's to touch.
    fn own_directory(&mut self, place: &'static str, directory: &Path) {
        self.writable(place, directory);
        let Ok(about) = fs::metadata(directory) else { return };
        let mode = about.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            self.add(
                place,
                format!("{} has mode {mode:04o}: others may look into it", directory.display()),
                format!("chmod 700 {}", directory.display()),
            );
        }
    }

    /// Tried, not asked: rights, ACLs and read-only mounts all answer alike.
    fn writable(&mut self, place: &'static str, directory: &Path) {
        if !directory.is_dir() {
            self.add(
                place,
                format!("{} is not a directory", directory.display()),
                "make it, owned by the user that runs gembok, mode 0700".into(),
            );
            return;
        }
        let probe = directory.join(format!(".gembok-check-{}", std::process::id()));
        match OpenOptions::new().write(true).create_new(true).open(&probe) {
            Ok(_) => drop(fs::remove_file(&probe)),
            Err(source) => self.add(
                place,
                format!("{} cannot be written: {source}", directory.display()),
                "give it to the user that runs gembok".into(),
            ),
        }
    }

    /// Made by the first ceremony, so it may be missing; present, it must be private.
    fn server_key(&mut self, key: &Path) {
        if key.exists()
            && let Err(error) = read_secret(key)
        {
            self.add("state.directory", error.to_string(), error.hint());
        }
    }

    fn module(&mut self, module: &Path) {
        let mut head = [0; 4];
        let read =
            fs::File::open(module).and_then(|mut file| std::io::Read::read_exact(&mut file, &mut head));
        let what = match read {
            Ok(()) if head == *b"\x7fELF" => return,
            Ok(()) => format!("{} is not a shared library", module.display()),
            Err(source) => format!("{} cannot be read: {source}", module.display()),
        };
        let hint = "install the token's PKCS#11 module (SoftHSM 2: package softhsm2) and name its .so file";
        self.add("token.module", what, hint.into());
    }

    fn pin(&mut self, pin: Option<&PinSource>, credentials: Option<&Path>) {
        let place = match pin {
            Some(PinSource::File(_)) => "token.pin_file",
            Some(PinSource::Credential(_)) => "token.pin_credential",
            None => return,
        };
        if let Some(Err(error)) = pin.map(|pin| pin.read(credentials)) {
            self.add(place, error.to_string(), error.hint());
        }
    }
}

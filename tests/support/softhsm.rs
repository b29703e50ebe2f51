//! A `SoftHSM` of one's own. PKCS#11 is initialized once per process and `SoftHSM` finds its configuration by the environment,
//! so each case runs in a child process with its own token directory.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::shim::Shim;

pub(crate) const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
const CHILD: &str = "GEMBOK_TEST_SOFTHSM";
/// What a child says behind its body.
const CHILD_ENDED: &str = "the child reached its end";

/// A folder with `softhsm2.conf` and `tokens/`.
pub(crate) struct SoftHsm {
    folder: PathBuf,
}

impl SoftHsm {
    /// Lays out the folder; a process with `SOFTHSM2_CONF` at [`SoftHsm::conf`] keeps its tokens there.
    pub(crate) fn lay_out(folder: &Path) -> Self {
        let softhsm = Self { folder: folder.to_owned() };
        std::fs::create_dir_all(softhsm.tokens()).unwrap();
        let conf = format!(
            "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n",
            softhsm.tokens().display()
        );
        std::fs::write(softhsm.conf(), conf).unwrap();
        softhsm
    }

    pub(crate) fn conf(&self) -> PathBuf {
        self.folder.join("softhsm2.conf")
    }

    pub(crate) fn tokens(&self) -> PathBuf {
        self.folder.join("tokens")
    }

    /// Somewhere beside the tokens.
    pub(crate) fn elsewhere(&self) -> PathBuf {
        self.folder.join("elsewhere")
    }

    /// The desk of a shim before it.
    pub(crate) fn shim(&self) -> Shim {
        Shim::at(self.folder.join("shim"))
    }

    /// Labels of key pairs that begin with `prefix`, by what lies open of them: the public halves.
    pub(crate) fn pairs(&self, prefix: &str) -> Vec<String> {
        let mut found = Vec::new();
        for token in std::fs::read_dir(self.tokens()).unwrap() {
            for file in std::fs::read_dir(token.unwrap().path()).unwrap() {
                let bytes = std::fs::read(file.unwrap().path()).unwrap();
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let labels = text.match_indices(prefix).map(|(at, _)| {
                    let label =
                        text[at..].chars().take_while(|sign| sign.is_ascii_alphanumeric() || *sign == '-');
                    label.collect::<String>()
                });
                found.extend(labels);
            }
        }
        found.sort();
        found.dedup();
        found
    }

    /// The one file called `name` in the one token's directory.
    pub(crate) fn token_file(&self, name: &str) -> PathBuf {
        let mut tokens = std::fs::read_dir(self.tokens()).unwrap();
        let token = tokens.next().unwrap().unwrap().path();
        assert!(tokens.next().is_none(), "more than one token");
        token.join(name)
    }
}

/// Runs `body` in a child of this test binary that has a `SoftHSM` of its own; `case` is the test's own full name.
pub(crate) fn in_child(case: &str, body: impl FnOnce(&SoftHsm)) {
    in_child_heard(case, Stdio::piped(), body);
}

/// The same for what takes long: what the child says on standard error is heard while it runs.
pub(crate) fn in_child_aloud(case: &str, body: impl FnOnce(&SoftHsm)) {
    in_child_heard(case, Stdio::inherit(), body);
}

fn in_child_heard(case: &str, errors: Stdio, body: impl FnOnce(&SoftHsm)) {
    if let Some(folder) = std::env::var_os(CHILD) {
        body(&SoftHsm { folder: folder.into() });
        println!("{CHILD_ENDED}");
        // As the daemon ends: SoftHSM's exit handlers and OpenSSL's can crash a process that is done.
        signal_hook::low_level::exit(0);
    }
    let folder = tempfile::tempdir().unwrap();
    let softhsm = SoftHsm::lay_out(folder.path());
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", case, "--include-ignored", "--nocapture", "--test-threads=1"])
        .env("SOFTHSM2_CONF", softhsm.conf())
        .envs(softhsm.shim().environment())
        .env(CHILD, folder.path())
        .stderr(errors)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains(CHILD_ENDED),
        "{case} in its own process: {}\n{said}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}

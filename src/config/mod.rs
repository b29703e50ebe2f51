//! What the operator may decide: one TOML file and the policies beside it. Every field has a documented default or is
//! required, every key carries its unit, an unknown key is an error, and no secret stands in the file itself.
//!
//! `provisioning/gembok.toml` is the annotated sample; it is parsed by the tests.

mod access;
mod bounds;
mod check;
mod error;
mod journal;
mod pki;
mod policies;
mod secret_file;
mod sections;
mod sessions;
mod statistics;

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

pub use access::{Access, check_access};
pub use check::Finding;
pub use error::ConfigError;
pub use journal::Journal;
pub use pki::Pki;
pub use policies::{CryptoPolicy, KeyLimits, LimitsPolicy, Policies, RequestShape};
pub use secret_file::{SecretFileError, read_secret};
pub use sections::{
    Degraded, Keyring, Listen, Local, Log, LogFormat, LogLevel, Memory, MemoryLock, PinSource, State, Store,
    Tls, Token, TokenName,
};
pub use sessions::Sessions;
pub use statistics::Statistics;

/// A configuration that was read whole: types, ranges and the relations between limits hold. What it names on this
/// machine (files, sockets, the token's module) may still be missing: [`Config::check`] looks.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file it was read from.
    pub file: PathBuf,
    /// `crypto.toml`, `limits.toml` and `access.cedar`, already read.
    pub policies: Policies,
    /// `[access]`
    pub access: Access,
    /// `[state]`
    pub state: State,
    /// `[local]`
    pub local: Local,
    /// `[data]`
    pub data: Listen,
    /// `[control]`
    pub control: Listen,
    /// `[tls]`
    pub tls: Tls,
    /// `[pki]`
    pub pki: Pki,
    /// `[token]`
    pub token: Token,
    /// `[store]`
    pub store: Store,
    /// `[keyring]`
    pub keyring: Keyring,
    /// `[degraded]`
    pub degraded: Degraded,
    /// `[journal]`
    pub journal: Journal,
    /// `[sessions]`
    pub sessions: Sessions,
    /// `[statistics]`
    pub statistics: Statistics,
    /// `[memory]`
    pub memory: Memory,
    /// `[log]`
    pub log: Log,
}

impl Config {
    /// Reads `file` and the policies it names. Relative paths in it are relative to the directory it lies in.
    ///
    /// # Errors
    /// [`ConfigError`], naming file, line and key.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        Self::read(file, &read_text(file)?, Policies::load)
    }

    /// Where the daemon that runs with `file` listens for the operator. Policies are not read: who wants to lock an appliance
    /// must not have to mend those first.
    ///
    /// # Errors
    /// [`ConfigError`], naming file, line and key.
    pub fn local_socket(file: &Path) -> Result<PathBuf, ConfigError> {
        let document: Document = parse_toml(file, &read_text(file)?)?;
        Ok(file.parent().unwrap_or(Path::new("")).join(document.local.socket))
    }

    /// Reads a text that lies at `file`; `policies` reads those of the directory it names.
    ///
    /// # Errors
    /// [`ConfigError`], naming file, line and key.
    pub fn read(
        file: &Path,
        text: &str,
        policies: impl FnOnce(&Path) -> Result<Policies, ConfigError>,
    ) -> Result<Self, ConfigError> {
        let document: Document = parse_toml(file, text)?;
        let directory = file.parent().unwrap_or(Path::new(""));
        let policies = policies(&directory.join(&document.policies))?;
        let mut config = Self {
            file: file.to_owned(),
            policies,
            access: document.access,
            state: document.state,
            local: document.local,
            data: document.data.unwrap_or(Listen::DATA),
            control: document.control.unwrap_or(Listen::CONTROL),
            tls: document.tls,
            pki: document.pki,
            token: document.token,
            store: document.store,
            keyring: document.keyring,
            degraded: document.degraded,
            journal: document.journal,
            sessions: document.sessions,
            statistics: document.statistics,
            memory: document.memory,
            log: document.log,
        };
        config.resolve_paths(directory);
        config.relate()?;
        Ok(config)
    }

    fn resolve_paths(&mut self, directory: &Path) {
        let pin_file = match &mut self.token.pin {
            Some(PinSource::File(path)) => Some(path),
            Some(PinSource::Credential(_)) | None => None,
        };
        let paths = [&mut self.state.directory, &mut self.local.socket, &mut self.token.module];
        let escrow = self.store.escrow_path.as_mut();
        for path in paths.into_iter().chain(pin_file).chain(escrow).chain(self.pki.paths()) {
            *path = directory.join(&*path);
        }
    }

    /// Relations that no field can check alone, each with its reason.
    fn relate(&self) -> Result<(), ConfigError> {
        let tls = &self.tls;
        let say = |key, what: String, hint| Err(ConfigError::relation(&self.file, key, what, hint));
        if self.data.listen == self.control.listen && self.data.listen.port() != 0 {
            return say(
                "control.listen",
                format!("both listeners are to use {}", self.data.listen),
                "give [data] and [control] different ports: their rules on client certificates differ",
            );
        }
        if tls.connections_per_address_max > tls.connections_max {
            return say(
                "tls.connections_per_address_max",
                format!(
                    "{} from one address, of {} in all",
                    tls.connections_per_address_max, tls.connections_max
                ),
                "one address must not be allowed more connections than exist; lower it or raise tls.connections_max",
            );
        }
        if tls.idle_timeout < tls.header_timeout {
            return say(
                "tls.idle_timeout_ms",
                format!("{:?}, shorter than header_timeout_ms ({:?})", tls.idle_timeout, tls.header_timeout),
                "an idle connection must live at least as long as one whose header is under way; raise it",
            );
        }
        if self.degraded.duration_max < self.keyring.ttl {
            return say(
                "degraded.max_s",
                format!(
                    "{:?}, shorter than keyring.ttl_s ({:?})",
                    self.degraded.duration_max, self.keyring.ttl
                ),
                "keys may serve until their time to live is over while the token is away; raise max_s or lower ttl_s",
            );
        }
        let wrong = self.pki.relate().or_else(|| self.statistics.relate()).or_else(|| self.sessions.relate());
        wrong.map_or(Ok(()), |(key, what, hint)| say(key, what, hint))
    }
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default = "policies::default_directory")]
    policies: PathBuf,
    #[serde(default)]
    access: Access,
    #[serde(default)]
    state: State,
    #[serde(default)]
    local: Local,
    data: Option<Listen>,
    control: Option<Listen>,
    #[serde(default)]
    tls: Tls,
    #[serde(default)]
    pki: Pki,
    token: Token,
    #[serde(default)]
    store: Store,
    #[serde(default)]
    keyring: Keyring,
    #[serde(default)]
    degraded: Degraded,
    #[serde(default)]
    journal: Journal,
    #[serde(default)]
    sessions: Sessions,
    #[serde(default)]
    statistics: Statistics,
    #[serde(default)]
    memory: Memory,
    #[serde(default)]
    log: Log,
}

fn read_text(file: &Path) -> Result<String, ConfigError> {
    fs::read_to_string(file).map_err(|source| ConfigError::unreadable(file, &source))
}

fn parse_toml<T: serde::de::DeserializeOwned>(file: &Path, text: &str) -> Result<T, ConfigError> {
    toml::from_str(text).map_err(|error| ConfigError::wrong(file, text, &error))
}

//! The sections of `gembok.toml`. Durations and sizes carry their unit in the key; their types carry it in the code.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustls::pki_types::ServerName;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use super::bounds::{count, millis, seconds};
use super::secret_file::{self, SecretFileError};

/// `[state]`: what outlives a restart.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct State {
    /// `gembok.redb` and `pki/{ca.pem,crl.pem,server.pem,server.key}` live here. Default `/var/lib/gembok`.
    pub directory: PathBuf,
}

impl State {
    /// The database.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.directory.join("gembok.redb")
    }

    /// The directory of `ca.pem`, `crl.pem`, `server.pem` and `server.key`.
    #[must_use]
    pub fn pki(&self) -> PathBuf {
        self.directory.join("pki")
    }
}

impl Default for State {
    fn default() -> Self {
        Self { directory: "/var/lib/gembok".into() }
    }
}

/// `[local]`: the socket of ceremonies and the operator's verbs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Local {
    /// Unix socket; root and the daemon's own user are admitted. Default `/run/gembok/gembok.sock`.
    pub socket: PathBuf,
}

impl Default for Local {
    fn default() -> Self {
        Self { socket: "/run/gembok/gembok.sock".into() }
    }
}

/// `[data]` and `[control]`: where a listener waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// Address and port. Defaults `127.0.0.1:8443` (data) and `127.0.0.1:9443` (control).
    pub listen: SocketAddr,
}

impl Listen {
    /// Where the data plane waits when `[data]` is not written.
    pub const DATA: Self = Self { listen: SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 8443)) };
    /// Where the control plane waits when `[control]` is not written.
    pub const CONTROL: Self = Self { listen: SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9443)) };
}

/// `[tls]`: names of the server certificate, and the limits each of the two listeners keeps.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// DNS names and IP addresses the server certificate is issued for. Default `localhost`, `127.0.0.1`.
    #[serde(deserialize_with = "server_names")]
    pub server_names: Vec<ServerName<'static>>,
    /// `handshake_timeout_ms`: from accept to the end of the handshake. Default 5,000.
    #[serde(rename = "handshake_timeout_ms", deserialize_with = "millis::<_, 100, 60_000>")]
    pub handshake_timeout: Duration,
    /// `header_timeout_ms`: for a request's header, from its first byte (the first request: from the handshake). Default 5,000.
    #[serde(rename = "header_timeout_ms", deserialize_with = "millis::<_, 100, 60_000>")]
    pub header_timeout: Duration,
    /// `idle_timeout_ms`: a connection without a request under way and without a byte moved. Default 60,000.
    #[serde(rename = "idle_timeout_ms", deserialize_with = "millis::<_, 100, 3_600_000>")]
    pub idle_timeout: Duration,
    /// `header_bytes_max`: of one request's header. Default 32,768.
    #[serde(deserialize_with = "count::<_, _, 8_192, 1_048_576>")]
    pub header_bytes_max: u32,
    /// `answer_timeout_ms`: a connection that lets an answer wait for longer than this is ended, at the latest after twice as
    /// long. Default 10,000.
    #[serde(rename = "answer_timeout_ms", deserialize_with = "millis::<_, 100, 600_000>")]
    pub answer_timeout: Duration,
    /// `strangers_max`: connections per listener that have shown no certificate: handshakes under way and, on the control
    /// plane, clients without one. When all are taken, one of the address that holds the most is ended. Default 512.
    #[serde(deserialize_with = "count::<_, _, 1, 65_536>")]
    pub strangers_max: u32,
    /// `stranger_age_max_s`: after this a connection without a certificate is asked to finish. Default 10.
    #[serde(rename = "stranger_age_max_s", deserialize_with = "seconds::<_, 1, 86_400>")]
    pub stranger_age_max: Duration,
    /// `connections_max`: per listener, of clients with a certificate; further ones are closed at once. Default 1,024.
    #[serde(deserialize_with = "count::<_, _, 1, 65_536>")]
    pub connections_max: u32,
    /// `connections_per_address_max`: of them, from one address, or from one /64 of IPv6. Default 256.
    #[serde(deserialize_with = "count::<_, _, 1, 65_536>")]
    pub connections_per_address_max: u32,
    /// `connection_age_max_s`: after this a connection is asked to finish, so that it meets newer rules. Default 600.
    #[serde(rename = "connection_age_max_s", deserialize_with = "seconds::<_, 1, 86_400>")]
    pub connection_age_max: Duration,
    /// `requests_in_flight_per_certificate_max`: over all its connections; further ones answer 429. Default 256.
    #[serde(deserialize_with = "count::<_, _, 1, 65_536>")]
    pub requests_in_flight_per_certificate_max: u32,
    /// `in_flight_kib_per_certificate_max`: memory for a client's requests and for the answers it has not taken, over all its
    /// connections; further requests wait. Default 32,768.
    #[serde(deserialize_with = "count::<_, _, 64, 4_194_304>")]
    pub in_flight_kib_per_certificate_max: u32,
    /// `http2_streams_max`: requests at once on one HTTP/2 connection. Default 128.
    #[serde(deserialize_with = "count::<_, _, 1, 1_024>")]
    pub http2_streams_max: u32,
    /// `http2_control_frames_per_s_max`: resets, pings, settings, continuations and the like on one connection; one that sends
    /// more is ended. Default 256.
    #[serde(deserialize_with = "count::<_, _, 16, 65_536>")]
    pub http2_control_frames_per_s_max: u32,
    /// `drain_timeout_ms`: what a connection that was asked to finish may still take. Default 10,000.
    #[serde(rename = "drain_timeout_ms", deserialize_with = "millis::<_, 0, 600_000>")]
    pub drain_timeout: Duration,
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            server_names: ["localhost", "127.0.0.1"]
                .into_iter()
                .filter_map(|name| name.try_into().ok())
                .collect(),
            handshake_timeout: Duration::from_secs(5),
            header_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(60),
            header_bytes_max: 32_768,
            answer_timeout: Duration::from_secs(10),
            strangers_max: 512,
            stranger_age_max: Duration::from_secs(10),
            connections_max: 1_024,
            connections_per_address_max: 256,
            connection_age_max: Duration::from_secs(600),
            requests_in_flight_per_certificate_max: 256,
            in_flight_kib_per_certificate_max: 32_768,
            http2_streams_max: 128,
            http2_control_frames_per_s_max: 256,
            drain_timeout: Duration::from_secs(10),
        }
    }
}

/// `[token]`: which PKCS#11 token, and where its PIN comes from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "TokenTable")]
pub struct Token {
    /// The PKCS#11 module. Default `/usr/lib/softhsm/libsofthsm2.so`.
    pub module: PathBuf,
    /// `label` or `serial`, exactly one: slots move.
    pub name: TokenName,
    /// `pin_file` or `pin_credential`, at most one; with neither, officers unlock.
    pub pin: Option<PinSource>,
    /// `worker_sessions`: calls to the token at once. Default 2.
    pub worker_sessions: u16,
    /// `deadline_ms`: after which a call to the token answers 503. Default 2,000.
    pub deadline: Duration,
}

/// What a token is chosen by; two tokens that match are refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenName {
    /// Its label, at most 32 bytes.
    Label(String),
    /// Its serial number, at most 16 bytes.
    Serial(String),
}

/// Where the token's PIN is read from: never from the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PinSource {
    /// A file that only its owner may read.
    File(PathBuf),
    /// A credential of systemd, by name: a file in `$CREDENTIALS_DIRECTORY`.
    Credential(String),
}

impl PinSource {
    /// The PIN, without the line end that editors leave. `credentials` is `$CREDENTIALS_DIRECTORY`, where it is set.
    ///
    /// # Errors
    /// [`SecretFileError`] when it is missing, open to others, too long or empty.
    pub fn read(&self, credentials: Option<&Path>) -> Result<Zeroizing<Vec<u8>>, SecretFileError> {
        let mut pin = match self {
            Self::File(path) => secret_file::read_secret(path)?,
            Self::Credential(name) => {
                let directory = credentials.ok_or_else(|| SecretFileError::NoCredentials(name.clone()))?;
                secret_file::read_credential(&directory.join(name))?
            }
        };
        let end = pin.trim_ascii_end().len();
        pin.truncate(end);
        if pin.is_empty() { Err(SecretFileError::Empty(self.to_string())) } else { Ok(pin) }
    }
}

impl std::fmt::Display for PinSource {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(out, "{}", path.display()),
            Self::Credential(name) => write!(out, "credential {name}"),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenTable {
    #[serde(default = "TokenTable::softhsm")]
    module: PathBuf,
    label: Option<String>,
    serial: Option<String>,
    pin_file: Option<PathBuf>,
    pin_credential: Option<String>,
    #[serde(default = "TokenTable::two", deserialize_with = "count::<_, _, 1, 64>")]
    worker_sessions: u16,
    #[serde(
        rename = "deadline_ms",
        default = "TokenTable::two_seconds",
        deserialize_with = "millis::<_, 50, 60_000>"
    )]
    deadline: Duration,
}

impl TokenTable {
    fn softhsm() -> PathBuf {
        "/usr/lib/softhsm/libsofthsm2.so".into()
    }

    const fn two() -> u16 {
        2
    }

    const fn two_seconds() -> Duration {
        Duration::from_secs(2)
    }
}

impl TryFrom<TokenTable> for Token {
    type Error = &'static str;

    fn try_from(table: TokenTable) -> Result<Self, &'static str> {
        let name = match (table.label, table.serial) {
            (Some(label), None) if (1..=32).contains(&label.len()) => TokenName::Label(label),
            (None, Some(serial)) if (1..=16).contains(&serial.len()) => TokenName::Serial(serial),
            (Some(_), None) => return Err("label must have 1 to 32 bytes (PKCS#11 CK_TOKEN_INFO)"),
            (None, Some(_)) => return Err("serial must have 1 to 16 bytes (PKCS#11 CK_TOKEN_INFO)"),
            _ => return Err("write exactly one of label and serial, to say which token"),
        };
        let pin = match (table.pin_file, table.pin_credential) {
            (Some(file), None) => Some(PinSource::File(file)),
            (None, Some(name)) if name.is_empty() || name.contains('/') || name.starts_with('.') => {
                return Err("pin_credential is a name in $CREDENTIALS_DIRECTORY, not a path");
            }
            (None, Some(name)) => Some(PinSource::Credential(name)),
            (None, None) => None,
            (Some(_), Some(_)) => return Err("write at most one of pin_file and pin_credential"),
        };
        let TokenTable { module, worker_sessions, deadline, .. } = table;
        Ok(Self { module, name, pin, worker_sessions, deadline })
    }
}

/// `[store]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Store {
    /// `cache_mib`: memory for pages of the database. Default 4: what requests read stays in the keyring.
    #[serde(deserialize_with = "count::<_, _, 1, 4_096>")]
    pub cache_mib: u32,
    /// `escrow_path`: a file on another disk, to which every wrapped key is appended before it seals anything. Default none.
    pub escrow_path: Option<PathBuf>,
}

impl Default for Store {
    fn default() -> Self {
        Self { cache_mib: 4, escrow_path: None }
    }
}

/// `[keyring]`: unwrapped keys in memory.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Keyring {
    /// `entries_max`: unwrapped keys at once. Default 4,096.
    #[serde(deserialize_with = "count::<_, _, 1, 1_048_576>")]
    pub entries_max: u32,
    /// `ttl_s`: from the unwrap; use does not extend it. Default 3,600.
    #[serde(rename = "ttl_s", deserialize_with = "seconds::<_, 1, 86_400>")]
    pub ttl: Duration,
}

impl Default for Keyring {
    fn default() -> Self {
        Self { entries_max: 4_096, ttl: Duration::from_secs(3_600) }
    }
}

/// `[degraded]`: serving while the token is away.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Degraded {
    /// `max_s`: after this without the token the appliance locks. Default 14,400.
    #[serde(rename = "max_s", deserialize_with = "seconds::<_, 1, 86_400>")]
    pub duration_max: Duration,
}

impl Default for Degraded {
    fn default() -> Self {
        Self { duration_max: Duration::from_secs(14_400) }
    }
}

/// `[memory]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Memory {
    /// Whether start-up stops when memory cannot be locked. Default `required`.
    pub lock: MemoryLock,
}

/// What to do when the kernel refuses to lock memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MemoryLock {
    /// Stop: keys could reach the swap.
    #[default]
    Required,
    /// Go on and say so in health; for sandboxes.
    BestEffort,
}

/// `[log]`: to standard error.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// How much. Default `info`.
    pub level: LogLevel,
    /// How it is written. Default `json`.
    pub format: LogFormat,
}

/// The least important line that is still written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogLevel {
    /// What failed on our side.
    Error,
    /// What an operator should look at.
    Warn,
    /// What changed.
    #[default]
    Info,
    /// Each connection too.
    Debug,
}

/// How a log line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// For eyes.
    Text,
}

fn server_names<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<ServerName<'static>>, D::Error> {
    let names = Vec::<String>::deserialize(from)?;
    if names.is_empty() {
        return Err(D::Error::custom("server_names is empty; a client could not verify the server"));
    }
    let parse = |name: String| {
        ServerName::try_from(name.as_str())
            .map(|parsed| parsed.to_owned())
            .map_err(|_| D::Error::custom(format_args!("{name} is neither a DNS name nor an IP address")))
    };
    names.into_iter().map(parse).collect()
}

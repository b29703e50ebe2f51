//! The way to the control plane: who asks is a named user, by certificate, from any machine of the LAN. Given by options, or
//! by a profile:
//!
//! ```toml
//! control = "https://gembok.lan:9443"
//! ca = "ca.pem"                  # files beside the profile, or whole paths
//! certificate = "user.pem"
//! key = "user.key"               # mode 0600
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use http::{Request, Response, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

use crate::api::control::Way;
use crate::config::read_secret;

use super::client::ANSWER_BYTES_MAX;
use super::download::Download;
use super::error::CliError;

/// Where it is looked for when nothing is said, below the user's configuration.
const PROFILE: &str = "gembok/profile.toml";
/// The control plane's usual port.
const PORT: u16 = 9_443;
/// For the connection and its handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// For a verb to be done.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);

/// How to reach the control plane.
#[derive(Args)]
pub(super) struct Options {
    /// The control plane, as https and a host; without this and a profile, the local socket
    #[arg(long, global = true, value_name = "URL", requires_all = ["ca", "certificate", "key"])]
    control: Option<String>,
    /// What the server's certificate is judged by
    #[arg(long, global = true, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Your certificate
    #[arg(id = "certificate", long = "certificate", global = true, value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// Your private key (mode 0600)
    #[arg(long, global = true, value_name = "FILE")]
    key: Option<PathBuf>,
    /// A file with these four; ~/.config/gembok/profile.toml where there is one and no --config is given
    #[arg(long, global = true, env = "GEMBOK_PROFILE", value_name = "FILE", conflicts_with_all = ["control", "local"])]
    profile: Option<PathBuf>,
    /// Ask over the local socket, whatever profile there is
    #[arg(long, global = true, conflicts_with = "control")]
    local: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Profile {
    control: String,
    ca: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

/// The control plane, ready to be asked.
pub(super) struct Control {
    url: String,
    host: String,
    port: u16,
    tls: Arc<ClientConfig>,
}

impl Options {
    /// The control plane that they name; none where the local socket is to be asked. Whoever names a configuration (`is_named`)
    /// means the daemon that runs with it: the profile that lies at home is not looked for.
    pub(super) fn control(self, is_named: bool) -> Result<Option<Control>, CliError> {
        let Self { control, ca, certificate, key, profile, local } = self;
        if let (Some(control), Some(ca), Some(certificate), Some(key)) = (control, ca, certificate, key) {
            return Control::new(Profile { control, ca, certificate, key }).map(Some);
        }
        if local {
            return Ok(None);
        }
        let Some(file) = profile.or_else(|| usual().filter(|_| !is_named)) else { return Ok(None) };
        Profile::read(&file).and_then(Control::new).map(Some)
    }
}

/// The profile of whoever asks, where there is one.
fn usual() -> Option<PathBuf> {
    let below_home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".config"));
    let configuration = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).or_else(below_home)?;
    let file = configuration.join(PROFILE);
    file.exists().then_some(file)
}

impl Profile {
    fn read(file: &Path) -> Result<Self, CliError> {
        let text = std::fs::read_to_string(file).map_err(CliError::file(file))?;
        let wrong = |error: toml::de::Error| {
            // The parser quotes the line; what it says in one sentence is enough.
            CliError::Own(format!(
                "{}: {}\n  a profile names control, ca, certificate and key",
                file.display(),
                error.message()
            ))
        };
        let Self { control, ca, certificate, key } = toml::from_str(&text).map_err(wrong)?;
        let folder = file.parent().unwrap_or(Path::new(""));
        let [ca, certificate, key] = [ca, certificate, key].map(|path| folder.join(path));
        Ok(Self { control, ca, certificate, key })
    }
}

impl Control {
    fn new(profile: Profile) -> Result<Self, CliError> {
        let Profile { control: url, ca, certificate, key } = profile;
        let (host, port) = parts(&url).ok_or_else(|| {
            CliError::Own(format!("{url:?} is no control plane\n  write it like https://gembok.lan:9443"))
        })?;
        let unusable = |file: &Path, why: String| {
            CliError::Own(format!("{}: {why}\n  it has to be PEM", file.display()))
        };
        let read = |file: &Path| {
            let all = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
            all.map_err(|error| unusable(file, error.to_string()))
        };
        let mut roots = RootCertStore::empty();
        for root in read(&ca)? {
            roots.add(root).map_err(|error| unusable(&ca, error.to_string()))?;
        }
        let secret =
            read_secret(&key).map_err(|error| CliError::Own(format!("{error}\n  {}", error.hint())))?;
        let secret =
            PrivateKeyDer::from_pem_slice(&secret).map_err(|error| unusable(&key, error.to_string()))?;
        let chain = read(&certificate)?;
        let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let tls = tls
            .with_safe_default_protocol_versions()
            .and_then(|tls| tls.with_root_certificates(roots).with_client_auth_cert(chain, secret))
            .map_err(|error| unusable(&certificate, error.to_string()))?;
        Ok(Self { url, host, port, tls: Arc::new(tls) })
    }

    /// Asks, and waits for the answer: a line as the local socket would have said it.
    pub(super) fn ask(&self, way: &Way) -> Result<Zeroizing<String>, CliError> {
        let runtime = runtime()?;
        let (_sender, answer) = runtime.block_on(self.send(way))?;
        self.line(&runtime, way, answer)
    }

    /// Asks for an export; a line as of [`Self::ask`] where it is refused.
    pub(super) fn download(&self, way: &Way) -> Result<Result<Download, Zeroizing<String>>, CliError> {
        let runtime = runtime()?;
        let (sender, answer) = runtime.block_on(self.send(way))?;
        let (head, body) = answer.into_parts();
        match way.export(head.status, &head.headers) {
            Some(id) => Ok(Ok(Download::new(id, body, runtime, sender))),
            None => self.line(&runtime, way, Response::from_parts(head, body)).map(Err),
        }
    }

    fn line(
        &self,
        runtime: &Runtime,
        way: &Way,
        answer: Response<Incoming>,
    ) -> Result<Zeroizing<String>, CliError> {
        let unreached = |why: String| CliError::Unreached(self.url.clone(), why);
        let status = answer.status().as_u16();
        let limit = usize::try_from(ANSWER_BYTES_MAX).unwrap_or(usize::MAX);
        let body = Limited::new(answer.into_body(), limit).collect();
        let body = runtime.block_on(async { timeout(ANSWER_TIMEOUT, body).await });
        let body = body.map_err(|_| unreached("it does not answer in time".into()))?;
        let body = body.map_err(|error| unreached(error.to_string()))?;
        let body = Zeroizing::new(body.to_bytes().to_vec());
        way.line(status, &body).ok_or(CliError::Answer)
    }

    async fn send(&self, way: &Way) -> Result<(SendRequest<Full<Bytes>>, Response<Incoming>), CliError> {
        let unreached = |why: String| CliError::Unreached(self.url.clone(), why);
        let connected = async {
            let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
            let name = ServerName::try_from(self.host.clone()).map_err(std::io::Error::other)?;
            TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream).await
        };
        let stream = timeout(CONNECT_TIMEOUT, connected).await;
        let stream = stream.map_err(|_| unreached("it does not answer in time".into()))?;
        let stream = stream.map_err(|error| unreached(error.to_string()))?;
        let asked = async {
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(said)?;
            let request = Request::builder()
                .method(way.method())
                .uri(way.target())
                .header(header::HOST, format!("{}:{}", self.host, self.port))
                .header(header::CONTENT_TYPE, "application/json")
                .body(Full::<Bytes>::from(way.body().unwrap_or_default().to_vec()))
                .map_err(|error| error.to_string())?;
            tokio::spawn(connection);
            let answer = sender.send_request(request).await.map_err(said)?;
            Ok::<_, String>((sender, answer))
        };
        let answered = timeout(ANSWER_TIMEOUT, asked).await;
        answered.map_err(|_| unreached("it does not answer in time".into()))?.map_err(unreached)
    }
}

fn runtime() -> Result<Runtime, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| CliError::Own(format!("nothing can be asked: {error}")))
}

/// What happened, with what it happened of: a refused certificate shows there.
fn said(error: hyper::Error) -> String {
    let mut said = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(error) = source {
        said = format!("{said}: {error}");
        source = error.source();
    }
    said
}

/// Host and port of `https://host[:port][/]`.
fn parts(url: &str) -> Option<(String, u16)> {
    let place = url.strip_prefix("https://")?;
    let place = place.strip_suffix('/').unwrap_or(place);
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            (host, port.strip_prefix(':'))
        }
        None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map_or(Some(PORT), |port| port.parse().ok())?;
    (ServerName::try_from(host).is_ok()).then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_plane_is_a_host_and_a_port() {
        for (url, host, port) in [
            ("https://gembok.lan:9444", "gembok.lan", 9_444),
            ("https://gembok.lan/", "gembok.lan", 9_443),
            ("https://[fd00::7]:1", "fd00::7", 1),
            ("https://10.0.0.7", "10.0.0.7", 9_443),
        ] {
            assert_eq!(parts(url), Some((host.to_owned(), port)), "{url}");
        }
        for wrong in
            ["", "gembok.lan", "http://gembok.lan", "https://", "https://a b", "https://a:x", "https://a/v1"]
        {
            assert_eq!(parts(wrong), None, "{wrong}");
        }
    }
}

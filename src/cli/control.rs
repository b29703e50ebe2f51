//! The way to the control plane: who asks is a named user, by certificate or by session, from any machine of the LAN. Given by options, or
//! by a profile:
//!
//! ```toml
//! control = "https://gembok.lan:9443"
//! ca = "ca.pem"                  # files beside the profile, or whole paths
//! certificate = "user.pem"
//! key = "user.key"               # mode 0600
//! ```
//!
//! A profile without certificate and key is for who comes in by password: `gembok sign-in` leaves the session's token beside it,
//! as `profile.session`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use http::{HeaderValue, Request, Response, header};
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
use crate::crypto::hex::to_hex;
use crate::crypto::random;
use crate::domain::refusal::Code;

use super::client::ANSWER_BYTES_MAX;
use super::download::Download;
use super::error::CliError;
use super::own;
use super::say_trouble::{self as say, fixed};

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
    #[arg(long, global = true, value_name = "URL", requires_all = ["control_ca", "control_certificate", "control_key"])]
    control: Option<String>,
    /// What the server's certificate is judged by
    // These three have names of their own: verbs have a --certificate and a --key, too.
    #[arg(id = "control_ca", long = "control-ca", global = true, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Your certificate
    #[arg(id = "control_certificate", long = "control-certificate", global = true, value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// Your private key (mode 0600)
    #[arg(id = "control_key", long = "control-key", global = true, value_name = "FILE")]
    key: Option<PathBuf>,
    /// A file with these four, or the first two; ~/.config/gembok/profile.toml where there is one and no --config is given
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
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
}

/// The control plane, ready to be asked.
pub(super) struct Control {
    url: String,
    host: String,
    port: u16,
    tls: Arc<ClientConfig>,
    /// Where the session's token lies; none where a certificate is shown.
    session: Option<PathBuf>,
}

impl Options {
    /// The control plane that they name; none where the local socket is to be asked. Whoever names a configuration (`is_named`)
    /// means the daemon that runs with it: the profile that lies at home is not looked for.
    pub(super) fn control(&self, is_named: bool) -> Result<Option<Control>, CliError> {
        let Self { control, ca, certificate, key, profile, local } = self;
        // Each demands the others.
        if let (Some(control), Some(ca)) = (control, ca) {
            let (certificate, key) = (certificate.clone(), key.clone());
            let profile = Profile { control: control.clone(), ca: ca.clone(), certificate, key };
            return Control::new(profile, None).map(Some);
        }
        if *local {
            return Ok(None);
        }
        let file = profile.clone().or_else(|| usual().filter(|_| !is_named));
        let Some(file) = file else { return Ok(None) };
        Control::new(Profile::read(&file)?, Some(file.with_extension("session"))).map(Some)
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
            CliError::Own(say::no_profile(file.display(), error.message()))
        };
        let Self { control, ca, certificate, key } = toml::from_str(&text).map_err(wrong)?;
        let folder = file.parent().unwrap_or(Path::new(""));
        let [certificate, key] = [certificate, key].map(|path| path.map(|path| folder.join(path)));
        if certificate.is_some() != key.is_some() {
            return Err(CliError::Own(say::half_profile(file.display())));
        }
        Ok(Self { control, ca: folder.join(ca), certificate, key })
    }
}

impl Control {
    fn new(profile: Profile, session: Option<PathBuf>) -> Result<Self, CliError> {
        let Profile { control: url, ca, certificate, key } = profile;
        let (host, port) = parts(&url).ok_or_else(|| CliError::Own(say::no_control(format!("{url:?}"))))?;
        let unusable = |file: &Path, why: String| CliError::Own(say::no_pem(file.display(), why));
        let read = |file: &Path| {
            let all = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
            all.map_err(|error| unusable(file, error.to_string()))
        };
        let mut roots = RootCertStore::empty();
        for root in read(&ca)? {
            roots.add(root).map_err(|error| unusable(&ca, error.to_string()))?;
        }
        let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| CliError::Own(say::no_tls(error)))?
            .with_root_certificates(roots);
        let (Some(certificate), Some(key)) = (certificate, key) else {
            return Ok(Self { url, host, port, tls: Arc::new(tls.with_no_client_auth()), session });
        };
        let secret =
            read_secret(&key).map_err(|error| CliError::Foreign(format!("{error}\n  {}", error.hint())))?;
        let secret =
            PrivateKeyDer::from_pem_slice(&secret).map_err(|error| unusable(&key, error.to_string()))?;
        let tls = tls
            .with_client_auth_cert(read(&certificate)?, secret)
            .map_err(|error| unusable(&certificate, error.to_string()))?;
        Ok(Self { url, host, port, tls: Arc::new(tls), session: None })
    }

    /// Asks, and waits for the answer: a line as the local socket would have said it.
    pub(super) fn ask(&self, way: &Way) -> Result<Zeroizing<String>, CliError> {
        let token = self.token()?;
        let sent = way.body().unwrap_or_default();
        let token = token.as_ref().map(|token| token.as_str());
        let exchange = |key: Option<&str>| self.send_once(way.method(), way.target(), sent, (token, key));
        let (status, body) = match way.makes_something().then(once_key).transpose()? {
            None => exchange(None).map_err(Broken::into_error)?,
            Some(key) => {
                let answered = exchange(Some(&key)).or_else(|broken| match broken {
                    // It may have been made: by the same key it is not made again.
                    Broken::Asked(_) => exchange(Some(&key)),
                    Broken::Before(_) => Err(broken),
                });
                let (status, body) = answered.map_err(Broken::into_error)?;
                let has_too_many = Way::refused(&body)
                    .is_some_and(|refused| refused.code == Code::TooManyIdempotencyKeys.as_str());
                if status == 429 && has_too_many {
                    exchange(None).map_err(Broken::into_error)?
                } else {
                    (status, body)
                }
            }
        };
        way.line(status, &body).ok_or(CliError::Answer)
    }

    /// Asks for an export; a line as of [`Self::ask`] where it is refused.
    pub(super) fn download(&self, way: &Way) -> Result<Result<Download, Zeroizing<String>>, CliError> {
        let (token, runtime) = (self.token()?, runtime()?);
        let token = token.as_ref().map(|token| token.as_str());
        let sent = way.body().unwrap_or_default();
        let request = self.request(way.method(), way.target(), sent, (token, None))?;
        let (sender, answer) = runtime.block_on(self.begin(request)).map_err(Broken::into_error)?;
        let (head, body) = answer.into_parts();
        if let Some(id) = way.export(head.status, &head.headers) {
            return Ok(Ok(Download::new(id, body, runtime, sender)));
        }
        let body = self.whole(&runtime, body)?;
        way.line(head.status.as_u16(), &body).ok_or(CliError::Answer).map(Err)
    }

    /// What whoever asks calls it.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Where the session's token lies; none where a certificate is shown.
    pub(super) fn session_file(&self) -> Option<&Path> {
        self.session.as_deref()
    }

    /// The token of the session; none where a certificate is shown.
    pub(super) fn token(&self) -> Result<Option<Zeroizing<String>>, CliError> {
        self.session.as_deref().map(own::token).transpose()
    }

    /// Sends a request whose body is JSON; status and body of what comes back.
    pub(super) fn send(
        &self,
        method: &str,
        target: &str,
        body: &[u8],
        token: Option<&str>,
    ) -> Result<(u16, Zeroizing<Vec<u8>>), CliError> {
        self.send_once(method, target, body, (token, None)).map_err(Broken::into_error)
    }

    /// The same, under a key by which it is made once however often it is sent.
    fn send_once(
        &self,
        method: &str,
        target: &str,
        body: &[u8],
        credentials: (Option<&str>, Option<&str>),
    ) -> Result<(u16, Zeroizing<Vec<u8>>), Broken> {
        let request = self.request(method, target, body, credentials).map_err(Broken::Before)?;
        let runtime = runtime().map_err(Broken::Before)?;
        let (_sender, answer) = runtime.block_on(self.begin(request))?;
        let status = answer.status().as_u16();
        Ok((status, self.whole(&runtime, answer.into_body()).map_err(Broken::Asked)?))
    }

    fn request(
        &self,
        method: &str,
        target: &str,
        body: &[u8],
        (token, key): (Option<&str>, Option<&str>),
    ) -> Result<Request<Full<Bytes>>, CliError> {
        let unsendable = |error: http::Error| CliError::Own(say::no_asking(error));
        let mut request = Request::builder()
            .method(method)
            .uri(target)
            .header(header::HOST, format!("{}:{}", self.host, self.port))
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        if let Some(token) = token {
            let bearer = Zeroizing::new(format!("Bearer {token}"));
            let mut bearer =
                HeaderValue::from_str(&bearer).map_err(|error| unsendable(http::Error::from(error)))?;
            bearer.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, bearer);
        }
        request.body(Full::<Bytes>::from(body.to_vec())).map_err(unsendable)
    }

    /// A body that memory has room for.
    fn whole(&self, runtime: &Runtime, body: Incoming) -> Result<Zeroizing<Vec<u8>>, CliError> {
        let unreached = |why: String| CliError::Unreached(self.url.clone(), why);
        let limit = usize::try_from(ANSWER_BYTES_MAX).unwrap_or(usize::MAX);
        let body = Limited::new(body, limit).collect();
        let body = runtime.block_on(async { timeout(ANSWER_TIMEOUT, body).await });
        let body = body.map_err(|_| unreached(fixed::LATE.to_string()))?;
        let body = body.map_err(|error| unreached(error.to_string()))?;
        Ok(Zeroizing::new(body.to_bytes().to_vec()))
    }

    async fn begin(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<(SendRequest<Full<Bytes>>, Response<Incoming>), Broken> {
        let unreached = |why: String| CliError::Unreached(self.url.clone(), why);
        let before = |why: String| Broken::Before(unreached(why));
        let connected = async {
            let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
            let name = ServerName::try_from(self.host.clone()).map_err(std::io::Error::other)?;
            TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream).await
        };
        let stream = timeout(CONNECT_TIMEOUT, connected).await;
        let stream = stream.map_err(|_| before(fixed::LATE.to_string()))?;
        let stream = stream.map_err(|error| before(error.to_string()))?;
        let asked = async {
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(said)?;
            tokio::spawn(connection);
            let answer = sender.send_request(request).await.map_err(said)?;
            Ok::<_, String>((sender, answer))
        };
        let answered = timeout(ANSWER_TIMEOUT, asked).await;
        // Whoever has waited so long waits no second time.
        let answered = answered.map_err(|_| before(fixed::LATE.to_string()))?;
        answered.map_err(|why| Broken::Asked(unreached(why)))
    }
}

/// Where a request broke off.
enum Broken {
    /// Before it was asked, or in a way that asking again does not mend.
    Before(CliError),
    /// Behind that: nobody knows whether it was carried out.
    Asked(CliError),
}

impl Broken {
    fn into_error(self) -> CliError {
        match self {
            Self::Before(error) | Self::Asked(error) => error,
        }
    }
}

/// What a making is called, so that it is known again.
fn once_key() -> Result<String, CliError> {
    let random = random::bytes::<16>().map_err(|_| CliError::Own(fixed::NO_RANDOM.into()))?;
    Ok(to_hex(&random))
}

fn runtime() -> Result<Runtime, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| CliError::Own(say::no_asking(error)))
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

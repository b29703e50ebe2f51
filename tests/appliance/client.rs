//! A client of the two listeners: HTTP/1.1 over mutual TLS, byte by byte where a test needs it.

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::time_provider::{DefaultTimeProvider, TimeProvider};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned};
use serde_json::Value;

/// Longer than anything takes; only a bug waits that long.
const PATIENCE: Duration = Duration::from_secs(60);

/// One end of mutual TLS, with its own memory of sessions.
#[derive(Clone)]
pub(crate) struct Client {
    address: String,
    tls: Arc<ClientConfig>,
}

/// A live connection.
pub(crate) struct Connection(BufReader<StreamOwned<ClientConnection, TcpStream>>);

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// A clock that stands still, for certificates that are older than the machine's time allows.
#[derive(Debug)]
struct StoppedClock(UnixTime);

impl TimeProvider for StoppedClock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(self.0)
    }
}

impl Client {
    /// For the listener at `address`, trusting `ca`; `certificate` without its ending leads to a `.pem` and a `.key`.
    pub(crate) fn new(address: &str, ca: &Path, certificate: Option<&Path>) -> Self {
        Self::with_clock(address, ca, certificate, Arc::new(DefaultTimeProvider))
    }

    /// The same, believing that the time is `seconds` since 1970.
    pub(crate) fn at_time(address: &str, ca: &Path, certificate: Option<&Path>, seconds: u64) -> Self {
        let clock = StoppedClock(UnixTime::since_unix_epoch(Duration::from_secs(seconds)));
        Self::with_clock(address, ca, certificate, Arc::new(clock))
    }

    fn with_clock(
        address: &str,
        ca: &Path,
        certificate: Option<&Path>,
        clock: Arc<dyn TimeProvider>,
    ) -> Self {
        let mut roots = RootCertStore::empty();
        for authority in CertificateDer::pem_file_iter(ca).unwrap() {
            roots.add(authority.unwrap()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_details(provider, clock)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots);
        let tls = match certificate {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let chain = CertificateDer::pem_file_iter(path.with_extension("pem")).unwrap();
                let chain = chain.collect::<Result<Vec<_>, _>>().unwrap();
                let key = PrivateKeyDer::from_pem_file(path.with_extension("key")).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        Self { address: address.to_owned(), tls: Arc::new(tls) }
    }

    /// Connects; that TLS refused shows only when something is read.
    pub(crate) fn connect(&self) -> io::Result<Connection> {
        let stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let name = "localhost".try_into().map_err(io::Error::other)?;
        let tls = ClientConnection::new(Arc::clone(&self.tls), name).map_err(io::Error::other)?;
        Ok(Connection(BufReader::new(StreamOwned::new(tls, stream))))
    }

    /// One request on a connection of its own.
    pub(crate) fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Answer> {
        self.connect()?.ask(method, path, headers, body)
    }

    /// One request that has to be answered. An unlock or a revocation puts new certificates in force a moment after it was
    /// answered, and a connection that began under the old ones is ended without an answer: then a client tries again.
    pub(crate) fn insist(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut tries = (0..3).map(|_| self.ask(method, path, headers, body));
        tries.find(Result::is_ok).unwrap_or_else(|| self.ask(method, path, headers, body)).unwrap()
    }

    /// A `GET` that has to be answered.
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.insist("GET", path, &[], b"")
    }
}

impl Connection {
    /// A request whole, and its answer.
    pub(crate) fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Answer> {
        let length = body.len().to_string();
        let headers = [headers, &[("content-length", length.as_str())]].concat();
        // In one piece: a server that refuses by the head alone keeps a connection only if the body is there already. And
        // the answer counts, if there is one, also where the rest could not be sent.
        let sent = self.send(&[head(method, path, &headers).as_bytes(), body].concat());
        self.answer().map_err(|error| sent.err().unwrap_or(error))
    }

    /// A request in chunks, and its answer.
    pub(crate) fn ask_chunked(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
        chunks: &[&[u8]],
    ) -> io::Result<Answer> {
        let headers = [headers, &[("transfer-encoding", "chunked")]].concat();
        let mut sent = self.head("POST", path, &headers);
        for chunk in chunks {
            let framed = [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat();
            sent = sent.and_then(|()| self.send(&framed));
        }
        let sent = sent.and_then(|()| self.send(b"0\r\n\r\n"));
        self.answer().map_err(|error| sent.err().unwrap_or(error))
    }

    /// The head of a request.
    pub(crate) fn head(&mut self, method: &str, path: &str, headers: &[(&str, &str)]) -> io::Result<()> {
        self.send(head(method, path, headers).as_bytes())
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let stream = self.0.get_mut();
        stream.write_all(bytes)?;
        stream.flush()
    }

    /// The next answer.
    pub(crate) fn answer(&mut self) -> io::Result<Answer> {
        let status = self.line()?;
        let status = status.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(|| io::Error::other("no status line"))?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(": ") else { break };
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        let mut answer = Answer { status, headers, body: Vec::new() };
        if answer.header("transfer-encoding") == Some("chunked") {
            return self.chunks(answer);
        }
        let length = answer.header("content-length").and_then(|length| length.parse().ok());
        // It has no body, and says so by its number.
        let length = length.or((status == 204).then_some(0));
        answer.body.resize(length.ok_or_else(|| io::Error::other("no length"))?, 0);
        self.0.read_exact(&mut answer.body)?;
        Ok(answer)
    }

    /// The body of an answer that has no length; one that breaks off is an error.
    fn chunks(&mut self, mut answer: Answer) -> io::Result<Answer> {
        loop {
            let length = usize::from_str_radix(&self.line()?, 16).map_err(io::Error::other)?;
            let before = answer.body.len();
            answer.body.resize(before + length, 0);
            self.0.read_exact(&mut answer.body[before..])?;
            self.line()?;
            if length == 0 {
                return Ok(answer);
            }
        }
    }

    /// Everything until the server closes, in whatever way.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // What came before a reset was kept.
        let _ = self.0.read_to_end(&mut rest);
        rest
    }

    /// Whether the handshake resumed an earlier session.
    pub(crate) fn is_resumed(&self) -> bool {
        self.0.get_ref().conn.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.0.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// All of them, names in lower case.
    pub(crate) fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{} {}", self.status, self.text()))
    }

    /// The body of a 200.
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        self.json()
    }

    /// Status and code of a problem document, whose shape is looked at on the way.
    #[track_caller]
    pub(crate) fn problem(&self) -> (u16, String) {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{}", self.text());
        let problem = self.json();
        let code = problem["code"].as_str().unwrap();
        assert_eq!(problem["type"], format!("/problems/{code}"));
        assert_eq!(problem["status"], self.status);
        assert!(problem["title"].is_string() && problem["hint"].is_string(), "{problem}");
        let known = ["type", "title", "status", "detail", "code", "hint"];
        assert!(problem.as_object().unwrap().keys().all(|name| known.contains(&name.as_str())), "{problem}");
        (self.status, code.to_owned())
    }

    /// Status and code of a refusal of the published contract.
    #[track_caller]
    pub(crate) fn gagal(&self) -> (u16, String) {
        let body = self.json();
        let mut names: Vec<&String> = body.as_object().unwrap().keys().collect();
        names.sort();
        assert_eq!(names, ["kode", "pesan", "status"], "{body}");
        assert_eq!(body["status"], "Gagal!");
        assert!(body["pesan"].as_str().is_some_and(|sentence| sentence.ends_with('.')), "{body}");
        (self.status, body["kode"].as_str().unwrap().to_owned())
    }
}

fn head(method: &str, path: &str, headers: &[(&str, &str)]) -> String {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n");
    for (name, value) in headers {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    head + "\r\n"
}

/// What an answer is expected to be.
pub(crate) fn refusal(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

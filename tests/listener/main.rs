//! The listeners under real TLS: who is admitted, who is not, what ends a connection, and what a reload changes.
//!
//! Times here are only ever upper bounds of waiting: no test asks that something happen quickly.

mod abuse;
mod http2;
mod log;
mod pki;
mod reload;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use gembok::config;
use gembok::daemon::listener::{Listener, Traffic};
use gembok::daemon::tls::{ClientCertificate, Tls};
use gembok::daemon::workers::Workers;
use gembok::domain::peer::Peer;
use pki::{ENDPOINT, Pki, Says, uri};
use rcgen::SanType;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, NamedGroup};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use warp::Filter;

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_client_is_known_by_its_uri() {
    let server = Server::start(Pki::new(), ClientCertificate::Required, limits()).await;
    let client = server.pki.config(Some(&server.pki.client(Says::default())));
    let mut stream = server.connect(&client).await.unwrap();
    assert_eq!(get(&mut stream, "/who").await.unwrap(), format!("127.0.0.1 {ENDPOINT}"));
    assert_eq!(get(&mut stream, "/who").await.unwrap(), format!("127.0.0.1 {ENDPOINT}"));
    let group = stream.get_ref().1.negotiated_key_exchange_group().unwrap().name();
    assert_eq!(group, NamedGroup::X25519MLKEM768);
    assert_eq!(server.traffic.accepted.load(Relaxed), 1);
}

#[tokio::test]
async fn only_the_control_plane_admits_a_client_without_certificate() {
    let data = Server::start(Pki::new(), ClientCertificate::Required, limits()).await;
    assert!(data.ask(&data.pki.config(None)).await.is_err());
    let control = Server::start(Pki::new(), ClientCertificate::Requested, limits()).await;
    assert_eq!(control.ask(&control.pki.config(None)).await.unwrap(), "127.0.0.1 nobody");
    let shown = control.pki.config(Some(&control.pki.client(Says::default())));
    assert_eq!(control.ask(&shown).await.unwrap(), format!("127.0.0.1 {ENDPOINT}"));
}

#[tokio::test]
async fn a_bad_certificate_is_refused_on_both_planes() {
    for plane in [ClientCertificate::Required, ClientCertificate::Requested] {
        let server = Server::start(Pki::new(), plane, limits()).await;
        let pki = &server.pki;
        pki.write("crl.pem", &pki.crl(&[13], 7));
        server.tls.reload().unwrap();
        let dns = || SanType::DnsName("absensi.example".try_into().unwrap());
        for (what, client) in [
            ("another CA", Pki::new().client(Says::default())),
            ("expired", pki.client(Says { days: (-9, -1), ..Says::default() })),
            ("not yet valid", pki.client(Says { days: (2, 9), ..Says::default() })),
            ("revoked", pki.client(Says { serial: 13, ..Says::default() })),
            ("two names", pki.client(Says { names: vec![uri(ENDPOINT), dns()], ..Says::default() })),
            ("two URIs", pki.client(Says { names: vec![uri(ENDPOINT), uri(ENDPOINT)], ..Says::default() })),
            ("a DNS name", pki.client(Says { names: vec![dns()], ..Says::default() })),
            (
                "a foreign URI",
                pki.client(Says { names: vec![uri("spiffe://lan/absensi")], ..Says::default() }),
            ),
            ("a common name only", pki.client(Says { names: vec![], ..Says::default() })),
        ] {
            assert!(server.ask(&pki.config(Some(&client))).await.is_err(), "{what} on {plane:?}");
        }
        assert!(server.ask(&pki.config(Some(&pki.client(Says::default())))).await.is_ok());
        // The client's end comes first; the count follows.
        until(|| server.traffic.handshakes_failed.load(Relaxed) == 9).await;
    }
}

#[tokio::test]
async fn tls_1_2_is_refused() {
    let server = Server::start(Pki::new(), ClientCertificate::Requested, limits()).await;
    // A ClientHello of TLS 1.2: ECDHE-ECDSA with AES-128-GCM, X25519, no supported_versions (RFC 5246 §7.4.1.2).
    let extensions = [
        &[0, 10, 0, 4, 0, 2, 0, 29][..], // supported_groups: x25519
        &[0, 13, 0, 4, 0, 2, 4, 3],      // signature_algorithms: ecdsa_secp256r1_sha256
        &[0, 23, 0, 0],                  // extended_master_secret
        &[0, 11, 0, 2, 1, 0],            // ec_point_formats: uncompressed
    ]
    .concat();
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend([0, 0, 2, 0xc0, 0x2b, 1, 0, 0, u8::try_from(extensions.len()).unwrap()]);
    body.extend(&extensions);
    let length = u8::try_from(body.len()).unwrap();
    let mut record = vec![22, 3, 1, 0, length + 4, 1, 0, 0, length];
    record.extend(&body);
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&record).await.unwrap();
    let mut alert = [0; 7];
    timeout(PATIENCE, stream.read_exact(&mut alert)).await.unwrap().unwrap();
    assert_eq!((alert[0], alert[5], alert[6]), (21, 2, 70), "a fatal protocol_version alert");
}

#[tokio::test]
async fn an_expired_crl_admits_nobody_with_a_certificate() {
    let pki = Pki::new();
    pki.write("crl.pem", &pki.crl(&[], -1));
    let server = Server::start(pki, ClientCertificate::Requested, limits()).await;
    let client = server.pki.config(Some(&server.pki.client(Says::default())));
    assert!(server.ask(&client).await.is_err());
    assert!(server.ask(&server.pki.config(None)).await.is_ok());
    server.pki.write("crl.pem", &server.pki.crl(&[], 7));
    server.tls.reload().unwrap();
    assert!(server.ask(&client).await.is_ok());
}

#[tokio::test]
async fn a_slow_handshake_is_cut() {
    let limits = config::Tls { handshake_timeout: Duration::from_millis(200), ..limits() };
    let server = Server::start(Pki::new(), ClientCertificate::Required, limits).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&[22, 3, 1]).await.unwrap();
    let read = timeout(PATIENCE, stream.read(&mut [0; 16])).await.unwrap();
    assert!(matches!(read, Ok(0) | Err(_)));
    assert_eq!(server.traffic.accepted.load(Relaxed), 1);
}

#[tokio::test]
async fn a_slow_header_is_cut_and_an_idle_connection_is_not() {
    let limits = config::Tls { header_timeout: Duration::from_secs(2), ..limits() };
    let server = Server::start(Pki::new(), ClientCertificate::Requested, limits).await;
    // Whoever has shown no certificate may not even be idle for longer.
    let client = server.pki.config(Some(&server.pki.client(Says::default())));
    let mut stranger = server.connect(&server.pki.config(None)).await.unwrap();
    get(&mut stranger, "/who").await.unwrap();
    assert_closed(&mut stranger).await;
    let mut idle = server.connect(&client).await.unwrap();
    get(&mut idle, "/who").await.unwrap();

    let mut never = server.connect(&client).await.unwrap();
    assert_closed(&mut never).await;
    let mut first = server.connect(&client).await.unwrap();
    first.write_all(b"GET /who HTTP/1.1\r\nhost: local").await.unwrap();
    assert_closed(&mut first).await;
    let mut second = server.connect(&client).await.unwrap();
    get(&mut second, "/who").await.unwrap();
    // One byte now and then must not keep it alive.
    second.write_all(b"GET /who HTTP/1.1\r\nx-filler: ").await.unwrap();
    let drip = async {
        while second.write_all(b"a").await.is_ok() && second.flush().await.is_ok() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, drip).await.expect("it is cut");
    get(&mut idle, "/who").await.unwrap();
}

#[tokio::test]
async fn a_slow_answer_is_not_a_slow_header() {
    let limits = config::Tls {
        header_timeout: Duration::from_secs(1),
        idle_timeout: Duration::from_secs(1),
        ..limits()
    };
    let server = Server::start(Pki::new(), ClientCertificate::Requested, limits).await;
    let mut stream = server.connect(&server.pki.config(None)).await.unwrap();
    send(&mut stream, "/slow").await.unwrap();
    server.gate.entered().await;
    sleep(Duration::from_millis(2_500)).await;
    server.gate.open();
    assert_eq!(receive(&mut stream).await.unwrap(), "at last");
    assert_closed(&mut stream).await;
}

#[tokio::test]
async fn a_connection_of_age_is_asked_to_finish() {
    let limits = config::Tls { connection_age_max: Duration::from_secs(3), ..limits() };
    let server = Server::start(Pki::new(), ClientCertificate::Requested, limits).await;
    let mut stream = server.connect(&server.pki.config(None)).await.unwrap();
    send(&mut stream, "/slow").await.unwrap();
    server.gate.entered().await;
    sleep(Duration::from_millis(3_500)).await;
    server.gate.open();
    assert_eq!(receive(&mut stream).await.unwrap(), "at last");
    assert_closed(&mut stream).await;
    // One that seems idle is told with its next answer: the request might have been on its way.
    let mut stream = server.connect(&server.pki.config(None)).await.unwrap();
    get(&mut stream, "/who").await.unwrap();
    sleep(Duration::from_millis(3_500)).await;
    send(&mut stream, "/who").await.unwrap();
    let (head, _) = head_and_body(&mut stream).await.unwrap();
    assert!(head.contains("connection: close"), "{head}");
    assert_closed(&mut stream).await;
}

#[tokio::test]
async fn connections_are_capped() {
    for limits in [
        config::Tls { connections_per_address_max: 2, ..limits() },
        config::Tls { connections_max: 2, connections_per_address_max: 2, ..limits() },
    ] {
        let server = Server::start(Pki::new(), ClientCertificate::Requested, limits).await;
        let client = server.pki.config(Some(&server.pki.client(Says::default())));
        let mut first = server.connect(&client).await.unwrap();
        let mut second = server.connect(&client).await.unwrap();
        // Answered, so that both are counted.
        get(&mut first, "/who").await.unwrap();
        get(&mut second, "/who").await.unwrap();
        assert!(server.ask(&client).await.is_err());
        assert_eq!(server.traffic.refused.load(Relaxed), 1);
        drop(first);
        let freed = async {
            while server.ask(&client).await.is_err() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, freed).await.expect("the place of a closed connection is free again");
    }
}

#[tokio::test]
async fn draining_finishes_what_runs_and_takes_nothing_new() {
    let server = Server::start(Pki::new(), ClientCertificate::Requested, limits()).await;
    let client = server.pki.config(None);
    let mut busy = server.connect(&client).await.unwrap();
    send(&mut busy, "/slow").await.unwrap();
    server.gate.entered().await;
    let mut idle = server.connect(&client).await.unwrap();
    get(&mut idle, "/who").await.unwrap();

    server.stop.notify_one();
    assert_closed(&mut idle).await;
    assert!(TcpStream::connect(server.address).await.is_err());
    assert!(!server.task.is_finished());
    server.gate.open();
    assert_eq!(receive(&mut busy).await.unwrap(), "at last");
    timeout(PATIENCE, server.task).await.unwrap().unwrap();
}

#[tokio::test]
async fn draining_cuts_what_does_not_finish() {
    let limits = config::Tls { drain_timeout: Duration::from_millis(200), ..limits() };
    let server = Server::start(Pki::new(), ClientCertificate::Requested, limits).await;
    let mut busy = server.connect(&server.pki.config(None)).await.unwrap();
    send(&mut busy, "/slow").await.unwrap();
    server.gate.entered().await;
    server.stop.notify_one();
    timeout(PATIENCE, server.task).await.unwrap().unwrap();
    assert!(receive(&mut busy).await.is_err());
}

#[tokio::test]
async fn curl_speaks_both_protocols() {
    let server = Server::start(Pki::new(), ClientCertificate::Required, limits()).await;
    let client = server.pki.client(Says::default());
    server.pki.write("client.pem", &client.certificate.pem());
    server.pki.write("client.key", &client.key.serialize_pem());
    for (protocol, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let pki = server.pki.path().to_owned();
        let url = format!("https://localhost:{}/who", server.address.port());
        let curl = tokio::task::spawn_blocking(move || curl(protocol, &pki, &url));
        assert_eq!(curl.await.unwrap(), format!("127.0.0.1 {ENDPOINT} {version}"));
    }
}

/// All bodies, each with the protocol that carried it; `pki` holds `client.pem` and its key.
fn curl(protocol: &str, pki: &Path, url: &str) -> String {
    let mut command = Command::new("curl");
    command.args([
        "--silent",
        "--show-error",
        "--ipv4",
        "--max-time",
        "30",
        "--write-out",
        " %{http_version}",
        protocol,
    ]);
    for (option, file) in [("--cacert", "ca.pem"), ("--cert", "client.pem"), ("--key", "client.key")] {
        command.arg(option).arg(pki.join(file));
    }
    command.arg("--fail-early").arg(url);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Limits that end nothing by themselves while a test runs.
fn limits() -> config::Tls {
    let long = Duration::from_secs(300);
    config::Tls {
        handshake_timeout: long,
        header_timeout: long,
        idle_timeout: long,
        drain_timeout: long,
        answer_timeout: long,
        stranger_age_max: long,
        ..config::Tls::default()
    }
}

/// Lets a request in, and says so; lets it out when told.
struct Gate {
    entered: Semaphore,
    open: Notify,
}

impl Gate {
    async fn pass(self: Arc<Self>) -> &'static str {
        self.entered.add_permits(1);
        self.open.notified().await;
        "at last"
    }

    async fn entered(&self) {
        timeout(PATIENCE, self.entered.acquire()).await.unwrap().unwrap().forget();
    }

    fn open(&self) {
        self.open.notify_one();
    }
}

struct Server {
    address: SocketAddr,
    pki: Pki,
    tls: Arc<Tls>,
    traffic: Arc<Traffic>,
    gate: Arc<Gate>,
    /// How often `/large/{kib}` was asked for.
    large: Arc<AtomicU32>,
    stop: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Server {
    async fn start(pki: Pki, client: ClientCertificate, limits: config::Tls) -> Self {
        let gate = Arc::new(Gate { entered: Semaphore::new(0), open: Notify::new() });
        let who = warp::path!("who").and(warp::ext::get()).map(|peer: Arc<Peer>| name(&peer));
        let inside = Arc::clone(&gate);
        let slow = warp::path!("slow").then(move || Arc::clone(&inside).pass());
        let large = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&large);
        let much = warp::path!("large" / usize).map(move |kib: usize| {
            counter.fetch_add(1, Relaxed);
            "x".repeat(kib << 10)
        });
        let pieces = warp::path!("pieces" / u32 / u64).map(|count: u32, gap_ms| {
            warp::reply::stream(futures_util::stream::unfold(count, move |left| async move {
                sleep(Duration::from_millis(gap_ms)).await;
                let piece = Ok::<_, io::Error>("x".repeat(64 << 10));
                Some((piece, left.checked_sub(1)?))
            }))
        });
        let service = warp::service(who.or(slow).or(much).or(pieces));

        let tls = Arc::new(Tls::load(pki.path()).unwrap());
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), client).await.unwrap();
        let (address, traffic) = (listener.address(), listener.traffic());
        let stop = Arc::new(Notify::new());
        let (shared, stopped) = (Arc::clone(&tls), Arc::clone(&stop));
        let workers = Workers::start().unwrap();
        let task = tokio::spawn(async move {
            listener.serve(&shared, &limits, &workers, service, stopped.notified()).await;
        });
        Self { address, pki, tls, traffic, gate, large, stop, task }
    }

    async fn connect(&self, client: &Arc<ClientConfig>) -> io::Result<TlsStream<TcpStream>> {
        self.shake_hands(client, TcpStream::connect(self.address).await?).await
    }

    async fn shake_hands(
        &self,
        client: &Arc<ClientConfig>,
        stream: TcpStream,
    ) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from("localhost").unwrap();
        timeout(PATIENCE, TlsConnector::from(Arc::clone(client)).connect(name, stream)).await?
    }

    async fn ask(&self, client: &Arc<ClientConfig>) -> io::Result<String> {
        get(&mut self.connect(client).await?, "/who").await
    }
}

async fn until(mut holds: impl FnMut() -> bool) {
    let wait = async {
        while !holds() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, wait).await.expect("it comes true");
}

fn name(peer: &Peer) -> String {
    let name = peer
        .certificate
        .as_ref()
        .map_or_else(|| "nobody".to_owned(), |certificate| certificate.identity.to_uri());
    format!("{} {name}", peer.address)
}

async fn get(stream: &mut TlsStream<TcpStream>, path: &str) -> io::Result<String> {
    send(stream, path).await?;
    receive(stream).await
}

async fn send(stream: &mut TlsStream<TcpStream>, path: &str) -> io::Result<()> {
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes()).await?;
    stream.flush().await
}

/// The body of the next answer, which must be a 200.
async fn receive(stream: &mut TlsStream<TcpStream>) -> io::Result<String> {
    head_and_body(stream).await.map(|(_, body)| body)
}

/// The next answer, which must be a 200; its head in lower case.
async fn head_and_body(stream: &mut TlsStream<TcpStream>) -> io::Result<(String, String)> {
    let mut answer = Vec::new();
    let head_len = loop {
        if let Some(at) = answer.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        answer.push(timeout(PATIENCE, stream.read_u8()).await??);
    };
    let head = String::from_utf8_lossy(&answer[..head_len]).to_lowercase();
    assert!(head.starts_with("http/1.1 200"), "{head}");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    timeout(PATIENCE, stream.read_exact(&mut body)).await??;
    Ok((head, String::from_utf8(body).unwrap()))
}

async fn assert_closed(stream: &mut TlsStream<TcpStream>) {
    let read = timeout(PATIENCE, stream.read(&mut [0; 64])).await.expect("the server closes it");
    assert!(matches!(read, Ok(0) | Err(_)), "the server sent something: {read:?}");
}

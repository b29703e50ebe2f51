//! Clients that mean harm: what each kind can take, what ends its connection, and that others are served meanwhile.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

use tokio::net::TcpSocket;

use super::http2::{self, Http2};
use super::*;

const BRIEF: Duration = Duration::from_secs(2);

#[tokio::test]
async fn who_takes_no_answer_is_cut_off() {
    let limits = config::Tls { answer_timeout: BRIEF, ..limits() };
    let server = Server::start(Pki::new(), ClientCertificate::Required, limits).await;
    let client = server.pki.config(Some(&server.pki.client(Says::default())));

    // Over HTTP/1.1 by not reading.
    let mut stream = server.connect(&client).await.unwrap();
    // More than a socket's buffers hold.
    send(&mut stream, "/large/32768").await.unwrap();
    until(|| server.traffic.ended.load(Relaxed) == 1).await;

    // Over HTTP/2 by giving no window, or a byte of it, and reading on.
    for (ended, window) in [(2, 0), (3, 1)] {
        let mut connection = Http2::connect(&server, &client, window).await;
        for stream in 0..10 {
            connection.ask(1 + 2 * stream, "/large/64").await.unwrap();
        }
        // Pings must not keep it alive.
        let begun = Instant::now();
        while server.traffic.ended.load(Relaxed) < ended {
            assert!(begun.elapsed() < PATIENCE, "it is cut off with a window of {window}");
            let _ = connection.send(http2::PING, 0, 0, &[0; 8]).await;
            sleep(Duration::from_millis(50)).await;
        }
        connection.assert_closed().await;
    }
    // Who takes them stays, however many there are.
    let mut taking = server.connect(&client).await.unwrap();
    let begun = Instant::now();
    while begun.elapsed() < 2 * BRIEF {
        get(&mut taking, "/who").await.unwrap();
    }
}

#[tokio::test]
async fn an_answer_in_pieces_has_its_time_for_each_of_them() {
    let limits = config::Tls { answer_timeout: BRIEF, idle_timeout: BRIEF, ..limits() };
    let server = Server::start(Pki::new(), ClientCertificate::Required, limits).await;
    let client = server.pki.config(Some(&server.pki.client(Says::default())));
    let millis = BRIEF.as_millis();
    // Many pieces, and few that take long to be made: both take longer than any one answer may.
    for (count, gap) in [(6, millis / 4), (2, millis * 3 / 2)] {
        let mut stream = server.connect(&client).await.unwrap();
        send(&mut stream, &format!("/pieces/{count}/{gap}")).await.unwrap();
        let mut read = Vec::new();
        while !read.ends_with(b"\r\n0\r\n\r\n") {
            let more = timeout(PATIENCE, stream.read_buf(&mut read)).await.unwrap().unwrap();
            assert!(more > 0, "cut off after {} bytes", read.len());
        }
        let read = String::from_utf8(read).unwrap();
        let (_, body) = read.split_once("\r\n\r\n").unwrap();
        assert_eq!(body.matches('x').count(), count << 16, "{count}");
        get(&mut stream, "/who").await.unwrap();
    }
    // Who takes none of them is cut off as ever.
    assert_eq!(server.traffic.ended.load(Relaxed), 0);
    let mut stream = server.connect(&client).await.unwrap();
    send(&mut stream, "/pieces/512/0").await.unwrap();
    until(|| server.traffic.ended.load(Relaxed) == 1).await;
    let mut connection = Http2::connect(&server, &client, 70_000).await;
    connection.ask(1, "/pieces/4/0").await.unwrap();
    until(|| server.traffic.ended.load(Relaxed) == 2).await;
}

#[tokio::test]
async fn answers_not_taken_stop_only_their_client() {
    // Room for 16 requests without a body.
    let limits = config::Tls { in_flight_kib_per_certificate_max: 64, ..limits() };
    let server = Server::start(Pki::new(), ClientCertificate::Required, limits).await;
    let client = server.pki.config(Some(&server.pki.client(Says::default())));
    let mut greedy = Http2::connect(&server, &client, 0).await;
    for stream in 0..40 {
        greedy.ask(1 + 2 * stream, "/large/64").await.unwrap();
    }
    until(|| server.large.load(Relaxed) == 16).await;
    // Nor does it get more by a second connection.
    let mut second = server.connect(&client).await.unwrap();
    send(&mut second, "/large/64").await.unwrap();
    let other = server.pki.config(Some(&server.pki.client(Says { serial: 8, ..Says::default() })));
    for _ in 0..20 {
        assert!(server.ask(&other).await.is_ok());
    }
    assert_eq!(server.large.load(Relaxed), 16);
    // What it takes at last, it gets.
    greedy.open_window(0, 1 << 30).await.unwrap();
    for stream in 0..40 {
        greedy.open_window(1 + 2 * stream, 1 << 30).await.unwrap();
    }
    let taking = tokio::spawn(async move { greedy.assert_closed().await });
    until(|| server.large.load(Relaxed) == 41).await;
    assert_eq!(receive(&mut second).await.unwrap().len(), 64 << 10);
    taking.abort();
}

#[tokio::test]
async fn nobody_can_keep_another_machine_from_its_handshake() {
    for plane in [ClientCertificate::Required, ClientCertificate::Requested] {
        let limits = config::Tls { strangers_max: 4, ..limits() };
        let server = Server::start(Pki::new(), plane, limits).await;
        let client = server.pki.config(Some(&server.pki.client(Says::default())));
        let mut silent = Vec::new();
        for _ in 0..6 {
            silent.push(TcpStream::connect(server.address).await.unwrap());
        }
        until(|| server.traffic.refused.load(Relaxed) == 2).await;
        assert!(server.connect(&client).await.is_err(), "from the same address there is no place yet");
        for _ in 0..8 {
            let stream = from(Ipv4Addr::new(127, 0, 0, 2), server.address).await.unwrap();
            let mut stream = server.shake_hands(&client, stream).await.unwrap();
            let name = get(&mut stream, "/who").await.unwrap();
            assert_eq!(name, format!("127.0.0.2 {ENDPOINT}"));
        }
        // A client with its certificate takes no stranger's place: one was taken away, for the first of them.
        until(|| server.traffic.handshakes_failed.load(Relaxed) == 1).await;
    }
}

async fn from(address: Ipv4Addr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((address, 0).into())?;
    socket.connect(to).await
}

#[tokio::test]
async fn without_a_certificate_a_connection_does_not_last() {
    let limits = config::Tls { stranger_age_max: Duration::from_secs(1), ..limits() };
    let server = Server::start(Pki::new(), ClientCertificate::Requested, limits).await;
    let mut client =
        server.connect(&server.pki.config(Some(&server.pki.client(Says::default())))).await.unwrap();
    let mut stranger = server.connect(&server.pki.config(None)).await.unwrap();
    let asks = async {
        while !ask_head(&mut stranger).await.contains("connection: close") {
            assert!(!ask_head(&mut client).await.contains("connection: close"));
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(PATIENCE, asks).await.expect("it is asked to finish");
    assert_closed(&mut stranger).await;
    assert!(!ask_head(&mut client).await.contains("connection: close"));
}

async fn ask_head(stream: &mut TlsStream<TcpStream>) -> String {
    send(stream, "/who").await.unwrap();
    head_and_body(stream).await.unwrap().0
}

#[tokio::test]
async fn a_header_is_as_long_as_it_may_be_and_no_longer() {
    let server = Server::start(Pki::new(), ClientCertificate::Requested, limits()).await;
    let client = server.pki.config(None);
    let empty = "GET /who HTTP/1.1\r\nhost: localhost\r\nx-filler: \r\n\r\n".len();
    for (len, status) in [(32_768, "200"), (32_769, "431"), (40_000, "431"), (200_000, "431")] {
        let mut stream = server.connect(&client).await.unwrap();
        let filler = "f".repeat(len - empty);
        let head = format!("GET /who HTTP/1.1\r\nhost: localhost\r\nx-filler: {filler}\r\n\r\n");
        // Not all of the longest is read before it is answered.
        let _ = stream.write_all(head.as_bytes()).await;
        let mut answer = [0; 12];
        timeout(PATIENCE, stream.read_exact(&mut answer)).await.unwrap().unwrap();
        assert_eq!(std::str::from_utf8(&answer).unwrap(), format!("HTTP/1.1 {status}"), "{len} bytes");
    }
}

#[tokio::test]
async fn an_http2_header_that_does_not_end_is_cut() {
    let limits = config::Tls { header_timeout: BRIEF, ..limits() };
    let server = Server::start(Pki::new(), ClientCertificate::Required, limits).await;
    let client = server.pki.config(Some(&server.pki.client(Says::default())));
    let mut connection = Http2::connect(&server, &client, 65_535).await;
    connection.ask(1, "/slow").await.unwrap();
    server.gate.entered().await;
    // With a request under way, which may take as long as it likes.
    let fields = http2::fields("/who");
    connection.send(http2::HEADERS, http2::END_STREAM, 3, &fields).await.unwrap();
    connection.assert_closed().await;
    until(|| server.traffic.ended.load(Relaxed) == 1).await;
}

#[tokio::test]
async fn floods_end_their_connection_and_no_other() {
    let limits = config::Tls { http2_control_frames_per_s_max: 16, ..limits() };
    let server = Server::start(Pki::new(), ClientCertificate::Required, limits).await;
    let client = server.pki.config(Some(&server.pki.client(Says::default())));
    let mut bystander = server.connect(&client).await.unwrap();
    let get_and_reset = |stream: u32| {
        let ask = http2::frame(
            http2::HEADERS,
            http2::END_STREAM | http2::END_HEADERS,
            stream,
            &http2::fields("/who"),
        );
        [ask, http2::frame(http2::RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat()
    };
    let open = http2::frame(http2::HEADERS, http2::END_HEADERS, 1, &http2::post_fields("/slow"));
    let floods: [(&str, Vec<u8>); 6] = [
        ("rapid reset", (0..40).flat_map(|at| get_and_reset(1 + 2 * at)).collect()),
        ("pings", http2::frame(http2::PING, 0, 0, &[7; 8]).repeat(40)),
        ("settings", http2::frame(http2::SETTINGS, 0, 0, &[]).repeat(40)),
        ("priorities", http2::frame(http2::PRIORITY, 0, 3, &[0, 0, 0, 1, 9]).repeat(40)),
        ("empty data", [open, http2::frame(http2::DATA, 0, 1, &[]).repeat(40)].concat()),
        (
            "continuations",
            [
                http2::frame(http2::HEADERS, http2::END_STREAM, 1, &http2::fields("/who")),
                http2::frame(http2::CONTINUATION, 0, 1, &[]).repeat(40),
            ]
            .concat(),
        ),
    ];
    for (ended, (flood, frames)) in (1..).zip(floods) {
        let mut connection = Http2::connect(&server, &client, 65_535).await;
        let _ = connection.write(&frames).await;
        connection.assert_closed().await;
        until(|| server.traffic.ended.load(Relaxed) == ended).await;
        get(&mut bystander, "/who").await.unwrap_or_else(|error| panic!("after {flood}: {error}"));
    }
}

#[tokio::test]
async fn what_breaks_http2_is_not_answered() {
    let server = Server::start(Pki::new(), ClientCertificate::Required, limits()).await;
    let client = server.pki.config(Some(&server.pki.client(Says::default())));
    let literal = |name: &str, value: &str| {
        let mut field = vec![0, u8::try_from(name.len()).unwrap()];
        field.extend(name.as_bytes());
        field.push(u8::try_from(value.len()).unwrap());
        field.extend(value.as_bytes());
        field
    };
    let both = http2::END_HEADERS | http2::END_STREAM;
    let with = |name, value| [http2::post_fields("/who"), literal(name, value)].concat();
    // RFC 9113 section 8.1.1: malformed, to be treated as a stream error.
    let malformed = [
        ("transfer-encoding", http2::frame(http2::HEADERS, both, 1, &with("transfer-encoding", "chunked"))),
        ("connection", http2::frame(http2::HEADERS, both, 1, &with("connection", "keep-alive"))),
        ("upper case", http2::frame(http2::HEADERS, both, 1, &with("X-Upper", "1"))),
        ("a line end in a value", http2::frame(http2::HEADERS, both, 1, &with("x-a", "1\r\nx-b: 2"))),
        ("a length without a body", http2::frame(http2::HEADERS, both, 1, &with("content-length", "5"))),
        (
            "a body that is too long",
            [
                http2::frame(http2::HEADERS, http2::END_HEADERS, 1, &with("content-length", "2")),
                http2::frame(http2::DATA, http2::END_STREAM, 1, b"12345"),
            ]
            .concat(),
        ),
        (
            "a pseudo-header after a field",
            http2::frame(http2::HEADERS, both, 1, &[literal("x-a", "1"), http2::fields("/who")].concat()),
        ),
    ];
    for (what, frames) in malformed {
        let mut connection = Http2::connect(&server, &client, 65_535).await;
        connection.write(&frames).await.unwrap();
        let end = connection.answer_or_error(1).await;
        assert!(!end.starts_with(b"2"), "{what} was answered with a success");
    }
    assert!(server.ask(&client).await.is_ok());
}

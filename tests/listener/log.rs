//! What the listener writes into the log, and how much of it a stranger can cause.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use gembok::daemon::tls::ClientCertificate;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::pki::Pki;
use super::{Server, limits, until};

/// What was written so far.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    /// Those of one listener; other tests write into the same log.
    fn with(&self, words: &str, listener: SocketAddr) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let listener = format!("listener={listener} ");
        let ours = |line: &&str| line.contains(words) && line.contains(&listener);
        text.lines().filter(ours).map(str::to_owned).collect()
    }

    /// Failed handshakes that the lines tell of.
    fn told(&self, listener: SocketAddr) -> u64 {
        let count = |line: &String| {
            let count = line.split("count=").nth(1).unwrap().split(' ').next().unwrap();
            count.parse::<u64>().unwrap()
        };
        self.with("connection refused", listener).len() as u64
            + self.with("connections refused", listener).iter().map(count).sum::<u64>()
    }
}

#[tokio::test]
async fn failed_handshakes_are_counted_not_listed() {
    const FAILED: u64 = 300;
    let lines = Lines::default();
    let writer = lines.clone();
    tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).init();
    let server = Server::start(Pki::new(), ClientCertificate::Requested, limits()).await;
    let (begun, address) = (Instant::now(), server.address);
    for _ in 0..FAILED {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }
    assert_eq!(lines.with("connection refused", address).len(), 1, "the first is told at once");
    until(|| server.traffic.handshakes_failed.load(Relaxed) == FAILED && lines.told(address) == FAILED).await;
    let written = lines.with("refused", address).len() as u64;
    assert!(written <= 2 + begun.elapsed().as_secs(), "{written} lines");
    assert!(lines.with("connections refused", address)[0].contains("last_address=127.0.0.1"));
}

//! As much of an HTTP/2 client (RFC 9113) as it takes to misbehave: frames by hand, fields as literals.

use super::*;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
const INITIAL_WINDOW_SIZE: u8 = 4;

pub(crate) struct Http2(TlsStream<TcpStream>);

/// A frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A `GET` in HPACK (RFC 7541): indexed method and scheme, then path and authority as literals that are not indexed.
pub(crate) fn fields(path: &str) -> Vec<u8> {
    with_method(0x82, path)
}

/// A `POST`.
pub(crate) fn post_fields(path: &str) -> Vec<u8> {
    with_method(0x83, path)
}

fn with_method(method: u8, path: &str) -> Vec<u8> {
    let mut fields = vec![method, 0x87, 0x04, u8::try_from(path.len()).unwrap()];
    fields.extend(path.as_bytes());
    fields.extend([0x01, 9]);
    fields.extend(b"localhost");
    fields
}

impl Http2 {
    /// A connection whose streams begin with this window.
    pub(crate) async fn connect(server: &Server, client: &Arc<ClientConfig>, window: u32) -> Self {
        let mut client = ClientConfig::clone(client);
        client.alpn_protocols = vec![b"h2".to_vec()];
        let mut connection = Self(server.connect(&Arc::new(client)).await.unwrap());
        let [a, b, c, d] = window.to_be_bytes();
        let settings = frame(SETTINGS, 0, 0, &[0, INITIAL_WINDOW_SIZE, a, b, c, d]);
        connection.write(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &settings[..]].concat()).await.unwrap();
        connection
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes).await?;
        self.0.flush().await
    }

    pub(crate) async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> io::Result<()> {
        self.write(&frame(kind, flags, stream, payload)).await
    }

    /// A whole `GET`.
    pub(crate) async fn ask(&mut self, stream: u32, path: &str) -> io::Result<()> {
        self.send(HEADERS, END_STREAM | END_HEADERS, stream, &fields(path)).await
    }

    /// More window for a stream, or for the connection (0).
    pub(crate) async fn open_window(&mut self, stream: u32, bytes: u32) -> io::Result<()> {
        self.send(WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes()).await
    }

    /// Reads until the server closes, whatever it sends before.
    pub(crate) async fn assert_closed(&mut self) {
        let mut read = vec![0; 16_384];
        let reads = async { while matches!(self.0.read(&mut read).await, Ok(1..)) {} };
        timeout(PATIENCE, reads).await.expect("the server closes it");
    }

    /// The first three bytes of the status of a stream's answer, or nothing when it or the connection was broken off.
    pub(crate) async fn answer_or_error(&mut self, stream: u32) -> Vec<u8> {
        loop {
            let mut head = [0; 9];
            if timeout(PATIENCE, self.0.read_exact(&mut head)).await.unwrap().is_err() {
                return Vec::new();
            }
            let [a, b, c, kind, _, id @ ..] = head;
            let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
            if timeout(PATIENCE, self.0.read_exact(&mut payload)).await.unwrap().is_err() {
                return Vec::new();
            }
            match kind {
                GOAWAY => return Vec::new(),
                RST_STREAM if u32::from_be_bytes(id) == stream => return Vec::new(),
                HEADERS if u32::from_be_bytes(id) == stream => return status(&payload),
                _ => {}
            }
        }
    }
}

/// By the static table (RFC 7541 appendix A): 8 is 200, 9 to 14 are 204 to 500; other codes come as literals.
fn status(fields: &[u8]) -> Vec<u8> {
    match fields.first() {
        Some(0x88) => b"200".to_vec(),
        Some(0x89) => b"204".to_vec(),
        Some(0x8a) => b"206".to_vec(),
        _ => b"other".to_vec(),
    }
}

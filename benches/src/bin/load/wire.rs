//! HTTP/1.1 as far as this load needs it: request bytes made once, an answer read and judged.
//!
//! The load shares the machine with the server it measures, so it does no work twice: a request is
//! one constant buffer, an answer is a status, a length and a body in one reused buffer.

use std::fmt::Write;

use memchr::memmem;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::target::Kind;

/// Sixteen bytes, the length of a NIK, in base64.
const PLAINTEXT_16_BYTES: &str = "MzE3MTAxMjM0NTY3ODkwMQ==";

/// Largest answer head and body taken from a server.
const ANSWER_BYTES_MAX: usize = 1 << 20;

const CONTENT_LENGTH: &[u8] = b"content-length:";

/// Digits of an object's number in its name, `o0000000`; `populate` writes as many.
const OBJECT_DIGITS: usize = 7;

/// Which objects the requests of a target name.
#[derive(Clone, Debug)]
pub enum Objects {
    /// One, by name.
    One(String),
    /// `o0000000` and on, this many, uniformly at random.
    Numbered(u32),
}

/// One request as it goes over the wire, the same bytes for each target but for the object's number.
#[derive(Clone)]
pub struct Request {
    pub bytes: Vec<u8>,
    body_start: usize,
    fields: usize,
    /// Where the object's number stands, and how many there are.
    number: Option<(usize, u32)>,
}

impl Request {
    /// A v1 encrypt of `fields` fields of 16 bytes, to `path` on `authority`.
    pub fn encrypt(authority: &str, path: &str, api_key: &str, objects: &Objects, fields: usize) -> Request {
        let object = match objects {
            Objects::One(name) => name.clone(),
            Objects::Numbered(_) => format!("o{:0OBJECT_DIGITS$}", 0),
        };
        let item = format!(r#"{{"object":"{object}","plaintext":"{PLAINTEXT_16_BYTES}"}}"#);
        let body = match fields {
            1 => item,
            _ => format!(r#"{{"items":[{}]}}"#, vec![item; fields].join(",")),
        };
        let mut bytes = format!(
            "POST {path} HTTP/1.1\r\nHost: {authority}\r\nAuthorization: Bearer {api_key}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let body_start = bytes.len();
        bytes.push_str(&body);
        let number = match objects {
            Objects::One(_) => None,
            // Behind `{"object":"o`.
            Objects::Numbered(count) => Some((body_start + 12, *count)),
        };
        Request { bytes: bytes.into_bytes(), body_start, fields, number }
    }

    /// Names another object, where there are several; `draw` is any number.
    pub fn turn_to(&mut self, draw: u64) {
        let Some((at, count)) = self.number else { return };
        let mut rest = draw % u64::from(count.max(1));
        for digit in self.bytes[at..at + OBJECT_DIGITS].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
    }

    /// Whether `answer` is what a server of this kind owes for this request. Cheap enough to ask
    /// of every answer.
    pub fn accept(&self, kind: Kind, answer: &Answer<'_>) -> Result<(), String> {
        if !(200..300).contains(&answer.status) {
            return Err(format!("status {}: {}", answer.status, answer.text()));
        }
        let right = match kind {
            Kind::Echo => answer.body == &self.bytes[self.body_start..],
            Kind::Gembok if self.fields == 1 => memmem::find(answer.body, br#""ciphertext":"R0IB"#).is_some(),
            Kind::Gembok => memmem::rfind(answer.body, br#""failed":0"#).is_some(),
        };
        if right { Ok(()) } else { Err(format!("not the answer expected: {}", answer.text())) }
    }

    /// `accept`, and every item of it: asked once per connection.
    pub fn accept_closely(&self, kind: Kind, answer: &Answer<'_>) -> Result<(), String> {
        self.accept(kind, answer)?;
        if kind == Kind::Echo {
            return Ok(());
        }
        let body: Value =
            serde_json::from_slice(answer.body).map_err(|error| format!("not JSON: {error}"))?;
        let sealed = |item: &Value| item["ciphertext"].as_str().is_some_and(|text| text.starts_with("R0IB"));
        let right = if self.fields == 1 {
            sealed(&body)
        } else {
            body["items"]
                .as_array()
                .is_some_and(|items| items.len() == self.fields && items.iter().all(sealed))
        };
        if right { Ok(()) } else { Err(format!("an item is missing or failed: {}", answer.text())) }
    }
}

/// A whole answer, borrowed from the buffer it was read into.
pub struct Answer<'a> {
    pub status: u16,
    /// The server ends the connection with it, in good order.
    pub is_last: bool,
    pub body: &'a [u8],
}

impl Answer<'_> {
    /// The start of the body, for a message.
    fn text(&self) -> String {
        let mut text = String::new();
        for c in String::from_utf8_lossy(self.body).chars().take(200) {
            let _ = write!(text, "{}", c.escape_debug());
        }
        text
    }
}

/// Reads answers off one connection; at most one is outstanding.
pub struct Reader {
    buffer: Vec<u8>,
}

impl Reader {
    pub fn new() -> Reader {
        Reader { buffer: vec![0; 32 << 10] }
    }

    /// Reads the next answer whole.
    ///
    /// # Errors
    ///
    /// The connection broke, or what came is not an HTTP/1.1 answer with a `Content-Length`.
    pub async fn next<S>(&mut self, stream: &mut S) -> Result<Answer<'_>, String>
    where
        S: AsyncRead + Unpin,
    {
        let mut filled = 0;
        let mut head = None;
        loop {
            if filled == self.buffer.len() {
                if filled >= ANSWER_BYTES_MAX {
                    return Err(format!("an answer over {ANSWER_BYTES_MAX} bytes"));
                }
                self.buffer.resize(filled * 2, 0);
            }
            match stream.read(&mut self.buffer[filled..]).await {
                Ok(0) => return Err("closed before the answer was whole".into()),
                Ok(count) => filled += count,
                Err(error) => return Err(format!("reading: {error}")),
            }
            if head.is_none() {
                head = Head::parse(&self.buffer[..filled])?;
            }
            if let Some(Head { status, is_last, len, body }) = head {
                let end = len + body;
                if filled > end {
                    return Err("more bytes than the answer owns".into());
                }
                if filled == end {
                    let body = &self.buffer[len..end];
                    return Ok(Answer { status, is_last, body });
                }
            }
        }
    }
}

/// Status, length of the head and length of the body.
#[derive(Clone, Copy)]
struct Head {
    status: u16,
    is_last: bool,
    len: usize,
    body: usize,
}

impl Head {
    /// `None` while the head is not whole yet.
    fn parse(bytes: &[u8]) -> Result<Option<Head>, String> {
        let Some(end) = memmem::find(bytes, b"\r\n\r\n") else {
            return Ok(None);
        };
        let status = bytes
            .strip_prefix(b"HTTP/1.1 ")
            .and_then(|rest| number(rest.get(..3)?))
            .and_then(|status| u16::try_from(status).ok())
            .ok_or("not an HTTP/1.1 answer")?;
        let body = bytes[..end]
            .split(|&byte| byte == b'\n')
            .find_map(|line| {
                let (name, value) = line.split_at_checked(CONTENT_LENGTH.len())?;
                name.eq_ignore_ascii_case(CONTENT_LENGTH).then(|| number(value.trim_ascii()))
            })
            .flatten()
            .filter(|&body| body <= ANSWER_BYTES_MAX)
            .ok_or("an answer without a Content-Length this load accepts")?;
        let is_last = bytes[..end]
            .split(|&byte| byte == b'\n')
            .any(|line| line.trim_ascii().eq_ignore_ascii_case(b"connection: close"));
        Ok(Some(Head { status, is_last, len: end + 4, body }))
    }
}

fn number(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(fields: usize) -> Request {
        Request::encrypt("localhost", "/p", "gbk_x", &Objects::One("karyawan".into()), fields)
    }

    fn answer(status: u16, body: &str) -> Answer<'_> {
        Answer { status, is_last: false, body: body.as_bytes() }
    }

    async fn read(bytes: &[u8]) -> Result<(u16, Vec<u8>, bool), String> {
        let mut reader = Reader::new();
        let mut stream = bytes;
        let answer = reader.next(&mut stream).await?;
        Ok((answer.status, answer.body.to_vec(), answer.is_last))
    }

    #[tokio::test]
    async fn reads_an_answer_whole() {
        let got = read(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx: y\r\n\r\nhi").await;
        assert_eq!(got, Ok((200, b"hi".to_vec(), false)));
        let got = read(b"HTTP/1.1 200 OK\r\nConnection: close\r\ncontent-length: 0\r\n\r\n").await;
        assert_eq!(got, Ok((200, Vec::new(), true)));
    }

    #[tokio::test]
    async fn refuses_what_is_cut_chunked_or_too_much() {
        for wrong in [
            &b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nhi"[..],
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nhi",
            b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi",
            b"HTTP/1.1 200 OK\r\ncontent-length: 9999999\r\n\r\n",
            b"",
        ] {
            assert!(read(wrong).await.is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn content_length_is_the_body() {
        for fields in [1, 100] {
            let request = request(fields);
            let head = std::str::from_utf8(&request.bytes[..request.body_start]).unwrap();
            let body = &request.bytes[request.body_start..];
            assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())));
            assert!(serde_json::from_slice::<Value>(body).is_ok());
        }
    }

    #[test]
    fn a_request_turns_to_every_object_in_turn() {
        let mut request = Request::encrypt("localhost", "/p", "gbk_x", &Objects::Numbered(1_000_000), 1);
        for (draw, name) in [(0, "o0000000"), (1_999_999, "o0999999"), (1_000_042, "o0000042")] {
            request.turn_to(draw);
            let body: Value = serde_json::from_slice(&request.bytes[request.body_start..]).unwrap();
            assert_eq!(body["object"], name);
        }
    }

    #[test]
    fn a_failure_of_the_appliance_is_an_error() {
        let sealed = r#"{"ciphertext":"R0IBAAAA"}"#;
        let one = request(1);
        assert!(one.accept(Kind::Gembok, &answer(200, sealed)).is_ok());
        assert!(one.accept(Kind::Gembok, &answer(429, sealed)).is_err());
        assert!(one.accept(Kind::Gembok, &answer(200, "{}")).is_err());
        assert!(one.accept(Kind::Echo, &answer(200, sealed)).is_err());

        let two = request(2);
        let whole = format!(r#"{{"items":[{sealed},{sealed}],"failed":0}}"#);
        let short = format!(r#"{{"items":[{sealed}],"failed":0}}"#);
        let failed = format!(r#"{{"items":[{sealed},{{"code":"x"}}],"failed":1}}"#);
        assert!(two.accept_closely(Kind::Gembok, &answer(200, &whole)).is_ok());
        assert!(two.accept_closely(Kind::Gembok, &answer(200, &short)).is_err());
        assert!(two.accept(Kind::Gembok, &answer(200, &failed)).is_err());
    }
}

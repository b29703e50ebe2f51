//! Requests that mean harm, against the whole program: framing that two readers could take differently, bodies made to cost
//! more than they weigh, ciphertexts put where they do not belong. Somebody else is served meanwhile, every time.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::client::{Connection, refusal};
use crate::support::daemon::OBJECT;
use crate::world::{Application, shared};

/// What an attacker would like to have taken for a request of its own. If it were, a second answer would come.
const SMUGGLED: &str = "GET /v1/info HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// An application that goes on working.
struct Bystander {
    application: &'static Application,
    connection: Connection,
}

impl Bystander {
    fn new() -> Self {
        let application = &shared().gaji;
        Self { application, connection: application.client.connect().unwrap() }
    }

    #[track_caller]
    fn is_served(&mut self, after: &str) {
        let item = json!({ "object": OBJECT, "plaintext": "AA==" }).to_string();
        let answer = self.application.v1_over(&mut self.connection, "encrypt", item);
        assert_eq!(
            answer.unwrap_or_else(|error| panic!("after {after}: {error}")).status,
            200,
            "after {after}"
        );
    }
}

/// Status lines of everything the server says until it closes.
fn statuses(raw: &str) -> Vec<u16> {
    let mut connection = shared().absensi.client.connect().unwrap();
    let _ = connection.send(raw.as_bytes());
    let said = String::from_utf8_lossy(&connection.rest()).into_owned();
    let lines = said.split("HTTP/1.").skip(1);
    lines.map(|line| line.split(' ').nth(1).unwrap().parse().unwrap()).collect()
}

fn post(fields: &str, body: &str) -> String {
    let absensi = &shared().absensi;
    let (path, bearer) = (absensi.path("encrypt"), absensi.bearer());
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: {bearer}\r\n{fields}\r\n{body}{SMUGGLED}"
    )
}

#[test]
fn ambiguous_framing_is_refused_and_nothing_is_smuggled() {
    let mut bystander = Bystander::new();
    for (what, fields) in [
        ("two lengths", "content-length: 0\r\ncontent-length: 5\r\n"),
        ("a list of lengths", "content-length: 0, 5\r\n"),
        ("a sign", "content-length: +0\r\n"),
        ("a negative length", "content-length: -1\r\n"),
        ("a hexadecimal length", "content-length: 0x0\r\n"),
        ("no length in the field", "content-length: \r\n"),
        ("a length of 2^64", "content-length: 18446744073709551616\r\n"),
        ("a blank before the colon", "content-length : 0\r\n"),
        ("a blank before the name", " content-length: 0\r\n"),
        ("a folded line", "x-a: 1\r\n content-length: 0\r\n"),
        ("a carriage return in a value", "x-a: 1\rcontent-length: 0\r\n"),
        ("a zero byte in a value", "x-a: \0\r\ncontent-length: 0\r\n"),
        ("a name with a blank", "x a: 1\r\ncontent-length: 0\r\n"),
        ("an unknown coding", "transfer-encoding: xchunked\r\n"),
        ("identity", "transfer-encoding: identity\r\n"),
        ("chunked that is not last", "transfer-encoding: chunked, identity\r\n"),
        ("chunked behind a vertical tab", "transfer-encoding: \x0bchunked\r\n"),
        (
            "a coding behind chunked, in a field of its own",
            "transfer-encoding: chunked\r\ntransfer-encoding: gzip\r\n",
        ),
    ] {
        assert_eq!(statuses(&post(fields, "")), [400], "{what}");
        bystander.is_served(what);
    }
    // RFC 9112 section 6.1: chunked counts, and the connection ends, so that nothing of it is another request.
    for fields in [
        "content-length: 5\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 5\r\n",
    ] {
        assert_eq!(statuses(&post(fields, "0\r\n\r\n")).len(), 1, "{fields}");
    }
    let old = post("transfer-encoding: chunked\r\n", "0\r\n\r\n").replacen("HTTP/1.1", "HTTP/1.0", 1);
    assert_eq!(statuses(&old), [400], "chunked was not known to HTTP/1.0");
}

#[test]
fn chunks_that_are_none_end_the_connection() {
    let mut bystander = Bystander::new();
    for chunk in [
        "+2\r\n{}\r\n0\r\n\r\n",
        "0x2\r\n{}\r\n0\r\n\r\n",
        "-2\r\n{}\r\n0\r\n\r\n",
        "fffffffffffffffff\r\n{}\r\n0\r\n\r\n",
        "2\r\n{}0\r\n\r\n",
        "2;a=\n\r\n{}\r\n0\r\n\r\n",
        "\r\n0\r\n\r\n",
        "g\r\n{}\r\n0\r\n\r\n",
    ] {
        assert_eq!(statuses(&post("transfer-encoding: chunked\r\n", chunk)), [400], "{chunk:?}");
        bystander.is_served(chunk);
    }
    // Extensions are skipped, but not without end.
    let body = json!({ "object": OBJECT, "plaintext": "" }).to_string();
    let chunked = |extension: &str| format!("{:x};{extension}\r\n{body}\r\n0\r\n\r\n", body.len());
    let close = "transfer-encoding: chunked\r\nconnection: close\r\n";
    assert_eq!(statuses(&post(close, &chunked("name=value"))), [200]);
    // It is refused before it was read, and what is unread when a connection closes may take the answer with it.
    let endless = statuses(&post(close, &chunked(&"e".repeat(100_000))));
    assert!(matches!(endless[..], [] | [400]), "{endless:?}");
    bystander.is_served("an extension without end");
}

#[test]
fn odd_requests_are_answered_once() {
    let one = |request: &str| {
        statuses(&format!("{request}\r\nhost: localhost\r\nconnection: close\r\n\r\n{SMUGGLED}"))
    };
    assert_eq!(one("GET /v1/info HTTP/1.1"), [200]);
    assert_eq!(
        one("GET https://elsewhere.example/v1/info HTTP/1.1"),
        [200],
        "the path counts, whatever the authority"
    );
    for request in ["TRACE /v1/info HTTP/1.1", "OPTIONS /v1/info HTTP/1.1", "BREW /v1/info HTTP/1.1"] {
        assert_eq!(one(request), [405], "{request}");
    }
    for request in [
        "OPTIONS * HTTP/1.1",
        "CONNECT localhost:443 HTTP/1.1",
        "GET //v1/info HTTP/1.1",
        "GET /v1/../v1/info HTTP/1.1",
    ] {
        assert_eq!(one(request), [404], "{request}");
    }
    for request in
        ["GET /v1/info HTTP/2.0", "GET /v1/info HTTP/9.9", "GET  /v1/info HTTP/1.1", "G\0T /v1/info HTTP/1.1"]
    {
        assert_eq!(one(request), [400], "{request:?}");
    }
    // HTTP/1.0 may keep its connection if it says so, and then says so again.
    let kept = "GET /v1/info HTTP/1.0\r\nconnection: keep-alive\r\n\r\n";
    assert_eq!(statuses(&format!("{kept}GET /v1/info HTTP/1.0\r\n\r\n{SMUGGLED}")), [200, 200]);
}

#[test]
fn deep_and_wide_json_costs_its_sender_a_refusal() {
    let absensi = &shared().absensi;
    let mut bystander = Bystander::new();
    let nested =
        |open: &str, close: &str| format!("{{\"object\":{}{}}}", open.repeat(150_000), close.repeat(150_000));
    let mut members = String::from("{\"object\":\"k\"");
    for at in 0..40_000 {
        write!(members, ",\"member-{at}\":{at}").unwrap();
    }
    let items = vec!["{\"object\":\"k\",\"plaintext\":\"\"}"; 30_000].join(",");
    let mut pairs: Vec<String> = (0..30_000).map(|at| format!("\"n{at}\":\"\"")).collect();
    pairs.push("\"n0\":\"\"".into());
    let context =
        format!("{{\"object\":\"{OBJECT}\",\"plaintext\":\"\",\"context\":{{{}}}}}", pairs.join(","));
    for (what, body, code) in [
        ("lists in lists", nested("[", "]"), refusal(400, "malformed-json")),
        ("objects in objects", nested("{\"a\":", "}"), refusal(400, "malformed-json")),
        ("forty thousand members", members + "}", refusal(400, "unknown-member")),
        ("thirty thousand items", format!("{{\"items\":[{items}]}}"), refusal(413, "too-many-items")),
        (
            "digits without end",
            format!("{{\"object\":{}}}", "9".repeat(900_000)),
            refusal(400, "malformed-json"),
        ),
        ("a name without end", format!("{{\"{}\":1}}", "n".repeat(900_000)), refusal(400, "unknown-member")),
    ] {
        assert_eq!(absensi.v1("encrypt", &body).problem(), code, "{what}");
        bystander.is_served(what);
    }
    let refused: Value = absensi.v1("encrypt", context).json();
    assert_eq!(refused["code"], "bad-context");
    let deep = format!(
        "{{\"api-key\":\"x\",\"objek\":\"o\",\"aksi\":\"enkrip\",\"x\":{}1{}}}",
        "[".repeat(60_000),
        "]".repeat(60_000)
    );
    // What that contract does not know is skipped without being built, however deep.
    assert_eq!(absensi.published(deep).gagal(), refusal(401, "api-key-mistyped"));
    bystander.is_served("all of it");
}

#[test]
fn a_ciphertext_opens_in_its_own_row_and_column_only() {
    let absensi = &shared().absensi;
    let places: Vec<Value> = ["1", "2"]
        .iter()
        .flat_map(|row| ["nik", "nama"].map(|column| json!({ "baris": row, "kolom": column })))
        .chain([
            json!({}),
            json!({ "baris": "1" }),
            json!({ "baris": "nik", "kolom": "1" }),
            json!({ "kolom": "1nik", "baris": "" }),
        ])
        .collect();
    let seal = |context: &Value| {
        let item = json!({ "object": OBJECT, "plaintext": "MzYwMg==", "context": context });
        absensi.encrypt(&item).ok()["ciphertext"].clone()
    };
    let sealed: Vec<Value> = places.iter().map(seal).collect();
    let mut items = Vec::new();
    for (at, ciphertext) in sealed.iter().enumerate() {
        for (place, context) in places.iter().enumerate() {
            items.push((
                at == place,
                json!({ "object": OBJECT, "ciphertext": ciphertext, "context": context }),
            ));
        }
    }
    let batch = json!({ "items": items.iter().map(|(_, item)| item).collect::<Vec<_>>() });
    let answers = absensi.decrypt(&batch).ok();
    let mut refused = Vec::new();
    for ((is_own, item), answer) in items.iter().zip(answers["items"].as_array().unwrap()) {
        if *is_own {
            assert_eq!(answer["plaintext"], "MzYwMg==", "{item}");
        } else {
            refused.push(answer);
        }
    }
    assert_eq!(refused.len(), 56);
    assert_eq!(refused[0]["code"], "cannot-open");
    assert!(refused.iter().all(|answer| *answer == refused[0]), "one answer, whatever was wrong");
}

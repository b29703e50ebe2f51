//! What a v1 request may hold, and every shape it may not have.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::client::refusal;
use crate::support::daemon::OBJECT;
use crate::world::shared;

const FIELD_BYTES_MAX: usize = 64 << 10;
const ITEMS_MAX: usize = 1_000;
const BODY_BYTES_MAX: usize = 1 << 20;
/// A value that no answer may repeat.
const NIK: &str = "3602041211870001";

#[test]
fn a_field_of_64_kib_goes_and_one_byte_more_does_not() {
    let absensi = &shared().absensi;
    let plaintext = vec![7; FIELD_BYTES_MAX];
    let sealed = absensi.seal(OBJECT, &plaintext);
    assert!(absensi.open(OBJECT, &sealed) == plaintext);
    let over = json!({ "object": OBJECT, "plaintext": STANDARD.encode(vec![7; FIELD_BYTES_MAX + 1]) });
    let answer = absensi.encrypt(&over);
    assert_eq!(answer.problem(), refusal(413, "field-too-large"));
    assert!(answer.json()["detail"].as_str().unwrap().contains("65536"));
    let over = json!({ "object": OBJECT, "ciphertext": STANDARD.encode(vec![7; FIELD_BYTES_MAX + 53]) });
    assert_eq!(absensi.decrypt(&over).problem(), refusal(413, "field-too-large"));
}

#[test]
fn a_batch_has_1_to_1000_items() {
    let absensi = &shared().absensi;
    let items = |count: usize| json!({ "items": vec![json!({ "object": OBJECT, "plaintext": "" }); count] });
    let answer = absensi.encrypt(&items(ITEMS_MAX)).ok();
    assert_eq!((answer["items"].as_array().unwrap().len(), &answer["failed"]), (ITEMS_MAX, &json!(0)));
    for count in [0, ITEMS_MAX + 1] {
        let answer = absensi.encrypt(&items(count));
        assert_eq!(answer.problem(), refusal(413, "too-many-items"), "{count}");
    }
}

#[test]
fn a_body_of_1_mib_is_read_and_one_byte_more_is_not() {
    let absensi = &shared().absensi;
    let body = json!({ "object": OBJECT, "plaintext": "" }).to_string();
    let padded = |length: usize| format!("{body}{}", " ".repeat(length - body.len()));
    assert_eq!(absensi.v1("encrypt", padded(BODY_BYTES_MAX)).status, 200);

    let (path, bearer) = (absensi.path("encrypt"), absensi.bearer());
    let authorization = [("authorization", bearer.as_str())];
    let mut connection = absensi.client.connect().unwrap();
    let length = (BODY_BYTES_MAX + 1).to_string();
    connection.head("POST", &path, &[authorization[0], ("content-length", &length)]).unwrap();
    assert_eq!(connection.answer().unwrap().problem(), refusal(413, "body-too-large"));

    for (length, status) in [(BODY_BYTES_MAX, 200), (BODY_BYTES_MAX + 1, 413)] {
        let whole = padded(length);
        let chunks: Vec<&[u8]> = whole.as_bytes().chunks(60_000).collect();
        let mut connection = absensi.client.connect().unwrap();
        let answer = connection.ask_chunked(&path, &authorization, &chunks).unwrap();
        assert_eq!(answer.status, status, "{}", answer.text());
    }
}

#[test]
fn each_misshapen_body_has_its_own_code() {
    let absensi = &shared().absensi;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep_context = format!(r#"{{"object":"karyawan","plaintext":"","context":{deep}}}"#);
    for (body, code) in [
        ("", "malformed-json"),
        ("{", "malformed-json"),
        ("[]", "malformed-json"),
        (r#"["karyawan","MzYwMg=="]"#, "malformed-json"),
        (r#"{"items":[["karyawan","MzYwMg=="]]}"#, "malformed-json"),
        ("null", "malformed-json"),
        (r#"{"object":"karyawan","plaintext":3602041211870001}"#, "malformed-json"),
        (r#"{"object":"karyawan","plaintext":["3602041211870001"]}"#, "malformed-json"),
        (r#"{"object":"karyawan","plaintext":"3602041211870001\ud800"}"#, "malformed-json"),
        (r#"{"object":"karyawan","plaintext":""} 3602041211870001"#, "malformed-json"),
        (r#"{"items":{"object":"karyawan"}}"#, "malformed-json"),
        (&deep, "malformed-json"),
        (&deep_context, "malformed-json"),
        (r#"{"object":"karyawan","plaintext":"","3602041211870001":1}"#, "unknown-member"),
        (r#"{"object":"karyawan","plaintext":"","konteks":{}}"#, "unknown-member"),
        (r#"{"object":"karyawan","plaintext":"","ciphertext":""}"#, "unknown-member"),
        (r#"{"object":"karyawan","ciphertext":""}"#, "unknown-member"),
        (r#"{"items":[{"object":"karyawan","plaintext":""}],"object":"karyawan"}"#, "unknown-member"),
        (r#"{"items":[{"object":"karyawan","plaintext":"","x":1}]}"#, "unknown-member"),
        (r#"{"plaintext":""}"#, "missing-member"),
        (r#"{"object":"karyawan"}"#, "missing-member"),
        ("{}", "missing-member"),
        (r#"{"items":[{"object":"karyawan","plaintext":""},{"object":"karyawan"}]}"#, "missing-member"),
        (r#"{"object":"karyawan","object":"karyawan","plaintext":""}"#, "repeated-member"),
        (r#"{"object":"karyawan","plaintext":"","plaintext":"3602041211870001"}"#, "repeated-member"),
        (r#"{"items":[],"items":[]}"#, "repeated-member"),
    ] {
        let answer = absensi.v1("encrypt", body);
        let shown = &body[..body.len().min(80)];
        assert_eq!(answer.problem(), refusal(400, code), "{shown}");
        assert!(!answer.text().contains(NIK), "{shown}: {}", answer.text());
    }
    let answer = absensi.v1("encrypt", b"{\"object\":\"karyawan\",\"plaintext\":\"\xff\xfe\"}");
    assert_eq!(answer.problem(), refusal(400, "malformed-json"));
}

#[test]
fn no_refusal_repeats_what_was_sent() {
    let absensi = &shared().absensi;
    let batch: Value = json!({ "items": [
        { "object": NIK, "plaintext": NIK },
        { "object": OBJECT, "plaintext": format!("{NIK}!"), "context": { NIK: NIK } },
        { "object": "asing", "plaintext": NIK },
        { "object": OBJECT, "plaintext": NIK, "context": { "": NIK } },
    ] });
    let answer = absensi.encrypt(&batch).ok();
    assert_eq!(answer["failed"], 4);
    assert!(!answer.to_string().contains(NIK), "{answer}");
    let opening = json!({ "object": OBJECT, "ciphertext": NIK, "context": { NIK: NIK } });
    assert!(!absensi.decrypt(&opening).text().contains(NIK));
}

#[test]
fn what_has_no_route_is_said_so() {
    let absensi = &shared().absensi;
    for (method, path, status, code) in [
        ("POST", "/v1/endpoints/absensi/hapus", 404, "no-such-route"),
        ("POST", "/v1/endpoints//encrypt", 404, "no-such-route"),
        ("GET", "/", 404, "no-such-route"),
        ("GET", "/v1/statistics", 404, "no-such-route"),
        ("GET", "/metrics", 404, "no-such-route"),
        ("GET", "/health/ready", 404, "no-such-route"),
        ("GET", "/v1/endpoints/absensi/encrypt", 405, "method-not-allowed"),
        ("PUT", "/v1/endpoints/absensi/decrypt", 405, "method-not-allowed"),
        ("POST", "/v1/info", 405, "method-not-allowed"),
        ("POST", "/v1/endpoints/gaji/encrypt", 404, "endpoint-unknown"),
        ("POST", "/v1/endpoints/tidak-ada/encrypt", 404, "endpoint-unknown"),
    ] {
        let headers = [("authorization", absensi.bearer())];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        let answer = absensi.client.ask(method, path, &headers, b"{}").unwrap();
        assert_eq!(answer.problem(), refusal(status, code), "{method} {path}");
    }
}

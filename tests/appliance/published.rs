//! The published contract, letter for letter, and each of its refusals.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::client::{Answer, refusal};
use crate::support::daemon::OBJECT;
use crate::world::{Application, BOUND, shared};

/// `echo "contoh data karyawan" | base64`
const SAMPLE: &str = "Y29udG9oIGRhdGEga2FyeWF3YW4K";
const BODY_BYTES_MAX: usize = 128 << 10;

#[test]
fn the_published_transcript_letter_for_letter() {
    let absensi = &shared().absensi;
    let body = format!(
        r#"{{"api-key":"{}","objek":"karyawan","aksi":"enkrip","plaintext":"{SAMPLE}"}}"#,
        absensi.api_key
    );
    let sealed = absensi.published(body);
    let ciphertext = sealed.ok()["ciphertext"].as_str().unwrap().to_owned();
    assert_eq!(sealed.text(), format!(r#"{{"status":"Sukses!","ciphertext":"{ciphertext}"}}"#));
    assert_eq!(sealed.header("content-type"), Some("application/json"));
    assert_eq!(sealed.header("cache-control"), Some("no-store"));
    assert!(ciphertext.starts_with("R0IB"), "{ciphertext}");
    let body = format!(
        r#"{{"api-key":"{}","objek":"karyawan","aksi":"dekrip","ciphertext":"{ciphertext}"}}"#,
        absensi.api_key
    );
    let opened = absensi.published(body);
    assert_eq!(opened.status, 200);
    assert_eq!(opened.text(), format!(r#"{{"status":"Sukses!","plaintext":"{SAMPLE}"}}"#));
}

#[test]
fn base64_may_be_wrapped_as_gnu_base64_does() {
    let absensi = &shared().absensi;
    let plaintext = [b'x'; 100];
    let text = STANDARD.encode(plaintext);
    let wrapped = format!("{}\n{}\r\n", &text[..76], &text[76..]);
    let body = absensi.published_body(OBJECT, "enkrip", &wrapped);
    let ciphertext = member(&absensi.published(body.to_string()), "ciphertext");
    let wrapped = format!("{}\n{}\n", &ciphertext[..76], &ciphertext[76..]);
    let body = absensi.published_body(OBJECT, "dekrip", &wrapped);
    assert_eq!(member(&absensi.published(body.to_string()), "plaintext"), text);
}

#[test]
fn every_spelling_of_the_path_and_every_content_type_is_served() {
    let absensi = &shared().absensi;
    let body = absensi.published_body(OBJECT, "enkrip", SAMPLE).to_string();
    let mut connection = absensi.client.connect().unwrap();
    for path in [
        "/cryptAPI/Crypt/absensi/",
        "/cryptAPI/Crypt/absensi",
        "/CryptAPI/Crypt/absensi/",
        "/CryptAPI/Crypt/absensi",
    ] {
        for content_type in [
            &[][..],
            &[("content-type", "application/x-www-form-urlencoded")],
            &[("content-type", "text/plain")],
            &[("content-type", "application/json; charset=utf-8")],
        ] {
            let answer = connection.ask("POST", path, content_type, body.as_bytes()).unwrap();
            assert_eq!(answer.ok()["status"], "Sukses!", "{path} {content_type:?}");
        }
    }
    for elsewhere in ["/cryptAPI/crypt/absensi/", "/cryptAPI/Crypt/absensi/x", "/CryptAPI/"] {
        let answer = connection.ask("POST", elsewhere, &[], body.as_bytes()).unwrap();
        assert_eq!(answer.gagal(), refusal(404, "no-such-route"), "{elsewhere}");
    }
    let answer = connection.ask("POST", "/cryptapi/Crypt/absensi/", &[], body.as_bytes()).unwrap();
    assert_eq!(answer.problem(), refusal(404, "no-such-route"));
}

#[test]
fn chiptext_is_ciphertext_and_both_at_once_are_refused() {
    let absensi = &shared().absensi;
    let ciphertext = absensi.seal(OBJECT, b"contoh");
    let mut body = absensi.published_body(OBJECT, "dekrip", &ciphertext);
    let ciphertext = body.as_object_mut().unwrap().remove("ciphertext").unwrap();
    body["chiptext"] = ciphertext.clone();
    assert_eq!(member(&absensi.published(body.to_string()), "plaintext"), STANDARD.encode(b"contoh"));
    body["ciphertext"] = ciphertext;
    assert_eq!(absensi.published(body.to_string()).gagal(), refusal(400, "repeated-member"));
}

#[test]
fn unknown_members_are_ignored_and_repeated_ones_refused() {
    let absensi = &shared().absensi;
    let mut body = absensi.published_body(OBJECT, "enkrip", SAMPLE);
    body["lagi"] = json!([1, { "a": null }]);
    assert_eq!(absensi.published(body.to_string()).ok()["status"], "Sukses!");
    let body = body.to_string();
    for again in [r#","objek":"karyawan"}"#, r#","api-key":"x"}"#, r#","plaintext":"WFhYWA=="}"#] {
        let repeated = format!("{}{again}", &body[..body.len() - 1]);
        let answer = absensi.published(repeated);
        assert_eq!(answer.gagal(), refusal(400, "repeated-member"), "{again}");
        says_nothing(&answer);
    }
}

#[test]
fn each_misshapen_request_has_its_own_code() {
    let absensi = &shared().absensi;
    let whole = absensi.published_body(OBJECT, "enkrip", SAMPLE);
    for (member, value, status, code) in [
        ("aksi", json!("hapus"), 400, "unknown-action"),
        ("aksi", json!("Enkrip"), 400, "unknown-action"),
        ("aksi", json!(1), 400, "malformed-json"),
        ("aksi", Value::Null, 400, "malformed-json"),
        ("plaintext", json!("Y29udG9oIGRhdGE"), 400, "bad-base64"),
        ("plaintext", json!("bukan base64!"), 400, "bad-base64"),
        ("plaintext", json!(STANDARD.encode(vec![0; (64 << 10) + 1])), 413, "field-too-large"),
        ("objek", json!("tidak-ada"), 404, "object-unknown"),
        ("objek", json!("asing"), 403, "not-granted"),
        ("objek", json!(BOUND), 400, "context-required"),
    ] {
        let mut body = whole.clone();
        body[member] = value;
        let answer = absensi.published(body.to_string());
        assert_eq!(answer.gagal(), refusal(status, code), "{body}");
        says_nothing(&answer);
    }
    for missing in ["api-key", "objek", "aksi", "plaintext"] {
        let mut body = whole.clone();
        body.as_object_mut().unwrap().remove(missing);
        let answer = absensi.published(body.to_string());
        assert_eq!(answer.gagal(), refusal(400, "missing-member"), "{missing}");
    }
    let positional = json!([absensi.api_key, OBJECT, "enkrip", SAMPLE]).to_string();
    for body in ["", "{", "null", "[]", &positional, "aksi=enkrip&objek=karyawan", "{\"aksi\":\"\u{1}\"}"] {
        assert_eq!(absensi.published(body).gagal(), refusal(400, "malformed-json"), "{body}");
    }
    let bad_utf8 = absensi.published(b"{\"aksi\":\"\xff\xfe\"}");
    assert_eq!(bad_utf8.gagal(), refusal(400, "malformed-json"));
}

#[test]
fn each_wrong_key_has_its_own_code() {
    let shared = shared();
    let (id, revoked) = shared.world.new_api_key("kantor", "absensi", "");
    shared.world.done(&format!("api-key revoke {id}"));
    let expired = shared.expired();
    let newcomer = shared.newcomer();
    let mut mistyped = shared.absensi.api_key.clone().into_bytes();
    mistyped[10] = if mistyped[10] == b'a' { b'b' } else { b'a' };
    let unknown = gembok::domain::api_key::ApiKeyText::generate().unwrap().expose().to_owned();
    for (api_key, status, code) in [
        (revoked, 401, "api-key-revoked"),
        (expired, 401, "api-key-expired"),
        (String::from_utf8(mistyped).unwrap(), 401, "api-key-mistyped"),
        (unknown, 401, "api-key-unknown"),
        ("kunci-api-lama".into(), 401, "api-key-mistyped"),
        (String::new(), 401, "api-key-mistyped"),
        (shared.gaji.api_key.clone(), 403, "api-key-of-another-endpoint"),
    ] {
        let application = Application { api_key, ..newcomer.clone() };
        let body = application.published_body(OBJECT, "enkrip", SAMPLE);
        let answer = application.published(body.to_string());
        assert_eq!(answer.gagal(), refusal(status, code));
        says_nothing(&answer);
    }
}

#[test]
fn another_endpoints_name_is_like_none() {
    let absensi = &shared().absensi;
    for endpoint in ["gaji", "tidak-ada", "%61bsensi%20"] {
        let application = Application { endpoint: endpoint.into(), ..absensi.clone() };
        let body = application.published_body(OBJECT, "enkrip", SAMPLE);
        assert_eq!(application.published(body.to_string()).gagal(), refusal(404, "endpoint-unknown"));
    }
}

#[test]
fn a_get_fails_in_indonesian() {
    let absensi = &shared().absensi;
    for method in ["GET", "PUT", "DELETE"] {
        let answer = absensi.client.ask(method, "/cryptAPI/Crypt/absensi/", &[], b"").unwrap();
        assert_eq!(answer.gagal(), refusal(405, "method-not-allowed"));
        assert_eq!(answer.json()["pesan"], "Metode tidak diterima; gunakan POST.");
    }
}

#[test]
fn a_body_is_bounded_announced_or_not() {
    let absensi = &shared().absensi;
    let path = "/cryptAPI/Crypt/absensi/";
    let body = absensi.published_body(OBJECT, "enkrip", SAMPLE).to_string();
    let padded = |length: usize| format!("{body}{}", " ".repeat(length - body.len()));

    let whole = padded(BODY_BYTES_MAX);
    assert_eq!(absensi.published(&whole).ok()["status"], "Sukses!");
    let mut connection = absensi.client.connect().unwrap();
    let (one, two) = body.as_bytes().split_at(20);
    assert_eq!(connection.ask_chunked(path, &[], &[one, two]).unwrap().ok()["status"], "Sukses!");
    let chunks: Vec<&[u8]> = whole.as_bytes().chunks(10_000).collect();
    assert_eq!(connection.ask_chunked(path, &[], &chunks).unwrap().ok()["status"], "Sukses!");

    let over = padded(BODY_BYTES_MAX + 1);
    let chunks: Vec<&[u8]> = over.as_bytes().chunks(10_000).collect();
    let answer = absensi.client.connect().unwrap().ask_chunked(path, &[], &chunks).unwrap();
    assert_eq!(answer.gagal(), refusal(413, "body-too-large"));
    // Refused by what it announces: not a byte of it has to come.
    let mut connection = absensi.client.connect().unwrap();
    let length = (BODY_BYTES_MAX + 1).to_string();
    connection.head("POST", path, &[("content-length", &length)]).unwrap();
    assert_eq!(connection.answer().unwrap().gagal(), refusal(413, "body-too-large"));
}

#[test]
fn each_contract_opens_the_others() {
    let absensi = &shared().absensi;
    let body = absensi.published_body(OBJECT, "enkrip", SAMPLE);
    let sealed = member(&absensi.published(body.to_string()), "ciphertext");
    assert_eq!(absensi.open(OBJECT, &sealed), STANDARD.decode(SAMPLE).unwrap());
    let sealed = absensi.seal(OBJECT, b"dari v1");
    let body = absensi.published_body(OBJECT, "dekrip", &sealed);
    assert_eq!(member(&absensi.published(body.to_string()), "plaintext"), STANDARD.encode(b"dari v1"));
}

#[test]
fn an_envelope_that_does_not_open_fails_in_indonesian() {
    let absensi = &shared().absensi;
    let sealed = absensi.seal("alamat", b"rahasia");
    let bound = json!({ "object": OBJECT, "plaintext": "", "context": { "baris": "7" } });
    let bound = absensi.encrypt(&bound).ok()["ciphertext"].as_str().unwrap().to_owned();
    for ciphertext in [sealed, bound, "R0IB".into(), SAMPLE.into(), String::new()] {
        let body = absensi.published_body(OBJECT, "dekrip", &ciphertext);
        let answer = absensi.published(body.to_string());
        assert_eq!(answer.gagal(), refusal(422, "cannot-open"));
        assert_eq!(
            answer.json()["pesan"],
            "Ciphertext tidak dapat dibuka; kirim tanpa perubahan, dengan objek yang sama."
        );
    }
}

#[track_caller]
fn member(answer: &Answer, name: &str) -> String {
    answer.ok()[name].as_str().unwrap().to_owned()
}

/// A refusal never repeats what was sent.
#[track_caller]
fn says_nothing(answer: &Answer) {
    let text = answer.text();
    for sent in [SAMPLE, "contoh", "gbk_", "tidak-ada", "WFhYWA"] {
        assert!(!text.contains(sent), "{text}");
    }
}

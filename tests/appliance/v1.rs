//! The v1 contract: items and batches, contexts, references, and the one answer of every opening that fails.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::client::refusal;
use crate::support::daemon::OBJECT;
use crate::world::{ALGORITHMS, BOUND, shared};

#[test]
fn one_item_goes_there_and_back() {
    let absensi = &shared().absensi;
    let answer = absensi.encrypt(&json!({ "object": OBJECT, "plaintext": "MzYwMg==", "ref": "nik" }));
    let sealed = answer.ok();
    assert_eq!(sealed.as_object().unwrap().len(), 2);
    assert_eq!(sealed["ref"], "nik");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let answer = absensi.decrypt(&json!({ "object": OBJECT, "ciphertext": sealed["ciphertext"] }));
    assert_eq!(answer.text(), r#"{"plaintext":"MzYwMg=="}"#);
}

#[test]
fn a_batch_is_answered_in_order_each_item_by_itself() {
    let absensi = &shared().absensi;
    let tricky = "kutip \" garis \\ baris\n\u{1}\u{7f} é 😀 </script>";
    let items = json!({ "items": [
        { "object": OBJECT, "plaintext": "cGVydGFtYQ==", "ref": tricky },
        { "object": OBJECT, "plaintext": "bukan!", "ref": "dua" },
        { "object": "tidak-ada", "plaintext": "" },
        { "object": "asing", "plaintext": "", "ref": "empat" },
        { "object": BOUND, "plaintext": "" },
        { "object": OBJECT, "plaintext": STANDARD.encode(vec![0; (64 << 10) + 1]) },
        { "object": OBJECT, "plaintext": "", "context": { "": "x" } },
        { "object": "bpjs", "plaintext": "a2VkZWxhcGFu" },
        { "object": OBJECT, "plaintext": "a2VzZW1iaWxhbg==", "ref": "" },
    ] });
    let answer = absensi.encrypt(&items).ok();
    assert_eq!(answer["failed"], 6);
    let codes: Vec<Option<&str>> =
        answer["items"].as_array().unwrap().iter().map(|item| item["code"].as_str()).collect();
    let expected = [
        None,
        Some("bad-base64"),
        Some("object-unknown"),
        Some("not-granted"),
        Some("context-required"),
        Some("field-too-large"),
        Some("bad-context"),
        None,
        None,
    ];
    assert_eq!(codes, expected);
    let references: Vec<&Value> = (0..9).map(|at| &answer["items"][at]["ref"]).collect();
    assert_eq!(references[0], tricky);
    assert_eq!(references[1], "dua");
    assert_eq!(references[3], "empat");
    assert_eq!(references[8], "");
    assert!([2, 4, 5, 6, 7].iter().all(|at| references[*at].is_null()));
    for (at, plaintext) in [(0, "pertama"), (8, "kesembilan")] {
        assert_eq!(
            absensi.open(OBJECT, answer["items"][at]["ciphertext"].as_str().unwrap()),
            plaintext.as_bytes()
        );
    }
    assert_eq!(absensi.open("bpjs", answer["items"][7]["ciphertext"].as_str().unwrap()), b"kedelapan");
    let refused = &answer["items"][1];
    assert!(refused["detail"].is_string() && refused["hint"].is_string(), "{refused}");
    assert!(!answer.to_string().contains("bukan!"));
}

#[test]
fn a_large_batch_keeps_its_order_both_ways() {
    let absensi = &shared().absensi;
    let plaintexts: Vec<String> = (0..300).map(|n| STANDARD.encode(format!("nilai {n}"))).collect();
    let items: Vec<Value> = plaintexts
        .iter()
        .enumerate()
        .map(|(n, plaintext)| {
            json!({ "object": ALGORITHMS[n % 4].0, "plaintext": plaintext, "ref": n.to_string() })
        })
        .collect();
    let sealed = absensi.encrypt(&json!({ "items": items })).ok();
    assert_eq!(sealed["failed"], 0);
    let items: Vec<Value> = sealed["items"]
        .as_array()
        .unwrap()
        .iter()
        .enumerate()
        .map(|(n, item)| {
            assert_eq!(item["ref"], n.to_string());
            json!({ "object": ALGORITHMS[n % 4].0, "ciphertext": item["ciphertext"] })
        })
        .collect();
    let opened = absensi.decrypt(&json!({ "items": items })).ok();
    assert_eq!(opened["failed"], 0);
    let opened: Vec<&str> =
        opened["items"].as_array().unwrap().iter().map(|item| item["plaintext"].as_str().unwrap()).collect();
    assert_eq!(opened, plaintexts);
}

#[test]
fn every_algorithm_round_trips_at_its_published_width() {
    let absensi = &shared().absensi;
    for (object, algorithm, overhead) in ALGORITHMS {
        let shown = shared().world.done(&format!("object show {object} --project kantor"));
        assert_eq!(shown["object"]["versions"][0]["algorithm"], algorithm);
        for length in [0, 1, 2, 3, 16, 1_000, 64 << 10] {
            let plaintext: Vec<u8> = (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect();
            let sealed = absensi.seal(object, &plaintext);
            assert_eq!(sealed.len(), 4 * (length + overhead).div_ceil(3), "{algorithm}, {length} bytes");
            assert!(sealed.starts_with("R0IB"));
            assert!(absensi.open(object, &sealed) == plaintext, "{algorithm}, {length} bytes");
        }
        assert_ne!(absensi.seal(object, b"sama"), absensi.seal(object, b"sama"), "{algorithm}");
    }
}

#[test]
fn a_context_opens_in_any_order_and_never_altered() {
    let absensi = &shared().absensi;
    let seal =
        r#"{"object":"karyawan","plaintext":"bmlsYWk=","context":{"tabel":"pegawai","baris":"7","é":"✓"}}"#;
    let sealed = absensi.v1("encrypt", seal).ok()["ciphertext"].as_str().unwrap().to_owned();
    let open = |context: &str| {
        let body = format!(r#"{{"object":"karyawan","ciphertext":"{sealed}","context":{context}}}"#);
        absensi.v1("decrypt", body)
    };
    for context in [
        r#"{"tabel":"pegawai","baris":"7","é":"✓"}"#,
        r#"{"é":"✓","baris":"7","tabel":"pegawai"}"#,
        r#"{"\u00e9":"\u2713","baris":"\u0037","tabel":"pegawai"}"#,
    ] {
        assert_eq!(open(context).ok()["plaintext"], "bmlsYWk=", "{context}");
    }
    let altered = [
        r#"{"tabel":"pegawai","baris":"8","é":"✓"}"#,
        r#"{"tabel":"7","baris":"pegawai","é":"✓"}"#,
        r#"{"tabel":"pegawai","baris":"7"}"#,
        r#"{"tabel":"pegawai","baris":"7","é":"✓","lagi":""}"#,
        r#"{"tabel":"pegawai","baris":"7","e\u0301":"✓"}"#,
        r#"{"Tabel":"pegawai","baris":"7","é":"✓"}"#,
        "{}",
    ];
    let answers: Vec<String> = altered
        .iter()
        .map(|context| {
            let answer = open(context);
            assert_eq!(answer.problem(), refusal(422, "cannot-open"), "{context}");
            answer.text().to_owned()
        })
        .collect();
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));
    for (context, code) in [
        (r#"{"a":"1","a":"2"}"#.to_owned(), "bad-context"),
        (r#"{"":"1"}"#.to_owned(), "bad-context"),
        (format!(r#"{{"a":"{}"}}"#, "x".repeat(4_096)), "bad-context"),
        (r#"{"a":1}"#.to_owned(), "malformed-json"),
        (r#"["a"]"#.to_owned(), "malformed-json"),
    ] {
        assert_eq!(open(&context).problem(), refusal(400, code), "{context}");
    }
}

#[test]
fn an_object_may_require_context() {
    let absensi = &shared().absensi;
    let mut item = json!({ "object": BOUND, "plaintext": "eA==" });
    let answer = absensi.encrypt(&item);
    assert_eq!(answer.problem(), refusal(400, "context-required"));
    assert_eq!(answer.json()["detail"], "The object requires the context name baris.");
    item["context"] = json!({ "baris": "1", "lagi": "x" });
    let sealed = absensi.encrypt(&item).ok();
    let mut item = json!({ "object": BOUND, "ciphertext": sealed["ciphertext"] });
    // When opening, a required name only improves the message.
    let answer = absensi.decrypt(&item);
    assert_eq!(answer.problem(), refusal(422, "cannot-open"));
    assert!(answer.json()["detail"].as_str().unwrap().contains("baris"));
    item["context"] = json!({ "baris": "1", "lagi": "x" });
    assert_eq!(absensi.decrypt(&item).ok()["plaintext"], "eA==");
}

#[test]
fn every_opening_that_fails_gives_one_answer() {
    let shared = shared();
    let absensi = &shared.absensi;
    for (object, algorithm, overhead) in ALGORITHMS {
        let whole = STANDARD.decode(absensi.seal(object, b"rahasia")).unwrap();
        let mut wrong: Vec<(String, Vec<u8>)> = Vec::new();
        let nonce = overhead - 12 - 16;
        let classes = [
            0,
            2,
            3,
            4,
            7,
            8,
            11,
            12,
            12 + nonce - 1,
            12 + nonce,
            whole.len() - 17,
            whole.len() - 16,
            whole.len() - 1,
        ];
        for at in classes {
            for bit in [0x01, 0x80] {
                let mut flipped = whole.clone();
                flipped[at] ^= bit;
                wrong.push((format!("bit {bit:#x} of byte {at}"), flipped));
            }
        }
        for length in [0, 1, 11, 12, 12 + nonce, overhead - 1, whole.len() - 1] {
            wrong.push((format!("cut to {length}"), whole[..length].to_vec()));
        }
        wrong.push(("a byte more".into(), [&whole[..], &[0]].concat()));
        let mut unknown_version = whole.clone();
        unknown_version[8..12].copy_from_slice(&9u32.to_be_bytes());
        wrong.push(("key version 9".into(), unknown_version));
        for other in 0..=5 {
            if other != whole[3] {
                let mut altered = whole.clone();
                altered[3] = other;
                wrong.push((format!("algorithm {other}"), altered));
            }
        }
        let another = ALGORITHMS.iter().find(|(name, ..)| *name != object).unwrap().0;
        wrong.push(("another object's".into(), STANDARD.decode(absensi.seal(another, b"x")).unwrap()));
        wrong.push(("another project's".into(), STANDARD.decode(shared.cabang.seal(OBJECT, b"x")).unwrap()));
        wrong.push(("garbage".into(), vec![0x5a; 200]));

        let items: Vec<Value> = wrong
            .iter()
            .map(|(_, bytes)| json!({ "object": object, "ciphertext": STANDARD.encode(bytes) }))
            .collect();
        let answer = absensi.decrypt(&json!({ "items": items })).ok();
        assert_eq!(answer["failed"], wrong.len());
        let one = &answer["items"][0];
        assert_eq!(one["code"], "cannot-open");
        for (at, (what, _)) in wrong.iter().enumerate() {
            assert_eq!(&answer["items"][at], one, "{algorithm}: {what}");
        }
        let alone = absensi.decrypt(&items[0]);
        assert_eq!(alone.problem(), refusal(422, "cannot-open"));
        assert_eq!(absensi.open(object, &STANDARD.encode(&whole)), b"rahasia");
    }
}

#[test]
fn a_grant_to_encrypt_does_not_open() {
    let absensi = &shared().absensi;
    let sealed = absensi.seal("titipan", b"x");
    let answer = absensi.decrypt(&json!({ "object": "titipan", "ciphertext": sealed }));
    assert_eq!(answer.problem(), refusal(403, "not-granted"));
    let answer = absensi.decrypt(&json!({ "object": "titipan", "ciphertext": "R0IB" }));
    assert_eq!(answer.problem(), refusal(403, "not-granted"));
    let answer = absensi.encrypt(&json!({ "object": "asing", "plaintext": "" }));
    assert_eq!(answer.problem(), refusal(403, "not-granted"));
    let answer = absensi.encrypt(&json!({ "object": "tidak-ada", "plaintext": "" }));
    assert_eq!(answer.problem(), refusal(404, "object-unknown"));
}

#[test]
fn base64_is_standard_and_padded() {
    let absensi = &shared().absensi;
    for bad in ["Y29udG9oIA", "Y29-", "Y29_", "Y", "====", "Y29udG9oIB==", "é"] {
        for (operation, member) in [("encrypt", "plaintext"), ("decrypt", "ciphertext")] {
            let answer = absensi.v1(operation, json!({ "object": OBJECT, member: bad }).to_string());
            assert_eq!(answer.problem(), refusal(400, "bad-base64"), "{bad}");
            assert!(bad.len() < 4 || !answer.text().contains(bad), "{bad}");
        }
    }
    let wrapped = json!({ "object": OBJECT, "plaintext": " Y29u\ndG9o\r\n\t" });
    let sealed = absensi.encrypt(&wrapped).ok();
    assert_eq!(absensi.open(OBJECT, sealed["ciphertext"].as_str().unwrap()), b"contoh");
}

//! Who is let in: certificate and API key must be of one and the same endpoint.

use serde_json::json;

use crate::client::refusal;
use crate::support::daemon::OBJECT;
use crate::world::{Application, shared};

#[test]
fn every_form_of_authorization_but_one_is_refused() {
    let absensi = &shared().newcomer();
    let key = &absensi.api_key;
    let body = json!({ "object": OBJECT, "plaintext": "" }).to_string();
    let ask = |headers: &[(&str, &str)]| {
        absensi.client.ask("POST", &absensi.path("encrypt"), headers, body.as_bytes()).unwrap()
    };
    // Proved once, the key is taken whatever else fails beside it.
    assert_eq!(ask(&[("authorization", &format!("Bearer {key}"))]).status, 200);
    assert_eq!(ask(&[]).problem(), refusal(401, "api-key-missing"));
    for (header, code) in [
        (String::new(), "api-key-missing"),
        ("Bearer".into(), "api-key-missing"),
        (key.clone(), "api-key-missing"),
        (format!("Basic {key}"), "api-key-missing"),
        ("Bearer gbk_".into(), "api-key-mistyped"),
        (format!("Bearer {key}x"), "api-key-mistyped"),
        (format!("Bearer {}", &key[..key.len() - 1]), "api-key-mistyped"),
        (format!("Bearer {}", key.to_ascii_lowercase()), "api-key-mistyped"),
        (format!("Bearer {key} {key}"), "api-key-mistyped"),
        (format!("Bearer \"{key}\""), "api-key-mistyped"),
    ] {
        let answer = ask(&[("authorization", &header)]);
        assert_eq!(answer.problem(), refusal(401, code), "{header}");
        assert!(!answer.text().contains("gbk_…") && !answer.text().contains(&key[4..]), "{}", answer.text());
    }
    for header in [format!("Bearer {key}"), format!("bearer {key}"), format!("BEARER  {key}")] {
        assert_eq!(ask(&[("authorization", &header)]).status, 200, "{header}");
    }
}

#[test]
fn a_key_in_the_body_of_v1_is_no_key() {
    let absensi = &shared().newcomer();
    let body = json!({ "api-key": absensi.api_key, "object": OBJECT, "plaintext": "" }).to_string();
    let answer = absensi.client.ask("POST", &absensi.path("encrypt"), &[], body.as_bytes()).unwrap();
    assert_eq!(answer.problem(), refusal(401, "api-key-missing"));
}

#[test]
fn each_wrong_key_has_its_own_code() {
    let shared = shared();
    let (id, revoked) = shared.world.new_api_key("kantor", "absensi", "");
    shared.world.done(&format!("api-key revoke {id}"));
    let expired = shared.expired();
    let newcomer = shared.newcomer();
    let unknown = gembok::domain::api_key::ApiKeyText::generate().unwrap().expose().to_owned();
    for (api_key, status, code) in [
        (revoked, 401, "api-key-revoked"),
        (expired, 401, "api-key-expired"),
        (unknown, 401, "api-key-unknown"),
        (shared.gaji.api_key.clone(), 403, "api-key-of-another-endpoint"),
        (shared.cabang.api_key.clone(), 403, "api-key-of-another-endpoint"),
    ] {
        let application = Application { api_key, ..newcomer.clone() };
        let answer = application.encrypt(&json!({ "object": OBJECT, "plaintext": "" }));
        assert_eq!(answer.problem(), refusal(status, code));
    }
}

#[test]
fn a_name_is_looked_up_in_the_project_of_the_certificate() {
    let shared = shared();
    // The same endpoint name and object name in another project: other keys, and nothing passes between them.
    let ours = shared.absensi.seal(OBJECT, b"kantor");
    let theirs = shared.cabang.seal(OBJECT, b"cabang");
    let crossed = shared.cabang.decrypt(&json!({ "object": OBJECT, "ciphertext": ours }));
    assert_eq!(crossed.problem(), refusal(422, "cannot-open"));
    let crossed = shared.absensi.decrypt(&json!({ "object": OBJECT, "ciphertext": theirs }));
    assert_eq!(crossed.problem(), refusal(422, "cannot-open"));
    // An object that only the other project has.
    let answer = shared.cabang.encrypt(&json!({ "object": "alamat", "plaintext": "" }));
    assert_eq!(answer.problem(), refusal(404, "object-unknown"));
    // Another certificate of the same project with the right name and key in everything else.
    let swapped = Application { client: shared.gaji.client.clone(), ..shared.absensi.clone() };
    let answer = swapped.encrypt(&json!({ "object": OBJECT, "plaintext": "" }));
    assert_eq!(answer.problem(), refusal(404, "endpoint-unknown"));
    let swapped = Application { client: shared.cabang.client.clone(), ..shared.absensi.clone() };
    let answer = swapped.encrypt(&json!({ "object": OBJECT, "plaintext": "" }));
    assert_eq!(answer.problem(), refusal(403, "api-key-of-another-endpoint"));
    // What one endpoint of a project sealed, another opens if it is granted the same object.
    assert_eq!(shared.gaji.open(OBJECT, &shared.absensi.seal(OBJECT, b"bersama")), b"bersama");
}

#[test]
fn a_users_certificate_is_no_endpoints() {
    let shared = shared();
    let admin = shared.world.data(Some("admin/admin"));
    let application = Application { client: admin, ..shared.absensi.clone() };
    let answer = application.encrypt(&json!({ "object": OBJECT, "plaintext": "" }));
    assert_eq!(answer.problem(), refusal(401, "certificate-not-enrolled"));
    let body = application.published_body(OBJECT, "enkrip", "");
    assert_eq!(application.published(body.to_string()).gagal(), refusal(401, "certificate-not-enrolled"));
}

#[test]
fn without_a_certificate_there_is_no_answer() {
    let shared = shared();
    assert!(shared.world.data(None).ask("GET", "/v1/info", &[], b"").is_err());
}

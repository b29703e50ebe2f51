//! What both listeners tell anybody, and what the control plane tells whom.

use gembok::domain::refusal::Code;
use serde_json::json;

use crate::client::refusal;
use crate::world::{ALGORITHMS, shared};

#[test]
fn info_tells_limits_and_widths_on_both_listeners() {
    let shared = shared();
    let info = shared.absensi.client.get("/v1/info");
    assert_eq!(shared.world.control(None).get("/v1/info").text(), info.text());
    let info = info.ok();
    assert_eq!(info["name"], "gembok");
    assert_eq!(info["operations"], json!(["encrypt", "decrypt", "reencrypt", "index"]));
    assert_eq!(
        info["limits"],
        json!({
            "body_bytes_max": 1 << 20,
            "published_body_bytes_max": 128 << 10,
            "field_bytes_max": 64 << 10,
            "items_max": 1_000,
            "context_bytes_max": 4_096,
            "requests_in_flight_per_certificate_max": 256,
        })
    );
    assert_eq!(info["default_algorithm"], "xaes-256-gcm");
    for (at, (_, name, overhead)) in ALGORITHMS.iter().enumerate() {
        let told = &info["algorithms"][at];
        assert_eq!(told["name"], *name);
        assert_eq!(told["envelope_overhead_bytes"], *overhead);
        assert_eq!(told["text_width_16_bytes"], 4 * (16 + overhead).div_ceil(3));
    }
}

#[test]
fn every_code_is_explained_on_both_listeners() {
    let shared = shared();
    let (mut data, mut control) =
        (shared.absensi.client.connect().unwrap(), shared.world.control(None).connect().unwrap());
    for code in Code::ALL {
        let path = format!("/problems/{}", code.as_str());
        let page = data.ask("GET", &path, &[], b"").unwrap();
        assert_eq!(control.ask("GET", &path, &[], b"").unwrap().text(), page.text());
        let page = page.ok();
        assert_eq!((&page["type"], &page["code"]), (&json!(path), &json!(code.as_str())));
        assert_eq!(page["title"], code.title());
        assert_eq!(page["hint"], code.hint());
        assert!(page["status"].as_u64().is_some_and(|status| (400..600).contains(&status)), "{page}");
    }
    let unknown = control.ask("GET", "/problems/tidak-ada", &[], b"").unwrap();
    assert_eq!(unknown.problem(), refusal(404, "no-such-route"));
}

#[test]
fn health_says_a_word_to_probes_and_the_whole_to_users() {
    let world = &shared().world;
    let anybody = world.control(None);
    assert_eq!(anybody.get("/health/alive").text(), "alive\n");
    let ready = anybody.get("/health/ready");
    assert_eq!((ready.status, ready.text()), (200, "ready\n"));
    assert_eq!(anybody.get("/health/state").problem(), refusal(401, "certificate-missing"));
    let endpoint = world.control(Some("client/client"));
    assert_eq!(endpoint.get("/health/state").problem(), refusal(403, "forbidden"));
    let whole = world.admin().get("/health/state").ok();
    assert_eq!((&whole["state"], &whole["sandbox"]), (&json!("operational"), &json!(true)));
    assert_eq!(whole["token"]["present"], true);
    assert_eq!(whole["token"]["master_key_generation"], 1);
    assert_eq!(whole["journal"]["epoch"], 0);
    assert!(whole["journal"]["next_sequence"].as_u64() > Some(0));
    assert!(whole["journal"]["trouble"].is_null());
}

#[test]
fn metrics_need_a_users_certificate() {
    let shared = shared();
    let world = &shared.world;
    assert_eq!(world.control(None).get("/metrics").problem(), refusal(401, "certificate-missing"));
    let endpoint = world.control(Some("client/client"));
    assert_eq!(endpoint.get("/metrics").problem(), refusal(403, "forbidden"));
    shared.absensi.seal("karyawan", b"x");
    let admin = world.admin();
    world.daemon.wait_until("the record is counted", || {
        let text = admin.get("/metrics").text().to_owned();
        text.contains("gembok_requests_total{operation=\"encrypt\",outcome=\"done\"}")
            && text.contains("gembok_token_present 1\n")
    });
}

#[test]
fn the_control_plane_has_no_other_routes() {
    let admin = shared().world.admin();
    for (method, path, status, code) in [
        ("GET", "/", 404, "no-such-route"),
        ("POST", "/v1/endpoints/absensi/encrypt", 404, "no-such-route"),
        ("POST", "/cryptAPI/Crypt/absensi/", 404, "no-such-route"),
        ("GET", "/v1/keys", 404, "no-such-route"),
        ("POST", "/v1/statistics", 405, "method-not-allowed"),
        ("PUT", "/v1/users", 405, "method-not-allowed"),
        ("PATCH", "/v1/projects/kantor", 405, "method-not-allowed"),
        ("GET", "/v1/users//", 404, "no-such-route"),
        ("DELETE", "/health/state", 405, "method-not-allowed"),
    ] {
        let answer = admin.ask(method, path, &[], b"").unwrap();
        assert_eq!(answer.problem(), refusal(status, code), "{method} {path}");
    }
}

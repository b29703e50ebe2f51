//! Refusals that do not wait for the body: over both protocols the client gets the answer, not a broken stream. curl asks,
//! because it is what PHP asks with; a reset behind an answer is an error to it.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::client::refusal;
use crate::world::{World, shared};

/// More than a frame and less than is taken of it.
const BODY_BYTES: usize = 100 << 10;

/// An answer as curl saw it.
struct Seen {
    status: u16,
    content_type: String,
    allow: String,
    body: Value,
}

/// Sends a body to `address` as the holder of `certificate`, where there is one.
fn curl(world: &World, address: &str, certificate: Option<&str>, args: &[&str]) -> Seen {
    let body = world.sandbox.path("large-body");
    fs::write(&body, vec![b' '; BODY_BYTES]).unwrap();
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--max-time", "30", "--data-binary"]);
    command.arg(format!("@{}", body.display()));
    command.args(["--write-out", "\n%{http_code} %{content_type} %header{allow}"]);
    command.arg("--cacert").arg(world.sandbox.path("admin/ca.pem"));
    if let Some(certificate) = certificate {
        command.arg("--cert").arg(world.sandbox.path(&format!("{certificate}.pem")));
        command.arg("--key").arg(world.sandbox.path(&format!("{certificate}.key")));
    }
    let (path, args) = args.split_last().unwrap();
    let output = command.args(args).arg(format!("https://{address}{path}")).output().unwrap();
    assert!(output.status.success(), "{path} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, written) = text.rsplit_once('\n').unwrap();
    let mut written = written.split(' ').map(str::to_owned);
    let mut next = || written.next().unwrap();
    Seen {
        status: next().parse().unwrap(),
        content_type: next(),
        allow: next(),
        body: serde_json::from_str(body).unwrap(),
    }
}

impl Seen {
    #[track_caller]
    fn problem(&self) -> (u16, String) {
        assert_eq!(self.content_type, "application/problem+json");
        (self.status, self.body["code"].as_str().unwrap().to_owned())
    }

    #[track_caller]
    fn gagal(&self) -> (u16, String) {
        assert_eq!(
            (self.content_type.as_str(), &self.body["status"]),
            ("application/json", &"Gagal!".into())
        );
        (self.status, self.body["kode"].as_str().unwrap().to_owned())
    }
}

const PROTOCOLS: [&str; 2] = ["--http1.1", "--http2"];

#[test]
fn what_no_route_takes_is_answered_on_the_data_plane() {
    let world = &shared().world;
    let data = world.daemon.data();
    for protocol in PROTOCOLS {
        let ask =
            |method, path| curl(world, &data, Some("client/client"), &[protocol, "--request", method, path]);
        for (method, path) in
            [("POST", "/"), ("POST", "/v1/endpoints/absensi/enkrip"), ("PUT", "/v1/statistics")]
        {
            assert_eq!(ask(method, path).problem(), refusal(404, "no-such-route"), "{protocol} {path}");
        }
        for (method, path, allow) in [
            ("PUT", "/v1/endpoints/absensi/encrypt", "POST"),
            ("DELETE", "/v1/endpoints/absensi/decrypt", "POST"),
            ("POST", "/v1/info", "GET"),
            ("POST", "/problems/locked", "GET"),
        ] {
            let seen = ask(method, path);
            assert_eq!(seen.problem(), refusal(405, "method-not-allowed"), "{protocol} {path}");
            assert_eq!(seen.allow, allow, "{protocol} {path}");
        }
        for path in ["/cryptAPI", "/cryptAPI/Crypt", "/CryptAPI/Crypt/absensi/x", "/cryptAPI/crypt/absensi/"]
        {
            assert_eq!(ask("POST", path).gagal(), refusal(404, "no-such-route"), "{protocol} {path}");
        }
        let seen = ask("PUT", "/cryptAPI/Crypt/absensi/");
        assert_eq!(seen.gagal(), refusal(405, "method-not-allowed"), "{protocol}");
        assert_eq!(seen.allow, "POST", "{protocol}");
    }
}

#[test]
fn what_no_route_takes_is_answered_on_the_control_plane() {
    let world = &shared().world;
    let control = world.daemon.control();
    for protocol in PROTOCOLS {
        let ask = |path| curl(world, &control, None, &[protocol, path]);
        for path in ["/", "/v1/endpoints/absensi/encrypt", "/cryptAPI/Crypt/absensi/"] {
            assert_eq!(ask(path).problem(), refusal(404, "no-such-route"), "{protocol} {path}");
        }
        for path in [
            "/health/alive",
            "/health/ready",
            "/health/state",
            "/v1/statistics",
            "/metrics",
            "/v1/info",
            "/problems/locked",
        ] {
            let seen = ask(path);
            assert_eq!(seen.problem(), refusal(405, "method-not-allowed"), "{protocol} {path}");
            assert_eq!(seen.allow, "GET", "{protocol} {path}");
        }
    }
}

#[test]
fn who_is_not_let_in_is_answered() {
    let shared = shared();
    let (world, data) = (&shared.world, shared.world.daemon.data());
    let unknown = gembok::domain::api_key::ApiKeyText::generate().unwrap().expose().to_owned();
    let bearer = |api_key: &str| format!("Authorization: Bearer {api_key}");
    let (good, unknown) = (bearer(&shared.absensi.api_key), bearer(&unknown));
    for protocol in PROTOCOLS {
        for (certificate, headers, endpoint, status, code) in [
            ("client/client", &[][..], "absensi", 401, "api-key-missing"),
            ("client/client", &["Authorization: Basic eDp5"], "absensi", 401, "api-key-missing"),
            ("client/client", &["Authorization: Bearer gbk_x"], "absensi", 401, "api-key-mistyped"),
            ("client/client", &[&unknown], "absensi", 401, "api-key-unknown"),
            ("client/client", &[&good], "gaji", 404, "endpoint-unknown"),
            ("client/client", &[&good, &good], "absensi", 400, "bad-request"),
            ("client/client", &[&good, &unknown], "absensi", 400, "bad-request"),
            ("admin/admin", &[&good], "absensi", 401, "certificate-not-enrolled"),
        ] {
            let path = format!("/v1/endpoints/{endpoint}/encrypt");
            let headers = headers.iter().flat_map(|header| ["--header", *header]);
            let args: Vec<&str> = [protocol].into_iter().chain(headers).chain([path.as_str()]).collect();
            let seen = curl(world, &data, Some(certificate), &args);
            assert_eq!(seen.problem(), refusal(status, code), "{protocol}");
            let names_the_header =
                seen.body["detail"].as_str().is_some_and(|text| text.contains("Authorization"));
            assert_eq!(names_the_header, code == "bad-request", "{}", seen.body);
        }
        let seen = curl(world, &data, Some("admin/admin"), &[protocol, "/cryptAPI/Crypt/absensi/"]);
        assert_eq!(seen.gagal(), refusal(401, "certificate-not-enrolled"), "{protocol}");
        let seen = curl(world, &data, Some("client/client"), &[protocol, "/cryptAPI/Crypt/gaji/"]);
        assert_eq!(seen.gagal(), refusal(404, "endpoint-unknown"), "{protocol}");
    }
}

#[test]
fn a_locked_appliance_answers_too() {
    let world = World::new("");
    let data = world.daemon.data();
    world.done("lock");
    for protocol in PROTOCOLS {
        let ask = |path| curl(&world, &data, Some("client/client"), &[protocol, path]);
        assert_eq!(ask("/v1/endpoints/absensi/encrypt").problem(), refusal(503, "locked"), "{protocol}");
        assert_eq!(ask("/cryptAPI/Crypt/absensi/").gagal(), refusal(503, "locked"), "{protocol}");
        assert_eq!(ask("/v1/projects").problem(), refusal(404, "no-such-route"), "{protocol}");
    }
}

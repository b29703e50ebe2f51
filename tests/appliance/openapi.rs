//! The OpenAPI document: the committed one is the code's, and every operation of it answers as it says, a yes and a no each,
//! judged by validators that are not ours.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::book::{Book, COMMITTED};
use crate::client::{Client, refusal};
use crate::index::declare_indexes;
use crate::index_rotation::index_calls;
use crate::key_life::every_verb;
use crate::outside_ca::{CONFIGURED, Foreign, uri};
use crate::own_credentials::first_code;
use crate::support::daemon::{ENDPOINT, OBJECT, PROJECT, Sandbox};
use crate::world::World;

/// For how long an object has to be retired before it is deleted, and a little more.
const RETIRED_BEFORE: Duration = Duration::from_secs(91);

fn signing_request() -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    rcgen::CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap()
}

fn person(world: &World, name: &str, role: &str) -> Client {
    world.done(&format!("user create {name} --role {role}"));
    world.done(&format!("certificate issue --user {name} --out {name}"));
    world.control(Some(&format!("{name}/user")))
}

#[test]
fn the_committed_document_is_the_codes() {
    let committed = fs::read_to_string(COMMITTED).unwrap();
    assert!(
        committed == gembok::api::openapi::document(),
        "docs/openapi.json is of another code: gembok openapi > docs/openapi.json"
    );
}

#[test]
fn every_operation_answers_as_the_document_says() {
    let sandbox = Sandbox::new();
    let outside = Foreign::new("luar");
    fs::write(sandbox.path("outside-ca.pem"), &outside.pem).unwrap();
    fs::write(sandbox.path("outside-crl.pem"), outside.list(&[], 48)).unwrap();
    let world = World::over(sandbox, CONFIGURED);
    let siti = person(&world, "siti", "user");
    world.done(&format!("project member add siti --project {PROJECT}"));
    let people =
        vec![siti, world.admin(), person(&world, "rina", "auditor"), person(&world, "opsir", "officer")];
    let mut book = Book { people, nobody: world.control(None), exchanges: Vec::new() };
    let enrolled = |urn: &str| {
        let key = rcgen::KeyPair::generate().unwrap();
        outside.sign(&world.sandbox, "luar", &key, 7, &[uri(urn)]);
        json!({ "certificate": fs::read_to_string(world.sandbox.path("luar.pem")).unwrap() })
    };
    declare_indexes(&world);
    data_plane(&world, &mut book);
    about(&world, &mut book);
    users(&mut book, &enrolled);
    sessions(&world, &mut book);
    approvals(&mut book);
    project(&mut book);
    let retired = retire_object(&mut book);
    crate::subjects::every_verb(&mut book);
    endpoint(&mut book, &enrolled);
    appliance(&mut book);
    // An object is deleted a minute after it was retired.
    sleep(RETIRED_BEFORE.saturating_sub(retired.elapsed()));
    book.resource("DELETE", "/v1/projects/gudang/objects/salah", Value::Null);
    ends(&mut book);
    // With other names, or another CA, the server has another certificate.
    book.resource("PUT", "/v1/server-names", json!({ "names": ["localhost", "127.0.0.1"] }));
    roll_ca(&world, &mut book);
    book.judge();
}

fn data_plane(world: &World, book: &mut Book) {
    let absensi = world.absensi();
    let bearer = format!("Bearer {}", absensi.api_key);
    let right = [("authorization", bearer.as_str())];
    let client = &absensi.client;
    let of = |verb: &str| format!("/v1/endpoints/{ENDPOINT}/{verb}");
    let one = json!({ "object": OBJECT, "plaintext": "QnVkaQ==", "context": { "row": "7" }, "ref": "nama" });
    let sealed = book.ask(client, "POST", &of("encrypt"), &right, &one).ok()["ciphertext"].clone();
    let batch = json!({ "items": [one, { "object": "kosong", "plaintext": "" }] });
    assert_eq!(book.ask(client, "POST", &of("encrypt"), &right, &batch).ok()["failed"], 1);
    let opening = json!({ "object": OBJECT, "ciphertext": sealed, "context": { "row": "7" } });
    book.ask(client, "POST", &of("decrypt"), &right, &opening).ok();
    world.grant("reencrypt", OBJECT, ENDPOINT);
    assert_eq!(book.ask(client, "POST", &of("reencrypt"), &right, &opening).ok()["changed"], false);
    let again = json!({ "items": [opening, { "object": "kosong", "ciphertext": "", "force": true }] });
    assert_eq!(book.ask(client, "POST", &of("reencrypt"), &right, &again).ok()["failed"], 1);
    let opening = json!({ "object": OBJECT, "ciphertext": sealed, "context": { "row": "8" } });
    assert_eq!(book.ask(client, "POST", &of("decrypt"), &right, &opening).status, 422);
    index_calls(world, book, &absensi);
    book.ask(client, "POST", &of("certificate"), &right, &json!({ "csr": signing_request() })).ok();
    for verb in ["encrypt", "decrypt", "reencrypt", "index", "certificate"] {
        for (headers, body) in
            [(&[][..], json!({})), (&right[..], json!({ "x": 1 })), (&right[..], json!([]))]
        {
            assert!(book.ask(client, "POST", &of(verb), headers, &body).status >= 400);
        }
    }
    for path in ["cryptAPI", "CryptAPI"] {
        let path = format!("/{path}/Crypt/{ENDPOINT}/");
        let mut body =
            json!({ "api-key": absensi.api_key, "objek": OBJECT, "aksi": "enkrip", "plaintext": "QnVkaQ==" });
        let sealed = book.ask(client, "POST", &path, &[], &body).ok()["ciphertext"].clone();
        body["objek"] = "kosong".into();
        assert_eq!(book.ask(client, "POST", &path, &[], &body).status, 404);
        let body =
            json!({ "api-key": absensi.api_key, "objek": OBJECT, "aksi": "dekrip", "chiptext": sealed });
        book.ask(client, "POST", &path, &[], &body).ok();
    }
}

fn about(world: &World, book: &mut Book) {
    for client in [world.data(Some("client/client")), book.nobody.clone()] {
        for path in ["/v1/info", "/v1/openapi.json", "/problems/forbidden"] {
            book.ask(&client, "GET", path, &[], &Value::Null).ok();
        }
        assert_eq!(book.ask(&client, "GET", "/problems/nothing", &[], &Value::Null).status, 404);
    }
    let nobody = book.nobody.clone();
    assert!(book.ask(&nobody, "GET", "/v1/ca.pem", &[], &Value::Null).text().starts_with("-----BEGIN CERT"));
    for path in ["/health/alive", "/health/ready"] {
        assert_eq!(book.ask(&nobody, "GET", path, &[], &Value::Null).status, 200);
    }
    for path in ["/health/state", "/metrics", "/v1/statistics?resolution=hour&group=time,user,object"] {
        book.resource("GET", path, Value::Null);
    }
    book.resource("GET", "/v1/statistics?resolution=day&format=csv", Value::Null);
}

fn users(book: &mut Book, enrolled: &dyn Fn(&str) -> Value) {
    let of = |verb: &str| format!("/v1/users/tono{verb}");
    let tono = book.resource("POST", "/v1/users", json!({ "name": "tono", "role": "user" })).json();
    let urn = format!("urn:gembok:user:{}", tono["id"].as_str().unwrap());
    book.resource("POST", &of("/certificates/enrol"), enrolled(&urn));
    book.resource("GET", "/v1/users?limit=2", Value::Null);
    book.resource("POST", &of("/certificates"), json!({ "csr": signing_request() }));
    book.resource("GET", &of(""), Value::Null);
    credentials(book, "tono");
    book.resource("POST", &format!("/v1/projects/{PROJECT}/members"), json!({ "user": "tono" }));
    book.resource("GET", &format!("/v1/projects/{PROJECT}/members"), Value::Null);
    book.resource("DELETE", &format!("/v1/projects/{PROJECT}/members/tono"), Value::Null);
    book.resource("PUT", &of("/role"), json!({ "role": "auditor" }));
    for verb in ["/disable", "/enable"] {
        book.resource("POST", &of(verb), Value::Null);
    }
    book.resource("DELETE", &of(""), Value::Null);
}

/// What an account signs in with, and that somebody else had it in hand.
fn credentials(book: &mut Book, name: &str) {
    let of = |verb: &str| format!("/v1/users/{name}{verb}");
    let admin = book.people[1].clone();
    let asked = admin.get("/v1/approvals").ok()["items"].clone();
    let asked = asked.as_array().unwrap().iter().find(|one| one["user"] == name).unwrap();
    let withdraw = format!("/v1/approvals/{}/withdraw", asked["id"].as_str().unwrap());
    book.ask(&admin, "POST", &withdraw, &[], &json!({}));
    book.resource("POST", &of("/confirmation"), json!({}));
    for demanded in [true, false] {
        book.resource("PUT", &of("/totp"), json!({ "demanded": demanded }));
    }
    let link = book.resource("POST", &of("/reset"), json!({})).json();
    let password = "empat kata acak benar";
    for (path, body) in [
        ("/v1/reset", json!({ "token": link["token"], "password": password })),
        ("/v1/session", json!({ "name": name, "password": password })),
    ] {
        let headers = [("content-type", "application/json")];
        let answer = book.nobody.insist("POST", path, &headers, body.to_string().as_bytes());
        assert!(answer.status < 300, "{}", answer.text());
    }
    let sessions = book.resource("GET", &of("/sessions"), Value::Null).json();
    book.resource(
        "DELETE",
        &format!("/v1/sessions/{}", sessions["items"][0]["id"].as_str().unwrap()),
        Value::Null,
    );
}

fn project(book: &mut Book) {
    book.resource("POST", "/v1/projects", json!({ "name": "gudang" }));
    book.resource("GET", "/v1/projects", Value::Null);
    book.resource("GET", "/v1/projects/gudang", Value::Null);
    let nik = json!({ "normaliser": "digits", "length": 16, "distinct": 50_000, "index": "unique" });
    let schema = json!({ "fields": { "nik": nik } });
    let object = json!({ "name": "barang", "required_context": ["baris"], "schema": schema });
    book.resource("POST", "/v1/projects/gudang/objects", object);
    book.resource("GET", "/v1/projects/gudang/objects", Value::Null);
    book.resource("GET", "/v1/projects/gudang/objects/barang", Value::Null);
    book.resource("POST", "/v1/projects/gudang/objects/barang/key-versions", json!({}));
    for step in ["rotate", "finish-rotation"] {
        let path = format!("/v1/projects/gudang/objects/barang/index-root/{step}");
        book.resource("POST", &path, Value::Null);
    }
    book.resource("POST", "/v1/projects/gudang/kek-versions", json!({ "reason": "yearly" }));
    book.resource("GET", "/v1/keys/verify?project=gudang&kcv=true", Value::Null);
    every_verb(book);
}

fn endpoint(book: &mut Book, enrolled: &dyn Fn(&str) -> Value) {
    let endpoints = "/v1/projects/gudang/endpoints";
    let of = |verb: &str| format!("{endpoints}/kasir/{verb}");
    let kasir = book.resource("POST", endpoints, json!({ "name": "loket" })).json();
    book.resource("PUT", &format!("{endpoints}/loket/name"), json!({ "to": "kasir" }));
    lives(book, &format!("{endpoints}/kasir"));
    book.resource("PUT", &of("networks"), json!({ "networks": ["10.20.0.0/16", "fd00::/8"] }));
    book.resource("GET", &of("networks"), Value::Null);
    book.resource("GET", &format!("{endpoints}/kasir"), Value::Null);
    book.resource("GET", endpoints, Value::Null);
    let urn = format!("urn:gembok:endpoint:{}", kasir["id"].as_str().unwrap());
    book.resource("POST", &of("certificates/enrol"), enrolled(&urn));
    let issued = book.resource("POST", &of("certificates"), json!({ "csr": signing_request() })).json();
    book.resource("POST", &of("grants"), json!({ "object": "barang", "operations": ["encrypt", "decrypt"] }));
    book.resource("GET", &of("grants"), Value::Null);
    book.resource(
        "DELETE",
        &format!("{}?object=barang&operations=decrypt,encrypt", of("grants")),
        Value::Null,
    );
    let new = json!({ "label": "utama", "limits": { "requests_per_s": 5, "requests_burst": 5 } });
    let made = book.resource("POST", &of("api-keys"), new).json();
    let key = format!("/v1/api-keys/{}", made["api_key"]["id"].as_str().unwrap());
    book.resource("GET", &of("api-keys"), Value::Null);
    book.resource("GET", &of("budget"), Value::Null);
    for budget in [of("budget"), format!("{key}/budget")] {
        book.resource("PUT", &budget, json!({ "fields_per_day": 700 }));
        book.resource("POST", &format!("{budget}/raise"), json!({ "fields_per_day": 900, "seconds": 60 }));
    }
    book.resource("PUT", &format!("{key}/expiry"), json!({ "expires": "2099-01-01T00:00:00Z" }));
    book.resource("PUT", &format!("{key}/limits"), json!({ "fields_per_s": 50 }));
    assert_eq!(book.resource("GET", &key, Value::Null).json()["endpoint"], "kasir");
    book.resource("POST", &format!("{key}/rotate"), json!({ "overlap_s": 60 }));
    for verb in ["enable", "revoke"] {
        book.resource("POST", &format!("{key}/{verb}"), Value::Null);
    }
    book.resource("GET", "/v1/certificates", Value::Null);
    let certificate = format!("/v1/certificates/{}/revoke", issued["spki"].as_str().unwrap());
    book.resource("POST", &certificate, json!({ "only": true }));
    for verb in ["enable", "revoke"] {
        book.resource("POST", &of(verb), Value::Null);
    }
}

fn appliance(book: &mut Book) {
    book.resource("GET", "/v1/audit?limit=5", Value::Null);
    book.resource("GET", "/v1/audit/checkpoint-keys", Value::Null);
    for report in ["processing?project=kantor&since=2026-01-01T00:00:00Z", "posture", "erasure"] {
        book.resource("GET", &format!("/v1/reports/{report}"), Value::Null);
    }
    book.resource("GET", "/v1/reports/incident?project=kantor&endpoint=absensi", Value::Null);
    let whose = json!({ "project": "gudang", "subject": { "value": "3372010101900001" } });
    book.resource("POST", "/v1/reports/subject", whose.clone());
    let reader = book.people[2].clone();
    for form in ["text/csv", "text/html"] {
        let accept = [("accept", form)];
        book.ask(&reader, "GET", "/v1/reports/posture", &accept, &Value::Null);
        let answer = book.ask(&reader, "POST", "/v1/reports/subject", &accept, &whose);
        assert!(answer.header("content-type").unwrap().starts_with(form), "{}", answer.text());
    }
    book.resource("GET", "/v1/policy/explain?who=user:siti&act=project.create&on=appliance", Value::Null);
    book.resource("GET", "/v1/status", Value::Null);
    book.resource("GET", &format!("/v1/statistics/table?project={PROJECT}&from=7d"), Value::Null);
    book.resource("GET", "/v1/server-names", Value::Null);
    book.resource("POST", "/v1/store-keys", json!({ "reason": "yearly" }));
    let export = book.resource("GET", "/v1/audit/export", Value::Null);
    let export = format!("/v1/audit/exports/{}", export.header("gembok-export").unwrap());
    assert_eq!(book.resource("GET", &export, Value::Null).json()["damaged"], 0);
    book.resource("POST", &format!("{export}/kept"), json!({}));
    book.resource("POST", "/v1/audit/prune", json!({ "to": 8 }));
}

/// A password by a link, a session by the password.
fn sessions(world: &World, book: &mut Book) {
    let (nobody, admin) = (book.nobody.clone(), book.people[1].clone());
    book.resource("POST", "/v1/users", json!({ "name": "dewi", "role": "user" }));
    let link = book.resource("POST", "/v1/users/dewi/reset", Value::Null).json();
    let password = "kuda nil menari di atas atap";
    let used = json!({ "token": link["token"], "password": password });
    book.ask(&nobody, "POST", "/v1/reset", &[], &used).ok();
    assert_eq!(book.ask(&nobody, "POST", "/v1/reset", &[], &used).problem(), refusal(410, "link-ended"));
    let given = json!({ "name": "dewi", "password": password });
    let begun = book.ask(&nobody, "POST", "/v1/session", &[], &given).json();
    let wrong = json!({ "name": "dewi", "password": "bukan kata sandinya" });
    assert_eq!(book.ask(&nobody, "POST", "/v1/session", &[], &wrong).status, 401);
    let bearer = format!("Bearer {}", begun["token"].as_str().unwrap());
    let hers = [("authorization", bearer.as_str())];
    book.ask(&nobody, "GET", "/v1/session", &hers, &Value::Null).ok();
    book.ask(&admin, "GET", "/v1/session", &[], &Value::Null).ok();
    book.resource("GET", "/v1/users/dewi/sessions", Value::Null);
    own(book, &hers, password);
    for method in ["GET", "DELETE"] {
        assert_eq!(book.ask(&nobody, method, "/v1/session", &[], &Value::Null).status, 401);
    }
    assert_eq!(book.ask(&nobody, "DELETE", "/v1/session", &hers, &Value::Null).status, 204);
    let begun = book.ask(&nobody, "POST", "/v1/session", &[], &given).json();
    let session = format!("/v1/sessions/{}", begun["session"]["id"].as_str().unwrap());
    book.resource("DELETE", &session, Value::Null);
    // A link for somebody who has a password already makes the account wait for a second person.
    let link = book.resource("POST", "/v1/users/dewi/reset", Value::Null).json();
    book.ask(&nobody, "POST", "/v1/reset", &[], &json!({ "token": link["token"], "password": password }))
        .ok();
    let waiting = book.ask(&admin, "GET", "/v1/approvals", &[], &Value::Null).json();
    let waiting =
        waiting["items"].as_array().unwrap().iter().find(|one| one["kind"] == "confirmation").unwrap();
    let officer = book.people[3].clone();
    let refuse = format!("/v1/approvals/{}/refuse", waiting["id"].as_str().unwrap());
    book.ask(&officer, "POST", &refuse, &[], &Value::Null).ok();
    book.resource("POST", "/v1/users/dewi/confirmation", Value::Null);
    book.resource("PUT", "/v1/users/dewi/totp", json!({ "demanded": true }));
    assert!(world.done("user show dewi")["user-shown"]["user"]["unconfirmed"].is_string());
}

/// What a user changes of its own credentials: refused to whoever shows nothing, or shows something wrong.
fn own(book: &mut Book, hers: &[(&str, &str)], password: &str) {
    let mut both = |method: &str, path: &str, right: Value| {
        let nobody = book.nobody.clone();
        assert_eq!(book.ask(&nobody, method, path, &[], &right).status, 401, "{path}");
        let wrong = json!({ "current": "bukan ini", "password": password, "code": "x", "totp": "x" });
        assert_eq!(book.ask(&nobody, method, path, hers, &wrong).status, 400, "{path}");
        let answer = book.ask(&nobody, method, path, hers, &right);
        assert!(answer.status < 300, "{path}: {}", answer.text());
        answer
    };
    both("POST", "/v1/certificate", json!({ "csr": signing_request(), "current": password }));
    both("PUT", "/v1/password", json!({ "current": password, "password": password }));
    let made = both("POST", "/v1/totp", json!({ "current": password })).json();
    both("POST", "/v1/totp/confirm", json!({ "code": first_code(&made) }));
    both("POST", "/v1/totp/remove", json!({ "code": made["recovery_codes"][0] }));
}

/// What an admin proposes, a member decides.
fn approvals(book: &mut Book) {
    let ask = |book: &mut Book| {
        let proposals = format!("/v1/projects/{PROJECT}/proposals");
        let admin = book.people[1].clone();
        let asked = book.ask(&admin, "POST", &proposals, &[], &json!({ "user": "wati" })).json();
        format!("/v1/approvals/{}", asked["id"].as_str().unwrap())
    };
    book.resource("POST", "/v1/users", json!({ "name": "wati", "role": "user" }));
    let nobody = book.nobody.clone();
    let proposals = format!("/v1/projects/{PROJECT}/proposals");
    assert_eq!(book.ask(&nobody, "POST", &proposals, &[], &json!({ "user": "wati" })).status, 401);
    for verb in ["withdraw", "refuse", "give"] {
        let approval = ask(book);
        book.resource("GET", "/v1/approvals", Value::Null);
        book.resource("GET", &approval, Value::Null);
        book.resource("POST", &format!("{approval}/{verb}"), Value::Null);
    }
}

/// Five steps of a life, but the end.
fn lives(book: &mut Book, at: &str) {
    book.resource("PUT", &format!("{at}/description"), json!({ "text": "untuk uji" }));
    book.resource("POST", &format!("{at}/retire"), Value::Null);
    book.resource("POST", &format!("{at}/reinstate"), Value::Null);
}

fn retire_object(book: &mut Book) -> Instant {
    let objects = "/v1/projects/gudang/objects";
    book.resource("POST", objects, json!({ "name": "keliru" }));
    book.resource("PUT", &format!("{objects}/keliru/name"), json!({ "to": "salah" }));
    lives(book, &format!("{objects}/salah"));
    book.resource("POST", &format!("{objects}/salah/retire"), Value::Null);
    Instant::now()
}

/// Whoever has no certificate of the new CA is cut off by the end of a roll.
fn roll_ca(world: &World, book: &mut Book) {
    book.resource("GET", "/v1/ca", Value::Null);
    book.resource("POST", "/v1/ca/roll", Value::Null);
    world.done("certificate issue --user admin --out admin-baru");
    let (ca, certificate) = (world.sandbox.path("admin-baru/ca.pem"), world.sandbox.path("admin-baru/user"));
    let admin = Client::new(&world.daemon.control(), &ca, Some(&certificate));
    world.daemon.wait_until("the listeners follow", || {
        admin.ask("GET", "/v1/info", &[], b"").is_ok_and(|answer| answer.status == 200)
    });
    book.people = vec![admin];
    book.resource("POST", "/v1/ca/finish", json!({ "force": true }));
}

fn ends(book: &mut Book) {
    book.resource("DELETE", "/v1/projects/gudang/endpoints/kasir", Value::Null);
    book.resource("POST", "/v1/projects", json!({ "name": "kosong" }));
    book.resource("PUT", "/v1/projects/kosong/name", json!({ "to": "hampa" }));
    lives(book, "/v1/projects/hampa");
    book.resource("DELETE", "/v1/projects/hampa", Value::Null);
}

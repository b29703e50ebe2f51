//! Lives of projects, objects and endpoints on the data plane: names change and ciphertexts stay, what is retired is refused
//! with the answer that says so, and what is deleted is gone and never lost.

use std::time::{Duration, Instant};

use gembok::appliance::Appliance;
use gembok::desk::answer::{Answer as Answered, Done};
use gembok::desk::request::{self, LifeOf, LifeOfProject, Request};
use gembok::domain::access_record::{AccessRecord, Group};
use gembok::domain::operation::Operation;
use serde_json::{Value, json};

use crate::client::{Answer, Connection, refusal};
use crate::clock::{clock, init, open, pass};
use crate::support::daemon::{ENDPOINT, OBJECT, PROJECT};
use crate::support::softhsm::in_child;
use crate::world::{Application, World};

fn item(object: &str) -> Value {
    json!({ "object": object, "plaintext": "eA==" })
}

fn ask(application: &Application, connection: &mut Connection) -> Answer {
    application.v1_over(connection, "encrypt", item(OBJECT).to_string()).unwrap()
}

#[test]
fn a_name_changes_and_what_it_sealed_opens() {
    let world = World::new("");
    let absensi = world.absensi();
    let sealed = absensi.seal(OBJECT, b"Budi");
    let mut live = absensi.client.connect().unwrap();
    assert_eq!(ask(&absensi, &mut live).status, 200);

    // An object: its grants and ciphertexts are its own, whatever it is called.
    world.done(&format!("object rename {OBJECT} pegawai --project {PROJECT}"));
    assert_eq!(ask(&absensi, &mut live).problem(), refusal(404, "object-unknown"));
    assert_eq!(absensi.open("pegawai", &sealed), b"Budi");
    // The old name is free, and who has it now is another.
    world.done(&format!("object create {OBJECT} --project {PROJECT}"));
    assert_eq!(ask(&absensi, &mut live).problem(), refusal(403, "not-granted"));
    world.grant("encrypt decrypt", OBJECT, ENDPOINT);
    let other = absensi.decrypt(&json!({ "object": OBJECT, "ciphertext": sealed }));
    assert_eq!(other.problem(), refusal(422, "cannot-open"));

    // An endpoint: its URLs change, its certificates and API keys stay.
    world.done(&format!("endpoint rename {ENDPOINT} hadir --project {PROJECT}"));
    assert_eq!(ask(&absensi, &mut live).problem(), refusal(404, "endpoint-unknown"));
    let hadir = Application { endpoint: "hadir".into(), ..absensi.clone() };
    assert_eq!(ask(&hadir, &mut live).status, 200);
    // A project: nobody on the data plane ever says its name.
    world.done(&format!("project rename {PROJECT} pusat"));
    assert_eq!(hadir.open("pegawai", &sealed), b"Budi");
    assert_eq!(
        world.sandbox.refused(&["object", "show", "pegawai", "--project", PROJECT]),
        "not-found",
        "the old name leads nowhere"
    );
    world.done("object show pegawai --project pusat");
    let world = world.restart();
    let hadir = Application { client: world.data(Some("client/client")), ..hadir };
    assert_eq!(hadir.open("pegawai", &sealed), b"Budi");
}

#[test]
fn what_is_retired_is_refused_at_once_and_comes_back() {
    let world = World::new("");
    let absensi = world.absensi();
    world.done(&format!("object create titipan --project {PROJECT}"));
    world.grant("encrypt decrypt", "titipan", ENDPOINT);
    let sealed = absensi.seal(OBJECT, b"Budi");
    let mut live = absensi.client.connect().unwrap();
    assert_eq!(ask(&absensi, &mut live).status, 200);

    world.done(&format!("object retire {OBJECT} --project {PROJECT}"));
    assert_eq!(ask(&absensi, &mut live).problem(), refusal(409, "object-retired"));
    assert_eq!(absensi.open(OBJECT, &sealed), b"Budi", "what there is opens");
    let both = json!({ "items": [item(OBJECT), item("titipan")] });
    let answer = absensi.encrypt(&both).ok();
    assert_eq!((&answer["failed"], &answer["items"][0]["code"]), (&json!(1), &json!("object-retired")));
    let body = absensi.published_body(OBJECT, "enkrip", "eA==").to_string();
    assert_eq!(absensi.published(body).gagal(), refusal(409, "object-retired"));
    world.done(&format!("object reinstate {OBJECT} --project {PROJECT}"));
    assert_eq!(ask(&absensi, &mut live).status, 200);

    // An endpoint, also while a body is under way that began before.
    let body = item(OBJECT).to_string();
    let (bearer, length) = (absensi.bearer(), body.len().to_string());
    let headers = [("authorization", bearer.as_str()), ("content-length", length.as_str())];
    let mut slow = absensi.client.connect().unwrap();
    slow.head("POST", &absensi.path("encrypt"), &headers).unwrap();
    slow.send(&body.as_bytes()[..10]).unwrap();
    world.done(&format!("endpoint retire {ENDPOINT} --project {PROJECT}"));
    slow.send(&body.as_bytes()[10..]).unwrap();
    assert_eq!(slow.answer().unwrap().problem(), refusal(403, "endpoint-retired"));
    assert_eq!(ask(&absensi, &mut live).problem(), refusal(403, "endpoint-retired"));
    let csr = json!({ "csr": "" }).to_string();
    assert_eq!(absensi.v1("certificate", csr).problem(), refusal(403, "endpoint-retired"));
    // Nothing new is given to it.
    let of = ["--project", PROJECT, "--endpoint", ENDPOINT];
    let key = [&["api-key", "create", "--label", "lagi"][..], &of].concat();
    assert_eq!(world.sandbox.refused(&key), "endpoint-retired");
    let certificate = [&["certificate", "issue", "--out", "lagi"][..], &of].concat();
    assert_eq!(world.sandbox.refused(&certificate), "endpoint-retired");
    world.done(&format!("endpoint reinstate {ENDPOINT} --project {PROJECT}"));
    assert_eq!(ask(&absensi, &mut live).status, 200);

    world.done(&format!("project retire {PROJECT}"));
    assert_eq!(ask(&absensi, &mut live).problem(), refusal(403, "project-retired"));
    assert_eq!(world.sandbox.refused(&key), "project-retired");
    for verb in [["object", "create"], ["endpoint", "create"]] {
        let words = [&verb[..], &["baru", "--project", PROJECT]].concat();
        assert_eq!(world.sandbox.refused(&words), "project-retired", "{verb:?}");
    }
    world.done(&format!("project reinstate {PROJECT}"));
    assert_eq!(ask(&absensi, &mut live).status, 200);
}

#[test]
fn a_deleted_endpoint_is_nobody_and_its_statistics_stay_its_projects() {
    let world = World::new("");
    let (absensi, gaji) = (world.absensi(), world.enrol(PROJECT, "gaji"));
    world.grant("encrypt decrypt", OBJECT, "gaji");
    let mut live = gaji.client.connect().unwrap();
    assert_eq!(ask(&gaji, &mut live).status, 200);
    gaji.open(OBJECT, &gaji.seal(OBJECT, b"x"));
    world.done("user create siti --role user");
    world.done(&format!("project member add siti --project {PROJECT}"));
    world.done("certificate issue --user siti --out siti");
    let siti = world.control(Some("siti/user"));
    let hers = || {
        let rows = siti.get("/v1/statistics?resolution=day").ok()["rows"].as_array().unwrap().clone();
        rows.iter().map(|row| row["requests"].as_u64().unwrap_or(0)).sum::<u64>()
    };
    world.daemon.wait_until("all records are committed", || hers() == 3);
    let listed = world.done(&format!("endpoint list --project {PROJECT}"));
    let listed = listed["endpoints"]["items"].as_array().unwrap().clone();
    let id = listed.iter().find(|one| one["name"] == "gaji").unwrap()["id"].as_str().unwrap().to_owned();

    world.done(&format!("endpoint delete gaji --project {PROJECT}"));
    // TLS refuses, or the appliance does; never is it served.
    if let Ok(answer) = gaji.v1_over(&mut live, "encrypt", item(OBJECT).to_string()) {
        assert_eq!(answer.problem().0, 401);
    }
    world.daemon.wait_until("TLS refuses", || gaji.client.ask("GET", "/v1/info", &[], b"").is_err());
    assert_eq!(absensi.encrypt(&item(OBJECT)).status, 200);
    for verb in [["endpoint", "retire"], ["endpoint", "delete"]] {
        let words = [&verb[..], &["gaji", "--project", PROJECT]].concat();
        assert_eq!(world.sandbox.refused(&words), "not-found");
    }
    // Her statistics still have it, by its id.
    assert!(hers() >= 3);
    let rows = siti.get("/v1/statistics?resolution=day").ok()["rows"].as_array().unwrap().clone();
    let its = rows.iter().filter(|row| row["endpoint"] == id.as_str());
    assert!(its.clone().count() > 0 && its.into_iter().all(|row| row["endpoint_name"].is_null()));
    let table = world.done(&format!("statistics --project {PROJECT} --group endpoint"));
    let lines = table["statistics"]["rows"].as_array().unwrap();
    assert!(lines.iter().any(|line| line["endpoint"] == id.as_str()), "{lines:?}");
    let deleted = world.trail().into_iter().find(|entry| entry["act"] == "endpoint.delete").unwrap();
    assert_eq!(deleted["details"]["id"], id.as_str());
    assert_eq!((&deleted["details"]["api-keys"], &deleted["details"]["grants"]), (&json!("1"), &json!("2")));

    // Whoever gets the name is somebody else, and the old API key is nobody's.
    std::fs::remove_dir_all(world.sandbox.path(&format!("{PROJECT}-gaji"))).unwrap();
    let again = world.enrol(PROJECT, "gaji");
    assert_eq!(again.encrypt(&item(OBJECT)).problem(), refusal(403, "not-granted"));
    let mixed = Application { api_key: gaji.api_key.clone(), ..again.clone() };
    assert_eq!(mixed.encrypt(&item(OBJECT)).problem(), refusal(401, "api-key-unknown"));
    // The rows that are left are those the digest says, and nobody is left behind.
    let world = world.restart();
    assert_eq!(world.absensi().encrypt(&item(OBJECT)).status, 200);
}

/// An appliance in this process, because a minute has to pass.
struct Desk(Appliance);

impl Desk {
    fn perform(&self, request: Request) -> Result<Done, (String, String)> {
        match request.perform(&self.0, 0, clock()) {
            Answered::Done(done) => Ok(done),
            Answered::Refused(refused) => Err((refused.code, refused.detail)),
            Answered::Fault(what) => panic!("{what}"),
        }
    }

    fn object(&self, life: LifeOf) -> Result<(), String> {
        self.perform(Request::Object(request::Object::Life(life))).map(drop).map_err(|(code, _)| code)
    }

    fn delete(&self, name: &str) -> Result<(), String> {
        self.object(LifeOf::Delete { project: PROJECT.into(), name: name.into() })
    }

    fn retire(&self, name: &str) -> Result<(), String> {
        self.object(LifeOf::Retire { project: PROJECT.into(), name: name.into() })
    }

    fn delete_project(&self, name: &str) -> Result<(), (String, String)> {
        let life = LifeOfProject::Delete { name: name.into() };
        self.perform(Request::Project(request::Project::Life(life))).map(drop)
    }

    fn create(&self, name: &str) -> gembok::domain::id::ObjectId {
        let new = request::Object::Create {
            project: PROJECT.into(),
            name: name.into(),
            algorithm: None,
            required_context: Vec::new(),
            schema: None,
        };
        self.perform(Request::Object(new)).unwrap();
        self.0.unlocked().unwrap().object(PROJECT, name).unwrap().object.id
    }

    /// As if something had been sealed for it.
    fn seal(&self, object: gembok::domain::id::ObjectId) {
        let group = Group {
            object: Some(object),
            key_version: 1,
            outcome: None,
            fields: 1,
            bytes: 1,
            subjects: None,
            anew: None,
            key_id: None,
        };
        let record = AccessRecord {
            time: clock().time,
            endpoint: gembok::domain::id::EndpointId::from_bytes([1; 16]),
            api_key: None,
            certificate: [2; 32],
            address: [127, 0, 0, 1].into(),
            operation: Some(Operation::Encrypt),
            latency_us: 10,
            outcome: None,
            groups: [group].into(),
            repeated: None,
        };
        let unlocked = self.0.unlocked().unwrap();
        let before = unlocked.recorder().totals().len();
        unlocked.record(record, None, clock().instant);
        let start = Instant::now();
        while unlocked.recorder().totals().len() == before {
            assert!(start.elapsed() < Duration::from_secs(60), "the record is not committed");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn an_object_is_deleted_only_where_nothing_can_be_lost() {
    in_child("lives::an_object_is_deleted_only_where_nothing_can_be_lost", |softhsm| {
        let appliance = open(softhsm);
        init(&appliance, clock());
        let desk = Desk(appliance);
        desk.perform(Request::Project(request::Project::Create { name: PROJECT.into() })).unwrap();
        let (_, used) = (desk.create("salah"), desk.create("dipakai"));
        desk.seal(used);

        for name in ["salah", "dipakai"] {
            assert_eq!(desk.delete(name).unwrap_err(), "not-retired", "{name}");
            desk.retire(name).unwrap();
            assert_eq!(desk.delete(name).unwrap_err(), "not-retired", "{name}: not yet a minute");
        }
        pass(91);
        assert_eq!(desk.delete("dipakai").unwrap_err(), "object-in-use");
        desk.delete("salah").unwrap();
        assert_eq!(desk.delete("salah").unwrap_err(), "not-found");
        // Its name is free; whoever gets it has another key.
        desk.create("salah");
        // Days, too, tell that something was sealed: the minute's rows are long gone by then.
        pass(3 * 86_400);
        assert_eq!(desk.delete("dipakai").unwrap_err(), "object-in-use");

        // After a lock and an unlock in order everything is still known; a project goes when it is empty.
        let (code, detail) = desk.delete_project(PROJECT).unwrap_err();
        assert!(code == "not-empty" && detail.contains("2 objects"), "{code}: {detail}");
        desk.perform(Request::Lock).unwrap();
        desk.perform(Request::Unlock { accept_damage: false, accept_rollback: false }).unwrap();
        desk.retire("salah").unwrap();
        pass(91);
        desk.delete("salah").unwrap();
        assert_eq!(desk.delete("dipakai").unwrap_err(), "object-in-use");
        desk.perform(Request::Project(request::Project::Create { name: "kosong".into() })).unwrap();
        desk.delete_project("kosong").unwrap();
        assert!(desk.0.unlocked().unwrap().project("kosong").is_err());
    });
}

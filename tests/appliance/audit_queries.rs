//! The audit trail asked: by who, what, on what, when, with what result, either way; and what of it a member of one project
//! may read.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value, json};

use crate::client::refusal;
use crate::support::daemon::{ENDPOINT, OBJECT, PROJECT};
use crate::world::World;

fn entries(answer: &Value) -> Vec<Value> {
    answer["entries"].as_array().unwrap().clone()
}

fn list(world: &World, more: &str) -> Vec<Value> {
    entries(&world.done(format!("audit list --limit 1000 {more}").trim_end())["audit"])
}

fn sequences(entries: &[Value]) -> Vec<u64> {
    entries.iter().map(|entry| entry["sequence"].as_u64().unwrap()).collect()
}

/// All of a question, page by page.
fn paged(world: &World, more: &str, limit: usize) -> Vec<u64> {
    let (mut found, mut from) = (Vec::new(), String::new());
    loop {
        let page = world.done(&format!("audit list --limit {limit} {more}{from}"))["audit"].clone();
        let sequences = sequences(&entries(&page));
        assert!(sequences.len() <= limit);
        found.extend(sequences);
        let Some(next) = page["next"].as_u64() else { return found };
        from = format!(" --from {next}");
    }
}

fn world() -> World {
    let world = World::new("");
    fs::write(world.sandbox.path("nik.toml"), "subject = \"nik\"\n").unwrap();
    world.done(&format!("object create pegawai --project {PROJECT} --schema nik.toml"));
    world.grant("encrypt decrypt", "pegawai", ENDPOINT);
    world.done("project create cabang");
    world.done(&format!("object create {OBJECT} --project cabang"));
    let cabang = world.enrol("cabang", ENDPOINT);
    world.done(&format!("grant create encrypt --project cabang --endpoint {ENDPOINT} --object {OBJECT}"));
    let absensi = world.absensi();
    for nik in ["1", "2", "1"] {
        absensi.encrypt(&json!({ "object": "pegawai", "plaintext": "QQ==", "context": { "nik": nik } })).ok();
    }
    let ciphertext = absensi.seal(OBJECT, b"satu");
    absensi.open(OBJECT, &ciphertext);
    assert_eq!(absensi.decrypt(&json!({ "object": OBJECT, "ciphertext": "R0IB" })).status, 422);
    cabang.seal(OBJECT, b"dua");
    world.daemon.wait_until("all of it is recorded", || list(&world, "--kind access").len() == 7);
    world
}

#[test]
fn the_trail_answers_who_what_when_and_with_what_result() {
    let world = world();
    let all = list(&world, "--kind all");
    let of = |kind: &str| list(&world, &format!("--kind {kind}"));
    assert_eq!(of("audit").len() + of("access").len(), all.len());
    assert_eq!(list(&world, ""), of("audit"));
    assert!(sequences(&all).is_sorted_by(|one, next| one < next));

    // Both ways, whole and in pages of any size.
    let mut backward = sequences(&list(&world, "--kind all --newest"));
    let newest = *backward.first().unwrap();
    assert!(newest >= *sequences(&all).last().unwrap());
    backward.retain(|sequence| sequences(&all).contains(sequence));
    backward.reverse();
    assert_eq!(backward, sequences(&all));
    for limit in [1, 3, 7] {
        let forward = paged(&world, "--kind access", limit);
        let mut back = paged(&world, "--kind access --newest", limit);
        back.reverse();
        assert_eq!((forward.len(), &forward), (7, &back), "{limit}");
    }

    // By who, what, on what, with what result.
    let local = format!("local:{}", rustix::process::getuid().as_raw());
    assert!(list(&world, "--actor local:4711").is_empty());
    let created = list(&world, &format!("--actor {local} --act project."));
    assert!(created.len() == 2 && created.iter().all(|entry| entry["act"] == "project.create"));
    for who in [format!("{PROJECT}/{ENDPOINT}"), format!("endpoint:{PROJECT}/{ENDPOINT}")] {
        assert_eq!(list(&world, &format!("--kind access --actor {who}")).len(), 6);
    }
    let endpoint = format!("endpoint:{PROJECT}/{ENDPOINT}");
    assert_eq!(list(&world, &format!("--kind access --on {endpoint}")).len(), 6);
    assert_eq!(list(&world, &format!("--kind access --on object:{PROJECT}/{OBJECT}")).len(), 3);
    let grants = list(&world, &format!("--on object:{PROJECT}/pegawai --act grant"));
    assert_eq!(grants.len(), 1, "{grants:?}");
    assert_eq!(list(&world, "--kind access --act decrypt").len(), 2);
    let failed = list(&world, "--kind access --outcome cannot-open");
    assert!(
        failed.len() == 1 && failed[0]["act"] == "decrypt" && failed[0]["kind"] == "access",
        "{failed:?}"
    );
    // The first is about the same one as the third; by the pseudonym, whoever asks.
    let subject =
        |at: usize| list(&world, "--kind access")[at]["details"]["subjects"].as_str().unwrap().to_owned();
    assert_eq!((subject(0), subject(1) != subject(0)), (subject(2), true));
    assert_eq!(list(&world, &format!("--kind access --on subject:{}", subject(0))).len(), 2);
    assert!(list(&world, "--on user:admin").iter().any(|entry| entry["act"] == "user.create"));
    // What was refused is found by what was tried.
    assert_eq!(world.sandbox.refused(&["user", "delete", "admin"]), "last-admin");
    let tried = list(&world, "--act user.delete");
    assert!(tried.len() == 1 && tried[0]["act"] == "refused" && tried[0]["details"]["code"] == "last-admin");
    assert_eq!(list(&world, "--outcome last-admin --on user:admin"), tried);

    // By when: a moment parts the trail in two.
    // Moments are told to the second.
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    world.done("project create kemudian");
    let made = list(&world, "--act project.create --newest").remove(0);
    let moment = made["time"].as_str().unwrap();
    let (before, after) = (
        list(&world, &format!("--kind all --until {moment}")),
        list(&world, &format!("--kind all --since {moment}")),
    );
    assert!(before.len() >= all.len() && after.contains(&made), "{moment}");
    assert!(before.iter().all(|entry| !after.contains(entry)));
    let newest_before = list(&world, &format!("--kind all --newest --until {moment}"));
    assert_eq!(newest_before.len(), before.len());
    assert!(list(&world, "--since 2999-01-01T00:00:00Z").is_empty());

    for (words, code) in [
        ("--kind both", "bad-request"),
        ("--since yesterday", "bad-request"),
        ("--on kotak:x", "bad-request"),
        ("--on user:nobody", "not-found"),
        ("--project nowhere", "not-found"),
        ("--actor nobodyknows", "not-found"),
        ("--actor user:nobodyknows", "not-found"),
        (&format!("--actor {PROJECT}/nothing"), "not-found"),
        ("--actor local:root", "bad-request"),
        ("--actor kotak:x", "bad-request"),
    ] {
        let line = format!("audit list {words}");
        assert_eq!(world.sandbox.refused(&line.split(' ').collect::<Vec<_>>()), code, "{words}");
    }
    let eyes = world.sandbox.run(&["audit", "list", "--kind", "access"]).stdout;
    assert!(String::from_utf8(eyes).unwrap().contains("outcome=cannot-open"));
}

#[test]
fn an_actor_is_found_by_name_and_by_id_when_it_is_gone() {
    let world = world();
    for name in ["siti", "tono"] {
        world.done(&format!("user create {name} --role user"));
        world.done(&format!("certificate issue --user {name} --out {name}"));
        world.done(&format!("project member add {name} --project cabang"));
    }
    world.done("user create rina --role auditor");
    world.done("certificate issue --user rina --out rina");
    let client = |who: &str| world.control(Some(&format!("{who}/user")));
    let headers = [("content-type", "application/json")];
    for (who, object) in [("siti", "satu"), ("tono", "dua")] {
        let body = json!({ "name": object }).to_string();
        let made = client(who).insist("POST", "/v1/projects/cabang/objects", &headers, body.as_bytes());
        assert_eq!(made.status, 201, "{}", made.text());
    }
    let by = |actor: &str| list(&world, &format!("--act object.create --actor {actor}"));
    let names = |found: Vec<Value>| {
        found.iter().map(|one| one["details"]["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!((names(by("siti")), names(by("user:tono"))), (vec!["satu".into()], vec!["dua".into()]));
    let id = by("siti")[0]["actor"].as_str().unwrap().to_owned();
    // Over HTTP the same, of everything and of one project.
    let ask = |who: &str, query: &str| client(who).get(&format!("/v1/audit?act=object.create&{query}"));
    assert_eq!(names(entries(&ask("rina", "actor=siti").ok())), ["satu"]);
    assert_eq!(names(entries(&ask("siti", "actor=tono&project=cabang").ok())), ["dua"]);
    assert_eq!(ask("rina", "actor=hantu").problem(), refusal(404, "not-found"));
    // A member is not told who there is elsewhere.
    for who in ["rina", "hantu", "user:rina", &format!("{PROJECT}/{ENDPOINT}"), "kantor/hantu"] {
        let answer = ask("siti", &format!("actor={who}&project=cabang"));
        assert_eq!(answer.problem(), refusal(400, "bad-request"), "{who}");
    }
    // Who is deleted is found by its id.
    world.done("user delete siti");
    assert_eq!(world.sandbox.refused(&["audit", "list", "--actor", "siti"]), "not-found");
    assert_eq!(names(by(&id)), ["satu"]);
    assert_eq!(names(entries(&ask("rina", &format!("actor={id}")).ok())), ["satu"]);
}

#[test]
fn a_member_reads_what_concerns_its_project_and_nothing_else() {
    let world = world();
    for (name, role) in [("siti", "user"), ("rina", "auditor"), ("opsir", "officer")] {
        world.done(&format!("user create {name} --role {role}"));
        world.done(&format!("certificate issue --user {name} --out {name}"));
    }
    world.done("project member add siti --project cabang");
    let client = |who: &str| world.control(Some(&format!("{who}/user")));
    let ask = |who: &str, query: &str| client(who).get(&format!("/v1/audit?limit=1000&{query}"));

    let own = entries(&ask("siti", "kind=all&project=cabang").ok());
    let acts: Vec<&str> = own.iter().map(|entry| entry["act"].as_str().unwrap()).collect();
    for act in [
        "project.create",
        "object.create",
        "endpoint.create",
        "certificate.issue",
        "api-key.create",
        "grant.create",
        "member.add",
        "encrypt",
    ] {
        assert!(acts.contains(&act), "{act} is not in {acts:?}");
    }
    // Nothing of the other project, whose ids stand in the whole trail.
    let id = |words: &str, noun: &str| world.done(words)[noun].as_array().cloned().unwrap_or_default();
    let others = id(&format!("object list --project {PROJECT}"), "objects");
    let text = own.iter().map(Value::to_string).collect::<String>();
    assert!(!text.contains("user.create") && !text.contains("appliance.unlock"), "{text}");
    assert!(others.iter().all(|object| !text.contains(object["id"].as_str().unwrap())));
    assert!(ask("siti", &format!("project={PROJECT}")).status == 404, "somebody else's is not there");
    assert_eq!(ask("siti", "kind=all").problem(), refusal(403, "forbidden"));
    assert_eq!(
        ask("opsir", "project=cabang").status,
        403,
        "it knows of the project, not of what is done there"
    );
    // Nor is it told whether there is something elsewhere.
    for on in [
        format!("object:{PROJECT}/{OBJECT}"),
        "object:nowhere/x".into(),
        "user:admin".into(),
        "user:nobody".into(),
    ] {
        let answer = ask("siti", &format!("project=cabang&on={on}"));
        assert_eq!(answer.problem(), refusal(400, "bad-request"), "{on}");
    }
    assert_eq!(
        entries(&ask("siti", &format!("kind=access&project=cabang&on=object:cabang/{OBJECT}")).ok()).len(),
        1
    );
    assert!(entries(&ask("rina", "kind=all").ok()).len() > own.len());
    assert_eq!(entries(&ask("rina", "kind=access&project=cabang").ok()).len(), 1);
    // What somebody tried there is the members' to know.
    world.sandbox.refused(&["object", "show", "hantu", "--project", "cabang"]);
    let tried = entries(&ask("siti", "act=refused&project=cabang&newest=true").ok());
    assert!(tried.iter().any(|entry| entry["details"]["on"] == "object:cabang/hantu"), "{tried:?}");
}

#[test]
fn users_who_read_all_the_time_do_not_keep_the_auditor_out() {
    let world = world();
    for (name, role) in [("siti", "user"), ("tono", "user"), ("rina", "auditor")] {
        world.done(&format!("user create {name} --role {role}"));
        world.done(&format!("certificate issue --user {name} --out {name}"));
    }
    for (name, project) in [("siti", "cabang"), ("tono", PROJECT)] {
        world.done(&format!("project member add {name} --project {project}"));
    }
    let client = |who: &str| world.control(Some(&format!("{who}/user")));
    let (is_over, answered, refused) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for (name, project) in [("siti", "cabang"), ("tono", PROJECT)].repeat(3) {
            let path = format!("/v1/audit?kind=all&limit=1000&project={project}");
            let (client, is_over, answered, refused) = (client(name), &is_over, &answered, &refused);
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    let answer = client.get(&path);
                    if answer.status == 200 {
                        answered.fetch_add(1, Ordering::Relaxed);
                    } else {
                        assert_eq!(answer.problem(), refusal(429, "trail-busy"));
                        assert_eq!(answer.header("retry-after"), Some("1"));
                        refused.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        // Whatever comes of it, the others are to end.
        let _ends = Ends(&is_over);
        world.daemon.wait_until("the others take their turns, and more than these", || {
            answered.load(Ordering::Relaxed) > 10 && refused.load(Ordering::Relaxed) > 10
        });
        let rina = client("rina");
        for _ in 0..30 {
            rina.get("/v1/audit?kind=all").ok();
            rina.get(&format!("/v1/audit?project={PROJECT}")).ok();
            rina.get("/v1/reports/processing").ok();
        }
    });
}

/// Tells threads that it is over, also when a test fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

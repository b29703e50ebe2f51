//! Every route of the control plane by every role, and in every state: by the table that `src/api/control/expected.txt` is,
//! written by hand. A route that has no line there fails beside it.

use std::fs;

use serde_json::{Value, json};

use crate::client::{Answer, Client, refusal};
use crate::passwords::{PASSWORD, give_password, sign_in};
use crate::support::daemon::{ENDPOINT, OBJECT, PROJECT};
use crate::world::World;

const TABLE: &str = include_str!("../../src/api/control/expected.txt");
/// Who the columns are, by the folder of their certificate.
const ROLES: [&str; 7] =
    ["admin/admin", "opsir/user", "rina/user", "siti/user", "tono/user", "ujang/user", "cadangan/user"];
const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

/// A line of the table.
struct Line {
    method: String,
    target: String,
    body: String,
    roles: Vec<char>,
}

/// What the table names by a word in braces.
struct Names(Vec<(&'static str, String)>);

impl Names {
    fn put_into(&self, text: &str, number: usize) -> String {
        let text = self.0.iter().fold(text.to_owned(), |text, (word, is)| text.replace(word, is));
        let text = text.replace("{n}", &number.to_string());
        if !text.contains("{csr}") {
            return text;
        }
        let key = rcgen::KeyPair::generate().unwrap();
        let csr = rcgen::CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap();
        text.replace("\"{csr}\"", &Value::from(csr).to_string())
    }
}

fn lines() -> Vec<Line> {
    let told = TABLE.lines().filter(|line| line.contains(" | "));
    let lines: Vec<Line> = told
        .map(|line| {
            let parts: Vec<&str> = line.split(" | ").collect();
            let mut asked = parts[0].splitn(3, ' ').map(str::to_owned);
            Line {
                method: asked.next().unwrap(),
                target: asked.next().unwrap(),
                body: asked.next().unwrap_or_default(),
                roles: parts[2].split(' ').map(|letter| letter.chars().next().unwrap()).collect(),
            }
        })
        .collect();
    assert!(lines.len() > 100 && lines.iter().all(|line| line.roles.len() == ROLES.len()));
    lines
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value}")).to_owned()
}

/// An appliance with somebody of each role, and something of each kind that may be asked for or ended.
fn populated() -> (World, Names) {
    let world = World::new("");
    for (name, role) in [
        ("opsir", "officer"),
        ("rina", "auditor"),
        ("siti", "user"),
        ("tono", "user"),
        ("ujang", "user"),
        ("cadangan", "backup"),
    ] {
        world.done(&format!("user create {name} --role {role}"));
        world.done(&format!("certificate issue --user {name} --out {name}"));
    }
    for name in ["sasaran", "tamu", "calon"] {
        world.done(&format!("user create {name} --role user"));
    }
    world.done("project create buang");
    for project in [PROJECT, "buang"] {
        for name in ["siti", "ujang"] {
            world.done(&format!("project member add {name} --project {project}"));
        }
    }
    // A second certificate went through somebody's hands.
    world.done("certificate issue --user ujang --out ujang-lagi");
    assert!(world.done("user show ujang")["user-shown"]["user"]["unconfirmed"].is_string());
    world.done(&format!("object create arsip --project {PROJECT}"));
    world.enrol(PROJECT, "kasir");
    world.done(&format!("endpoint create loket --project {PROJECT}"));
    let of_kasir = format!("--project {PROJECT} --endpoint kasir");
    let keys = world.done(&format!("api-key list {of_kasir}"));
    let shown = world.done(&format!("endpoint show kasir --project {PROJECT}"));
    give_password(&world, "tamu", PASSWORD);
    let session = sign_in(&world, "tamu", PASSWORD, None).json();
    let proposals = format!("/v1/projects/{PROJECT}/proposals");
    let asked = world.admin().insist("POST", &proposals, &JSON, br#"{"user":"calon"}"#).json();
    let names = Names(vec![
        ("{api-key}", text(&keys["api-keys"]["items"][0]["id"])),
        ("{approval}", text(&asked["id"])),
        ("{session}", text(&session["session"]["id"])),
        ("{export}", "6f0c9e0e-1111-4111-8111-000000000004".into()),
        ("{spki}", text(&shown["endpoint-shown"]["certificates"][0]["spki"])),
    ]);
    (world, names)
}

fn ask(client: &Client, line: &Line, names: &Names, number: usize) -> Answer {
    let (target, body) = (names.put_into(&line.target, number), names.put_into(&line.body, number));
    client.insist(&line.method, &target, &JSON, body.as_bytes())
}

/// What an answer says of the decision. Whoever was let do it may be told that what it named is not there, or does not fit; who
/// was not even let see it is told that of what stands above.
fn decision(answer: &Answer) -> char {
    match answer.status {
        401 | 429 => '!',
        403 => 'x',
        404 => {
            let detail = answer.json()["detail"].as_str().unwrap_or_default().to_owned();
            let hidden = ["There is no project ", "There is no approval ", "There is no session "];
            if hidden.iter().any(|begins| detail.starts_with(begins)) { '0' } else { '+' }
        }
        _ => '+',
    }
}

fn told(line: &Line, role: usize, answer: &Answer) -> String {
    let said = String::from_utf8_lossy(&answer.body);
    let said: String = said.chars().take(200).collect();
    format!("{} {} by {}: {} {said}", line.method, line.target, ROLES[role], answer.status)
}

#[test]
fn every_role_is_answered_at_every_route_as_the_table_says() {
    let (world, names) = populated();
    let people = ROLES.map(|folder| world.control(Some(folder)));
    let (endpoint, nobody) = (world.control(Some("client/client")), world.control(None));
    let (mut wrong, mut number) = (Vec::new(), 0);
    // Who may not asks before who may: what is done is done then. Of those who may the member comes last, and ends things.
    let order = [6, 4, 2, 1, 0, 5, 3];
    for line in lines() {
        for role in order {
            number += 1;
            let answer = ask(&people[role], &line, &names, number);
            if decision(&answer) != line.roles[role] {
                wrong.push(told(&line, role, &answer));
            }
        }
        for (client, letter) in [(&endpoint, 'x'), (&nobody, '!')] {
            let answer = ask(client, &line, &names, number);
            if decision(&answer) != letter {
                wrong.push(format!("{} {}: {} to {letter}", line.method, line.target, answer.status));
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));

    // Nothing is decided while it is locked: nobody can be told apart.
    world.done("lock");
    for line in lines() {
        for client in [&people[0], &people[3], &nobody] {
            let answer = ask(client, &line, &names, 0);
            assert_eq!(answer.problem(), refusal(409, "wrong-state"), "{} {}", line.method, line.target);
        }
    }
}

/// Who may what does not depend on whether the token is there.
#[test]
fn a_token_that_is_away_changes_no_decision() {
    let (world, names) = populated();
    let people = ROLES.map(|folder| world.control(Some(folder)));
    let softhsm = world.sandbox.softhsm();
    fs::rename(softhsm.tokens(), softhsm.elsewhere()).unwrap();
    world.daemon.wait_until("it notices", || world.sandbox.state() == "degraded");
    let mut wrong = Vec::new();
    for line in lines() {
        for (role, client) in people.iter().enumerate() {
            // What changes something would change what the next is asked about.
            if line.roles[role] == '+' && line.method != "GET" {
                continue;
            }
            let answer = ask(client, &line, &names, role);
            if decision(&answer) != line.roles[role] {
                wrong.push(told(&line, role, &answer));
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    // What needs the token is refused to who may, and not before.
    let body = json!({ "name": "baru" }).to_string();
    let create = |who: usize| people[who].insist("POST", "/v1/projects", &JSON, body.as_bytes()).problem();
    assert_eq!((create(3), create(0)), (refusal(503, "token-away"), refusal(403, "forbidden")));
    assert_eq!(people[3].get(&format!("/v1/projects/{PROJECT}/objects/{OBJECT}")).status, 200);
    assert_eq!(people[3].get(&format!("/v1/projects/{PROJECT}/endpoints/{ENDPOINT}")).status, 200);
    fs::rename(softhsm.elsewhere(), softhsm.tokens()).unwrap();
}

//! The catalog against plain maps: random acts on projects, objects, endpoints, grants and users, each with the answer that the
//! maps foretell, and every list compared with them, across locks and unlocks.

use std::collections::{BTreeMap, BTreeSet};

use gembok::appliance::Appliance;
use gembok::desk::answer::Answer as Answered;
use serde_json::{Value, json};

use crate::clock::{clock, init, open};
use crate::support::softhsm::in_child;

const ACTS: usize = 1_500;
/// Names are few, so that they meet.
const NAMES: [&str; 3] = ["a", "b", "c"];
const OPERATIONS: [&str; 2] = ["encrypt", "decrypt"];
const ROLES: [&str; 3] = ["user", "admin", "auditor"];

#[derive(Default)]
struct Model {
    projects: BTreeMap<String, Project>,
    users: BTreeMap<String, User>,
}

#[derive(Default)]
struct Project {
    is_retired: bool,
    /// Whether each is retired.
    objects: BTreeMap<String, bool>,
    endpoints: BTreeMap<String, Endpoint>,
    members: BTreeSet<String>,
}

#[derive(Default)]
struct Endpoint {
    is_retired: bool,
    is_revoked: bool,
    grants: BTreeSet<(String, String)>,
}

struct User {
    role: String,
    is_disabled: bool,
}

type Foretold = Result<(), &'static str>;

/// Draws that can be made again.
struct Draws(u64);

impl Draws {
    fn below(&mut self, end: usize) -> usize {
        // xorshift64.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }

    fn of(&mut self, words: &[&str]) -> String {
        words[self.below(words.len())].to_owned()
    }
}

impl Model {
    fn project(&mut self, name: &str) -> Result<&mut Project, &'static str> {
        self.projects.get_mut(name).ok_or("not-found")
    }

    fn endpoint(&mut self, project: &str, name: &str) -> Result<&mut Endpoint, &'static str> {
        self.project(project)?.endpoints.get_mut(name).ok_or("not-found")
    }

    fn user(&mut self, name: &str) -> Result<&mut User, &'static str> {
        self.users.get_mut(name).ok_or("not-found")
    }

    /// The last admin who may come in stays; one who may not is no loss while there is another.
    fn check_another_admin(&self, name: &str) -> Foretold {
        let user = &self.users[name];
        let counts = |(other, of): (&String, &User)| {
            other != name && of.role == "admin" && (!of.is_disabled || user.is_disabled)
        };
        if user.role != "admin" || self.users.iter().any(counts) { Ok(()) } else { Err("last-admin") }
    }
}

/// Moves what is at one name to another.
fn rename<T>(all: &mut BTreeMap<String, T>, name: &str, to: &str) -> Foretold {
    if !all.contains_key(name) {
        return Err("not-found");
    }
    if name == to {
        return Ok(());
    }
    if all.contains_key(to) {
        return Err("already-exists");
    }
    let moved = all.remove(name).unwrap();
    all.insert(to.to_owned(), moved);
    Ok(())
}

fn make<T: Default>(all: &mut BTreeMap<String, T>, name: &str) -> Foretold {
    if all.contains_key(name) {
        return Err("already-exists");
    }
    all.insert(name.to_owned(), T::default());
    Ok(())
}

/// One act on projects: the request, and what becomes of the maps.
fn on_projects(draws: &mut Draws, model: &mut Model) -> (Value, Foretold) {
    let (name, to) = (draws.of(&NAMES), draws.of(&NAMES));
    let life = |step: &str, more: Value| {
        let mut members = json!({ "name": name });
        members.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "project": { "life": { step: members } } })
    };
    match draws.below(8) {
        0..4 => (json!({ "project": { "create": { "name": name } } }), make(&mut model.projects, &name)),
        4 => (life("rename", json!({ "to": to })), rename(&mut model.projects, &name, &to)),
        5 => (life("retire", json!({})), model.project(&name).map(|it| it.is_retired = true)),
        6 => (life("reinstate", json!({})), model.project(&name).map(|it| it.is_retired = false)),
        _ => {
            let foretold = model.project(&name).and_then(|it| {
                let is_empty = it.objects.is_empty() && it.endpoints.is_empty();
                if is_empty { Ok(()) } else { Err("not-empty") }
            });
            if foretold.is_ok() {
                model.projects.remove(&name);
            }
            (life("delete", json!({})), foretold)
        }
    }
}

fn on_objects(draws: &mut Draws, model: &mut Model) -> (Value, Foretold) {
    let (project, name, to) = (draws.of(&NAMES), draws.of(&NAMES), draws.of(&NAMES));
    let object = |verb: Value| json!({ "object": verb });
    let named = json!({ "project": project, "name": name });
    match draws.below(6) {
        0..3 => {
            let foretold = model.project(&project).and_then(|it| {
                if it.is_retired { Err("project-retired") } else { make(&mut it.objects, &name) }
            });
            (
                object(json!({ "create": { "project": project, "name": name, "required_context": [] } })),
                foretold,
            )
        }
        3 => {
            let foretold = model.project(&project).and_then(|it| {
                rename(&mut it.objects, &name, &to)?;
                for endpoint in it.endpoints.values_mut() {
                    let grants = std::mem::take(&mut endpoint.grants).into_iter();
                    endpoint.grants =
                        grants.map(|(of, op)| (if of == name { to.clone() } else { of }, op)).collect();
                }
                Ok(())
            });
            let life = json!({ "rename": { "project": project, "name": name, "to": to } });
            (object(json!({ "life": life })), foretold)
        }
        step => {
            let (word, is_retired) = if step == 4 { ("retire", true) } else { ("reinstate", false) };
            let foretold = model.project(&project).and_then(|it| {
                it.objects.get_mut(&name).map(|retired| *retired = is_retired).ok_or("not-found")
            });
            (object(json!({ "life": { word: named } })), foretold)
        }
    }
}

fn on_endpoints(draws: &mut Draws, model: &mut Model) -> (Value, Foretold) {
    let (project, name, to) = (draws.of(&NAMES), draws.of(&NAMES), draws.of(&NAMES));
    let endpoint = |verb: Value| json!({ "endpoint": verb });
    let named = json!({ "project": project, "name": name });
    match draws.below(9) {
        0..3 => {
            let foretold = model.project(&project).and_then(|it| {
                if it.is_retired { Err("project-retired") } else { make(&mut it.endpoints, &name) }
            });
            (endpoint(json!({ "create": named })), foretold)
        }
        3 => {
            let foretold = model.project(&project).and_then(|it| rename(&mut it.endpoints, &name, &to));
            let life = json!({ "rename": { "project": project, "name": name, "to": to } });
            (endpoint(json!({ "life": life })), foretold)
        }
        4 => {
            let foretold = model
                .project(&project)
                .and_then(|it| it.endpoints.remove(&name).map(drop).ok_or("not-found"));
            (endpoint(json!({ "life": { "delete": named } })), foretold)
        }
        5 => {
            let foretold = model.endpoint(&project, &name).map(|it| it.is_revoked = true);
            (endpoint(json!({ "revoke": named })), foretold)
        }
        6 => {
            let foretold = model.endpoint(&project, &name).map(|it| it.is_retired = true);
            (endpoint(json!({ "life": { "retire": named } })), foretold)
        }
        _ => {
            let foretold = model.endpoint(&project, &name).map(|it| it.is_retired = false);
            (endpoint(json!({ "life": { "reinstate": named } })), foretold)
        }
    }
}

fn on_grants(draws: &mut Draws, model: &mut Model) -> (Value, Foretold) {
    let (project, endpoint, object) = (draws.of(&NAMES), draws.of(&NAMES), draws.of(&NAMES));
    let operation = draws.of(&OPERATIONS);
    let is_given = draws.below(3) > 0;
    let foretold = model.project(&project).and_then(|it| {
        if !it.endpoints.contains_key(&endpoint) {
            return Err("not-found");
        }
        if is_given && it.is_retired {
            return Err("project-retired");
        }
        if !it.objects.contains_key(&object) {
            return Err("not-found");
        }
        let grants = &mut it.endpoints.get_mut(&endpoint).ok_or("not-found")?.grants;
        let grant = (object.clone(), operation.clone());
        if is_given {
            grants.insert(grant)
        } else {
            grants.remove(&grant)
        };
        Ok(())
    });
    let members =
        json!({ "project": project, "endpoint": endpoint, "object": object, "operations": [operation] });
    (json!({ "grant": { if is_given { "create" } else { "revoke" }: members } }), foretold)
}

fn on_users(draws: &mut Draws, model: &mut Model) -> (Value, Foretold) {
    let (name, role) = (draws.of(&["siti", "tono", "wati", "admin"]), draws.of(&ROLES));
    let user = |verb: Value| json!({ "user": verb });
    match draws.below(6) {
        0..2 => {
            let request = user(json!({ "create": { "name": name, "role": role } }));
            if model.users.contains_key(&name) {
                return (request, Err("already-exists"));
            }
            model.users.insert(name, User { role, is_disabled: false });
            (request, Ok(()))
        }
        2 => {
            let foretold = model.user(&name).map(drop).and_then(|()| model.check_another_admin(&name));
            if foretold.is_ok() {
                model.users.remove(&name);
                model.projects.values_mut().for_each(|it| it.members.retain(|member| *member != name));
            }
            (user(json!({ "delete": { "name": name } })), foretold)
        }
        3 => {
            let foretold = model
                .user(&name)
                .map(|it| it.is_disabled)
                .and_then(|is_disabled| if is_disabled { Ok(()) } else { model.check_another_admin(&name) });
            if foretold.is_ok() {
                model.user(&name).unwrap().is_disabled = true;
            }
            (user(json!({ "disable": { "name": name } })), foretold)
        }
        4 => {
            let foretold = model.user(&name).map(|it| it.is_disabled = false);
            (user(json!({ "enable": { "name": name } })), foretold)
        }
        _ => {
            let foretold = model
                .user(&name)
                .map(|it| it.role == role)
                .and_then(|is_same| if is_same { Ok(()) } else { model.check_another_admin(&name) });
            if foretold.is_ok() {
                model.user(&name).unwrap().role.clone_from(&role);
            }
            (user(json!({ "change-role": { "name": name, "role": role } })), foretold)
        }
    }
}

fn on_members(draws: &mut Draws, model: &mut Model) -> (Value, Foretold) {
    let (project, user) = (draws.of(&NAMES), draws.of(&["siti", "tono", "wati", "admin"]));
    let members = json!({ "project": project, "user": user });
    if draws.below(3) == 0 {
        let is_out = |it: &mut Project| if it.members.remove(&user) { Ok(()) } else { Err("not-found") };
        let foretold = model.project(&project).and_then(is_out);
        return (json!({ "project": { "member": { "remove": members } } }), foretold);
    }
    let foretold = model
        .project(&project)
        .map(drop)
        .and_then(|()| if model.user(&user)?.role == "user" { Ok(()) } else { Err("not-found") });
    if foretold.is_ok() {
        model.project(&project).unwrap().members.insert(user);
    }
    (json!({ "project": { "member": { "add": members } } }), foretold)
}

/// What the appliance answers: what there is to show, or a code.
fn ask(appliance: &Appliance, request: &Value) -> Result<Value, String> {
    let request: gembok::desk::request::Request =
        serde_json::from_value(request.clone()).unwrap_or_else(|error| panic!("{request}: {error}"));
    match request.perform(appliance, 0, clock()) {
        Answered::Done(done) => Ok(serde_json::to_value(done).unwrap()),
        Answered::Refused(refused) => Err(refused.code),
        Answered::Fault(what) => panic!("{what}"),
    }
}

fn listed(appliance: &Appliance, request: &Value, called: &str) -> Vec<Value> {
    ask(appliance, request).unwrap()[called]["items"].as_array().unwrap().clone()
}

fn name(one: &Value) -> String {
    one["name"].as_str().unwrap().to_owned()
}

fn agrees(appliance: &Appliance, model: &Model) {
    let page = json!({ "after": null, "limit": null });
    let users = listed(appliance, &json!({ "user": { "list": page } }), "users");
    let users: BTreeMap<String, (String, bool)> = users
        .iter()
        .map(|one| (name(one), (one["role"].as_str().unwrap().to_owned(), !one["disabled"].is_null())))
        .collect();
    let expected: BTreeMap<String, (String, bool)> =
        model.users.iter().map(|(name, of)| (name.clone(), (of.role.clone(), of.is_disabled))).collect();
    assert_eq!(users, expected);
    let projects = listed(appliance, &json!({ "project": { "list": page } }), "projects");
    assert_eq!(
        projects.iter().map(|one| (name(one), !one["retired"].is_null())).collect::<BTreeMap<_, _>>(),
        model.projects.iter().map(|(name, it)| (name.clone(), it.is_retired)).collect()
    );
    for (project, it) in &model.projects {
        let of = json!({ "project": project, "after": null, "limit": null });
        let objects = listed(appliance, &json!({ "object": { "list": of } }), "objects");
        let objects: BTreeMap<String, bool> =
            objects.iter().map(|one| (name(one), !one["retired"].is_null())).collect();
        assert_eq!(objects, it.objects, "{project}");
        let members = listed(appliance, &json!({ "project": { "member": { "list": of } } }), "members");
        assert_eq!(members.iter().map(name).collect::<BTreeSet<_>>(), it.members, "{project}");
        let endpoints = listed(appliance, &json!({ "endpoint": { "list": of } }), "endpoints");
        assert_eq!(
            endpoints
                .iter()
                .map(|one| (name(one), (!one["retired"].is_null(), !one["revoked"].is_null())))
                .collect::<BTreeMap<_, _>>(),
            it.endpoints.iter().map(|(name, it)| (name.clone(), (it.is_retired, it.is_revoked))).collect(),
            "{project}"
        );
        for (endpoint, its) in &it.endpoints {
            let of = json!({ "project": project, "endpoint": endpoint, "after": null, "limit": null });
            let grants = listed(appliance, &json!({ "grant": { "list": of } }), "grants");
            let word = |one: &Value, member: &str| one[member].as_str().unwrap().to_owned();
            let grants: BTreeSet<_> =
                grants.iter().map(|one| (word(one, "object"), word(one, "operation"))).collect();
            assert_eq!(grants, its.grants, "{project}/{endpoint}");
        }
    }
}

#[test]
fn random_acts_leave_what_plain_maps_say() {
    in_child("catalog_model::random_acts_leave_what_plain_maps_say", |softhsm| {
        let appliance = open(softhsm);
        init(&appliance, clock());
        let seed = clock().time.micros() | 1;
        let mut draws = Draws(seed);
        let mut model = Model::default();
        model.users.insert("admin".into(), User { role: "admin".into(), is_disabled: false });
        for at in 0..ACTS {
            let kinds = [on_projects, on_objects, on_endpoints, on_grants, on_users, on_members];
            let (request, foretold) = kinds[draws.below(kinds.len())](&mut draws, &mut model);
            let answered = ask(&appliance, &request).map(drop);
            assert_eq!(answered, foretold.map_err(str::to_owned), "seed {seed}, act {at}: {request}");
            if at % 50 == 0 {
                agrees(&appliance, &model);
            }
            if at % 500 == 499 {
                ask(&appliance, &json!("lock")).unwrap();
                ask(&appliance, &json!({ "unlock": { "accept_damage": false, "accept_rollback": false } }))
                    .unwrap();
                agrees(&appliance, &model);
            }
        }
    });
}

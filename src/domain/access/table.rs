//! The shipped policies against a table written by hand: every act by every kind of who. And how decisions depend on
//! circumstances.

use std::net::IpAddr;

use time::UtcOffset;

use crate::domain::approval;
use crate::domain::id::{EndpointId, ObjectId, ProjectId, UserId};
use crate::domain::timestamp::Timestamp;
use crate::domain::user::Role;

use super::expected::TABLE;
use super::rules::AccessRules;
use super::second_person;
use super::{Act, Circumstances, Decision, Flaw, Kind, On, Person, Question, Reads, Tenant, Thing, Who};

const POLICIES: &str = include_str!("../../../policies/access.cedar");
const SCHEMA: &str = include_str!("../../../policies/access.cedarschema");
const OFFICE_HOURS: &str = include_str!("../../../policies/examples/office-hours.cedar");
const NETWORKS: &str = include_str!("../../../policies/examples/source-networks.cedar");

const HOUR: u64 = 3_600;
/// A Wednesday, 2026-11-18T11:06:40Z.
const NOON: u64 = 1_795_000_000;

fn shipped_with(more: &str) -> AccessRules {
    AccessRules::parse(&format!("{POLICIES}\n{more}"), SCHEMA)
        .unwrap_or_else(|flaws| panic!("{}", said(&flaws)))
}

fn said(flaws: &[Flaw]) -> String {
    let flaws: Vec<String> = flaws.iter().map(ToString::to_string).collect();
    flaws.join("\n")
}

fn project(number: u8) -> Tenant {
    Tenant {
        id: ProjectId::from_bytes([number; 16]),
        name: if number == 1 { "kantor" } else { "cabang" }.into(),
    }
}

fn person(role: Role, projects: &[u8]) -> Person {
    let id = UserId::from_bytes([role as u8 + 10; 16]);
    Person {
        id,
        name: role.name().into(),
        role,
        projects: projects.iter().map(|at| project(*at).id).collect(),
        is_unconfirmed: false,
    }
}

fn endpoint(of: u8) -> Thing<EndpointId> {
    Thing { id: EndpointId::from_bytes([3; 16]), name: "absensi".into(), project: project(of) }
}

/// In the order of the table's columns.
fn everyone() -> [Who; 8] {
    let user = |role, projects: &[u8]| Who::User(person(role, projects));
    [
        Who::Operator(0),
        Who::Endpoint(endpoint(1)),
        user(Role::User, &[1]),
        user(Role::User, &[2]),
        user(Role::Admin, &[1]),
        user(Role::Officer, &[1]),
        user(Role::Auditor, &[1]),
        user(Role::Backup, &[1]),
    ]
}

fn thing(kind: Kind) -> On {
    match kind {
        Kind::Appliance => On::Appliance,
        Kind::Approval => On::Approval(second_person::asked(approval::Kind::Member, &[project(1).id], true)),
        Kind::Endpoint => On::Endpoint(endpoint(1)),
        Kind::Object => object(1),
        Kind::Project => On::Project(project(1)),
        Kind::Role => On::Role(Role::User),
        Kind::User => On::User(Person { id: UserId::from_bytes([98; 16]), ..person(Role::User, &[1]) }),
    }
}

fn object(of: u8) -> On {
    On::Object(Thing { id: ObjectId::from_bytes([4; 16]), name: "karyawan".into(), project: project(of) })
}

fn at(address: &str, time_s: u64, offset_hours: i8) -> Circumstances {
    let offset = UtcOffset::from_hms(offset_hours, 0, 0).unwrap();
    let address = (!address.is_empty()).then(|| address.parse::<IpAddr>().unwrap());
    Circumstances::new(address, Timestamp::from_seconds(time_s), offset)
}

fn decide(rules: &AccessRules, who: &Who, act: Act, on: &On, circumstances: Circumstances) -> Decision {
    let question = Question { who, act, on, circumstances };
    rules.check(&question).unwrap_or_else(|error| panic!("{act} does not fit the schema: {error}"));
    rules.decide(&question)
}

#[test]
fn every_act_by_everyone_is_decided_as_the_table_says() {
    let rules = shipped_with("");
    let mut told = Vec::new();
    for (expected, kind, acts) in TABLE {
        for act in acts.split(' ') {
            let act: Act = act.parse().unwrap_or_else(|()| panic!("{act} is no act"));
            assert!(act.done_on().contains(kind), "{act} is not done on {kind:?}");
            let found: Vec<&str> = everyone()
                .iter()
                .map(|who| {
                    let on = thing(*kind);
                    let question = Question { who, act, on: &on, circumstances: at("10.0.0.1", NOON, 0) };
                    let decision = rules.decide(&question);
                    if rules.check(&question).is_err() {
                        assert!(!decision.is_allowed && !rules.is_act_of(act, who), "{act}");
                        return "/";
                    }
                    assert!(decision.broken.is_empty(), "{act}: {decision}");
                    match (decision.is_allowed, decision.rules.first()) {
                        (true, Some(_)) => "+",
                        (false, None) => "-",
                        (false, Some(rule)) if rule.forbids => "x",
                        _ => panic!("{act}: {decision:?}"),
                    }
                })
                .collect();
            assert_eq!(found.join(" "), *expected, "{act} on {kind:?}");
            told.push((act, *kind));
        }
    }
    for act in Act::ALL {
        for kind in act.done_on() {
            assert!(told.contains(&(*act, *kind)), "the table does not tell of {act} on {kind:?}");
        }
    }
}

#[test]
fn the_rules_that_part_duties_are_named() {
    let rules = shipped_with("");
    let by = |who: &Who, act, on: &On| -> Vec<String> {
        let decision = decide(&rules, who, act, on, at("", NOON, 0));
        assert!(!decision.is_allowed, "{act}");
        decision.rules.into_iter().map(|rule| rule.id).collect()
    };
    let [_, _, _, _, admin, officer, auditor, backup] = everyone();
    assert_eq!(by(&admin, Act::Decrypt, &object(1)), ["admin-never-decrypts"]);
    assert_eq!(by(&admin, Act::MasterKeyRotate, &On::Appliance), ["admin-touches-no-master-key"]);
    assert_eq!(by(&admin, Act::GrantDecrypt, &thing(Kind::Endpoint)), ["admin-opens-no-way"]);
    assert_eq!(by(&admin, Act::RoleGive, &On::Role(Role::Officer)), ["officers-are-appointed"]);
    assert_eq!(by(&admin, Act::UserChangeRole, &On::User(person(Role::Admin, &[1]))), ["own-role"]);
    assert_eq!(by(&admin, Act::UserReset, &On::User(person(Role::Admin, &[1]))), ["own-link"]);
    assert_eq!(by(&officer, Act::Decrypt, &object(1)), ["officer-never-decrypts"]);
    assert_eq!(by(&officer, Act::BudgetRaise, &thing(Kind::Endpoint)), ["officer-opens-no-way"]);
    assert_eq!(by(&auditor, Act::ProjectCreate, &On::Appliance), ["auditor-changes-nothing"]);
    assert_eq!(by(&backup, Act::HealthRead, &On::Appliance), ["backup-fetches-only"]);
    // Nor does anybody's permission help.
    let generous = shipped_with("@id(\"all\") @why(\"All may all.\") permit (principal, action, resource);");
    for who in [&admin, &officer, &auditor, &backup] {
        assert!(!decide(&generous, who, Act::Decrypt, &object(1), at("", NOON, 0)).is_allowed);
    }
}

#[test]
fn an_officer_sees_keys_and_nothing_that_leads_to_data() {
    let rules = shipped_with("");
    let officer = Who::User(person(Role::Officer, &[]));
    let decided = |act: Act, on: &On| decide(&rules, &officer, act, on, at("", NOON, 0));
    for (act, on) in [
        (Act::ProjectList, On::Appliance),
        (Act::StatusRead, On::Appliance),
        (Act::ProjectShow, On::Project(project(2))),
        (Act::ObjectList, On::Project(project(2))),
        (Act::ObjectShow, object(2)),
    ] {
        let decision = decided(act, &on);
        let by: Vec<&str> = decision.rules.iter().map(|rule| rule.id.as_str()).collect();
        assert_eq!((decision.is_allowed, by.as_slice()), (true, &["officer-sees-keys"][..]), "{act}");
    }
    for (act, on) in [
        (Act::EndpointList, On::Project(project(2))),
        (Act::MemberList, On::Project(project(2))),
        (Act::StatisticsRead, On::Project(project(2))),
        (Act::SubjectList, On::Project(project(2))),
        (Act::AuditRead, On::Project(project(2))),
        (Act::EndpointShow, On::Endpoint(endpoint(2))),
        (Act::ApiKeyList, On::Endpoint(endpoint(2))),
        (Act::GrantList, On::Endpoint(endpoint(2))),
        (Act::BudgetShow, On::Endpoint(endpoint(2))),
        (Act::StatisticsReadAll, On::Appliance),
        (Act::UserList, On::Appliance),
        (Act::KeyEnable, object(2)),
        (Act::Decrypt, object(2)),
    ] {
        assert!(!decided(act, &on).is_allowed, "{act}");
    }
}

#[test]
fn an_endpoint_stays_in_its_project() {
    let rules = shipped_with("");
    let who = Who::Endpoint(endpoint(1));
    let decided = |on: &On| decide(&rules, &who, Act::Encrypt, on, at("10.0.0.1", NOON, 0)).is_allowed;
    assert!(decided(&object(1)));
    assert!(!decided(&object(2)));
    assert_eq!(rules.reads_of_data(), Reads::default(), "the shipped rules cost work on data nothing");
}

#[test]
fn office_hours_are_those_of_the_configured_clock() {
    let rules = shipped_with(OFFICE_HOURS);
    assert_eq!(rules.reads_of_data(), Reads { time: true, ..Reads::default() });
    let who = Who::Endpoint(endpoint(1));
    let may = |act, time_s, offset| decide(&rules, &who, act, &object(1), at("", time_s, offset)).is_allowed;
    // 11:06 in London, 18:06 in Jakarta.
    assert!(may(Act::Decrypt, NOON, 0));
    assert!(!may(Act::Decrypt, NOON, 7));
    assert!(may(Act::Encrypt, NOON, 7), "encrypting is not held up");
    // The minute before seven, and seven.
    let seven = NOON - 4 * HOUR - 400;
    assert!(!may(Act::Decrypt, seven - 1, 0));
    assert!(may(Act::Decrypt, seven, 0));
    // Saturday noon.
    assert!(!may(Act::Decrypt, NOON + 3 * 24 * HOUR, 0));
    let key = |time_s| rules.reads_of_data().key(&at("10.0.0.1", time_s, 0));
    assert_ne!(key(seven - 1), key(seven), "a decision does not outlive its minute");
    assert_eq!(key(seven), key(seven + 59));
}

#[test]
fn networks_bound_whom_they_name() {
    let rules = shipped_with(NETWORKS);
    assert_eq!(rules.reads_of_data(), Reads { address: true, ..Reads::default() });
    let may =
        |who: &Who, act, on: &On, address| decide(&rules, who, act, on, at(address, NOON, 0)).is_allowed;
    let (kantor, cabang) = (Who::Endpoint(endpoint(1)), Who::Endpoint(endpoint(2)));
    for (address, allowed) in [
        ("10.10.3.4", true),
        ("::ffff:10.10.3.4", true),
        ("10.11.3.4", false),
        ("fd00::1", false),
        ("", false),
    ] {
        assert_eq!(may(&kantor, Act::Encrypt, &object(1), address), allowed, "{address}");
    }
    assert!(may(&cabang, Act::Encrypt, &object(2), "192.168.0.1"));
    let admin = Who::User(person(Role::Admin, &[]));
    assert!(may(&admin, Act::UserList, &On::Appliance, "10.20.0.9"));
    assert!(!may(&admin, Act::UserList, &On::Appliance, "10.10.0.9"));
    let key = |address| rules.reads_of_data().key(&at(address, NOON, 0));
    assert_ne!(key("10.10.0.1"), key("10.10.0.2"), "two addresses share no decision");
    assert_ne!(key("10.10.0.1"), key(""));
    // Who reads both, or the context as a whole, depends on both.
    let both = shipped_with(&format!("{NETWORKS}{OFFICE_HOURS}")).reads_of_data();
    assert_eq!(both, Reads { address: true, time: true, object: false });
    let whole = "@id(\"w\") @why(\"W.\") forbid (principal is Endpoint, action, resource) when { context == context && false };";
    if let Ok(whole) = AccessRules::parse(&format!("{POLICIES}{whole}"), SCHEMA) {
        assert_eq!(whole.reads_of_data(), both);
    }
    // What concerns people alone costs endpoints nothing.
    let people = NETWORKS.split("@id(\"users-from-the-office\")").nth(1).unwrap();
    assert!(!shipped_with(&format!("@id(\"u\"){people}")).reads_of_data().circumstances());
}

#[test]
fn rules_that_tell_objects_apart_are_known() {
    for (scope, condition, tells) in [
        ("resource", "resource.project.name == \"kantor\"", false),
        ("resource is Object", "principal.project == resource.project", false),
        ("resource", "resource is Object && principal.name == \"absensi\"", false),
        ("resource", "resource.name == \"karyawan\"", true),
        ("resource", "resource in Project::\"x\"", true),
        ("resource == Object::\"x\"", "true", true),
        ("resource in Project::\"x\"", "true", true),
        ("resource", "[resource].contains(resource)", true),
    ] {
        let rule = format!(
            "@id(\"o\")@why(\"O.\")forbid(principal is Endpoint,action == Action::\"decrypt\",{scope})when{{{condition}}};"
        );
        assert_eq!(shipped_with(&rule).reads_of_data().object, tells, "{rule}");
    }
}

#[test]
fn the_schema_is_the_programs_and_has_its_acts() {
    let remarked = format!("// ours\n{SCHEMA}");
    assert!(AccessRules::parse(POLICIES, &remarked).is_ok(), "remarks are free");
    let flaws = AccessRules::parse(POLICIES, &SCHEMA.replace("\"index\"", "\"indeks\"")).err().unwrap();
    assert!(flaws[0].line.is_some() && flaws[0].hint.contains("access.cedarschema"), "{}", said(&flaws));
    assert!(AccessRules::parse(POLICIES, "entity {").is_err());

    let words: std::collections::BTreeSet<&str> = Act::ALL.iter().map(|act| act.word()).collect();
    let schema: cedar_policy::Schema = SCHEMA.parse().unwrap();
    let groups: Vec<_> = schema.action_groups().cloned().collect();
    let actions = schema.actions().filter(|action| !groups.contains(action));
    let actions: std::collections::BTreeSet<String> =
        actions.map(|action| action.id().unescaped().to_owned()).collect();
    assert_eq!(actions.iter().map(String::as_str).collect::<Vec<_>>(), words.into_iter().collect::<Vec<_>>());
}

#[test]
fn an_empty_set_permits_nothing() {
    let none = AccessRules::parse("", SCHEMA).unwrap_or_else(|flaws| panic!("{}", said(&flaws)));
    assert!(none.is_empty());
    let decision = decide(&none, &Who::Operator(0), Act::StatusRead, &On::Appliance, at("", NOON, 0));
    assert!(!decision.is_allowed && decision.to_string() == "No rule permits it.");
}

#[test]
fn a_rule_that_cannot_be_evaluated_denies() {
    let more = "@id(\"big\")\n@why(\"B.\")\nforbid (principal is Operator, action, resource)\n\
                when { context.time.date * 9000000000000 > 1 };";
    let rules = shipped_with(more);
    let decision = decide(&rules, &Who::Operator(0), Act::StatusRead, &On::Appliance, at("", NOON, 0));
    assert_eq!((decision.is_allowed, decision.broken.as_slice()), (false, &["big".to_owned()][..]));
}

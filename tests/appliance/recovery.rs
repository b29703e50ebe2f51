//! A recovery by operator and officer, waited for through its day by the clock that is passed in: an admin who could sign in has
//! that long to refuse it, and not a second longer.

use gembok::appliance::Appliance;
use gembok::desk::answer::{Answer, ApprovalLine, Done};
use gembok::desk::asker::Asker;
use gembok::desk::request::{Approval, Certificate, Request, RollCa, User};
use gembok::domain::peer::{Identity, Peer, PeerCertificate};
use gembok::domain::timestamp::Timestamp;

use crate::clock::{clock, init, open, pass};
use crate::second_person::Person;
use crate::support::softhsm::in_child;
use crate::world::World;

const DAY_S: u64 = 24 * 3_600;

pub(crate) fn csr() -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    rcgen::CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap()
}

pub(crate) fn done(appliance: &Appliance, request: Request) -> Done {
    match request.perform(appliance, 0, clock()) {
        Answer::Done(done) => done,
        Answer::Refused(refused) => panic!("{}: {}", refused.code, refused.detail),
        Answer::Fault(fault) => panic!("{fault}"),
    }
}

/// As somebody of that name, by a certificate that was issued to it just now.
fn by(appliance: &Appliance, name: &str, request: Request) -> Result<Done, String> {
    let Done::UserShown(account) = done(appliance, Request::User(User::Show { name: name.into() })) else {
        panic!("no account is shown")
    };
    let id = account.user.id.parse().unwrap();
    let mine = account.certificates.iter().rev().find(|one| one.revoked.is_none()).unwrap();
    let mut spki = [0; 32];
    for (at, byte) in spki.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&mine.spki[2 * at..2 * at + 2], 16).unwrap();
    }
    let certificate = PeerCertificate {
        identity: Identity::User(id),
        spki,
        not_before: Timestamp::from_seconds(0),
        not_after: Timestamp::from_seconds(u64::from(u32::MAX)),
    };
    let peer = Peer { address: "127.0.0.1".parse().unwrap(), certificate: Some(certificate) };
    let signed_in = appliance.unlocked().unwrap().sign_in(&peer, clock()).unwrap();
    request.perform_for(appliance, &Asker::User(signed_in), clock()).map_err(|stop| stop.to_string())
}

fn recover(appliance: &Appliance) -> Answer {
    Request::User(User::Recover { name: "siti".into() }).perform(appliance, 0, clock())
}

/// Asked by the operator, approved by the officer; its id.
fn approved(appliance: &Appliance) -> String {
    let Answer::Done(Done::Approval(asked)) = recover(appliance) else { panic!("it is not asked") };
    // A second person is older than the request.
    let ApprovalLine { id, .. } = *asked;
    let given = by(appliance, "opsir", Request::Approval(Approval::Give { id: id.clone() }));
    assert!(matches!(given, Ok(Done::Approval(line)) if line.state == "approved"));
    id
}

fn code(answer: &Answer) -> &str {
    match answer {
        Answer::Refused(refused) => &refused.code,
        _ => "none",
    }
}

fn people(appliance: &Appliance) {
    init(appliance, clock());
    for (name, role) in [("opsir", "officer"), ("siti", "user")] {
        done(appliance, Request::User(User::Create { name: name.into(), role: role.into() }));
    }
    let issue = Certificate::IssueUser { user: "opsir".into(), csr: csr() };
    done(appliance, Request::Certificate(issue));
    pass(60);
}

#[test]
fn a_recovery_goes_on_a_day_after_its_approval() {
    in_child("recovery::a_recovery_goes_on_a_day_after_its_approval", |softhsm| {
        let appliance = open(softhsm);
        people(&appliance);
        approved(&appliance);
        // The admin has a certificate that counts.
        for wait_s in [0, DAY_S / 2, DAY_S / 2 - 60] {
            pass(wait_s);
            let early = recover(&appliance);
            assert_eq!(code(&early), "admin-is-there");
            let Answer::Refused(refused) = early else { panic!("it is not refused") };
            assert!(
                refused.detail.contains("admin") && refused.detail.contains("until"),
                "{}",
                refused.detail
            );
        }
        pass(61);
        let Answer::Done(Done::Link(link)) = recover(&appliance) else { panic!("there is no link") };
        assert_eq!(link.user, "siti");
        let Done::UserShown(shown) = done(&appliance, Request::User(User::Show { name: "siti".into() }))
        else {
            panic!("no account is shown")
        };
        assert_eq!(shown.user.role, "admin");
        // It is used up: the next one is asked for anew.
        assert!(
            matches!(recover(&appliance), Answer::Done(Done::Approval(asked)) if asked.state == "waiting")
        );
    });
}

#[test]
fn an_admin_who_is_there_refuses_within_the_day() {
    in_child("recovery::an_admin_who_is_there_refuses_within_the_day", |softhsm| {
        let appliance = open(softhsm);
        people(&appliance);
        let id = approved(&appliance);
        pass(DAY_S - 120);
        assert_eq!(code(&recover(&appliance)), "admin-is-there");
        let no = Request::Approval(Approval::Refuse { id: id.clone() });
        assert!(matches!(by(&appliance, "admin", no), Ok(Done::Approval(line)) if line.state == "refused"));
        // The day being over changes nothing: what is there to be had is asked for anew, and waits.
        pass(DAY_S);
        let Answer::Done(Done::Approval(again)) = recover(&appliance) else { panic!("it is not asked anew") };
        assert_eq!((again.state.as_str(), again.id == id), ("waiting", false));
        let Done::UserShown(shown) = done(&appliance, Request::User(User::Show { name: "siti".into() }))
        else {
            panic!("no account is shown")
        };
        assert_eq!(shown.user.role, "user");
    });
}

#[test]
fn one_that_was_approved_at_the_last_hour_goes_on_all_the_same() {
    in_child("recovery::one_that_was_approved_at_the_last_hour_goes_on_all_the_same", |softhsm| {
        let appliance = open(softhsm);
        people(&appliance);
        let Answer::Done(Done::Approval(asked)) = recover(&appliance) else { panic!("it is not asked") };
        pass(71 * 3_600);
        let give = Request::Approval(Approval::Give { id: asked.id.clone() });
        assert!(
            matches!(by(&appliance, "opsir", give), Ok(Done::Approval(line)) if line.state == "approved")
        );
        pass(DAY_S - 60);
        assert_eq!(code(&recover(&appliance)), "admin-is-there");
        pass(61 + 71 * 3_600);
        assert!(matches!(recover(&appliance), Answer::Done(Done::Link(link)) if link.user == "siti"));

        // One that nobody fetched is over, and says so.
        let id = approved(&appliance);
        let standing = || {
            let show = Request::Approval(Approval::Show { id: id.clone() });
            let Done::Approval(line) = done(&appliance, show) else { panic!("it is not shown") };
            line.state
        };
        pass(4 * DAY_S - 60);
        assert_eq!(standing(), "approved");
        pass(61);
        assert_eq!(standing(), "expired");
        let Answer::Done(Done::Approval(again)) = recover(&appliance) else { panic!("it is not asked anew") };
        assert_eq!((again.state.as_str(), again.id == id), ("waiting", false));
    });
}

#[test]
fn an_admin_who_may_not_refuse_holds_nothing_up() {
    in_child("recovery::an_admin_who_may_not_refuse_holds_nothing_up", |softhsm| {
        let appliance = open(softhsm);
        people(&appliance);
        // By a certificate of the operator's the only admin is unconfirmed, and has no say.
        let issue = Certificate::IssueUser { user: "admin".into(), csr: csr() };
        done(&appliance, Request::Certificate(issue));
        pass(60);
        let id = approved(&appliance);
        let no = by(&appliance, "admin", Request::Approval(Approval::Refuse { id }));
        assert!(no.is_err_and(|why| why.contains("forbidden")));
        assert!(matches!(recover(&appliance), Answer::Done(Done::Link(link)) if link.user == "siti"));
    });
}

fn create(appliance: &Appliance, name: &str, role: &str) {
    done(appliance, Request::User(User::Create { name: name.into(), role: role.into() }));
}

fn issue(appliance: &Appliance, name: &str) {
    done(appliance, Request::Certificate(Certificate::IssueUser { user: name.into(), csr: csr() }));
}

/// What waits of that kind about somebody.
fn waiting(appliance: &Appliance, kind: &str, name: &str) -> String {
    let Done::Approvals(all) = done(appliance, Request::Approval(Approval::List)) else { panic!("no list") };
    let sound = all.items.into_iter().filter_map(|listed| match listed {
        gembok::desk::answer::Listed::Sound(line) => Some(line),
        gembok::desk::answer::Listed::Damaged(_) => None,
    });
    let found = { sound }.find(|line| line.kind == kind && line.user == name && line.state == "waiting");
    found.unwrap_or_else(|| panic!("nothing waits of {name}")).id
}

fn give(appliance: &Appliance, name: &str, id: &str) -> Result<Done, String> {
    by(appliance, name, Request::Approval(Approval::Give { id: id.into() }))
}

#[test]
fn an_officer_of_a_moment_ago_is_no_second_person_where_another_was_before() {
    in_child(
        "recovery::an_officer_of_a_moment_ago_is_no_second_person_where_another_was_before",
        |softhsm| {
            let appliance = open(softhsm);
            people(&appliance);
            // Both made for the purpose: a new account, and one of another role that was there for long.
            create(&appliance, "lama", "user");
            pass(DAY_S);
            create(&appliance, "boneka", "officer");
            done(&appliance, Request::User(User::ChangeRole { name: "lama".into(), role: "officer".into() }));
            for name in ["boneka", "lama"] {
                issue(&appliance, name);
            }
            pass(60);
            let Answer::Done(Done::Approval(asked)) = recover(&appliance) else { panic!("it is not asked") };
            pass(60);
            for name in ["boneka", "lama"] {
                let no = give(&appliance, name, &asked.id).err().unwrap();
                assert!(no.contains("not-a-second-person") && no.contains("a day after"), "{name}: {no}");
            }
            pass(DAY_S - 120);
            assert!(
                matches!(give(&appliance, "lama", &asked.id), Ok(Done::Approval(line)) if line.state == "approved")
            );
        },
    );
}

#[test]
fn at_the_machine_begins_what_nobody_else_can_begin() {
    in_child("recovery::at_the_machine_begins_what_nobody_else_can_begin", |softhsm| {
        let appliance = open(softhsm);
        init(&appliance, clock());
        create(&appliance, "siti", "user");
        let unlocked = appliance.unlocked().unwrap();
        let may = |name: &str| unlocked.check_issued_at_the_machine(name, clock()).is_ok();
        // Fresh: the answer of the init may be lost, and no officer could help.
        assert!(may("admin") && !may("siti"));
        create(&appliance, "opsir", "officer");
        assert!(may("opsir") && !may("admin"), "an admin is there who can sign in, or is recovered");
        let Done::UserShown(admin) = done(&appliance, Request::User(User::Show { name: "admin".into() }))
        else {
            panic!("no account is shown")
        };
        let spki = admin.certificates[0].spki.clone();
        done(&appliance, Request::Certificate(Certificate::Revoke { spki, only: false }));
        assert!(may("admin") && !may("siti"));
    });
}

#[test]
fn after_a_forced_roll_a_new_officer_leads_out() {
    in_child("recovery::after_a_forced_roll_a_new_officer_leads_out", |softhsm| {
        let appliance = open(softhsm);
        init(&appliance, clock());
        let old = ["opsir", "petugas"];
        for name in old {
            create(&appliance, name, "officer");
            issue(&appliance, name);
        }
        pass(60);
        for step in [RollCa::Start, RollCa::Finish { force: true }] {
            done(&appliance, Request::Certificate(Certificate::RollCa(step)));
        }
        // Everybody was issued anew by the operator: nobody is left who could confirm anybody.
        for name in ["admin", "opsir", "petugas"] {
            issue(&appliance, name);
        }
        pass(60);
        let first = waiting(&appliance, "confirmation", "opsir");
        let no = give(&appliance, "petugas", &first).err().unwrap();
        assert!(no.contains("forbidden") || no.contains("not-a-second-person"), "{no}");
        // An officer of now has no say in what was asked before; issued anew it is asked anew.
        create(&appliance, "baru", "officer");
        issue(&appliance, "baru");
        pass(60);
        let no = give(&appliance, "baru", &first).err().unwrap();
        assert!(no.contains("not-a-second-person"), "{no}");
        issue(&appliance, "opsir");
        pass(60);
        let again = waiting(&appliance, "confirmation", "opsir");
        assert_ne!(again, first);
        give(&appliance, "baru", &again).unwrap();
        // From there on it goes by itself: also asking again will do, once the earlier request is out of the way.
        for name in ["petugas", "admin"] {
            let before = waiting(&appliance, "confirmation", name);
            give(&appliance, "opsir", &before).unwrap();
        }
        for name in ["admin", "opsir", "petugas"] {
            let Done::UserShown(shown) = done(&appliance, Request::User(User::Show { name: name.into() }))
            else {
                panic!("no account is shown")
            };
            assert_eq!(shown.user.unconfirmed, None, "{name}");
        }
    });
}

#[test]
fn a_recovery_is_announced_to_whoever_may_refuse_it() {
    let world = World::new("");
    let opsir = crate::second_person::person(&world, "opsir", "officer");
    world.done("user create siti --role user");
    let admin = Person(world.admin());
    let count = || {
        let metrics = admin.get("/metrics");
        let line =
            metrics.text().lines().find(|line| line.starts_with("gembok_recoveries ")).unwrap().to_owned();
        line.rsplit(' ').next().unwrap().to_owned()
    };
    let announced = || admin.get("/health/state").ok()["recoveries"].clone();
    assert_eq!((announced(), count()), (serde_json::json!([]), "0".into()));
    let asked = world.done("user recover siti")["approval"]["id"].clone();
    let one = announced()[0].clone();
    assert_eq!([&one["approval"], &one["user"], &one["state"]], [&asked, &"siti".into(), &"waiting".into()]);
    assert!(one["held_until"].is_null() && count() == "1");
    let id = asked.as_str().unwrap();
    assert_eq!(opsir.decide(id, "give").status, 200);
    let status = world.status()["recoveries"].clone();
    assert_eq!(status[0]["state"], "approved");
    assert!(status[0]["held_until"].is_string());
    let human = world.sandbox.run(&["status"]);
    assert!(String::from_utf8_lossy(&human.stdout).contains("is to become the admin"));
    let log = world.daemon.log();
    assert!(log.matches("a recovery is under way").count() == 2, "{log}");
    assert_eq!(admin.decide(id, "refuse").status, 200);
    assert_eq!((announced(), count()), (serde_json::json!([]), "0".into()));
}

//! A recovery by operator and officer, waited for through its day by the clock that is passed in: an admin who could sign in has
//! that long to refuse it, and not a second longer.

use gembok::appliance::Appliance;
use gembok::desk::answer::{Answer, ApprovalLine, Done};
use gembok::desk::asker::Asker;
use gembok::desk::request::{Approval, Request, User};
use gembok::domain::peer::{Identity, Peer, PeerCertificate};
use gembok::domain::timestamp::Timestamp;

use crate::clock::{clock, init, open, pass};
use crate::support::softhsm::in_child;

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
    let issue = gembok::desk::request::Certificate::IssueUser { user: "opsir".into(), csr: csr() };
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
        let issue = gembok::desk::request::Certificate::IssueUser { user: "admin".into(), csr: csr() };
        done(&appliance, Request::Certificate(issue));
        pass(60);
        let id = approved(&appliance);
        let no = by(&appliance, "admin", Request::Approval(Approval::Refuse { id }));
        assert!(no.is_err_and(|why| why.contains("forbidden")));
        assert!(matches!(recover(&appliance), Answer::Done(Done::Link(link)) if link.user == "siti"));
    });
}

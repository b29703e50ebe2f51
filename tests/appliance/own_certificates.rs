//! Certificates that users ask for of their own: those they renew are of one line and within bounds, as an endpoint's are; a
//! session gets one for the password alone, and with that password it ends.

use gembok::appliance::{Appliance, PasswordShown, ShownAgain, SignedIn};
use gembok::desk::answer::{Certificate, Done};
use gembok::desk::asker::Asker;
use gembok::desk::request::{self, Request, User};
use gembok::domain::peer::{Identity, Peer, PeerCertificate};
use gembok::domain::refusal::{Code, Refusal};
use gembok::domain::timestamp::Timestamp;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::client::refusal;
use crate::clock::{clock, init, open, pass};
use crate::passwords::{PASSWORD, Session, give_password};
use crate::recovery::{csr, done};
use crate::second_person::{Person, text};
use crate::support::softhsm::in_child;
use crate::world::World;

const OTHER: &str = "lima kata yang lain lagi";

fn asked(stop: gembok::appliance::Stop) -> Refusal {
    match stop {
        gembok::appliance::Stop::Refused(refusal) => refusal,
        gembok::appliance::Stop::Fault(fault) => panic!("{fault}"),
    }
}

/// Sari, whose first certificate the operator issued; its public key's digest.
fn sari(appliance: &Appliance) -> String {
    init(appliance, clock());
    done(appliance, Request::User(User::Create { name: "sari".into(), role: "user".into() }));
    issued(done(appliance, issue()))
}

fn issue() -> Request {
    Request::Certificate(request::Certificate::IssueUser { user: "sari".into(), csr: csr() })
}

fn issued(done: Done) -> String {
    let Done::CertificateIssued(issued) = done else { panic!("no certificate is issued") };
    issued.spki
}

fn peer(id: &str, spki: &str) -> Peer {
    let mut bytes = [0; 32];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&spki[2 * at..2 * at + 2], 16).unwrap();
    }
    let certificate = PeerCertificate {
        identity: Identity::User(id.parse().unwrap()),
        spki: bytes,
        not_before: Timestamp::from_seconds(0),
        not_after: Timestamp::from_seconds(u64::from(u32::MAX)),
    };
    Peer { address: "127.0.0.1".parse().unwrap(), certificate: Some(certificate) }
}

fn sign_in(appliance: &Appliance, spki: &str) -> Result<SignedIn, Refusal> {
    let Done::UserShown(account) = done(appliance, Request::User(User::Show { name: "sari".into() })) else {
        panic!("no account is shown")
    };
    appliance.unlocked().unwrap().sign_in(&peer(&account.user.id, spki), clock()).map_err(asked)
}

/// Another one, for whoever shows the one named.
fn renew(appliance: &Appliance, spki: &str) -> Result<String, Code> {
    let asker = Asker::User(sign_in(appliance, spki).map_err(|refusal| refusal.code)?);
    let renewed = issue().perform_for(appliance, &asker, clock());
    renewed.map(issued).map_err(|stop| asked(stop).code)
}

fn listed(appliance: &Appliance, spki: &str) -> Certificate {
    let Done::UserShown(account) = done(appliance, Request::User(User::Show { name: "sari".into() })) else {
        panic!("no account is shown")
    };
    account.certificates.into_iter().find(|one| one.spki == spki).unwrap()
}

#[test]
fn what_a_user_renews_is_of_one_line_within_bounds_and_ends_with_its_beginning() {
    let case =
        "own_certificates::what_a_user_renews_is_of_one_line_within_bounds_and_ends_with_its_beginning";
    in_child(case, |softhsm| {
        let appliance = open(softhsm);
        let first = sari(&appliance);
        let second = renew(&appliance, &first).unwrap();
        assert_eq!(listed(&appliance, &second).renewed_from.as_ref(), Some(&first));
        pass(590);
        assert_eq!(renew(&appliance, &second), Err(Code::RenewalLimited));
        pass(10);
        let third = renew(&appliance, &second).unwrap();
        pass(600);
        let fourth = renew(&appliance, &first).unwrap();
        pass(600);
        let line = [&first, &second, &third, &fourth];
        for spki in line {
            assert_eq!(renew(&appliance, spki), Err(Code::TooManyCertificates));
        }
        let Done::UserShown(account) = done(&appliance, Request::User(User::Show { name: "sari".into() }))
        else {
            panic!("no account is shown")
        };
        assert_eq!(account.user.unconfirmed, None, "nothing went through other hands");

        // The first was stolen: what the thief made of it goes with it.
        let revoke = request::Certificate::Revoke { spki: first.clone(), only: false };
        let Done::CertificatesRevoked(ended) = done(&appliance, Request::Certificate(revoke)) else {
            panic!("nothing is revoked")
        };
        let (mut revoked, mut all) = (ended.revoked, line.map(Clone::clone).to_vec());
        revoked.sort();
        all.sort();
        assert_eq!(revoked, all);
        for spki in line {
            assert_eq!(sign_in(&appliance, spki).err().unwrap().code, Code::CertificateRevoked);
        }
        // Whoever was signed in when it was revoked gets none, either.
        let fresh = issued(done(&appliance, issue()));
        let before = Asker::User(sign_in(&appliance, &fresh).unwrap());
        let revoke = request::Certificate::Revoke { spki: fresh, only: false };
        done(&appliance, Request::Certificate(revoke));
        pass(600);
        let late = issue().perform_for(&appliance, &before, clock()).map_err(asked).err().unwrap();
        assert!(matches!(late.code, Code::CertificateRevoked | Code::Forbidden), "{late}");
    });
}

#[test]
fn what_a_password_got_is_of_one_line_and_ends_with_that_password() {
    let case = "own_certificates::what_a_password_got_is_of_one_line_and_ends_with_that_password";
    in_child(case, |softhsm| {
        let appliance = open(softhsm);
        init(&appliance, clock());
        done(&appliance, Request::User(User::Create { name: "sari".into(), role: "user".into() }));
        let unlocked = appliance.unlocked().unwrap();
        let stranger = std::sync::Arc::new(Peer { address: "127.0.0.1".parse().unwrap(), certificate: None });
        let reset = |password: &str| {
            let reset = Request::User(User::Reset { name: "sari".into(), drop_totp: false });
            let Done::Link(link) = done(&appliance, reset) else { panic!("there is no link") };
            unlocked.use_link(link.token.expose(), password, &stranger, clock()).unwrap()
        };
        let signed_in = |password: &str| {
            let given =
                PasswordShown { name: "sari".into(), password: Zeroizing::new(password.into()), code: None };
            let begun = unlocked.begin(&given, &stranger, clock()).unwrap();
            let session = Some(begun.token.digest());
            let showing = gembok::appliance::Showing { peer: &stranger, session };
            unlocked.sign_in_by(showing, clock()).unwrap()
        };
        let shown =
            |password: &str| ShownAgain { current: Some(Zeroizing::new(password.into())), code: None };
        let make = |signed_in: &SignedIn| {
            let made = unlocked.issue_own_certificate(signed_in, &shown(PASSWORD), &csr(), clock());
            made.map(|issued| issued.spki).map_err(|stop| asked(stop).code)
        };
        reset(PASSWORD);
        // By a session four at most, one in ten minutes, and what is renewed from them counts among them.
        let first = make(&signed_in(PASSWORD)).unwrap();
        assert!(listed(&appliance, &first).by_password);
        assert_eq!(make(&signed_in(PASSWORD)), Err(Code::RenewalLimited));
        pass(600);
        let second = renew(&appliance, &first).unwrap();
        let line = listed(&appliance, &second);
        assert!(line.by_password && line.renewed_from.as_ref() == Some(&first));
        pass(600);
        let third = make(&signed_in(PASSWORD)).unwrap();
        pass(600);
        let fourth = make(&signed_in(PASSWORD)).unwrap();
        pass(600);
        assert_eq!(make(&signed_in(PASSWORD)), Err(Code::TooManyCertificates));
        assert_eq!(renew(&appliance, &second), Err(Code::TooManyCertificates));

        // Another password, by who shows one of them: that stays, the others end. What the operator issued has nothing to do with it.
        let other = issued(done(&appliance, issue()));
        let by_second = sign_in(&appliance, &second).unwrap();
        unlocked.change_password(&by_second, &shown(PASSWORD), OTHER, clock()).unwrap();
        for spki in [&first, &third, &fourth] {
            assert_eq!(sign_in(&appliance, spki).err().unwrap().code, Code::CertificateRevoked);
        }
        sign_in(&appliance, &second).unwrap();
        sign_in(&appliance, &other).unwrap();
        // And by a link, whoever had it made: every one.
        reset(PASSWORD);
        assert_eq!(sign_in(&appliance, &second).err().unwrap().code, Code::CertificateRevoked);
    });
}

#[test]
fn a_session_by_itself_gets_no_certificate() {
    let world = World::new("");
    world.done("user create sesi --role user");
    give_password(&world, "sesi", PASSWORD);
    let sesi = Session::begin(&world, "sesi", PASSWORD);
    let bare = sesi.ask("POST", "/v1/users/sesi/certificates", &json!({ "csr": csr() }));
    assert_eq!(bare.problem(), refusal(403, "password-not-shown"));
    assert!(bare.text().contains("/v1/certificate"), "{}", bare.text());
    let ask = |body: Value| sesi.ask("POST", "/v1/certificate", &body);
    assert_eq!(ask(json!({ "csr": csr() })).problem(), refusal(400, "bad-request"));
    let guess = ask(json!({ "csr": csr(), "current": "salah semuanya ini" }));
    assert_eq!(guess.problem(), refusal(401, "sign-in-failed"));
    let listed = || world.done("user show sesi")["user-shown"]["certificates"].clone();
    assert_eq!(listed(), json!([]), "nothing was made");
    // An attack by a stolen session is found by what it tried.
    let tried = world.trail().into_iter().filter(|entry| entry["act"] == "refused");
    let tried: Vec<_> = tried
        .map(|entry| {
            (text(&entry["details"]["act"]), text(&entry["details"]["on"]), text(&entry["details"]["code"]))
        })
        .collect();
    for code in ["password-not-shown", "sign-in-failed"] {
        let expected = ("certificate.issue-user".into(), "user:sesi".into(), code.into());
        assert!(tried.contains(&expected), "{code}: {tried:?}");
    }

    // A code, too, where there is a second factor.
    let made = sesi.ask("POST", "/v1/totp", &json!({ "current": PASSWORD })).json();
    let confirmed = json!({ "code": crate::own_credentials::first_code(&made) });
    assert_eq!(sesi.ask("POST", "/v1/totp/confirm", &confirmed).status, 204);
    assert_eq!(ask(json!({ "csr": csr(), "current": PASSWORD })).problem(), refusal(400, "bad-request"));
    let right = json!({ "csr": csr(), "current": PASSWORD, "totp": made["recovery_codes"][0] });
    let got = ask(right);
    assert_eq!(got.status, 201, "{}", got.text());
    assert!(text(&got.json()["certificate_pem"]).contains("BEGIN CERTIFICATE"));
    assert_eq!(got.json()["spki"], listed()[0]["spki"]);
    assert_eq!(listed()[0]["by_password"], true);
    let again = json!({ "csr": csr(), "current": PASSWORD, "totp": made["recovery_codes"][1] });
    assert_eq!(ask(again).problem(), refusal(429, "renewal-limited"));
    // Another password, and it ends.
    let changed = json!({ "current": PASSWORD, "password": OTHER, "totp": made["recovery_codes"][2] });
    assert_eq!(sesi.ask("PUT", "/v1/password", &changed).status, 204);
    assert!(listed()[0]["revoked"].is_string(), "{}", listed());

    // Who waits for confirmation gets none by any way, and is told the rule.
    world.done("certificate issue --user sesi --out sesi");
    assert!(world.done("user show sesi")["user-shown"]["user"]["unconfirmed"].is_string());
    let hers = Person(world.control(Some("sesi/user")));
    for (path, body) in [
        ("/v1/users/sesi/certificates", json!({ "csr": csr() })),
        ("/v1/certificate", json!({ "csr": csr(), "current": OTHER })),
    ] {
        let refused = hers.post(path, &body);
        assert_eq!(refused.problem(), refusal(403, "forbidden"), "{path}");
        assert!(refused.text().contains("unconfirmed"), "{path}: {}", refused.text());
    }
}

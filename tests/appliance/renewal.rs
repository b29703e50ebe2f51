//! An endpoint renews its certificate by itself, over real TLS and by curl; how often and how many is bounded; and a
//! revocation takes what was renewed with it.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use gembok::appliance::{Access, Appliance, Caller, NewApiKey, Reach, Stop, Withdrawn};
use gembok::domain::access::AccessRules;
use gembok::domain::api_key::ApiKeyDigest;
use gembok::domain::peer::{Identity, Peer, PeerCertificate};
use gembok::domain::refusal::{Code, Refusal};
use gembok::domain::timestamp::Timestamp;
use serde_json::{Value, json};
use time::UtcOffset;

use crate::client::refusal;
use crate::clock::{OPERATOR, SHIPPED, clock, init, open, pass};
use crate::support::daemon::{ENDPOINT, OBJECT, PROJECT};
use crate::support::softhsm::{SoftHsm, in_child};
use crate::world::{Application, World};

/// A key and a signing request over it, PEM.
fn request() -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let csr = rcgen::CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap();
    (key.serialize_pem(), csr)
}

/// The enrolments of `absensi` that count: their keys, and what each was renewed from.
fn counting(world: &World) -> Vec<(String, Option<String>)> {
    let listed = world.done("certificate list");
    let endpoints = listed["certificates"]["items"].as_array().unwrap().iter().filter(|one| {
        one["identity"].as_str().unwrap().starts_with("urn:gembok:endpoint:") && one["revoked"].is_null()
    });
    let text = |value: &Value| value.as_str().map(str::to_owned);
    endpoints.map(|one| (text(&one["spki"]).unwrap(), text(&one["renewed_from"]))).collect()
}

#[test]
fn curl_renews_a_certificate_and_the_new_one_is_used() {
    let world = World::new("");
    let (sandbox, daemon) = (&world.sandbox, &world.daemon);
    let path = format!("/v1/endpoints/{ENDPOINT}/certificate");
    let old = counting(&world).remove(0).0;
    let (key, csr) = request();
    let (status, renewed) = sandbox.post(daemon, &path, &json!({ "csr": csr })).unwrap();
    assert_eq!(status, 200, "{renewed}");
    let members: Vec<&String> = renewed.as_object().unwrap().keys().collect();
    assert_eq!(members, ["certificate", "ca", "not_after"]);
    assert_eq!(renewed["ca"], fs::read_to_string(sandbox.path("client/ca.pem")).unwrap());
    fs::create_dir(sandbox.path("baru")).unwrap();
    fs::write(sandbox.path("baru/client.pem"), renewed["certificate"].as_str().unwrap()).unwrap();
    fs::write(sandbox.path("baru/client.key"), key).unwrap();
    let item = json!({ "object": OBJECT, "plaintext": "eA==" });
    let encrypt = format!("/v1/endpoints/{ENDPOINT}/encrypt");
    for who in ["baru/client", "client/client"] {
        let (status, answer) = sandbox.post_as(who, daemon, &encrypt, &item).unwrap();
        assert_eq!(status, 200, "{who}: {answer}");
    }

    // Who renewed what with which is recorded and listed.
    let now = counting(&world);
    let (new, from) = now.iter().find(|(spki, _)| *spki != old).unwrap();
    assert_eq!((now.len(), from.as_deref()), (2, Some(old.as_str())));
    let trail = world.trail();
    let record = trail.iter().find(|record| record["act"] == "certificate.renew").unwrap();
    let actor = record["actor"].as_str().unwrap();
    assert!(
        actor.starts_with("endpoint:") && record["details"]["identity"] == format!("urn:gembok:{actor}"),
        "{record}"
    );
    assert_eq!((&record["details"]["spki"], &record["details"]["renewed-from"]), (&json!(new), &json!(old)));
    assert_eq!(record["details"]["not-after"], renewed["not_after"]);
    assert!(!record.to_string().contains(&sandbox.api_key()));

    // Not twice at once, also not after a restart, nor with the new one; and nobody else waits for that.
    let again = Application { client: world.data(Some("baru/client")), ..world.absensi() };
    let refused = again.v1("certificate", json!({ "csr": request().1 }).to_string());
    assert_eq!(refused.problem(), refusal(429, "renewal-limited"));
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=600).contains(&wait), "{wait}");
    let gaji = world.enrol(PROJECT, "gaji");
    gaji.v1("certificate", json!({ "csr": request().1 }).to_string()).ok();
    let world = world.restart();
    let again = Application { client: world.data(Some("baru/client")), ..world.absensi() };
    let refused = again.v1("certificate", json!({ "csr": request().1 }).to_string());
    assert_eq!(refused.problem(), refusal(429, "renewal-limited"));

    // The old one is revoked and told by name what goes with it.
    let done = world.done(&format!("certificate revoke {old}"));
    let mut revoked = vec![old.as_str(), new.as_str()];
    revoked.sort_unstable();
    assert_eq!(done["certificates-revoked"], json!({ "revoked": revoked, "left": [], "renewed_from": null }));
    if let Ok(answer) =
        again.client.ask("POST", &again.path("encrypt"), &[("authorization", &again.bearer())], b"{}")
    {
        assert_eq!(answer.problem(), refusal(401, "certificate-revoked"));
    }
    world.daemon.wait_until("TLS refuses", || again.client.ask("GET", "/v1/info", &[], b"").is_err());
    assert_eq!(
        world.done(&format!("certificate revoke {old}"))["certificates-revoked"]["revoked"],
        json!([])
    );
}

#[test]
fn what_is_no_request_for_a_certificate_is_refused_and_a_token_that_is_away_costs_no_turn() {
    let world = World::new("");
    let absensi = world.absensi();
    let ask = |body: &str| absensi.v1("certificate", body);
    let (_, csr) = request();
    for (body, code) in [
        ("", "malformed-json"),
        ("{}", "missing-member"),
        (r#"{"csr":7}"#, "malformed-json"),
        (r#"{"csr":"x","days":9999}"#, "unknown-member"),
        (r#"{"csr":"x","csr":"x"}"#, "repeated-member"),
        (r#"{"csr":"x"}"#, "bad-request"),
    ] {
        assert_eq!(ask(body).problem(), refusal(400, code), "{body}");
    }
    let large = json!({ "csr": "x".repeat(17 << 10) }).to_string();
    assert_eq!(ask(&large).problem(), refusal(413, "body-too-large"));
    // A request whose signature is another key's.
    let mut other: Vec<u8> = pem::parse(&csr).unwrap().into_contents();
    let last = other.len() - 1;
    other[last] ^= 1;
    let other = pem::encode(&pem::Pem::new("CERTIFICATE REQUEST", other));
    assert_eq!(ask(&json!({ "csr": other }).to_string()).problem(), refusal(400, "bad-request"));
    let wrong = absensi.client.ask("GET", &absensi.path("certificate"), &[], b"").unwrap();
    assert_eq!((wrong.problem(), wrong.header("allow")), (refusal(405, "method-not-allowed"), Some("POST")));

    let tokens = world.sandbox.softhsm();
    fs::rename(tokens.tokens(), tokens.elsewhere()).unwrap();
    world.daemon.wait_until("it notices", || world.sandbox.state() == "degraded");
    let away = ask(&json!({ "csr": csr }).to_string());
    assert_eq!(away.problem(), refusal(503, "token-away"));
    assert!(away.header("retry-after").is_some());
    fs::rename(tokens.elsewhere(), tokens.tokens()).unwrap();
    world.daemon.wait_until("it heals", || world.sandbox.state() == "operational");
    assert_eq!(counting(&world).len(), 1);
    ask(&json!({ "csr": csr }).to_string()).ok();
    assert_eq!(ask(&json!({ "csr": csr }).to_string()).status, 429);
}

/// An endpoint in this process, and its certificates.
struct Renewing {
    appliance: Appliance,
    endpoint: Identity,
    digest: ApiKeyDigest,
}

impl Renewing {
    fn new(softhsm: &SoftHsm) -> Self {
        let appliance = open(softhsm);
        init(&appliance, clock());
        let unlocked = appliance.unlocked().unwrap();
        unlocked.create_project(OPERATOR, PROJECT.parse().unwrap(), clock()).unwrap();
        let made = unlocked.create_endpoint(OPERATOR, PROJECT, ENDPOINT.parse().unwrap(), clock()).unwrap();
        let new = NewApiKey { label: "uji".parse().unwrap(), expires: None, limits: None };
        let (_, text) = unlocked.create_api_key(OPERATOR, PROJECT, ENDPOINT, new, clock()).unwrap();
        Self { endpoint: Identity::Endpoint(made.id.uuid()), digest: text.digest(), appliance }
    }

    /// An operator issues one.
    fn issue(&self) -> String {
        let unlocked = self.appliance.unlocked().unwrap();
        unlocked.issue_certificate(OPERATOR, PROJECT, ENDPOINT, &request().1, clock()).unwrap().spki
    }

    fn peer(&self, spki: &str) -> Peer {
        let byte = |at| u8::from_str_radix(&spki[at..at + 2], 16).unwrap();
        let certificate = PeerCertificate {
            identity: self.endpoint,
            spki: std::array::from_fn(|at| byte(2 * at)),
            not_before: Timestamp::default(),
            not_after: clock().time,
        };
        Peer { address: IpAddr::V4(Ipv4Addr::LOCALHOST), certificate: Some(certificate) }
    }

    fn caller(&self, spki: &str) -> Result<Caller, Stop> {
        let unlocked = self.appliance.unlocked().unwrap();
        let enrolled = unlocked.load_enrolled(&self.peer(spki), clock())?;
        unlocked.load_caller(&enrolled, &self.digest, &self.peer(spki), clock())
    }

    fn renew_as(&self, caller: &Caller, spki: &str, csr: &str) -> Result<String, Refusal> {
        // Its dates are TLS's affair; here it ends in an hour.
        let mut peer = self.peer(spki);
        peer.certificate.as_mut().unwrap().not_after =
            clock().time.plus(std::time::Duration::from_secs(3_600));
        let unlocked = self.appliance.unlocked().unwrap();
        match unlocked.renew_certificate(caller, &peer, csr, clock()) {
            Ok(issued) => Ok(issued.spki),
            Err(Stop::Refused(refusal)) => Err(refusal),
            Err(Stop::Fault(fault)) => panic!("{fault}"),
        }
    }

    fn renew(&self, spki: &str) -> Result<String, Code> {
        let caller = self.caller(spki).unwrap_or_else(|stop| panic!("{stop}"));
        self.renew_as(&caller, spki, &request().1).map_err(|refusal| refusal.code)
    }

    /// Puts `more` behind the shipped rules.
    fn govern(&self, more: &str) {
        let rules = AccessRules::parse(&format!("{SHIPPED}{more}"), AccessRules::SCHEMA).unwrap();
        self.appliance.govern(Access { rules: Arc::new(rules), utc_offset: UtcOffset::UTC });
    }

    fn revoke(&self, spki: &str, reach: Reach) -> Withdrawn {
        let unlocked = self.appliance.unlocked().unwrap();
        unlocked.revoke_certificate(OPERATOR, spki, reach, clock()).unwrap()
    }

    fn is_refused(&self, spki: &str, code: Code) {
        let Err(Stop::Refused(refusal)) = self.caller(spki) else { panic!("{spki} is let in") };
        assert_eq!(refusal.code, code);
    }
}

#[test]
fn the_access_policies_are_asked_for_each_renewal() {
    in_child("renewal::the_access_policies_are_asked_for_each_renewal", |softhsm| {
        let desk = Renewing::new(softhsm);
        let first = desk.issue();
        let before = desk.caller(&first).unwrap();
        let rule = |scope: &str, when: &str| {
            format!("@id(\"none\")@why(\"No more.\")forbid(principal is Endpoint,{scope},resource){when};")
        };
        let renewing = "action == Action::\"certificate.renew\"";
        desk.govern(&rule(renewing, "when{principal.name == \"absensi\"}"));
        assert_eq!(desk.renew(&first), Err(Code::PolicyDenied));
        // Also for one that was let in before the rule came.
        let refused = desk.renew_as(&before, &first, &request().1).unwrap_err();
        assert_eq!(refused.code, Code::PolicyDenied);
        // By address as it is now, and work on data is another act.
        desk.govern(&rule(renewing, "unless{context has address && context.address.isLoopback()}"));
        let second = desk.renew(&first).unwrap();
        pass(600);
        desk.govern(&rule("action in Action::\"data\"", ""));
        desk.renew(&second).unwrap();
    });
}

fn sorted(mut spkis: Vec<&String>) -> Vec<String> {
    spkis.sort_unstable();
    spkis.into_iter().cloned().collect()
}

#[test]
fn renewals_are_bounded_in_time_and_number_and_a_line_ends_with_its_beginning() {
    let case = "renewal::renewals_are_bounded_in_time_and_number_and_a_line_ends_with_its_beginning";
    in_child(case, |softhsm| {
        let desk = Renewing::new(softhsm);
        let first = desk.issue();
        let second = desk.renew(&first).unwrap();
        pass(590);
        assert_eq!(desk.renew(&second), Err(Code::RenewalLimited));
        pass(10);
        // A key that is or was enrolled is nobody's new one; that costs no turn.
        let (_, csr) = request();
        let caller = desk.caller(&second).unwrap();
        let third = desk.renew_as(&caller, &second, &csr).unwrap();
        pass(600);
        let taken = desk.renew_as(&desk.caller(&first).unwrap(), &first, &csr).unwrap_err();
        assert!(taken.code == Code::KeyTaken && taken.to_string().contains("public key"), "{taken}");
        let fourth = desk.renew(&first).unwrap();
        pass(600);
        for spki in [&first, &second, &third, &fourth] {
            assert_eq!(desk.renew(spki), Err(Code::TooManyCertificates));
        }
        // Another line has a count of its own.
        let other = desk.issue();
        let others = desk.renew(&other).unwrap();
        pass(600);

        // The line is first > second > third, and first > fourth.
        let left = desk.revoke(&second, Reach::One);
        assert_eq!((left.revoked, left.left), (vec![second.clone()], vec![third.clone()]));
        assert_eq!(left.renewed_from.as_ref(), Some(&first));
        desk.is_refused(&second, Code::CertificateRevoked);
        let fifth = desk.renew(&third).unwrap();
        // The one that was revoked already: what hangs on it goes, and no more.
        let rest = desk.revoke(&second, Reach::Descendants);
        assert_eq!((rest.revoked, rest.left), (sorted(vec![&third, &fifth]), vec![]));
        desk.is_refused(&third, Code::CertificateRevoked);
        desk.is_refused(&fifth, Code::CertificateRevoked);
        // Admitted before the revocation, asking after it: nothing is renewed with what is gone.
        let before = desk.caller(&fourth).unwrap();
        pass(600);
        let whole = desk.revoke(&first, Reach::Descendants);
        assert_eq!((whole.revoked, whole.renewed_from), (sorted(vec![&first, &fourth]), None));
        let refused = desk.renew_as(&before, &fourth, &request().1).unwrap_err();
        assert_eq!(refused.code, Code::CertificateRevoked);
        assert_eq!(desk.revoke(&first, Reach::Descendants), Withdrawn::default());
        // The other line goes on; and the endpoint ends all of it.
        pass(600);
        let last = desk.renew(&others).unwrap();
        desk.appliance.unlocked().unwrap().revoke_endpoint(OPERATOR, PROJECT, ENDPOINT, clock()).unwrap();
        for spki in [&other, &others, &last] {
            desk.is_refused(spki, Code::CertificateRevoked);
        }
    });
}

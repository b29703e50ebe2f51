//! Access policies over work on data: what is remembered, under what, and when it is forgotten. An appliance in this process,
//! with clock and addresses passed in; and one over HTTP, for what a caller is told.

use std::fs;
use std::net::IpAddr;
use std::sync::Arc;

use gembok::appliance::{Access, Appliance, Decrypt, Encrypt, NewApiKey, NewObject, Operate};
use gembok::domain::access::AccessRules;
use gembok::domain::access_record::{AccessRecord, Groups};
use gembok::domain::api_key::ApiKeyDigest;
use gembok::domain::id::{ApiKeyId, EndpointId};
use gembok::domain::operation::Operation;
use gembok::domain::peer::{Identity, Peer, PeerCertificate};
use gembok::domain::refusal::Code;
use gembok::domain::timestamp::Timestamp;
use rustix::process::Signal;
use serde_json::{Value, json};
use time::UtcOffset;

use crate::client::refusal;
use crate::clock::{OPERATOR, SHIPPED, clock, init, open, pass};
use crate::support::daemon::{ENDPOINT, OBJECT, PROJECT};
use crate::support::softhsm::{SoftHsm, in_child};
use crate::world::World;

/// An appliance and its application.
pub(crate) struct Desk {
    pub(crate) appliance: Appliance,
    certificate: PeerCertificate,
    digest: ApiKeyDigest,
}

/// Where an answer came from.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Memory,
    Store,
}
use Found::{Memory, Store};

impl Desk {
    pub(crate) fn new(softhsm: &SoftHsm) -> Self {
        let appliance = open(softhsm);
        init(&appliance, clock());
        let unlocked = appliance.unlocked().unwrap();
        unlocked.create_project(OPERATOR, PROJECT.parse().unwrap(), clock()).unwrap();
        let object = NewObject {
            name: OBJECT.parse().unwrap(),
            algorithm: None,
            required_context: Vec::new(),
            schema: gembok::domain::schema::Schema::default(),
        };
        unlocked.create_object(OPERATOR, PROJECT, object, clock()).unwrap();
        let endpoint =
            unlocked.create_endpoint(OPERATOR, PROJECT, ENDPOINT.parse().unwrap(), clock()).unwrap();
        let operations = [Operation::Encrypt, Operation::Decrypt];
        unlocked.grant(OPERATOR, PROJECT, ENDPOINT, OBJECT, &operations, clock()).unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let csr = rcgen::CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap();
        let issued = unlocked.issue_certificate(OPERATOR, PROJECT, ENDPOINT, &csr, clock()).unwrap();
        let new = NewApiKey { label: "uji".parse().unwrap(), expires: None, limits: None };
        let (_, text) = unlocked.create_api_key(OPERATOR, PROJECT, ENDPOINT, new, clock()).unwrap();
        let spki: Vec<u8> =
            (0..64).step_by(2).map(|at| u8::from_str_radix(&issued.spki[at..at + 2], 16).unwrap()).collect();
        let certificate = PeerCertificate {
            identity: Identity::Endpoint(endpoint.id.uuid()),
            spki: spki.try_into().unwrap(),
            not_before: Timestamp::default(),
            not_after: issued.not_after,
        };
        drop(unlocked);
        Self { appliance, certificate, digest: text.digest() }
    }

    /// Puts `more` behind the shipped rules.
    fn govern(&self, more: &str) {
        let rules = AccessRules::parse(&format!("{SHIPPED}{more}"), AccessRules::SCHEMA).unwrap();
        self.appliance.govern(Access { rules: Arc::new(rules), utc_offset: UtcOffset::UTC });
    }

    /// As if an API key had been used now.
    pub(crate) fn record_use(&self, api_key: ApiKeyId) {
        let now = clock();
        let record = AccessRecord {
            time: now.time,
            endpoint: EndpointId::from_bytes([1; 16]),
            api_key: Some(api_key),
            certificate: [2; 32],
            address: [10, 0, 0, 7].into(),
            operation: None,
            latency_us: 10,
            outcome: Some(Code::MalformedJson),
            groups: Groups::new(),
            repeated: None,
        };
        self.appliance.unlocked().unwrap().record(record, None, now.instant);
    }

    /// What is told to whoever comes from `address` with a key that nobody has.
    pub(crate) fn guess(&self, address: &str) -> Code {
        let operational = self.appliance.unlocked().unwrap();
        let peer = Peer { address: address.parse().unwrap(), certificate: Some(self.certificate.clone()) };
        let enrolled = operational.load_enrolled(&peer, clock()).unwrap();
        operational.load_caller(&enrolled, &[7; 32], &peer, clock()).err().unwrap().told().code
    }

    /// Whether API key and certificate are let in from `address`, from memory and from the store.
    pub(crate) fn enter(&self, address: &str) -> [Result<(), Code>; 2] {
        let operational = self.appliance.unlocked().unwrap();
        let peer = Peer { address: address.parse().unwrap(), certificate: Some(self.certificate.clone()) };
        let now = clock();
        let enrolled = operational.load_enrolled(&peer, now).unwrap();
        let loaded = operational.load_caller(&enrolled, &self.digest, &peer, now);
        let recalled = operational.recall_caller(&enrolled, &self.digest, &peer, now).unwrap();
        [recalled, loaded].map(|caller| caller.map(drop).map_err(|stop| stop.told().code))
    }

    /// What becomes of one item that comes from `address` now.
    fn ask<Op: Operate>(&self, address: &str) -> (Result<(), Code>, Found) {
        let operational = self.appliance.unlocked().unwrap();
        let address: IpAddr = address.parse().unwrap();
        let peer = Peer { address, certificate: Some(self.certificate.clone()) };
        let now = clock();
        let enrolled = operational.recall_enrolled(&peer);
        let enrolled = enrolled.unwrap_or_else(|| operational.load_enrolled(&peer, now).unwrap());
        let caller = operational.recall_caller(&enrolled, &self.digest, &peer, now);
        let caller =
            caller.unwrap_or_else(|| operational.load_caller(&enrolled, &self.digest, &peer, now)).unwrap();
        let (admitted, from) =
            match operational.recall_admitted::<Op>(&caller, [OBJECT].into_iter(), &peer, now) {
                Some(admitted) => (admitted, Memory),
                None => (operational.load_admitted::<Op>(&caller, &[OBJECT.to_owned()], &peer, now), Store),
            };
        let item = admitted.unwrap().items()[0].as_ref().map(drop).map_err(|denied| denied.code);
        (item, from)
    }
}

const DENIED: Result<(), Code> = Err(Code::PolicyDenied);

#[test]
fn the_shipped_rules_cost_a_memory_and_nothing_else() {
    in_child("verdicts::the_shipped_rules_cost_a_memory_and_nothing_else", |softhsm| {
        let desk = Desk::new(softhsm);
        assert_eq!(desk.ask::<Encrypt>("10.1.0.1"), (Ok(()), Store));
        for address in ["10.1.0.1", "10.1.0.2", "fd00::1"] {
            assert_eq!(desk.ask::<Encrypt>(address), (Ok(()), Memory), "{address}");
            pass(61);
        }
        // What is revoked is gone at once.
        let unlocked = desk.appliance.unlocked().unwrap();
        unlocked.revoke_grant(OPERATOR, PROJECT, ENDPOINT, OBJECT, &[Operation::Encrypt], clock()).unwrap();
        assert_eq!(desk.ask::<Encrypt>("10.1.0.1"), (Err(Code::NotGranted), Store));
    });
}

#[test]
fn two_addresses_share_no_decision() {
    in_child("verdicts::two_addresses_share_no_decision", |softhsm| {
        let desk = Desk::new(softhsm);
        assert_eq!(desk.ask::<Decrypt>("10.2.0.1").0, Ok(()));
        desk.govern(
            "@id(\"net\")@why(\"From there only.\")forbid(principal is Endpoint,action == Action::\"decrypt\",resource)\
             unless{context has address && context.address.isInRange(ip(\"10.1.0.0/16\"))};",
        );
        // One after the other, over the same enrolment and API key, from what memory has of the first.
        for round in [Store, Memory] {
            for (address, expected) in [
                ("10.1.0.1", Ok(())),
                ("10.2.0.1", DENIED),
                ("10.1.0.2", Ok(())),
                ("::ffff:10.2.0.1", DENIED),
            ] {
                let (item, from) = desk.ask::<Decrypt>(address);
                assert_eq!(item, expected, "{address}");
                // The last is the second, as an IPv6 listener says it.
                let is_new = round == Store && address != "::ffff:10.2.0.1";
                assert_eq!(from, if is_new { Store } else { Memory }, "{address}");
            }
        }
        assert_eq!(desk.ask::<Encrypt>("10.2.0.1").0, Ok(()), "only decrypting is bound");
        // A reload holds from its return on, for those that memory knows, too.
        desk.govern("");
        assert_eq!(desk.ask::<Decrypt>("10.2.0.1"), (Ok(()), Store));
        assert_eq!(desk.ask::<Decrypt>("10.2.0.1"), (Ok(()), Memory));
        desk.govern("@id(\"none\")@why(\"None.\")forbid(principal is Endpoint,action,resource);");
        assert_eq!(desk.ask::<Decrypt>("10.2.0.1"), (DENIED, Store));
        assert_eq!(desk.ask::<Decrypt>("10.2.0.1"), (DENIED, Memory));
    });
}

#[test]
fn a_decision_lasts_no_longer_than_the_minute_it_was_made_for() {
    in_child("verdicts::a_decision_lasts_no_longer_than_the_minute_it_was_made_for", |softhsm| {
        let desk = Desk::new(softhsm);
        // The minute after the next has begun is forbidden.
        let to_next = || 60 - clock().time.seconds() % 60;
        pass(to_next());
        let next = Timestamp::from_seconds(clock().time.seconds() + 60).date_time();
        desk.govern(&format!(
            "@id(\"minute\")@why(\"Not then.\")forbid(principal is Endpoint,action == Action::\"decrypt\",resource)\
             when{{context.time.hour == {} && context.time.minute == {} && context.time.weekday == {}}};",
            next.hour(),
            next.minute(),
            next.weekday().number_from_monday(),
        ));
        assert_eq!(desk.ask::<Decrypt>("10.1.0.1"), (Ok(()), Store));
        assert_eq!(desk.ask::<Decrypt>("10.9.0.1"), (Ok(()), Memory), "no rule reads addresses");
        pass(to_next());
        assert_eq!(desk.ask::<Decrypt>("10.1.0.1"), (DENIED, Store));
        assert_eq!(desk.ask::<Decrypt>("10.1.0.1"), (DENIED, Memory));
        pass(to_next());
        assert_eq!(desk.ask::<Decrypt>("10.1.0.1"), (Ok(()), Store));
    });
}

#[test]
fn a_broken_rule_is_a_fault_and_lets_nobody_by() {
    in_child("verdicts::a_broken_rule_is_a_fault_and_lets_nobody_by", |softhsm| {
        let desk = Desk::new(softhsm);
        for rule in [
            "forbid(principal is Endpoint,action,resource)when{context.time.date * 9000000000000 > 1};",
            "forbid(principal is Endpoint,action,resource)when{9000000000000 * 9000000000000 > 1};",
        ] {
            desk.govern(&format!("@id(\"big\")@why(\"Too big.\"){rule}"));
            assert_eq!(desk.ask::<Decrypt>("10.1.0.1").0, Err(Code::Fault), "{rule}");
        }
    });
}

#[test]
fn a_caller_is_told_that_policies_refuse_and_the_record_says_so() {
    let world = World::new("");
    let absensi = world.absensi();
    let sealed = absensi.seal(OBJECT, b"selamat");
    world.done(&format!("object create lain --project {PROJECT}"));
    world.grant("encrypt decrypt", "lain", ENDPOINT);
    let other = absensi.seal("lain", b"lain");
    let read = "configuration read again; policies, certificates and the log's level are in force";
    let reload = |more: &str| {
        let before = world.daemon.said(read).count();
        fs::write(world.sandbox.path("policies/access.cedar"), format!("{SHIPPED}{more}")).unwrap();
        world.daemon.signal(Signal::HUP);
        world.daemon.wait_until("it has read its policies", || world.daemon.said(read).count() > before);
    };
    reload(
        "@id(\"sealed-only\")@why(\"Nobody reads karyawan.\")\
         forbid(principal is Endpoint,action == Action::\"decrypt\",resource)when{resource.name == \"karyawan\"};",
    );
    let opening = json!({ "object": OBJECT, "ciphertext": sealed });
    assert_eq!(absensi.decrypt(&opening).problem(), refusal(403, "denied-by-policy"));
    absensi.seal(OBJECT, b"lagi");
    // In a batch only the item that it is about.
    let batch = json!({ "items": [opening, { "object": "lain", "ciphertext": other }] });
    let answer = absensi.decrypt(&batch).ok();
    assert_eq!(
        (&answer["failed"], &answer["items"][0]["code"]),
        (&json!(1), &json!("denied-by-policy")),
        "{answer}"
    );
    assert!(answer["items"][1]["plaintext"].is_string());
    let published = absensi.published(absensi.published_body(OBJECT, "dekrip", &sealed).to_string());
    assert_eq!(published.status, 403);
    let said: Value = serde_json::from_slice(&published.body).unwrap();
    assert_eq!((&said["status"], &said["kode"]), (&json!("Gagal!"), &json!("denied-by-policy")));
    // Without a grant that is what is told.
    world.done(&format!("object create tanpa --project {PROJECT}"));
    let item = json!({ "object": "tanpa", "plaintext": "" });
    assert_eq!(absensi.encrypt(&item).problem(), refusal(403, "not-granted"));
    let admin = world.admin();
    world.daemon.wait_until("the refusals are counted", || {
        let rows = admin.get("/v1/statistics?resolution=day&outcome=denied-by-policy").ok()["rows"].clone();
        rows.as_array().unwrap().iter().filter_map(|row| row["fields"].as_u64()).sum::<u64>() == 3
    });
    reload("");
    assert_eq!(absensi.open(OBJECT, &sealed), b"selamat");
}

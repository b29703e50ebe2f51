//! Decrypts through an appliance whose clock is set: budgets neither refill nor last longer by it. An appliance in this
//! process, with both clocks passed in.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use gembok::appliance::{
    Acceptance, Appliance, BudgetOf, BudgetView, Caller, Decrypt, Encrypt, Field, NewApiKey, NewObject,
    Operational, Sealed, Stop, Tending,
};
use gembok::crypto::aad::Context;
use gembok::domain::api_key::ApiKeyDigest;
use gembok::domain::budget::Counted;
use gembok::domain::id::ApiKeyId;
use gembok::domain::operation::Operation;
use gembok::domain::peer::{Identity, Peer, PeerCertificate};
use gembok::domain::refusal::{Code, Refusal};
use gembok::domain::timestamp::Timestamp;
use zeroize::Zeroizing;

use crate::clock::{OPERATOR, clock, init, open, pass, set_ahead};
use crate::support::daemon::{ENDPOINT, OBJECT, PROJECT};
use crate::support::softhsm::{SoftHsm, in_child};

const HOUR_S: u64 = 3_600;
const HOUR: i64 = 3_600;
const BASE: u64 = 10;

/// An appliance, its application, and an envelope to open.
struct Desk {
    appliance: Appliance,
    tending: Tending,
    peer: Peer,
    digest: ApiKeyDigest,
    api_key: ApiKeyId,
    envelope: Vec<u8>,
}

/// What a decrypt was paid from.
#[derive(Debug, PartialEq, Eq)]
enum Paid {
    FromMemory,
    FromTheStore,
}

impl Desk {
    /// Provisioned, with an API key that may decrypt [`BASE`] fields.
    fn new(softhsm: &SoftHsm) -> Self {
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
        unlocked
            .grant(OPERATOR, PROJECT, ENDPOINT, OBJECT, &[Operation::Encrypt, Operation::Decrypt], clock())
            .unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let csr = rcgen::CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap();
        let issued = unlocked.issue_certificate(OPERATOR, PROJECT, ENDPOINT, &csr, clock()).unwrap();
        let new = NewApiKey { label: "uji".parse().unwrap(), expires: None, limits: None };
        let (api_key, text) = unlocked.create_api_key(OPERATOR, PROJECT, ENDPOINT, new, clock()).unwrap();
        let of = BudgetOf::ApiKey(api_key.id);
        unlocked.set_budget(OPERATOR, &of, Counted::Decrypted, Some(BASE), clock()).unwrap();
        let certificate = PeerCertificate {
            identity: Identity::Endpoint(endpoint.id.uuid()),
            spki: unhex(&issued.spki),
            not_before: Timestamp::default(),
            not_after: issued.not_after,
        };
        let peer = Peer { address: IpAddr::V4(Ipv4Addr::LOCALHOST), certificate: Some(certificate) };
        let (digest, api_key, envelope) = (text.digest(), api_key.id, Vec::new());
        drop(unlocked);
        let mut desk = Self { appliance, tending: Tending::default(), peer, digest, api_key, envelope };
        desk.envelope = desk.seal();
        desk
    }

    /// As housekeeping does each second.
    fn tend(&mut self) {
        self.appliance.tend(&mut self.tending, clock());
    }

    fn lock(&self) {
        self.appliance.lock(OPERATOR, clock()).unwrap();
    }

    fn unlock(&self) {
        self.appliance.unlock(OPERATOR, Acceptance::default(), clock()).unwrap();
    }

    fn acknowledge(&self) {
        self.appliance.unlocked().unwrap().acknowledge_clock(OPERATOR, clock()).unwrap();
    }

    fn raise(&self, fields: u64, hours: u64) {
        let (of, lasts) = (BudgetOf::ApiKey(self.api_key), Duration::from_secs(hours * HOUR_S));
        self.appliance
            .unlocked()
            .unwrap()
            .raise_budget(OPERATOR, &of, Counted::Decrypted, fields, lasts, clock())
            .unwrap();
    }

    fn budget(&self) -> BudgetView {
        let views = self.appliance.unlocked().unwrap().budgets(PROJECT, ENDPOINT, clock()).unwrap();
        views.into_iter().find(|view| view.name == "uji").unwrap()
    }

    fn caller(&self, operational: &Operational) -> Caller {
        let now = clock();
        let enrolled = operational.recall_enrolled(&self.peer);
        let enrolled = enrolled.unwrap_or_else(|| operational.load_enrolled(&self.peer, now).unwrap());
        operational.check_enrolled(&enrolled, &self.peer, ENDPOINT, now).unwrap();
        operational.load_caller(&enrolled, &self.digest, &self.peer, now).unwrap()
    }

    fn seal(&self) -> Vec<u8> {
        let operational = self.appliance.unlocked().unwrap();
        let caller = self.caller(&operational);
        let admitted =
            operational.load_admitted::<Encrypt>(&caller, &[OBJECT.to_owned()], &self.peer, clock()).unwrap();
        let keys = operational.load_sealing_keys(&admitted, clock()).unwrap();
        let field = Field { plaintext: Zeroizing::new(b"rahasia".to_vec()), context: context() };
        let mut sealed = operational.encrypt(&admitted, &keys, vec![Ok(field)], clock()).unwrap();
        sealed.items.pop().unwrap().unwrap()
    }

    /// Opens the envelope so often in one request, as the edge does: from memory where that knows enough.
    fn decrypt(&self, fields: usize) -> Result<Paid, Refusal> {
        let operational = self.appliance.unlocked().unwrap();
        let (caller, objects) = (self.caller(&operational), vec![OBJECT.to_owned(); fields]);
        let names = objects.iter().map(String::as_str);
        let (admitted, paid) =
            match operational.recall_admitted::<Decrypt>(&caller, names, &self.peer, clock()) {
                Some(admitted) => (admitted, Paid::FromMemory),
                None => (
                    operational.load_admitted::<Decrypt>(&caller, &objects, &self.peer, clock()),
                    Paid::FromTheStore,
                ),
            };
        let admitted = admitted.map_err(|stop| match stop {
            Stop::Refused(refusal) => refusal,
            Stop::Fault(fault) => panic!("{fault}"),
        })?;
        let sealed = || Ok(Sealed { envelope: Zeroizing::new(self.envelope.clone()), context: context() });
        let sealed: Vec<_> = std::iter::repeat_with(sealed).take(fields).collect();
        let needs = Operational::opening_needs(&admitted, &sealed);
        let keys = operational.load_opening_keys(needs, clock());
        let done = operational.decrypt(&admitted, &keys, sealed, clock()).unwrap();
        for opened in done.items {
            assert_eq!(*opened.unwrap(), b"rahasia");
        }
        Ok(paid)
    }

    #[track_caller]
    fn is_exhausted(&self) {
        let refused = self.decrypt(1);
        assert_eq!(refused.unwrap_err().code, Code::BudgetExhausted);
    }
}

fn context() -> Context<'static> {
    Context::new(Vec::new()).unwrap()
}

fn unhex(text: &str) -> [u8; 32] {
    std::array::from_fn(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
}

#[test]
fn a_clock_that_jumped_refills_no_budget_until_it_is_acknowledged() {
    in_child("budget_clock::a_clock_that_jumped_refills_no_budget_until_it_is_acknowledged", |softhsm| {
        let mut desk = Desk::new(softhsm);
        desk.tend();
        desk.decrypt(10).unwrap();
        desk.is_exhausted();

        // Two days forward. The appliance has noticed; and really a day and an hour pass.
        set_ahead(48 * HOUR);
        desk.is_exhausted();
        desk.tend();
        assert!(!desk.appliance.unlocked().unwrap().clock_is_trusted());
        desk.is_exhausted();
        pass(25 * HOUR_S);
        desk.tend();
        desk.is_exhausted();
        // Once somebody says that it is right, two days have gone by.
        desk.acknowledge();
        desk.decrypt(10).unwrap();
    });
}

#[test]
fn an_acknowledged_clock_is_the_budgets_clock_from_then_on() {
    in_child("budget_clock::an_acknowledged_clock_is_the_budgets_clock_from_then_on", |softhsm| {
        let mut desk = Desk::new(softhsm);
        desk.tend();
        desk.decrypt(10).unwrap();
        set_ahead(48 * HOUR);
        desk.tend();
        desk.is_exhausted();
        desk.acknowledge();
        desk.decrypt(10).unwrap();
        desk.is_exhausted();

        // It was wrong after all: back, over a lock. Until somebody says so, the journal's time counts.
        desk.raise(20, 1);
        desk.lock();
        set_ahead(0);
        desk.unlock();
        assert!(!desk.appliance.unlocked().unwrap().clock_is_trusted());
        pass(2 * HOUR_S + 60);
        let budget = desk.budget();
        assert_eq!((budget.standing.fields_per_day, budget.raised_until), (BASE, None));
        desk.is_exhausted();

        // Once it is acknowledged, what was used counts for a day from now, and so it stays over a lock, though the
        // journal is ahead by two days still.
        desk.acknowledge();
        desk.lock();
        desk.unlock();
        assert!(desk.appliance.unlocked().unwrap().clock_is_trusted());
        desk.raise(20, 1);
        let until = desk.budget().raised_until.unwrap();
        assert!(until.since(clock().time) <= Duration::from_secs(HOUR_S), "{until}");
        assert_eq!(desk.budget().standing.used, BASE);
        pass(22 * HOUR_S);
        desk.tend();
        desk.is_exhausted();
        pass(2 * HOUR_S);
        desk.tend();
        desk.decrypt(10).unwrap();
    });
}

#[test]
fn a_lease_ends_by_the_stop_watch_whatever_the_clock_is_set_to() {
    in_child("budget_clock::a_lease_ends_by_the_stop_watch_whatever_the_clock_is_set_to", |softhsm| {
        let mut desk = Desk::new(softhsm);
        desk.tend();
        // From the beginning of an hour, so that none ends by itself.
        let into_hour_s = clock().time.seconds() % HOUR_S;
        pass(HOUR_S - into_hour_s);
        desk.raise(6_400, 3);
        assert_eq!(desk.decrypt(1), Ok(Paid::FromTheStore));
        assert_eq!(desk.decrypt(1), Ok(Paid::FromMemory));

        // Set back: two hours later what was leased is not good any more, and what it had left has gone back.
        set_ahead(-10 * HOUR);
        desk.tend();
        assert_eq!(desk.decrypt(1), Ok(Paid::FromMemory));
        pass(2 * HOUR_S + 60);
        desk.tend();
        assert_eq!(desk.decrypt(1), Ok(Paid::FromTheStore), "the lease has outlived its hour");
        assert_eq!(desk.decrypt(1), Ok(Paid::FromMemory));
        assert_eq!(desk.budget().standing.used, 5);
        // Nor does a raise last longer.
        pass(2 * HOUR_S);
        desk.tend();
        assert_eq!(desk.budget().standing.fields_per_day, BASE);

        // Set forward: memory serves on.
        desk.acknowledge();
        desk.raise(6_400, 3);
        desk.decrypt(1).unwrap();
        set_ahead(10 * HOUR);
        desk.tend();
        desk.decrypt(1).unwrap();
        assert_eq!(desk.decrypt(1), Ok(Paid::FromMemory), "every decrypt asks the store");
    });
}

#[test]
fn a_change_that_the_clock_forbids_forfeits_no_lease() {
    in_child("budget_clock::a_change_that_the_clock_forbids_forfeits_no_lease", |softhsm| {
        let mut desk = Desk::new(softhsm);
        desk.tend();
        desk.raise(6_400, 3);
        assert_eq!(desk.decrypt(1), Ok(Paid::FromTheStore));
        set_ahead(10 * HOUR);
        desk.tend();
        // What was leased ends with its hour; this one is of the hour that the budgets are in now.
        desk.decrypt(1).unwrap();
        let used = desk.budget().standing.used;
        let of = BudgetOf::ApiKey(desk.api_key);
        for fields in [Some(7), None] {
            let refused = desk.appliance.unlocked().unwrap().set_budget(
                OPERATOR,
                &of,
                Counted::Decrypted,
                fields,
                clock(),
            );
            assert!(matches!(refused, Err(Stop::Refused(refusal)) if refusal.code == Code::WrongState));
            assert_eq!(desk.budget().standing.used, used);
        }
        assert_eq!(desk.decrypt(1), Ok(Paid::FromMemory));
    });
}

//! An appliance in this process with one object, an application that works on it, and two members of its project: what
//! `key_model` acts on.

use std::net::{IpAddr, Ipv4Addr};

use gembok::appliance::{
    Appliance, BudgetOf, Decrypt, Encrypt, Field, NewApiKey, Operational, Sealed, Settings, Tending,
};
use gembok::crypto::aad::Context;
use gembok::desk::asker::Asker;
use gembok::desk::request::Request;
use gembok::domain::api_key::ApiKeyDigest;
use gembok::domain::budget::Counted;
use gembok::domain::limits::RateLimits;
use gembok::domain::peer::{Identity, Peer, PeerCertificate};
use gembok::domain::refusal::Refusal;
use gembok::domain::timestamp::Timestamp;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::clock::{OPERATOR, clock, init, open, pass, settings};
use crate::plain_keys::AGE_MAX;
use crate::support::daemon::{ENDPOINT, OBJECT, PROJECT};
use crate::support::softhsm::SoftHsm;

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

pub(crate) struct World {
    pub(crate) appliance: Appliance,
    pub(crate) tending: Tending,
    pub(crate) began: u64,
    pub(crate) application: Peer,
    pub(crate) digest: ApiKeyDigest,
    pub(crate) siti: Peer,
    pub(crate) budi: Peer,
}

pub(crate) fn ask(appliance: &Appliance, asker: &Asker, request: &Value) -> Result<Value, String> {
    let request: Request =
        serde_json::from_value(request.clone()).unwrap_or_else(|error| panic!("{request}: {error}"));
    match request.perform_for(appliance, asker, clock()) {
        Ok(done) => Ok(serde_json::to_value(done).unwrap()),
        Err(gembok::appliance::Stop::Refused(refusal)) => Err(refusal.code.as_str().to_owned()),
        Err(gembok::appliance::Stop::Fault(fault)) => panic!("{fault}"),
    }
}

fn unhex(text: &str) -> [u8; 32] {
    gembok::crypto::hex::from_hex(text).unwrap()
}

fn context() -> Context<'static> {
    Context::new(Vec::new()).unwrap_or_else(|_| panic!("an empty context"))
}

fn csr() -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    rcgen::CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap()
}

fn peer(identity: Identity, spki: &str, not_after: Timestamp) -> Peer {
    let certificate =
        PeerCertificate { identity, spki: unhex(spki), not_before: Timestamp::default(), not_after };
    Peer { address: IpAddr::V4(Ipv4Addr::LOCALHOST), certificate: Some(certificate) }
}

impl World {
    pub(crate) fn new(softhsm: &SoftHsm) -> Self {
        Self::over(open(softhsm))
    }

    /// The same with a log of keys, on what a test may take away.
    pub(crate) fn with_log(softhsm: &SoftHsm) -> Self {
        let folder = softhsm.elsewhere().join("other");
        std::fs::create_dir_all(&folder).unwrap();
        let escrow_path = Some(folder.join("escrow.log"));
        Self::over(Appliance::open(Settings { escrow_path, ..settings(softhsm) }).unwrap())
    }

    fn over(appliance: Appliance) -> Self {
        init(&appliance, clock());
        let of = json!({ "project": PROJECT, "name": OBJECT });
        let operator = Asker::Local(0);
        let done = |request: Value| ask(&appliance, &operator, &request).unwrap();
        done(json!({ "project": { "create": { "name": PROJECT } } }));
        let mut new = of.clone();
        new["required_context"] = json!([]);
        done(json!({ "object": { "create": new } }));
        let mut rotation = of.clone();
        rotation["after_days"] = (AGE_MAX / DAY).into();
        done(json!({ "object": { "rotation": rotation } }));
        let endpoint = done(json!({ "endpoint": { "create": { "project": PROJECT, "name": ENDPOINT } } }));
        let granted = json!({ "project": PROJECT, "endpoint": ENDPOINT, "object": OBJECT,
            "operations": ["encrypt", "decrypt"] });
        done(json!({ "grant": { "create": granted } }));
        let person = |name: &str| {
            let made = done(json!({ "user": { "create": { "name": name, "role": "user" } } }));
            done(json!({ "project": { "member": { "add": { "project": PROJECT, "user": name } } } }));
            let unlocked = appliance.unlocked().unwrap();
            let issued = unlocked.issue_user_certificate(OPERATOR, name, &csr(), clock()).unwrap();
            let id = made["user"]["id"].as_str().unwrap().parse().unwrap();
            peer(Identity::User(id), &issued.spki, issued.not_after)
        };
        let (siti, budi) = (person("siti"), person("budi"));
        let unlocked = appliance.unlocked().unwrap();
        let issued = unlocked.issue_certificate(OPERATOR, PROJECT, ENDPOINT, &csr(), clock()).unwrap();
        let id = endpoint["endpoint"]["id"].as_str().unwrap().parse().unwrap();
        let application = peer(Identity::Endpoint(id), &issued.spki, issued.not_after);
        let many = 1_000_000;
        let limits =
            RateLimits { requests_per_s: many, requests_burst: many, fields_per_s: many, fields_burst: many };
        let new = NewApiKey { label: "uji".parse().unwrap(), expires: None, limits: Some(limits) };
        let (api_key, text) = unlocked.create_api_key(OPERATOR, PROJECT, ENDPOINT, new, clock()).unwrap();
        for of in [BudgetOf::ApiKey(api_key.id), BudgetOf::Endpoint { project: PROJECT, name: ENDPOINT }] {
            unlocked.set_budget(OPERATOR, &of, Counted::Decrypted, Some(1_000_000_000), clock()).unwrap();
        }
        let digest = text.digest();
        drop(unlocked);
        // Members of before what they are asked to second.
        pass(HOUR);
        let began = clock().time.seconds();
        Self { appliance, tending: Tending::default(), began, application, digest, siti, budi }
    }

    pub(crate) fn person(&self, peer: &Peer) -> Asker {
        Asker::User(self.appliance.unlocked().unwrap().sign_in(peer, clock()).unwrap())
    }

    /// As housekeeping does; twice, because the first may only have found the clock right again.
    pub(crate) fn tend(&mut self) {
        self.appliance.tend(&mut self.tending, clock());
    }

    pub(crate) fn caller(&self, operational: &Operational) -> gembok::appliance::Caller {
        let enrolled = operational.load_enrolled(&self.application, clock()).unwrap();
        operational.check_enrolled(&enrolled, &self.application, ENDPOINT, clock()).unwrap();
        operational.load_caller(&enrolled, &self.digest, &self.application, clock()).unwrap()
    }

    pub(crate) fn encrypt(&self) -> Result<Vec<u8>, String> {
        let operational = self.appliance.unlocked().unwrap();
        let (caller, objects) = (self.caller(&operational), [OBJECT.to_owned()]);
        let admitted =
            operational.load_admitted::<Encrypt>(&caller, &objects, &self.application, clock()).unwrap();
        let keys = match operational.recall_sealing_keys(&admitted, clock()) {
            Some(keys) => keys,
            None => operational.load_sealing_keys(&admitted, clock()).unwrap(),
        };
        let field = Field { plaintext: Zeroizing::new(b"rahasia".to_vec()), context: context() };
        let mut done = operational.encrypt(&admitted, &keys, vec![Ok(field)], clock()).unwrap();
        done.items.pop().unwrap().map_err(|refusal: Refusal| refusal.code.as_str().to_owned())
    }

    pub(crate) fn decrypt(&self, envelopes: &[Vec<u8>]) -> Vec<Result<(), String>> {
        let operational = self.appliance.unlocked().unwrap();
        let (caller, objects) = (self.caller(&operational), vec![OBJECT.to_owned(); envelopes.len()]);
        let admitted =
            operational.load_admitted::<Decrypt>(&caller, &objects, &self.application, clock()).unwrap();
        let sealed = |envelope: &Vec<u8>| {
            Ok(Sealed { envelope: Zeroizing::new(envelope.clone()), context: context() })
        };
        let sealed: Vec<_> = envelopes.iter().map(sealed).collect();
        let keys = match operational.recall_opening_keys(&admitted, &sealed, clock()) {
            Some(keys) => keys,
            None => {
                let needs = Operational::opening_needs(&admitted, &sealed);
                operational.load_opening_keys(needs, clock())
            }
        };
        let done = operational.decrypt(&admitted, &keys, sealed, clock()).unwrap();
        assert!(done.watch.check().is_ok());
        let items = done.items.into_iter().map(|item| match item {
            Ok(plaintext) => {
                assert_eq!(*plaintext, b"rahasia");
                Ok(())
            }
            Err(refusal) => Err(refusal.code.as_str().to_owned()),
        });
        items.collect()
    }

    pub(crate) fn moment(&self, at: u64) -> String {
        Timestamp::from_seconds(self.began + at).to_string()
    }
}

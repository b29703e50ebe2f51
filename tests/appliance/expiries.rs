//! What ends is spoken of in time, once at each mark, and no longer than it is true: an appliance in this process, whose
//! clocks the test moves.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gembok::appliance::{Acceptance, ApiKeyView, Appliance, NewApiKey, Rotation, Tending};
use gembok::domain::expiry::Ending;
use serde_json::Value;

use crate::clock::{OPERATOR, clock, init, open, pass};
use crate::support::daemon::{ENDPOINT, PROJECT};
use crate::support::softhsm::in_child;
use crate::verdicts::Desk;

const DAY_S: u64 = 86_400;

/// Where the log goes.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Of this process from now on.
    pub(crate) fn begin() -> Self {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().json().with_writer(move || writer.clone()).finish();
        tracing::subscriber::set_global_default(subscriber).unwrap();
        log
    }

    /// What was said of ends since the last call: whose, and at which mark.
    pub(crate) fn said(&self) -> Vec<(String, u64)> {
        let text = String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let mut said: Vec<_> = lines
            .filter(|line| line["fields"]["hint"].is_string())
            .map(|line| {
                let fields = &line["fields"];
                (fields["of"].as_str().unwrap().to_owned(), fields["mark_days"].as_u64().unwrap_or(0))
            })
            .collect();
        said.sort();
        said
    }
}

fn issue(appliance: &Appliance) {
    let key = rcgen::KeyPair::generate().unwrap();
    let csr = rcgen::CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap();
    let unlocked = appliance.unlocked().unwrap();
    unlocked.issue_certificate(OPERATOR, "kantor", "absensi", &csr, clock()).unwrap();
}

/// What health names: each with its mark.
fn expiring(appliance: &Appliance) -> Vec<(String, u64)> {
    let health = appliance.health();
    let mut named: Vec<_> =
        health.expiring().into_iter().map(|(expiry, mark)| (expiry.of.to_string(), mark)).collect();
    named.sort();
    named
}

#[test]
fn ends_are_told_at_their_marks_and_not_when_somebody_has_newer() {
    in_child("expiries::ends_are_told_at_their_marks_and_not_when_somebody_has_newer", |softhsm| {
        let log = Log::begin();
        let appliance = open(softhsm);
        init(&appliance, clock());
        let unlocked = appliance.unlocked().unwrap();
        unlocked.create_project(OPERATOR, "kantor".parse().unwrap(), clock()).unwrap();
        let endpoint =
            unlocked.create_endpoint(OPERATOR, "kantor", "absensi".parse().unwrap(), clock()).unwrap();
        drop(unlocked);
        issue(&appliance);
        let mut tending = Tending::default();
        let mut tend = |appliance: &Appliance| appliance.tend(&mut tending, clock());
        tend(&appliance);
        assert_eq!((expiring(&appliance), log.said()), (vec![], vec![]));
        let expiries = appliance.expiries();
        let user =
            expiries.iter().find(|expiry| matches!(expiry.of, Ending::User(_))).unwrap().of.to_string();
        let endpoint = Ending::Endpoint(endpoint.id).to_string();
        assert_eq!(
            expiries.iter().find(|it| it.of.to_string() == endpoint).unwrap().name.as_deref(),
            Some("kantor/absensi")
        );
        let both = |mark| vec![(endpoint.clone(), mark), (user.clone(), mark)];

        // Nobody tended it for so long that the CRL has ended. The server's certificate is renewed on the way.
        pass((397 - 30) * DAY_S + 60);
        assert_eq!(expiring(&appliance), [vec![("crl".into(), 0), ("server".into(), 30)], both(30)].concat());
        tend(&appliance);
        assert_eq!(log.said(), both(30), "both are there in a moment");
        tend(&appliance);
        assert_eq!(expiring(&appliance), both(30), "the list was signed, the server has a new certificate");
        pass(DAY_S);
        tend(&appliance);
        assert_eq!(log.said(), vec![], "not each day anew");

        // A newer one takes the old one's place; a lock forgets nothing of what was said.
        issue(&appliance);
        assert_eq!(expiring(&appliance), [(user.clone(), 30)]);
        appliance.lock(OPERATOR, clock()).unwrap();
        pass(3_601);
        tend(&appliance);
        assert_eq!(expiring(&appliance), vec![], "a locked appliance cannot read whose there are");
        let mut restarted = Tending::default();
        appliance.tend(&mut restarted, clock());
        assert_eq!(log.said(), vec![]);
        appliance.unlock(OPERATOR, Acceptance::default(), clock()).unwrap();
        tend(&appliance);
        assert_eq!(log.said(), vec![], "it was said before the lock");
        appliance.tend(&mut restarted, clock());
        assert_eq!(log.said(), [(user.clone(), 30)], "whoever was not told yet is told at once");
        pass(22 * DAY_S);
        tend(&appliance);
        tend(&appliance);
        let said = log.said();
        assert!(said.contains(&(user.clone(), 7)) && !said.iter().any(|(of, _)| *of == endpoint), "{said:?}");
        pass(10 * DAY_S);
        tend(&appliance);
        assert!(log.said().contains(&(user.clone(), 0)));
        assert!(expiring(&appliance).contains(&(user.clone(), 0)));
        pass(31 * DAY_S);
        assert!(!expiring(&appliance).iter().any(|(of, _)| *of == user), "it is history");

        // Off for longer than a list lasts: the unlock signs the next one, and nobody is told that the last one has ended.
        tend(&appliance);
        log.said();
        appliance.lock(OPERATOR, clock()).unwrap();
        pass(8 * DAY_S);
        assert_eq!(expiring(&appliance).first(), Some(&("crl".into(), 0)));
        let (mut started, no_list) =
            (Tending::default(), |said: &[(String, u64)]| said.iter().all(|(of, _)| of != "crl"));
        appliance.tend(&mut started, clock());
        assert!(no_list(&log.said()));
        appliance.unlock(OPERATOR, Acceptance::default(), clock()).unwrap();
        assert!(no_list(&expiring(&appliance)), "the unlock signed it");
        appliance.tend(&mut started, clock());
        assert!(no_list(&log.said()));
    });
}

#[test]
fn an_api_key_that_ends_is_told_as_long_as_somebody_may_need_it() {
    in_child("expiries::an_api_key_that_ends_is_told_as_long_as_somebody_may_need_it", |softhsm| {
        let desk = Desk::new(softhsm);
        let appliance = &desk.appliance;
        let unlocked = || appliance.unlocked().unwrap();
        let new = |days: u64| {
            let expires = Some(clock().time.plus(Duration::from_secs(days * DAY_S)));
            let new = NewApiKey { label: "uji".parse().unwrap(), expires, limits: None };
            unlocked().create_api_key(OPERATOR, PROJECT, ENDPOINT, new, clock()).unwrap().0
        };
        let (first, second) = (new(29), new(60));
        let keys = || {
            let ending = expiring(appliance).into_iter();
            ending.filter(|(of, _)| of.starts_with("api-key:")).collect::<Vec<_>>()
        };
        let of = |view: &ApiKeyView| Ending::ApiKey(view.id).to_string();
        assert_eq!(keys(), [(of(&first), 30)], "the one without an end is never told");
        let named = appliance.expiries();
        let named = named.iter().find(|expiry| expiry.of.to_string() == of(&first)).unwrap();
        assert_eq!(named.name.as_deref(), Some(format!("{PROJECT}/{ENDPOINT} uji").as_str()));
        pass(23 * DAY_S);
        assert_eq!(keys(), [(of(&first), 7)]);

        // Somebody made the next one: nothing to do, unless the old one goes on being used.
        let rotation = Rotation { overlap: Duration::from_secs(5 * DAY_S), expires: None };
        let rotated = unlocked().rotate_api_key(OPERATOR, first.id, rotation, clock()).unwrap();
        assert!(!expiring(appliance).iter().any(|(named, _)| *named == of(&first)));
        pass(60);
        desk.record_use(first.id);
        let start = std::time::Instant::now();
        while !expiring(appliance).contains(&(of(&first), 7)) {
            assert!(start.elapsed() < Duration::from_secs(60), "its use was not written down");
            std::thread::sleep(Duration::from_millis(5));
        }
        // The new one ends when as much time has passed as the old one was made for.
        let made_for = rotated.new.expires.unwrap().since(rotated.new.created);
        assert_eq!(made_for, first.expires.unwrap().since(first.created));
        unlocked().revoke_api_key(OPERATOR, first.id, clock()).unwrap();
        unlocked().expire_api_key(OPERATOR, second.id, None, clock()).unwrap();
        assert!(!expiring(appliance).iter().any(|(named, _)| [of(&first), of(&second)].contains(named)));
    });
}

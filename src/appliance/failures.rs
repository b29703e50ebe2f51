//! Failed authentications: who fails often has to wait, and is told nothing but that. The table is bounded, in memory, and
//! forgotten at a lock.
//!
//! Who fails is told apart by what is proved of them: a certificate that is not enrolled by itself, an enrolled one by its API
//! keys, and an address only where there is no certificate or none that is enrolled. So behind one address nobody who is
//! enrolled waits for what another does.
//!
//! Only what fails is refused: credentials are looked up first, and good ones are never held up. Else whoever stole a
//! certificate, which is nothing without an API key, could keep its endpoint out with keys he made up. Nothing is lost by it:
//! an API key has 202 random bits, so no wait is what keeps it from being guessed, and it is found by its digest, so the time
//! a look-up takes tells of digests that nobody can invert. A password is another matter: it can be guessed, and each try costs
//! a hashing; there who waits is refused before.

use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use quick_cache::sync::Cache;
use sha2::{Digest, Sha256};

use crate::domain::peer::Peer;
use crate::domain::refusal::{Code, LimitMet, Refusal};
use crate::domain::timestamp::Now;

use super::admission::Enrolled;
use super::fault::Stop;
use super::operational::Operational;

/// Failures that cost nothing.
const FREE_FAILURES: u32 = 10;
/// The same for an address, behind which there may be many.
const FREE_FAILURES_OF_AN_ADDRESS: u32 = 100;
/// The first wait; it doubles with each failure to the last.
const WAIT_FIRST: Duration = Duration::from_secs(1);
const WAIT_LAST: Duration = Duration::from_secs(60);
/// Who has not failed for so long begins anew.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);
/// Failing parties remembered; the least used falls out.
const REMEMBERED_MAX: usize = 4_096;

/// Who failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Failing {
    /// A certificate of our CA that is not enrolled for this.
    Certificate([u8; 32]),
    /// An enrolled certificate, by the API keys it is shown with.
    Keys([u8; 32]),
    /// Without an enrolled certificate: an address, of IPv6 its /64.
    Address(IpAddr),
    /// A name that somebody signs in with, by its digest; there need be nobody of that name.
    User([u8; 32]),
}

#[derive(Clone, Copy)]
struct Record {
    failures: u32,
    last: Instant,
    until: Instant,
}

/// The table.
pub(super) struct Failures {
    records: Cache<Failing, Record>,
    counting: Mutex<()>,
}

impl Failing {
    pub(super) fn address(address: IpAddr) -> Self {
        Self::Address(match address {
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
            v4 @ IpAddr::V4(_) => v4,
        })
    }

    pub(super) fn user(name: &str) -> Self {
        Self::User(Sha256::digest(name).into())
    }

    const fn free_failures(self) -> u32 {
        match self {
            Self::Address(_) => FREE_FAILURES_OF_AN_ADDRESS,
            Self::Certificate(_) | Self::Keys(_) | Self::User(_) => FREE_FAILURES,
        }
    }
}

impl Failures {
    pub(super) fn new() -> Self {
        Self { records: Cache::new(REMEMBERED_MAX), counting: Mutex::new(()) }
    }

    /// Whether this party may fail now and be told why.
    ///
    /// # Errors
    /// `authentication-limited`.
    fn check(&self, who: Failing, now: Instant) -> Result<(), Refusal> {
        match self.records.get(&who) {
            Some(record) if now < record.until => Err(Self::limited(who, record.until - now)),
            _ => Ok(()),
        }
    }

    /// Whether all of them may try now: where a try costs us something, who waits is not heard at all.
    ///
    /// # Errors
    /// `authentication-limited`.
    pub(super) fn check_all(&self, parties: &[Failing], now: Instant) -> Result<(), Refusal> {
        parties.iter().try_for_each(|who| self.check(*who, now))
    }

    /// Counts a failure of all of them; `code`, or that there were too many before it.
    pub(super) fn count_all(&self, parties: &[Failing], code: Code, now: Instant) -> Refusal {
        let counted = parties.iter().map(|who| self.count(*who, code, now));
        let limited = counted.filter(|refusal| refusal.code == Code::AuthenticationLimited).last();
        limited.unwrap_or_else(|| code.into())
    }

    /// Counts a failure and returns what to answer: its own `code`, or that there were too many before it.
    pub(super) fn count(&self, who: Failing, code: Code, now: Instant) -> Refusal {
        if let Err(limited) = self.check(who, now) {
            return limited;
        }
        let _one_at_a_time = self.counting.lock();
        let known = self.records.get(&who).filter(|record| now.duration_since(record.last) < FORGOTTEN_AFTER);
        let failures = known.map_or(0, |record| record.failures).saturating_add(1);
        let over = failures.saturating_sub(who.free_failures());
        let wait = match over {
            0 => Duration::ZERO,
            _ => WAIT_FIRST.saturating_mul(1 << (over - 1).min(16)).min(WAIT_LAST),
        };
        if over == 1 {
            let code = code.as_str();
            tracing::warn!(
                ?who,
                failures,
                code,
                "authentication fails again and again; further tries have to wait"
            );
        }
        self.records.insert(who, Record { failures, last: now, until: now + wait });
        code.into()
    }

    fn limited(who: Failing, wait: Duration) -> Refusal {
        let limit = LimitMet {
            name: "failed-authentications",
            quota: who.free_failures().into(),
            unit: None,
            window_s: Some(FORGOTTEN_AFTER.as_secs()),
            left: Some(0),
        };
        Refusal {
            limit: Some(Box::new(limit)),
            ..Refusal::new(Code::AuthenticationLimited).retry_after(wait)
        }
    }
}

impl Operational {
    /// Holds who fails to authenticate with a certificate that is not enrolled, or with none, to the limits: by that
    /// certificate, and by the address as long as the certificate does not wait.
    pub(super) fn limit_failures<T>(
        &self,
        peer: &Peer,
        now: Instant,
        authenticate: impl FnOnce() -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        authenticate().map_err(|stop| match stop {
            Stop::Refused(refusal) if is_failed_authentication(refusal.code) => {
                if let Some(shown) = &peer.certificate {
                    let counted = self.failures.count(Failing::Certificate(shown.spki), refusal.code, now);
                    if counted.code == Code::AuthenticationLimited {
                        return counted.into();
                    }
                }
                self.failures.count(Failing::address(peer.address), refusal.code, now).into()
            }
            other => other,
        })
    }

    /// What to answer to an API key that is missing, mistyped or no good; counts it.
    #[must_use]
    pub fn refuse_key(&self, enrolled: &Enrolled, refusal: Refusal, now: Now) -> Refusal {
        if !is_failed_authentication(refusal.code) {
            return refusal;
        }
        self.failures.count(Failing::Keys(enrolled.certificate), refusal.code, now.instant)
    }
}

/// Whether a refusal means that somebody did not prove who they are.
const fn is_failed_authentication(code: Code) -> bool {
    matches!(
        code,
        Code::CertificateMissing
            | Code::CertificateNotEnrolled
            | Code::CertificateRevoked
            | Code::ApiKeyMissing
            | Code::ApiKeyMistyped
            | Code::ApiKeyUnknown
            | Code::ApiKeyRevoked
            | Code::ApiKeyExpired
            | Code::ApiKeyOfAnother
            | Code::SessionEnded
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHO: Failing = Failing::Keys([1; 32]);

    fn fail(failures: &Failures, who: Failing, count: u32, now: Instant) {
        for _ in 0..count {
            assert_eq!(failures.count(who, Code::ApiKeyUnknown, now).code, Code::ApiKeyUnknown);
        }
    }

    #[test]
    fn waits_double_after_the_free_failures_and_others_do_not_wait() {
        let failures = Failures::new();
        let mut now = Instant::now();
        fail(&failures, WHO, FREE_FAILURES, now);
        for wait_s in [1, 2, 4, 8, 16, 32, 60, 60] {
            fail(&failures, WHO, 1, now);
            let limited = failures.count(WHO, Code::ApiKeyUnknown, now);
            let wait = Duration::from_secs(wait_s);
            assert_eq!((limited.code, limited.retry_after), (Code::AuthenticationLimited, Some(wait)));
            assert_eq!(failures.check(Failing::Keys([2; 32]), now), Ok(()));
            assert_eq!(failures.check(Failing::Certificate([1; 32]), now), Ok(()));
            // A try that was refused does not lengthen the wait.
            assert!(failures.check(WHO, now + wait.saturating_sub(Duration::from_millis(1))).is_err());
            now += wait;
            assert_eq!(failures.check(WHO, now), Ok(()));
        }
        now += FORGOTTEN_AFTER;
        fail(&failures, WHO, FREE_FAILURES, now);
        assert_eq!(failures.check(WHO, now), Ok(()));
    }

    #[test]
    fn an_address_has_more_failures_and_counts_by_its_network() {
        let failures = Failures::new();
        let now = Instant::now();
        let of = |text: &str| Failing::address(text.parse().unwrap());
        for at in 0..=FREE_FAILURES_OF_AN_ADDRESS {
            fail(&failures, of(&format!("2001:db8::{at:x}")), 1, now);
        }
        assert!(failures.check(of("2001:db8::ffff:1"), now).is_err());
        assert_eq!(failures.check(of("2001:db8:0:1::1"), now), Ok(()));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }

    #[test]
    fn the_table_is_bounded() {
        let failures = Failures::new();
        let now = Instant::now();
        for at in 0..50_000u32 {
            failures.count(Failing::Address(at.to_be_bytes().into()), Code::CertificateMissing, now);
        }
        assert!(failures.records.len() <= REMEMBERED_MAX, "{}", failures.records.len());
    }
}

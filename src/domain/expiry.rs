//! What ends by itself, and when somebody has to be told: certificates, the list of revoked ones, API keys, keys that are to be
//! destroyed. Each has marks, in days
//! before its end; the log speaks once at each, health and `gembok status` for as long as one is passed.

use std::collections::HashMap;
use std::fmt;

use super::id::{ApiKeyId, EndpointId, UserId};
use super::key_place::KeyPlace;
use super::peer::Identity;
use super::timestamp::Timestamp;

const DAY_S: u64 = 86_400;
/// Days before its end at which a certificate is spoken of.
const CERTIFICATE_MARKS_DAYS: [u64; 3] = [30, 7, 1];
/// The same of a CRL: it lives for 7 days and is signed daily, so at the first mark two signings have been missed.
const CRL_MARKS_DAYS: [u64; 3] = [5, 3, 1];
/// The same of a key version that is to be destroyed.
const DESTRUCTION_MARKS_DAYS: [u64; 2] = [7, 1];
/// For so many days after its end a client's certificate that nothing replaced is still spoken of.
const CLIENT_OVER_DAYS: u64 = 30;

/// What ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ending {
    /// The CA's certificate.
    Ca,
    /// The list of revoked certificates.
    Crl,
    /// The server's certificate.
    Server,
    /// The newest certificate of an endpoint.
    Endpoint(EndpointId),
    /// The newest certificate of a user.
    User(UserId),
    /// An API key.
    ApiKey(ApiKeyId),
    /// The trust in the CA that a roll takes out of service.
    CaRoll,
    /// The certificate of a CA outside.
    OutsideCa,
    /// Its list of revoked certificates.
    OutsideCrl,
    /// A key version whose destruction is scheduled.
    KeyVersion(KeyPlace),
}

/// `ca`, `ca-roll`, `crl`, `outside-ca`, `outside-crl`, `server`, the URI that stands in a client's certificate, `api-key:` and its id, or
/// `key:`, the key's id and the version.
impl fmt::Display for Ending {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ca => out.write_str("ca"),
            Self::CaRoll => out.write_str("ca-roll"),
            Self::OutsideCa => out.write_str("outside-ca"),
            Self::OutsideCrl => out.write_str("outside-crl"),
            Self::Crl => out.write_str("crl"),
            Self::Server => out.write_str("server"),
            Self::Endpoint(id) => out.write_str(&Identity::Endpoint(id.uuid()).to_uri()),
            Self::User(id) => out.write_str(&Identity::User(id.uuid()).to_uri()),
            Self::ApiKey(id) => write!(out, "api-key:{id}"),
            Self::KeyVersion(KeyPlace { key_id, version }) => write!(out, "key:{key_id:08x}:{version}"),
        }
    }
}

impl Ending {
    /// Whether it is of somebody who comes in, and not of the appliance itself.
    #[must_use]
    pub const fn is_of_a_client(&self) -> bool {
        matches!(self, Self::Endpoint(_) | Self::User(_) | Self::ApiKey(_))
    }
}

/// One end to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiry {
    /// Of what.
    pub of: Ending,
    /// What people call its holder: `project/endpoint`, with the label behind it for an API key, or a user's name. None for our
    /// own.
    pub name: Option<String>,
    /// SHA-256 of its public key, for a client's.
    pub spki: Option<[u8; 32]>,
    /// Its last moment.
    pub not_after: Timestamp,
}

impl Expiry {
    /// Seconds until its end; negative after it.
    #[must_use]
    pub fn left_s(&self, now: Timestamp) -> i64 {
        let seconds = |time: Timestamp| i64::try_from(time.seconds()).unwrap_or(i64::MAX);
        seconds(self.not_after).saturating_sub(seconds(now))
    }

    /// The last mark that is passed, in days before the end; 0 once it is over. None while there is nothing to say.
    #[must_use]
    pub fn mark_days(&self, now: Timestamp) -> Option<u64> {
        if self.not_after < now {
            // It is gone in a moment, or held back, which is told otherwise.
            if matches!(self.of, Ending::KeyVersion(_)) {
                return None;
            }
            let is_history =
                self.of.is_of_a_client() && now.since(self.not_after).as_secs() > CLIENT_OVER_DAYS * DAY_S;
            return (!is_history).then_some(0);
        }
        let marks: &[u64] = match self.of {
            Ending::Crl | Ending::OutsideCrl => &CRL_MARKS_DAYS,
            Ending::KeyVersion(_) => &DESTRUCTION_MARKS_DAYS,
            _ => &CERTIFICATE_MARKS_DAYS,
        };
        let left_s = self.not_after.since(now).as_secs();
        marks.iter().copied().rfind(|days| left_s < days * DAY_S)
    }

    /// What it is.
    #[must_use]
    pub const fn what(&self) -> &'static str {
        match self.of {
            Ending::Crl | Ending::OutsideCrl => "list of revoked certificates",
            Ending::ApiKey(_) => "API key",
            Ending::CaRoll => "roll of the CA",
            Ending::KeyVersion(_) => "key version that is to be destroyed",
            _ => "certificate",
        }
    }

    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self.of {
            Ending::Ca => "begin a roll in time: gembok certificate roll-ca start",
            Ending::OutsideCa | Ending::OutsideCrl => {
                "put the next one where pki.outside_ca and pki.outside_crl say, and send SIGHUP: without it its clients are refused"
            }
            Ending::CaRoll => {
                "the old CA is trusted no more then: move its clients over, users each by itself; gembok certificate roll-ca show tells how many there are"
            }
            Ending::Crl => "the token has to be there to sign the next one; gembok status tells how it is",
            Ending::Server => {
                "it is renewed while the token is there, and the log says why it was not; one from outside is put in place by you"
            }
            Ending::KeyVersion(_) => {
                "what was encrypted under it is lost then; until then gembok key cancel-destruction takes it back"
            }
            Ending::Endpoint(_) => {
                "let the endpoint renew it (POST /v1/endpoints/{endpoint}/certificate), or run gembok certificate issue"
            }
            Ending::User(_) => {
                "let its user renew it, signed in by it while it counts: gembok certificate issue --user; one that somebody else issues makes the account wait for confirmation"
            }
            Ending::ApiKey(_) => {
                "make the next one with gembok api-key rotate and install it, or give this one another end: gembok api-key expire"
            }
        }
    }
}

/// What was told already, and at which mark.
#[derive(Default)]
pub struct Told(HashMap<Ending, (Timestamp, u64)>);

impl Told {
    /// Those that have passed a mark since the last call, with the mark. Of what is not among them nothing is forgotten: a
    /// locked appliance knows its own only.
    pub fn news<'a>(&mut self, expiries: &'a [Expiry], now: Timestamp) -> Vec<(&'a Expiry, u64)> {
        let mut news = Vec::new();
        for expiry in expiries {
            let Some(mark) = expiry.mark_days(now) else {
                self.0.remove(&expiry.of);
                continue;
            };
            let told = self.0.insert(expiry.of, (expiry.not_after, mark));
            if !told.is_some_and(|(not_after, told)| not_after == expiry.not_after && told <= mark) {
                news.push((expiry, mark));
            }
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const END_S: u64 = 2_000_000_000;

    fn expiry(of: Ending) -> Expiry {
        Expiry { of, name: None, spki: None, not_after: Timestamp::from_seconds(END_S) }
    }

    fn left(days: u64, more_s: u64) -> Timestamp {
        Timestamp::from_seconds(END_S - days * DAY_S - more_s)
    }

    #[test]
    fn a_mark_is_passed_to_the_second() {
        let (server, crl) = (expiry(Ending::Server), expiry(Ending::Crl));
        for (mark, longer) in [(30, None), (7, Some(30)), (1, Some(7))] {
            assert_eq!(server.mark_days(left(mark, 0)), longer);
            assert_eq!(server.mark_days(Timestamp::from_seconds(END_S - mark * DAY_S + 1)), Some(mark));
        }
        assert_eq!(server.mark_days(left(0, 0)), Some(1));
        assert_eq!(server.mark_days(Timestamp::from_seconds(END_S + 1)), Some(0));
        assert_eq!((crl.mark_days(left(6, 0)), crl.mark_days(left(4, 3_600))), (None, Some(5)));
        assert_eq!(
            (server.left_s(left(1, 5)), server.left_s(Timestamp::from_seconds(END_S + 7))),
            (86_405, -7)
        );
    }

    #[test]
    fn a_destruction_is_spoken_of_a_week_and_a_day_before_and_not_after() {
        let doomed = expiry(Ending::KeyVersion(KeyPlace::new(0x0a0b, 3)));
        assert_eq!(doomed.of.to_string(), "key:00000a0b:3");
        let marks = [left(8, 0), left(7, 0), left(6, 86_399), left(1, 0), left(0, 86_399), left(0, 0)];
        assert_eq!(marks.map(|now| doomed.mark_days(now)), [None, None, Some(7), Some(7), Some(1), Some(1)]);
        assert_eq!(doomed.mark_days(Timestamp::from_seconds(END_S + 1)), None);
    }

    #[test]
    fn a_client_that_never_came_back_is_forgotten_and_we_are_not() {
        let user = expiry(Ending::User(UserId::from_bytes([1; 16])));
        let after = |days| Timestamp::from_seconds(END_S + days * DAY_S);
        assert_eq!((user.mark_days(after(30)), user.mark_days(after(31))), (Some(0), None));
        assert_eq!(expiry(Ending::Ca).mark_days(after(400)), Some(0));
    }

    #[test]
    fn each_mark_is_told_once_and_a_new_certificate_begins_anew() {
        let mut told = Told::default();
        let endpoint = expiry(Ending::Endpoint(EndpointId::from_bytes([1; 16])));
        let mut marks = |expiry: &Expiry, now| {
            told.news(std::slice::from_ref(expiry), now).into_iter().map(|(_, mark)| mark).collect::<Vec<_>>()
        };
        assert!(marks(&endpoint, left(40, 0)).is_empty());
        assert_eq!(marks(&endpoint, left(29, 0)), [30]);
        assert!(marks(&endpoint, left(8, 0)).is_empty(), "not each day anew");
        assert_eq!(marks(&endpoint, left(6, 0)), [7]);
        // A clock that ran ahead and was set back.
        assert_eq!(marks(&endpoint, Timestamp::from_seconds(END_S + 1)), [0]);
        assert!(marks(&endpoint, left(6, 0)).is_empty());
        assert_eq!(marks(&endpoint, left(0, 60)), [1]);
        let renewed = Expiry { not_after: Timestamp::from_seconds(END_S + 40 * DAY_S), ..endpoint };
        assert!(marks(&renewed, left(0, 0)).is_empty());
        assert_eq!(marks(&renewed, Timestamp::from_seconds(END_S + 20 * DAY_S)), [30]);
    }
}

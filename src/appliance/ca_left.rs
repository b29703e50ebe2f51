//! What hangs on a CA that is on its way out. A certificate whose holder has one of the present CA in the same line of renewal hangs on
//! it no more: it counts until the roll ends, because the new one may not be installed yet, and then it goes without being asked for.

use std::collections::HashSet;

use crate::domain::cbor;
use crate::domain::certificate::Certificate;
use crate::domain::id::{EndpointId, UserId};
use crate::domain::timestamp::Timestamp;
use crate::store::Table;

use super::fault::Stop;
use super::operational::Operational;
use super::renewal::{Beginning, Certificates, line_of};
use super::users::Enrolments;

type Holder = (Option<EndpointId>, Option<UserId>);

/// The certificates of a CA that count.
pub(super) struct OnOldCa {
    /// Whoever holds one has renewed it by none that counts.
    pub left: Enrolments,
    /// Whoever holds one has moved over.
    pub renewed: Enrolments,
    /// Users that hold one of those left, and no certificate of another CA.
    pub users_left: usize,
}

impl Operational {
    /// What hangs on the CA of the generation `old`, while the present one signs.
    pub(super) fn on_old_ca(&self, old: u32, now: Timestamp) -> Result<OnOldCa, Stop> {
        let present = self.pki.authorities().current.generation;
        let (mut all, mut of_old) = (Certificates::new(), Enrolments::new());
        self.each(Table::Certificates, &[], |key, row| {
            let certificate: Certificate = cbor::decode(&row.value)?;
            if counts(&certificate, now) && certificate.issuer() == old {
                of_old.push((key.to_vec(), row, certificate.clone()));
            }
            if let Ok(key) = key.try_into() {
                all.insert(key, certificate);
            }
            Ok(())
        })?;
        // With whose it is: a password is the beginning of a line of each holder's own.
        let line = |key: [u8; 32], certificate: &Certificate| {
            (holder(certificate), line_of(&all, Beginning::Certificate(key)))
        };
        let counting = || all.iter().filter(|(_, certificate)| counts(certificate, now));
        let moved: HashSet<_> = counting()
            .filter(|(_, certificate)| certificate.issuer() == present)
            .map(|(key, certificate)| line(*key, certificate))
            .collect();
        let elsewhere: HashSet<_> = counting()
            .filter(|(_, certificate)| certificate.issuer() != old)
            .map(|(_, certificate)| holder(certificate))
            .collect();
        let (renewed, left): (Enrolments, Enrolments) =
            of_old.into_iter().partition(|(key, _, certificate)| {
                key.as_slice().try_into().is_ok_and(|key| moved.contains(&line(key, certificate)))
            });
        let users: HashSet<_> = left
            .iter()
            .map(|(_, _, certificate)| holder(certificate))
            .filter(|holder| holder.1.is_some() && !elsewhere.contains(holder))
            .collect();
        Ok(OnOldCa { left, renewed, users_left: users.len() })
    }
}

fn counts(certificate: &Certificate, now: Timestamp) -> bool {
    certificate.revoked.is_none() && certificate.not_after >= now
}

fn holder(certificate: &Certificate) -> Holder {
    (certificate.endpoint, certificate.user)
}

//! Admission: the one place where a claim becomes leave to act. Authenticate, authorize, meter, in this order:
//!
//! ```text
//! Peer + endpoint name ── enrolled? ─> Enrolled
//! Enrolled + API key   ── proved, and one request taken ─> Caller
//! Caller + objects     ── granted, not denied by the access policies, and the fields taken ─> Admitted<Op>       (of what has budgets from those, too)
//! ```
//!
//! Nobody else can make a [`Caller`] or an [`Admitted`]; the verbs take nothing else. Everything believed here is good for
//! one catalog revision, so a revocation works from the answer that confirms it. `recall_*` looks in memory only; `load_*`
//! reads the store and blocks.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::domain::access::Tenant;
use crate::domain::api_key::{ApiKey, ApiKeyDigest};
use crate::domain::budget::Counted;
use crate::domain::certificate::Certificate;
use crate::domain::endpoint::Endpoint;
use crate::domain::id::ObjectId;
use crate::domain::peer::{Identity, Peer};
use crate::domain::project::Project;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::timestamp::Now;
use crate::store::Table;

use super::fault::{Fault, Stop};
use super::in_flight::Gauge;
use super::known_key::KnownKey;
use super::memo::{CatalogRevision, Memo};
use super::operate::{Index, Operate};
use super::operational::Operational;
use super::reencrypt::Reencrypt;
use super::served::Served;
use super::verdicts::{Coming, Verdicts};

/// API keys remembered per endpoint.
const API_KEYS_REMEMBERED_MAX: usize = 64;
/// Objects remembered per endpoint.
const OBJECTS_REMEMBERED_MAX: usize = 16_384;

/// An endpoint whose certificate is enrolled, as the catalog had it at one revision.
pub struct Enrolled {
    pub(super) revision: CatalogRevision,
    /// The endpoint.
    pub endpoint: Endpoint,
    /// SHA-256 of the certificate's SPKI.
    pub certificate: [u8; 32],
    /// Why it is refused, whatever it asks.
    refused: Option<Code>,
    api_keys: Memo<ApiKeyDigest, KnownKey>,
    pub(super) objects: Memo<Box<str>, Served>,
    pub(super) verdicts: Verdicts,
    pub(super) in_flight: Gauge,
}

/// A certificate and an API key of one endpoint, both proved, and one request taken from the key's meter.
pub struct Caller {
    enrolled: Arc<Enrolled>,
    known: Arc<KnownKey>,
}

/// Why one item of a request may not have its object, and which object that is where the project has it: a record of what
/// was probed for must name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Denied {
    /// Why.
    pub code: Code,
    /// Which.
    pub object: Option<ObjectId>,
}

/// Leave to do `Op` on these objects, the fields already taken from the meter. One entry per item of the request: the
/// object, or why just this item has none.
pub struct Admitted<Op: Operate> {
    items: SmallVec<[Result<Arc<Served>, Denied>; 1]>,
    holds: Op::Holds,
}

impl Caller {
    /// The API key that was proved.
    #[must_use]
    pub fn api_key(&self) -> &ApiKey {
        &self.known.api_key
    }

    /// The endpoint.
    #[must_use]
    pub fn enrolled(&self) -> &Arc<Enrolled> {
        &self.enrolled
    }
}

impl<Op: Operate> Admitted<Op> {
    /// The object of each item, in order.
    pub fn items(&self) -> &[Result<Arc<Served>, Denied>] {
        &self.items
    }

    /// The same, and what is held besides.
    pub(super) fn items_and_holds(&mut self) -> (&[Result<Arc<Served>, Denied>], &mut Op::Holds) {
        (&self.items, &mut self.holds)
    }
}

impl Operational {
    /// The endpoint of a connection's certificate, if memory knows it at this revision.
    #[must_use]
    pub fn recall_enrolled(&self, peer: &Peer) -> Option<Arc<Enrolled>> {
        self.enrolled.recall(&peer.certificate.as_ref()?.spki, self.catalog_revision())
    }

    /// The endpoint of a connection's certificate, from the store.
    ///
    /// # Errors
    /// `certificate-missing`, `certificate-not-enrolled`, `certificate-revoked`; `authentication-limited`.
    pub fn load_enrolled(&self, peer: &Peer, now: Now) -> Result<Arc<Enrolled>, Stop> {
        self.limit_failures(peer, now.instant, || self.find_enrolled(peer))
    }

    fn find_enrolled(&self, peer: &Peer) -> Result<Arc<Enrolled>, Stop> {
        let shown = peer.certificate.as_ref().ok_or(Code::CertificateMissing)?;
        let Identity::Endpoint(id) = shown.identity else { return Err(Code::CertificateNotEnrolled.into()) };
        let revision = self.catalog_revision();
        let certificate: Certificate =
            self.read(Table::Certificates, &shown.spki)?.ok_or(Code::CertificateNotEnrolled)?;
        if certificate.revoked.is_some() {
            return Err(Code::CertificateRevoked.into());
        }
        if !certificate.is_enrolled_for(shown.identity) {
            return Err(Code::CertificateNotEnrolled.into());
        }
        let endpoint: Endpoint =
            self.read(Table::Endpoints, id.as_bytes())?.ok_or(Code::CertificateNotEnrolled)?;
        let project: Option<Project> = self.read(Table::Projects, endpoint.project.as_bytes())?;
        let project = project.ok_or_else(|| Fault::new(format!("the project of endpoint {id} is gone")))?;
        let refused = refused(&endpoint, &project);
        let tenant = Tenant { id: project.id, name: project.name.to_string() };
        let verdicts = Verdicts::new(self.settings.access.load_full(), &endpoint, tenant);
        Ok(self.enrolled.keep(
            shown.spki,
            revision,
            Enrolled {
                revision,
                in_flight: self.gauge(shown.spki),
                endpoint,
                certificate: shown.spki,
                refused,
                api_keys: Memo::new(API_KEYS_REMEMBERED_MAX),
                objects: Memo::new(OBJECTS_REMEMBERED_MAX),
                verdicts,
            },
        ))
    }

    /// Whether this enrolment may be used now, by this name: the certificate's dates, the endpoint's state, and the URL.
    ///
    /// # Errors
    /// `certificate-not-valid`, `endpoint-revoked`, `endpoint-disabled`, `endpoint-retired`, `project-retired`,
    /// `endpoint-unknown`.
    pub fn check_enrolled(
        &self,
        enrolled: &Enrolled,
        peer: &Peer,
        name: &str,
        now: Now,
    ) -> Result<(), Refusal> {
        if !peer.certificate.as_ref().is_some_and(|shown| shown.is_valid_at(now.time)) {
            return Err(Code::CertificateNotValid.into());
        }
        if let Some(code) = enrolled.refused {
            return Err(code.into());
        }
        if enrolled.endpoint.name.as_str() != name {
            return Err(Code::EndpointUnknown.into());
        }
        Ok(())
    }

    /// Proves an API key and takes a request, if memory knows the key at the enrolment's revision.
    pub fn recall_caller(
        &self,
        enrolled: &Arc<Enrolled>,
        digest: &ApiKeyDigest,
        peer: &Peer,
        now: Now,
    ) -> Option<Result<Caller, Stop>> {
        let known = enrolled.api_keys.recall(digest, enrolled.revision)?;
        Some(self.prove(enrolled, known, peer, now))
    }

    /// Proves an API key and takes a request, with the key from the store.
    ///
    /// # Errors
    /// `api-key-unknown`, `api-key-of-another-endpoint`, `api-key-revoked`, `api-key-expired`, `network-not-allowed`,
    /// `requests-limited`; `authentication-limited` instead, while too many have failed with this certificate. A good key never waits for those.
    pub fn load_caller(
        &self,
        enrolled: &Arc<Enrolled>,
        digest: &ApiKeyDigest,
        peer: &Peer,
        now: Now,
    ) -> Result<Caller, Stop> {
        let known = self.load_known(enrolled, digest, now).map_err(|stop| match stop {
            Stop::Refused(refusal) => self.refuse_key(enrolled, refusal, now).into(),
            fault @ Stop::Fault(_) => fault,
        })?;
        self.prove(enrolled, known, peer, now)
    }

    /// Whether nothing has changed since the caller was authenticated.
    #[must_use]
    pub fn is_current(&self, caller: &Caller) -> bool {
        caller.enrolled.revision == self.catalog_revision()
    }

    /// Authenticates a caller again whose body took so long to come that the catalog has changed meanwhile: what was taken
    /// away then is gone. Costs no further request.
    ///
    /// # Errors
    /// As [`Operational::load_enrolled`] and [`Operational::load_caller`].
    pub fn renew(&self, caller: &Caller, peer: &Peer, now: Now) -> Result<Caller, Stop> {
        let enrolled = self.load_enrolled(peer, now)?;
        self.check_enrolled(&enrolled, peer, caller.enrolled.endpoint.name.as_str(), now)?;
        let known = self.load_known(&enrolled, &caller.known.digest, now)?;
        check_key(&enrolled, &known.api_key, now)?;
        check_network(&enrolled, peer)?;
        Ok(Caller { enrolled, known })
    }

    fn load_known(
        &self,
        enrolled: &Enrolled,
        digest: &ApiKeyDigest,
        now: Now,
    ) -> Result<Arc<KnownKey>, Stop> {
        let api_key: ApiKey = self.read(Table::ApiKeys, digest)?.ok_or(Code::ApiKeyUnknown)?;
        let meters = self.meters(api_key.id, api_key.limits, now.instant);
        let purses =
            Counted::ALL.map(|counted| self.budgets.purse(enrolled.endpoint.id, api_key.id, counted));
        let known = KnownKey { digest: *digest, api_key, meters, purses };
        Ok(enrolled.api_keys.keep(*digest, enrolled.revision, known))
    }

    /// Leave for `Op` on the objects of a request, if memory knows all of them at the caller's revision and, for what has
    /// budgets, has enough of both budgets at hand; `None` costs the caller nothing.
    pub fn recall_admitted<'a, Op: Operate>(
        &self,
        caller: &Caller,
        objects: impl Iterator<Item = &'a str> + Clone,
        peer: &Peer,
        now: Now,
    ) -> Option<Result<Admitted<Op>, Stop>> {
        let (enrolled, coming) = (&caller.enrolled, Coming { peer, now });
        let mut items: SmallVec<[Result<Arc<Served>, Denied>; 1]> =
            SmallVec::with_capacity(objects.size_hint().0);
        for name in objects {
            // A batch mostly speaks of one object.
            let same = items
                .last()
                .and_then(|last| last.as_ref().ok())
                .filter(|last| last.object.name.as_str() == name);
            let item = match same {
                Some(served) => Ok(Arc::clone(served)),
                None => {
                    let served = enrolled.objects.recall(name, enrolled.revision)?;
                    enrolled.verdicts.recall::<Op>(served, coming, enrolled.revision)?
                }
            };
            items.push(item);
        }
        let taken = match caller.known.purse::<Op>() {
            Some(purse) => Some((purse, purse.take(Op::fields(items.len()), self.budgets.clock_time(now))?)),
            None => None,
        };
        if let Err(refusal) = caller.known.meters.take_fields(items.len(), now.instant) {
            if let Some((purse, taken)) = &taken {
                purse.put_back(taken);
            }
            return Some(Err(refusal.into()));
        }
        let holds = Op::hold(&caller.known, taken.map(|(_, taken)| taken));
        Some(Ok(Admitted { items, holds }))
    }

    /// Leave for `Op` on the objects of a request, with the objects from the store.
    ///
    /// # Errors
    /// `fields-limited`, `batch-over-burst`, and where there are budgets `budget-exhausted`, `batch-over-budget`: for the
    /// whole request.
    /// What is wrong with one item stands in its place.
    pub fn load_admitted<Op: Operate>(
        &self,
        caller: &Caller,
        objects: &[String],
        peer: &Peer,
        now: Now,
    ) -> Result<Admitted<Op>, Stop> {
        let (enrolled, coming) = (&caller.enrolled, Coming { peer, now });
        let items: SmallVec<_> = objects
            .iter()
            .map(|name| match self.load_served(enrolled, name) {
                Ok(served) => enrolled.verdicts.load::<Op>(served, coming, enrolled.revision),
                // Also when a row is damaged: it harms the items that need it and no others.
                Err(stop) => Err(Denied { code: stop.told().code, object: None }),
            })
            .collect();
        caller.known.meters.take_fields(items.len(), now.instant)?;
        let purse = caller.known.purse::<Op>();
        let taken = purse.map(|purse| self.charge(purse, Op::fields(items.len()), now)).transpose()?;
        Ok(Admitted { items, holds: Op::hold(&caller.known, taken) })
    }

    /// Takes the leave for those items of an index back that come in sealed, unless there is leave to reencrypt their objects, too:
    /// it opens and does not show, either. Looks in memory only.
    pub fn weigh_opening(
        &self,
        caller: &Caller,
        admitted: &mut Admitted<Index>,
        sealed: impl Iterator<Item = bool>,
        peer: &Peer,
        now: Now,
    ) {
        let (enrolled, coming) = (&caller.enrolled, Coming { peer, now });
        for (item, _) in admitted.items.iter_mut().zip(sealed).filter(|(_, is_sealed)| *is_sealed) {
            if let Ok(served) = item {
                *item = enrolled.verdicts.load::<Reencrypt>(Arc::clone(served), coming, enrolled.revision);
            }
        }
    }

    fn prove(
        &self,
        enrolled: &Arc<Enrolled>,
        known: Arc<KnownKey>,
        peer: &Peer,
        now: Now,
    ) -> Result<Caller, Stop> {
        check_key(enrolled, &known.api_key, now)
            .map_err(|code| self.refuse_key(enrolled, code.into(), now))?;
        check_network(enrolled, peer)?;
        known.meters.take_request(now.instant)?;
        Ok(Caller { enrolled: Arc::clone(enrolled), known })
    }
}

/// What the state of an endpoint and of its project says no with, whoever asks for it.
pub(super) fn refused(endpoint: &Endpoint, project: &Project) -> Option<Code> {
    [
        endpoint.revoked.map(|_| Code::EndpointRevoked),
        endpoint.disabled.map(|_| Code::EndpointDisabled),
        endpoint.retired.map(|_| Code::EndpointRetired),
        project.retired.map(|_| Code::ProjectRetired),
    ]
    .into_iter()
    .find_map(|code| code)
}

/// Told only to who has proved certificate and API key, and before anything is taken from the key's meter: who stole both and
/// comes from elsewhere uses up nothing.
fn check_network(enrolled: &Enrolled, peer: &Peer) -> Result<(), Code> {
    if enrolled.endpoint.comes_from(peer.address) { Ok(()) } else { Err(Code::NetworkDenied) }
}

fn check_key(enrolled: &Enrolled, api_key: &ApiKey, now: Now) -> Result<(), Code> {
    if api_key.endpoint != enrolled.endpoint.id {
        Err(Code::ApiKeyOfAnother)
    } else if api_key.revoked.is_some() {
        Err(Code::ApiKeyRevoked)
    } else if api_key.disabled.is_some() {
        Err(Code::ApiKeyDisabled)
    } else if api_key.expires.is_some_and(|expires| expires <= now.time) {
        Err(Code::ApiKeyExpired)
    } else {
        Ok(())
    }
}

//! What the access policies say of one endpoint's work on data, remembered under everything that they can read: the endpoint
//! and the object as the catalog has them (one revision, which a reload of the policies raises, too), the operation, and
//! where and when the request comes, as far as any rule reads that. The shipped rules read neither, and then the verdict
//! stands beside the grants in [`Served`].

use std::sync::{Arc, OnceLock};

use crate::domain::access::{Act, Circumstances, Circumstantial, On, Reads, Tenant, Thing, Who};
use crate::domain::endpoint::Endpoint;
use crate::domain::id::ObjectId;
use crate::domain::object::Object;
use crate::domain::operation::{Operation, Operations};
use crate::domain::peer::Peer;
use crate::domain::refusal::Code;
use crate::domain::timestamp::Now;

use super::access::{Access, broken};
use super::admission::Denied;
use super::memo::{CatalogRevision, Memo};
use super::operate::Operate;
use super::served::Served;

/// Verdicts remembered per endpoint, where they depend on where or when.
const VERDICTS_REMEMBERED_MAX: usize = 16_384;

/// The access policies' say over one endpoint, good for one catalog revision.
pub(super) struct Verdicts {
    access: Arc<Access>,
    reads: Reads,
    who: Who,
    /// The endpoint as what an act is done on.
    own: On,
    project: Tenant,
    /// What is denied and what is lost of every object, where no rule tells them apart.
    alike: OnceLock<(Operations, Operations)>,
    /// What refuses, if anything does.
    known: Memo<(ObjectId, Operation, Circumstantial), Option<Code>>,
}

/// Where and when a request comes.
#[derive(Clone, Copy)]
pub(super) struct Coming<'a> {
    pub peer: &'a Peer,
    pub now: Now,
}

impl Verdicts {
    pub(super) fn new(access: Arc<Access>, endpoint: &Endpoint, project: Tenant) -> Self {
        let reads = access.rules.reads_of_data();
        let name = endpoint.name.to_string();
        let thing = Thing { id: endpoint.id, name, project: project.clone() };
        let (who, own) = (Who::Endpoint(thing.clone()), On::Endpoint(thing));
        let remembered = if reads.circumstances() { VERDICTS_REMEMBERED_MAX } else { 0 };
        Self { access, reads, who, own, project, alike: OnceLock::new(), known: Memo::new(remembered) }
    }

    /// Of what is `granted`, what is denied whatever the circumstances, and what nobody can say because a rule is broken.
    pub(super) fn of_granted(&self, object: &Object, granted: Operations) -> (Operations, Operations) {
        if self.reads.circumstances() {
            return (Operations::default(), Operations::default());
        }
        if self.reads.object {
            return self.denied(object, granted);
        }
        // No rule tells this object from another: so it is asked once for all of them.
        let all = Operation::ALL.into_iter().fold(Operations::default(), Operations::with);
        let (denied, lost) = *self.alike.get_or_init(|| self.denied(object, all));
        (denied.common(granted), lost.common(granted))
    }

    fn denied(&self, object: &Object, asked: Operations) -> (Operations, Operations) {
        let (mut denied, mut lost) = (Operations::default(), Operations::default());
        // Neither is read.
        let anywhere = self.access.circumstances(None, object.created);
        for operation in Operation::ALL.into_iter().filter(|operation| asked.has(*operation)) {
            match self.decide(Act::from(operation), &self.on(object), anywhere) {
                None => {}
                Some(Code::Fault) => lost = lost.with(operation),
                Some(_) => denied = denied.with(operation),
            }
        }
        (denied, lost)
    }

    /// Leave for one item, if memory knows enough to give or refuse it.
    pub(super) fn recall<Op: Operate>(
        &self,
        served: Arc<Served>,
        coming: Coming<'_>,
        revision: CatalogRevision,
    ) -> Option<Result<Arc<Served>, Denied>> {
        let served = match served.for_operation::<Op>() {
            Ok(served) if self.reads.circumstances() => served,
            settled => return Some(settled),
        };
        let verdict = self.known.recall(&self.key::<Op>(&served, coming), revision)?;
        Some(verdict.map_or(Ok(Arc::clone(&served)), |code| Err(refused(&served, code))))
    }

    /// Leave for one item.
    pub(super) fn load<Op: Operate>(
        &self,
        served: Arc<Served>,
        coming: Coming<'_>,
        revision: CatalogRevision,
    ) -> Result<Arc<Served>, Denied> {
        if let Some(settled) = self.recall::<Op>(Arc::clone(&served), coming, revision) {
            return settled;
        }
        let at = self.access.circumstances(Some(coming.peer.address), coming.now.time);
        let verdict = self.decide(Act::from(Op::OPERATION), &self.on(&served.object), at);
        self.known.keep(self.key::<Op>(&served, coming), revision, verdict);
        verdict.map_or(Ok(Arc::clone(&served)), |code| Err(refused(&served, code)))
    }

    /// Leave for the endpoint to have another certificate. Asked anew each time: it is rare.
    ///
    /// # Errors
    /// `policy-denied`; `fault` where a rule cannot be evaluated.
    pub(super) fn check_renewal(&self, coming: Coming<'_>) -> Result<(), Code> {
        let at = self.access.circumstances(Some(coming.peer.address), coming.now.time);
        self.decide(Act::CertificateRenew, &self.own, at).map_or(Ok(()), Err)
    }

    fn key<Op: Operate>(&self, served: &Served, coming: Coming<'_>) -> (ObjectId, Operation, Circumstantial) {
        let at = self.access.circumstances(Some(coming.peer.address), coming.now.time);
        (served.object.id, Op::OPERATION, self.reads.key(&at))
    }

    fn on(&self, object: &Object) -> On {
        let (id, name, project) = (object.id, object.name.to_string(), self.project.clone());
        On::Object(Thing { id, name, project })
    }

    /// What refuses, if anything does.
    fn decide(&self, act: Act, on: &On, at: Circumstances) -> Option<Code> {
        let decision = self.access.decide(&self.who, act, on, at);
        if !decision.broken.is_empty() {
            tracing::error!(fault = %broken(&decision), "fault");
            return Some(Code::Fault);
        }
        (!decision.is_allowed).then_some(Code::PolicyDenied)
    }
}

fn refused(served: &Served, code: Code) -> Denied {
    Denied { code, object: Some(served.object.id) }
}

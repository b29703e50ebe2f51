//! A data-plane request on its way down and up again, whichever contract it came by. From the moment its certificate is
//! known it leaves an access record, however it ends.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::appliance::{
    Admitted, Appliance, Caller, Decrypt, Encrypt, Enrolled, Fault, Field, InFlight, Operate, Operational,
    Sealed, Stop,
};
use crate::domain::access_record::{AccessRecord, Group};
use crate::domain::api_key::ApiKeyDigest;
use crate::domain::id::ApiKeyId;
use crate::domain::operation::Operation;
use crate::domain::peer::Peer;
use crate::domain::refusal::{Code, Refusal};

use super::credentials::Arrival;
use super::problem::told;
use super::request::{self, Item, Takes};

/// Bytes an envelope has beyond its plaintext, at most.
const ENVELOPE_OVERHEAD: usize = 52;

/// The results of a request's items, base64, in order.
pub(super) type Results = Vec<Result<String, Refusal>>;

/// A request from an enrolled certificate.
pub(super) struct Line {
    /// The unlocked appliance.
    pub operational: Arc<Operational>,
    enrolled: Arc<Enrolled>,
    peer: Arc<Peer>,
    arrival: Arrival,
    /// What the access record will say beside.
    pub operation: Option<Operation>,
    api_key: Option<ApiKeyId>,
    groups: Vec<Group>,
}

impl Line {
    /// Finds the enrolment of the connection's certificate.
    ///
    /// # Errors
    /// `locked`, and what is wrong with the certificate: none of these is recorded, because nobody is known.
    pub(super) async fn open(appliance: &Appliance, arrival: Arrival) -> Result<Self, Refusal> {
        let operational = appliance.operational()?;
        let peer = arrival.peer.clone().ok_or(Code::CertificateMissing)?;
        let enrolled = match operational.recall_enrolled(&peer) {
            Some(enrolled) => enrolled,
            None => {
                let (operational, peer) = (Arc::clone(&operational), Arc::clone(&peer));
                hop(move || operational.load_enrolled(&peer)).await?
            }
        };
        Ok(Self { operational, enrolled, peer, arrival, operation: None, api_key: None, groups: Vec::new() })
    }

    /// Checks that this enrolment may be used now under this name, and takes one of its places.
    ///
    /// # Errors
    /// `certificate-not-valid`, `endpoint-revoked`, `endpoint-unknown`, `journal-full`, `too-many-in-flight`.
    pub(super) fn enter(&self, endpoint: &str) -> Result<InFlight, Refusal> {
        self.operational.check_enrolled(&self.enrolled, &self.peer, endpoint, self.arrival.now)?;
        self.operational.recorder().check_room()?;
        self.enrolled.enter(self.operational.policies().in_flight_per_certificate_max)
    }

    /// The arrival it began with.
    pub(super) const fn arrival(&self) -> &Arrival {
        &self.arrival
    }

    /// Proves the API key and takes a request from its meter.
    ///
    /// # Errors
    /// What is wrong with the key; `requests-limited`.
    pub(super) async fn prove(&mut self, digest: ApiKeyDigest) -> Result<Caller, Refusal> {
        let now = self.arrival.now;
        let caller = match self.operational.recall_caller(&self.enrolled, &digest, now) {
            Some(caller) => caller.map_err(told)?,
            None => {
                let (operational, enrolled) = (Arc::clone(&self.operational), Arc::clone(&self.enrolled));
                hop(move || operational.load_caller(&enrolled, &digest, now)).await?
            }
        };
        self.api_key = Some(caller.api_key().id);
        Ok(caller)
    }

    /// Admits the work and does it.
    ///
    /// # Errors
    /// What concerns the whole request: `fields-limited`, `batch-over-burst`, `token-away`, `fault`.
    pub(super) async fn carry_out<Op: Verb>(
        &mut self,
        mut caller: Caller,
        work: Vec<Item<'_>>,
    ) -> Result<Results, Refusal> {
        if !self.operational.is_current(&caller) {
            let (operational, peer, now) =
                (Arc::clone(&self.operational), Arc::clone(&self.peer), self.operational.now());
            caller = hop(move || operational.renew(&caller, &peer, now)).await?;
        }
        let objects = work.iter().map(|item| item.object.as_ref());
        let admitted = match self.operational.recall_admitted::<Op>(&caller, objects.clone()) {
            Some(admitted) => admitted.map_err(told)?,
            None => {
                let objects: Vec<String> = objects.map(str::to_owned).collect();
                let operational = Arc::clone(&self.operational);
                hop(move || operational.load_admitted::<Op>(&caller, &objects)).await?
            }
        };
        Op::perform(self, admitted, work).await
    }

    /// Leaves the access record. The request is over.
    pub(super) fn close(self, outcome: Option<Code>) {
        let began = self.arrival.now;
        let latency = self.operational.now().instant.duration_since(began.instant);
        self.operational.recorder().record(AccessRecord {
            time: began.time,
            endpoint: self.enrolled.endpoint.id,
            api_key: self.api_key,
            certificate: self.enrolled.certificate,
            address: self.peer.address,
            operation: self.operation,
            latency_us: u64::try_from(latency.as_micros()).unwrap_or(u64::MAX),
            outcome,
            groups: self.groups,
        });
    }

    fn field_bytes_max(&self) -> usize {
        self.operational.policies().request_limits.field_bytes_max
    }
}

/// An operation as the edge performs it.
pub(super) trait Verb: Operate + Send + Sized + 'static {
    /// Which member holds its values.
    const TAKES: Takes;
    /// Which member its answers go into.
    const GIVES: &'static str;

    /// Does the work it was admitted for.
    fn perform(
        line: &mut Line,
        admitted: Admitted<Self>,
        work: Vec<Item<'_>>,
    ) -> impl Future<Output = Result<Results, Refusal>> + Send;
}

impl Verb for Encrypt {
    const TAKES: Takes = Takes::Plaintext;
    const GIVES: &'static str = "ciphertext";

    async fn perform(
        line: &mut Line,
        admitted: Admitted<Self>,
        work: Vec<Item<'_>>,
    ) -> Result<Results, Refusal> {
        let (operational, now) = (&line.operational, line.arrival.now);
        let (admitted, keys) = match operational.recall_sealing_keys(&admitted, now) {
            Some(keys) => (admitted, keys),
            None => {
                let operational = Arc::clone(operational);
                hop(move || operational.load_sealing_keys(&admitted, now).map(|keys| (admitted, keys)))
                    .await?
            }
        };
        let bytes_max = line.field_bytes_max();
        let fields = work.into_iter().map(|item| {
            Ok(Field {
                plaintext: request::decode(&item.value, bytes_max)?,
                context: request::context(item.context)?,
            })
        });
        let done = operational.encrypt(&admitted, &keys, fields.collect()).map_err(told)?;
        line.groups = done.groups;
        Ok(done.items.into_iter().map(|item| item.map(|envelope| STANDARD.encode(envelope))).collect())
    }
}

impl Verb for Decrypt {
    const TAKES: Takes = Takes::Ciphertext;
    const GIVES: &'static str = "plaintext";

    async fn perform(
        line: &mut Line,
        admitted: Admitted<Self>,
        work: Vec<Item<'_>>,
    ) -> Result<Results, Refusal> {
        let (operational, now) = (&line.operational, line.arrival.now);
        let bytes_max = line.field_bytes_max() + ENVELOPE_OVERHEAD;
        let sealed = work.into_iter().map(|item| {
            Ok(Sealed {
                envelope: request::decode(&item.value, bytes_max)?,
                context: request::context(item.context)?,
            })
        });
        let sealed: Vec<Result<Sealed<'_>, Refusal>> = sealed.collect();
        let keys = match operational.recall_opening_keys(&admitted, &sealed, now) {
            Some(keys) => keys,
            None => {
                let versions = Operational::opening_versions(&admitted, &sealed);
                let operational = Arc::clone(operational);
                hop(move || operational.load_opening_keys(versions, now)).await?
            }
        };
        let done = operational.decrypt(&admitted, &keys, sealed).map_err(told)?;
        line.groups = done.groups;
        Ok(done.items.into_iter().map(|item| item.map(|plaintext| STANDARD.encode(&*plaintext))).collect())
    }
}

/// Runs what may wait for a disk or the token on a blocking thread.
pub(super) async fn hop<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Stop> + Send + 'static,
) -> Result<T, Refusal> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(told),
        Err(_) => Err(told(Fault::new("a blocking task panicked or was cancelled").into())),
    }
}

//! A data-plane request on its way down and up again, whichever contract it came by. From the moment its certificate is
//! known it leaves an access record, however it ends.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;

use crate::appliance::{
    Appliance, Caller, Enrolled, Fault, InFlight, Issued, Operational, Recorder, Room, Stop, Watch,
};
use crate::domain::access_record::{AccessRecord, Groups};
use crate::domain::api_key::ApiKeyDigest;
use crate::domain::id::ApiKeyId;
use crate::domain::limits::RequestLimits;
use crate::domain::operation::Operation;
use crate::domain::peer::Peer;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::timestamp::Now;

use super::credentials::Arrival;
use super::request::Item;
use super::verb::Verb;
use super::{Incoming, body, told};

/// Between two looks whether a compaction is over.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(5);

/// The results of a request's items, in order.
pub(super) type Results<T> = Vec<Result<T, Refusal>>;

/// A request from an enrolled certificate.
pub(super) struct Line {
    hold: Hold,
    /// When it last had nothing to wait for from its client.
    now: Now,
    enrolled: Arc<Enrolled>,
    peer: Arc<Peer>,
    arrival: Arrival,
    /// What the access record will say beside.
    pub operation: Option<Operation>,
    api_key: Option<ApiKeyId>,
    groups: Groups,
    /// Its place among the requests under way, until it is answered.
    in_flight: Option<InFlight>,
    is_recorded: bool,
    /// Held from before the first field is touched until its record is durable.
    room: Option<Room>,
    /// A request that is dropped before it was answered leaves a record too.
    outcome: Option<Code>,
    /// Asked before the answer goes out.
    watch: Watch,
}

/// A request's hold on the unlocked appliance. At work it has all of it until its record is left; while its body is on its
/// way it has nothing of it, so that a lock need not wait for a slow sender.
enum Hold {
    AtWork(Arc<Operational>),
    Waiting(Weak<Operational>),
}

impl Line {
    /// Finds the enrolment of the connection's certificate.
    ///
    /// # Errors
    /// `locked`, `journal-full` where the disk does not even tell who it is, and what is wrong with the certificate: none of
    /// these is recorded, because nobody is known.
    pub(super) async fn open(appliance: &Appliance, arrival: Arrival) -> Result<Self, Refusal> {
        let operational = appliance.operational()?;
        let peer = arrival.peer.clone().ok_or(Code::CertificateMissing)?;
        let enrolled = match operational.recall_enrolled(&peer) {
            Some(enrolled) => enrolled,
            None => {
                let (store, peer) = (Arc::clone(&operational), Arc::clone(&peer));
                let loaded = hop(move || store.load_enrolled(&peer, arrival.now)).await;
                loaded.map_err(|refusal| match refusal.code {
                    // A disk that takes no record may give no row either: then that is the answer, and when to come again.
                    Code::Fault => operational.recorder().check_room().err().unwrap_or(refusal),
                    _ => refusal,
                })?
            }
        };
        Ok(Self {
            hold: Hold::AtWork(operational),
            now: arrival.now,
            enrolled,
            peer,
            arrival,
            operation: None,
            api_key: None,
            groups: Groups::new(),
            in_flight: None,
            is_recorded: false,
            room: None,
            outcome: Some(Code::ClientGone),
            watch: Watch::default(),
        })
    }

    /// Checks that this enrolment may be used now under this name, and takes one of its places.
    ///
    /// # Errors
    /// `certificate-not-valid`, `endpoint-revoked`, `endpoint-unknown`, `journal-full`, `too-many-in-flight`.
    pub(super) async fn enter(&mut self, endpoint: &str) -> Result<(), Refusal> {
        let operational = self.operational()?;
        operational.check_enrolled(&self.enrolled, &self.peer, endpoint, self.arrival.now)?;
        patiently(operational.recorder(), Recorder::check_room).await?;
        let places = operational.policies().in_flight_per_certificate_max;
        self.in_flight = Some(self.enrolled.enter(places)?);
        Ok(())
    }

    /// The arrival it began with.
    pub(super) const fn arrival(&self) -> &Arrival {
        &self.arrival
    }

    /// What a request may hold.
    ///
    /// # Errors
    /// `locked`.
    pub(super) fn limits(&self) -> Result<RequestLimits, Refusal> {
        Ok(self.operational()?.policies().request_limits)
    }

    /// Proves the API key that was `sent`, if one was, and takes a request from its meter.
    ///
    /// # Errors
    /// What is wrong with the key; `requests-limited`, `authentication-limited`.
    pub(super) async fn prove(&mut self, sent: Result<ApiKeyDigest, Refusal>) -> Result<Caller, Refusal> {
        let (operational, now) = (self.operational()?, self.arrival.now);
        let digest = sent.map_err(|refusal| operational.refuse_key(&self.enrolled, refusal, now))?;
        let caller = match operational.recall_caller(&self.enrolled, &digest, &self.peer, now) {
            Some(caller) => caller.map_err(Stop::told)?,
            None => {
                let (operational, enrolled) = (Arc::clone(operational), Arc::clone(&self.enrolled));
                let peer = Arc::clone(&self.peer);
                hop(move || operational.load_caller(&enrolled, &digest, &peer, now)).await?
            }
        };
        self.api_key = Some(caller.api_key().id);
        Ok(caller)
    }

    /// Reads the body, at most `bytes_max` of it. One that is not there yet is waited for with nothing in hand.
    ///
    /// # Errors
    /// As [`body::read`]; `locked` when that has come meanwhile.
    pub(super) async fn read(&mut self, body: &mut Incoming, bytes_max: usize) -> Result<Bytes, Refusal> {
        let mut reading = std::pin::pin!(body::read(body, self.arrival.content_length, bytes_max));
        if let Some(read) = reading.as_mut().now_or_never() {
            return read;
        }
        self.let_go();
        let read = reading.await?;
        if let Hold::Waiting(operational) = &self.hold {
            let operational = operational.upgrade().ok_or(Code::Locked)?;
            self.now = operational.now();
            self.hold = Hold::AtWork(operational);
        }
        Ok(read)
    }

    /// Admits the work and does it.
    ///
    /// # Errors
    /// What concerns the whole request: `locked`, `fields-limited`, `batch-over-burst`, `budget-exhausted`,
    /// `batch-over-budget`, `fault`; and what a change of the catalog has taken away while the body was on its way.
    pub(super) async fn carry_out<Op: Verb>(
        &mut self,
        mut caller: Caller,
        work: Vec<Item<'_>>,
    ) -> Result<Results<Op::Given>, Refusal> {
        let Hold::AtWork(operational) = &self.hold else { return Err(Code::Locked.into()) };
        let now = self.now;
        if !operational.is_current(&caller) {
            let (operational, peer) = (Arc::clone(operational), Arc::clone(&self.peer));
            caller = hop(move || operational.renew(&caller, &peer, now)).await?;
        }
        self.room = Some(patiently(operational.recorder(), |recorder| recorder.take_room(work.len())).await?);
        let objects = work.iter().map(|item| item.object.as_ref());
        let mut admitted = match operational.recall_admitted::<Op>(&caller, objects.clone(), &self.peer, now)
        {
            Some(admitted) => admitted.map_err(Stop::told)?,
            None => {
                let objects: Vec<String> = objects.map(str::to_owned).collect();
                let (operational, peer) = (Arc::clone(operational), Arc::clone(&self.peer));
                let admitted;
                (admitted, caller) = hop(move || {
                    let admitted = operational.load_admitted::<Op>(&caller, &objects, &peer, now)?;
                    Ok((admitted, caller))
                })
                .await?;
                admitted
            }
        };
        Op::weigh(operational, &caller, &mut admitted, &work, &self.peer, now);
        let done = Op::perform(operational, now, admitted, work).await?;
        self.groups = done.groups;
        self.watch = done.watch;
        Ok(done.items)
    }

    /// Has another certificate made for its endpoint, over the key of a signing request.
    ///
    /// # Errors
    /// As [`Operational::renew_certificate`]; `locked`.
    pub(super) async fn renew_certificate(&self, caller: Caller, csr_pem: String) -> Result<Issued, Refusal> {
        let (operational, peer, now) = (Arc::clone(self.operational()?), Arc::clone(&self.peer), self.now);
        hop(move || operational.renew_certificate(&caller, &peer, &csr_pem, now)).await
    }

    /// The request is over; its record is left. Where a strict operation did anything, this returns only once that record is
    /// durable.
    ///
    /// # Errors
    /// `journal-full` when it could not be made durable, `conflict` when a subject was frozen, or a key version closed,
    /// meanwhile: the answer must not go out.
    pub(super) async fn close(mut self, outcome: Option<Code>) -> Result<(), Refusal> {
        self.outcome = outcome;
        let watch = std::mem::take(&mut self.watch);
        let goes_out = || watch.check();
        let Hold::AtWork(operational) = &self.hold else { return Ok(()) };
        let strict = self.operation.is_some_and(|operation| operational.recorder().is_strict(operation));
        if !strict || self.groups.is_empty() {
            return goes_out();
        }
        let (operational, groups) = (Arc::clone(operational), std::mem::take(&mut self.groups));
        let (tell, told) = told::tell();
        let record = self.record(&operational, groups);
        operational.recorder().record_strict(record, self.room.take(), tell);
        self.is_recorded = true;
        // A lock need not wait for the commit: it ends with one itself.
        drop(operational);
        self.let_go();
        told.await.unwrap_or_else(|_| Err(Code::JournalFull.into()))?;
        goes_out()
    }

    fn record(&self, operational: &Operational, groups: Groups) -> AccessRecord {
        let began = self.arrival.now;
        let latency = operational.now().instant.duration_since(began.instant);
        AccessRecord {
            time: began.time,
            endpoint: self.enrolled.endpoint.id,
            api_key: self.api_key,
            certificate: self.enrolled.certificate,
            address: self.peer.address,
            operation: self.operation,
            latency_us: u64::try_from(latency.as_micros()).unwrap_or(u64::MAX),
            outcome: self.outcome,
            groups,
            repeated: None,
        }
    }

    fn operational(&self) -> Result<&Arc<Operational>, Refusal> {
        match &self.hold {
            Hold::AtWork(operational) => Ok(operational),
            Hold::Waiting(_) => Err(Code::Locked.into()),
        }
    }

    fn let_go(&mut self) {
        if let Hold::AtWork(operational) = &self.hold {
            self.hold = Hold::Waiting(Arc::downgrade(operational));
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.is_recorded {
            return;
        }
        // Locked while the body was on its way: nothing was done, and nobody is there to write it down.
        let (groups, room) = (std::mem::take(&mut self.groups), self.room.take());
        match &self.hold {
            Hold::AtWork(operational) => {
                operational.record(self.record(operational, groups), room, self.arrival.now.instant);
            }
            Hold::Waiting(gone) => {
                if let Some(operational) = gone.upgrade() {
                    operational.record(self.record(&operational, groups), room, self.arrival.now.instant);
                }
            }
        }
    }
}

/// Asks again as long as there is only a compaction's pause: nobody is refused for that.
async fn patiently<T>(
    recorder: &Recorder,
    ask: impl Fn(&Recorder) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    if let Ok(done) = ask(recorder) {
        return Ok(done);
    }
    let _wait = recorder.wait_in_pause();
    loop {
        match ask(recorder) {
            Err(_) if recorder.is_paused() => tokio::time::sleep(ASK_AGAIN_AFTER).await,
            answer => return answer,
        }
    }
}

/// Runs what may wait for a disk or the token on a blocking thread.
pub(super) async fn hop<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Stop> + Send + 'static,
) -> Result<T, Refusal> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(Stop::told),
        Err(_) => Err(Stop::from(Fault::new("a blocking task panicked or was cancelled")).told()),
    }
}

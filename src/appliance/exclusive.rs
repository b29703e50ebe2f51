//! Changes that depend on what was seen before them. Whoever looks first and changes then keeps every other change out
//! meanwhile, so that nothing is lost that somebody else did in between; and what is made under a key of its asker's is
//! remembered in the same commit, so that it is not made a second time.

use std::cell::RefCell;

use crate::domain::actor::Actor;
use crate::domain::audit_record::AuditRecord;
use crate::domain::cbor;
use crate::domain::id::UserId;
use crate::domain::made_once::{KEPT_FOR, MadeOnce, PER_ASKER_MAX};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::timestamp::Now;
use crate::store::{Batch, Table};

use super::accounts::SignedIn;
use super::fault::Stop;
use super::listed::Listed;
use super::operational::Operational;

/// Rows of forgotten requests that one change takes out at most.
const FORGOTTEN_AT_ONCE_MAX: usize = 1_000;

/// What the thread that makes changes carries with it.
#[derive(Default)]
pub(super) struct Turn {
    /// What rides with its next change: nothing, mostly.
    pub riding: RefCell<Option<Rider>>,
    /// What the token has to do once nobody is kept out any more; none where only a change is made.
    owed: RefCell<Option<Owed>>,
}

/// Work for the token that can wait until others are let in again, and that is done before the answer.
#[derive(Default)]
struct Owed {
    /// A right was taken away.
    witness: bool,
    /// A certificate was.
    lists: bool,
    /// Whoever keeps others out keeps those out, too, who sign lists and the server's certificate: it may do that itself.
    signs: bool,
}

/// A debt as it is run up; forgotten where its work breaks off by a bug, so that the next one has its own.
struct Debt<'a>(Option<&'a Turn>);

impl<'a> Debt<'a> {
    /// The outermost one has it; the others run up the same.
    fn begin(turn: &'a Turn, signs: bool) -> Self {
        let mut owed = turn.owed.borrow_mut();
        let is_outermost = owed.is_none();
        if is_outermost {
            *owed = Some(Owed { signs, ..Owed::default() });
        }
        Self(is_outermost.then_some(turn))
    }

    fn end(self) -> Option<Owed> {
        self.0.and_then(|turn| turn.owed.borrow_mut().take())
    }
}

impl Drop for Debt<'_> {
    fn drop(&mut self) {
        if let Some(turn) = self.0 {
            turn.owed.borrow_mut().take();
        }
    }
}

/// A request that is to be remembered with what it makes.
pub(super) struct Rider {
    row_key: [u8; 32],
    made: MadeOnce,
    forgotten: Vec<Vec<u8>>,
}

/// A request that is made once, however often it is sent.
pub struct OnceKey<'a> {
    /// Who sends it.
    pub asker: &'a SignedIn,
    /// What its sender calls it.
    pub key: &'a str,
    /// SHA-256 of what it asks.
    pub request: [u8; 32],
}

/// What came of it.
pub enum Once<T> {
    /// It was done now.
    Now(T),
    /// It was done before.
    Before(MadeOnce),
}

impl Rider {
    /// Gets into a change.
    pub(super) fn ride(self, batch: Batch, audit: &AuditRecord) -> Batch {
        let made = MadeOnce { id: audit.details.value("id").map(str::to_owned), ..self.made };
        let batch = batch.put(Table::Idempotency, &self.row_key, cbor::encode(&made));
        self.forgotten.iter().fold(batch, |batch, row_key| batch.delete(Table::Idempotency, row_key))
    }
}

impl Operational {
    /// Keeps every other change out while `work` looks and changes. Checkpoint and lists, which need the token, are made behind
    /// that and before the return: a token that hangs keeps nobody out.
    ///
    /// # Errors
    /// Those of `work`; a fault where a list cannot be written.
    pub fn exclusively<T>(&self, work: impl FnOnce() -> Result<T, Stop>) -> Result<T, Stop> {
        self.in_turn(false, work)
    }

    /// The same for work that signs a list or the server's certificate itself. What it may wait for besides is waited for first,
    /// in the order in which everybody does.
    ///
    /// # Errors
    /// As of [`Operational::exclusively`].
    pub fn exclusively_signing<T>(&self, work: impl FnOnce() -> Result<T, Stop>) -> Result<T, Stop> {
        let _server = self.exchanging_server.lock();
        let _crl = self.signing_crl.lock();
        self.in_turn(true, work)
    }

    fn in_turn<T>(&self, signs: bool, work: impl FnOnce() -> Result<T, Stop>) -> Result<T, Stop> {
        let (done, owed) = {
            let turn = self.changing.lock();
            let debt = Debt::begin(&turn, signs);
            let done = work();
            (done, debt.end())
        };
        let settled = owed.map_or(Ok(()), |owed| self.settle(&owed));
        let done = done?;
        settled.map(|()| done)
    }

    fn settle(&self, owed: &Owed) -> Result<(), Stop> {
        let now = self.now();
        if owed.witness {
            self.witness_withdrawal(now);
        }
        if owed.lists { self.refresh_crl_if_token(now) } else { Ok(()) }
    }

    /// Whether this thread keeps others out, so that a checkpoint is made behind that.
    pub(super) fn owes_witness(&self) -> bool {
        self.owe(|owed| {
            owed.witness = true;
            true
        })
    }

    /// The same for lists, but where it signs them itself.
    pub(super) fn owes_lists(&self) -> bool {
        self.owe(|owed| {
            owed.lists |= !owed.signs;
            owed.lists
        })
    }

    fn owe(&self, note: impl FnOnce(&mut Owed) -> bool) -> bool {
        // One that another thread holds is not ours.
        let Some(turn) = self.changing.try_lock() else { return false };
        turn.owed.borrow_mut().as_mut().is_some_and(note)
    }

    /// Does `work`, which makes one change, unless the same was done before under the same key. `answer` is what may be told
    /// again; none where it holds what is shown once.
    ///
    /// # Errors
    /// `idempotency-key-reused` where another request had the key, `too-many-idempotency-keys`; those of `work`.
    pub fn once<T>(
        &self,
        once: &OnceKey<'_>,
        now: Now,
        work: impl FnOnce() -> Result<T, Stop>,
        answer: impl FnOnce(&T) -> Option<Vec<u8>>,
    ) -> Result<Once<T>, Stop> {
        let asker = once.asker.person().id;
        let row_key =
            MadeOnce::row_key(asker, self.store.name_key(Table::Idempotency, asker.as_bytes(), once.key));
        self.exclusively(|| {
            match self.look_up::<MadeOnce>(Table::Idempotency, &row_key)? {
                Some(Listed::Sound(made)) if made.is_forgotten(now.time) => {}
                Some(Listed::Sound(made)) if made.request == once.request => return Ok(Once::Before(made)),
                Some(Listed::Sound(_)) => return Err(Code::IdempotencyKeyReused.into()),
                // Whether it was this request, nobody can tell; that something was made under this key, everybody can.
                Some(Listed::Damaged(_)) => return Err(Code::ShownOnce.into()),
                None => {}
            }
            let forgotten = self.forgotten(asker, now)?;
            let made = MadeOnce { time: now.time, request: once.request, id: None, answer: None };
            *self.changing.lock().riding.borrow_mut() = Some(Rider { row_key, made, forgotten });
            let done = work();
            // What changed nothing is not remembered.
            self.changing.lock().riding.borrow_mut().take();
            let done = done?;
            if let Some(answer) = answer(&done) {
                self.keep(asker, &row_key, answer, now);
            }
            Ok(Once::Now(done))
        })
    }

    /// Keeps what was answered, for whoever asks again. The thing is made and will be answered, kept or not.
    fn keep(&self, asker: UserId, row_key: &[u8], answer: Vec<u8>, now: Now) {
        let kept = self.change_if_any(now, |batch| {
            let made = self.look_up::<MadeOnce>(Table::Idempotency, row_key)?.and_then(Listed::sound);
            let Some(made) = made else { return Ok(None) };
            let audit = AuditRecord::new(now.time, Actor::User(asker), "idempotency.keep");
            let audit = made.id.iter().fold(audit, |audit, id| audit.with("id", id));
            let kept = MadeOnce { answer: Some(answer.into()), ..made };
            Ok(Some((batch.put(Table::Idempotency, row_key, cbor::encode(&kept)), audit)))
        });
        if let Err(stop) = kept {
            tracing::warn!(%stop, "an answer could not be kept for whoever asks again under the same key");
        }
    }

    /// Row keys of requests that need be known no longer, of everybody; refused where one has too many that must.
    fn forgotten(&self, asker: UserId, now: Now) -> Result<Vec<Vec<u8>>, Stop> {
        let (mut forgotten, mut kept) = (Vec::new(), 0);
        self.each_listed(Table::Idempotency, &[], |row_key, row| {
            match row.decode::<MadeOnce>()? {
                Listed::Sound(made) if made.is_forgotten(now.time) => {
                    if forgotten.len() < FORGOTTEN_AT_ONCE_MAX {
                        forgotten.push(row_key.to_vec());
                    }
                }
                Listed::Sound(_) | Listed::Damaged(_) => {
                    kept += usize::from(row_key.starts_with(asker.as_bytes()));
                }
            }
            Ok(())
        })?;
        if kept < PER_ASKER_MAX {
            return Ok(forgotten);
        }
        Err(Refusal::new(Code::TooManyIdempotencyKeys).retry_after(KEPT_FOR).into())
    }
}

//! The workers: threads that own one session each and take jobs from one bounded queue. A worker repairs what it can (a
//! lost session, a lost login, once each) and says when the token itself has gone; then nothing more is asked of it
//! until it is healed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Instant;

use arc_swap::ArcSwapOption;
use cryptoki::error::{Error as ModuleError, RvError};
use cryptoki::session::{Session as RawSession, UserType};
use parking_lot::Mutex;

use super::error::{Code, TokenError, Verdict, blames_ciphertext};
use super::module::Access;
use super::pin::Pin;
use super::session::{Failure, Session};

/// Jobs that may wait for a worker; one more is refused.
pub const QUEUED_JOBS_MAX: usize = 256;

/// What outlives the workers: the PIN to log in with, and whether there is anyone to log in to.
pub(super) struct Standing {
    pin: Pin,
    /// A PIN that was refused once is never tried again: hardware counts, and erases itself.
    refused: Mutex<Option<TokenError>>,
    /// Why nothing is asked of the token until it is healed.
    away: ArcSwapOption<Code>,
    /// Held while the token is changed: keys made by two threads at once have broken tokens before.
    pub(super) changing: Mutex<()>,
}

impl Standing {
    pub(super) fn new(pin: Pin) -> Self {
        Self { pin, refused: Mutex::new(None), away: ArcSwapOption::empty(), changing: Mutex::new(()) }
    }

    /// Why nothing is asked of the token at present.
    pub(super) fn trouble(&self) -> Option<Arc<Code>> {
        self.away.load_full()
    }

    /// Lets nobody in who does not come to prove it.
    ///
    /// # Errors
    /// [`TokenError::Away`] while the token is.
    pub(super) fn admit(&self, errand: Errand) -> Result<(), TokenError> {
        match (errand, &*self.away.load()) {
            (Errand::Work, Some(code)) => Err(TokenError::Away(Code::clone(code))),
            _ => Ok(()),
        }
    }

    /// The token has gone: nothing more is asked of it until it is healed.
    pub(super) fn lose(&self, code: Code) {
        self.away.store(Some(Arc::new(code)));
    }

    pub(super) fn trust(&self) {
        self.away.store(None);
    }

    /// What the token said of the PIN, if it refused it.
    ///
    /// # Errors
    /// [`TokenError::Deadline`] while a login has not come back: then nobody knows.
    pub(super) fn refusal(&self) -> Result<Option<TokenError>, TokenError> {
        self.refused.try_lock().map(|refused| refused.clone()).ok_or(TokenError::Deadline)
    }

    fn log_in(&self, session: &RawSession) -> Result<(), TokenError> {
        let mut refused = self.refused.lock();
        if let Some(refusal) = &*refused {
            return Err(refusal.clone());
        }
        match session.login(UserType::User, Some(self.pin.expose())) {
            Ok(()) | Err(ModuleError::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
            Err(ModuleError::Pkcs11(RvError::UserPinNotInitialized, _)) => Err(TokenError::Configuration(
                "the token has no user PIN yet; set one as security officer".into(),
            )),
            Err(error) => Err(match Verdict::on(&error) {
                Verdict::Pin(problem) => {
                    let refusal = TokenError::Pin(problem);
                    *refused = Some(refusal.clone());
                    refusal
                }
                _ => TokenError::Away(Code::of(&error)),
            }),
        }
    }
}

/// What a call is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Errand {
    /// To find out whether a token that came back is the right one; let in while it still counts as away.
    Proof,
    /// Everything else.
    Work,
}

/// A piece of work and until when somebody waits for it.
struct Job {
    until: Instant,
    run: Box<dyn FnOnce(&mut Worker) + Send>,
}

/// Workers with a queue before them. Dropping it lets them finish what is queued and end.
pub(super) struct Pool {
    queue: SyncSender<Job>,
}

impl Pool {
    /// Opens the anchor session, logs in, and starts `workers` threads.
    pub(super) fn start(
        access: &Access,
        standing: &Arc<Standing>,
        workers: usize,
    ) -> Result<Self, TokenError> {
        let anchor = access.open_session().map_err(|error| TokenError::Away(Code::of(&error)))?;
        standing.log_in(&anchor)?;
        let common = Arc::new(Common {
            anchor: Mutex::new(anchor),
            standing: Arc::clone(standing),
            access: access.clone(),
        });
        let (queue, jobs) = sync_channel(QUEUED_JOBS_MAX);
        let jobs = Arc::new(Mutex::new(jobs));
        for number in 0..workers {
            let worker = Worker { session: None, common: Arc::clone(&common) };
            let jobs = Arc::clone(&jobs);
            std::thread::Builder::new()
                .name(format!("token-{number}"))
                .spawn(move || worker.work_off(&jobs))
                .map_err(|error| {
                    TokenError::Configuration(format!(
                        "a thread for the token cannot be started ({error}); raise the limit of threads"
                    ))
                })?;
        }
        Ok(Self { queue })
    }

    /// Queues `work` and gives where its answer will come.
    pub(super) fn submit<T: Send + 'static>(
        &self,
        until: Instant,
        errand: Errand,
        work: impl Fn(&mut Session) -> Result<T, Failure> + Send + 'static,
    ) -> Result<Receiver<Result<T, TokenError>>, TokenError> {
        let (reply, answer) = sync_channel(1);
        let run = Box::new(move |worker: &mut Worker| {
            let outcome = worker.perform(errand, &work);
            // Nobody may be waiting any more: then the outcome, and any key in it, is wiped here.
            let _ = reply.send(outcome);
        });
        match self.queue.try_send(Job { until, run }) {
            Ok(()) => Ok(answer),
            Err(TrySendError::Full(_)) => Err(TokenError::Busy),
            Err(TrySendError::Disconnected(_)) => {
                Err(TokenError::Away(Code::words("every worker of the token has ended")))
            }
        }
    }
}

/// What the workers of one pool share. The anchor is closed last, before the access ends.
struct Common {
    /// Closing an application's last session logs it out, so this one stays open.
    anchor: Mutex<RawSession>,
    standing: Arc<Standing>,
    access: Access,
}

impl Common {
    /// Logs in again, with another anchor when the old one is gone.
    fn log_in(&self) -> Result<(), TokenError> {
        let mut anchor = self.anchor.lock();
        if anchor.get_session_info().is_err() {
            let fresh = self.access.open_session().map_err(|error| TokenError::Away(Code::of(&error)))?;
            // Its handle is void; closing it could close another session that got the number since.
            std::mem::forget(std::mem::replace(&mut *anchor, fresh));
        }
        self.standing.log_in(&anchor)
    }
}

struct Worker {
    session: Option<Session>,
    common: Arc<Common>,
}

impl Worker {
    fn work_off(mut self, jobs: &Mutex<Receiver<Job>>) {
        loop {
            let next = jobs.lock().recv();
            let Ok(job) = next else { return };
            if Instant::now() < job.until {
                (job.run)(&mut self);
            }
        }
    }

    /// Does the work, repairing session and login at most once each.
    fn perform<T>(
        &mut self,
        errand: Errand,
        work: &dyn Fn(&mut Session) -> Result<T, Failure>,
    ) -> Result<T, TokenError> {
        let mut may_reopen = true;
        let mut may_log_in = true;
        loop {
            self.common.standing.admit(errand)?;
            let error = match self.attempt(work) {
                Ok(value) => return Ok(value),
                Err(Failure::Ours(error)) => return Err(error),
                Err(Failure::Away(code)) => return Err(self.lose(code)),
                Err(Failure::LoggedOut) => {
                    ModuleError::Pkcs11(RvError::UserNotLoggedIn, cryptoki::context::Function::FindObjects)
                }
                Err(Failure::Module(error)) => error,
            };
            match Verdict::on(&error) {
                Verdict::Data => return Err(TokenError::Data),
                Verdict::Doubt if may_reopen && blames_ciphertext(&error) => {
                    // A token that faltered for a moment would give the same code: only a second no is believed.
                    self.check_health()?;
                    may_reopen = false;
                    self.session = None;
                }
                Verdict::Doubt => return Err(self.settle(&error)),
                Verdict::Login if may_log_in => {
                    may_log_in = false;
                    self.session = None;
                    self.common.log_in().map_err(|error| self.give_up(error))?;
                }
                Verdict::Login => return Err(self.give_up(TokenError::Login(Code::of(&error)))),
                Verdict::Pin(problem) => return Err(self.give_up(TokenError::Pin(problem))),
                // Other programs may have taken every session; that passes without starting the module over.
                Verdict::Session
                    if !may_reopen && matches!(error, ModuleError::Pkcs11(RvError::SessionCount, _)) =>
                {
                    self.check_health()?;
                    return Err(TokenError::Session(Code::of(&error)));
                }
                Verdict::Session | Verdict::SessionGone if !may_reopen => {
                    return Err(self.give_up(TokenError::Session(Code::of(&error))));
                }
                Verdict::Session => {
                    may_reopen = false;
                    self.session = None;
                }
                Verdict::SessionGone => {
                    may_reopen = false;
                    if let Some(session) = self.session.take() {
                        session.forget();
                    }
                }
                Verdict::Token => return Err(self.lose(Code::of(&error))),
            }
        }
    }

    fn attempt<T>(&mut self, work: &dyn Fn(&mut Session) -> Result<T, Failure>) -> Result<T, Failure> {
        if self.session.is_none() {
            self.session = Some(Session::open(&self.common.access)?);
        }
        let Some(session) = &mut self.session else { return Err(Failure::LoggedOut) };
        // A panic costs the session it may have left half-way through an operation, not the worker.
        catch_unwind(AssertUnwindSafe(|| work(session))).unwrap_or_else(|_| {
            self.session = None;
            Err(TokenError::Unexpected(Code::words("a piece of work panicked; please report this")).into())
        })
    }

    /// A code that a dead token and a bad request share.
    fn settle(&mut self, error: &ModuleError) -> TokenError {
        match self.check_health() {
            Err(away) => away,
            Ok(()) if blames_ciphertext(error) => TokenError::Data,
            Ok(()) => TokenError::Unexpected(Code::of(error)),
        }
    }

    /// Whether the token says that it is well.
    fn check_health(&mut self) -> Result<(), TokenError> {
        self.common.access.check_health().map_err(|code| self.lose(code))
    }

    /// What was tried again and failed again: whatever the token says of itself, it is of no use until it is started over.
    fn give_up(&mut self, error: TokenError) -> TokenError {
        let code = match &error {
            TokenError::Away(code) | TokenError::Login(code) | TokenError::Session(code) => code.clone(),
            other => Code::words(other.to_string()),
        };
        self.lose(code);
        error
    }

    /// The token has gone: nothing more is asked of it until it is healed.
    fn lose(&mut self, code: Code) -> TokenError {
        self.session = None;
        self.common.standing.lose(code.clone());
        TokenError::Away(code)
    }
}

/// Waits for an answer until `until`.
pub(super) fn wait<T>(answer: &Receiver<Result<T, TokenError>>, until: Instant) -> Result<T, TokenError> {
    let patience = until.saturating_duration_since(Instant::now());
    // Either the time is over, or the worker threw the job away because it was.
    answer.recv_timeout(patience).unwrap_or(Err(TokenError::Deadline))
}

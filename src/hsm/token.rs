//! The token, open: found by serial or label, logged in, with workers behind it. It can go away and be healed; its keys
//! are handles on it and go and come with it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use cryptoki::session::UserType;
use cryptoki::slot::TokenInfo;
use parking_lot::{Mutex, RwLock};
use secrecy::ExposeSecret;

use super::error::{Code, PinProblem, TokenError, Verdict};
use super::master_key::MasterKey;
use super::module::Module;
use super::pin::{LateLogin, Pin, PinBackoff};
use super::pool::{self, Errand, Pool, Standing};
use super::session::{Failure, Session};

/// Worker sessions at most; small hardware has 16 in all, one of them our anchor.
pub const WORKER_SESSIONS_MAX: usize = 15;
/// How long loading, initializing and logging in may take before it is given up. Hardware starts slowly.
const OPEN_PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of a token's label, by the standard.
const LABEL_LEN_MAX: usize = 32;

/// Which token. Never a slot: slot numbers change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenChoice {
    /// By the label it was initialized with.
    Label(String),
    /// By its serial number.
    Serial(String),
}

impl TokenChoice {
    pub(super) fn fits(&self, info: &TokenInfo) -> bool {
        match self {
            Self::Label(label) => info.label() == label,
            Self::Serial(serial) => info.serial_number() == serial,
        }
    }
}

impl fmt::Display for TokenChoice {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Label(label) => write!(out, "the token labelled `{label}`"),
            Self::Serial(serial) => write!(out, "the token with serial number {serial}"),
        }
    }
}

/// Where the token is and how hard it may be worked.
#[derive(Debug, Clone)]
pub struct TokenConfig {
    /// The PKCS#11 module, a shared library.
    pub module: PathBuf,
    /// Which of its tokens.
    pub choice: TokenChoice,
    /// Sessions that work side by side, 1 to [`WORKER_SESSIONS_MAX`].
    pub worker_sessions: usize,
    /// How long a caller waits for an answer.
    pub deadline: Duration,
}

impl TokenConfig {
    fn check(&self) -> Result<(), TokenError> {
        if !(1..=WORKER_SESSIONS_MAX).contains(&self.worker_sessions) {
            return Err(TokenError::Configuration(format!(
                "{} worker sessions are configured; choose 1 to {WORKER_SESSIONS_MAX}",
                self.worker_sessions
            )));
        }
        if self.deadline.is_zero() {
            return Err(TokenError::Configuration(
                "the token's deadline is 0; give it time to answer, 5 s is usual".into(),
            ));
        }
        Ok(())
    }
}

/// An open token. Clones are handles on the same one.
#[derive(Clone)]
pub struct Token {
    inner: Arc<Inner>,
    errand: Errand,
}

/// A token that was started over and answers, and of which nobody knows yet whether it is the right one. Only the proof may
/// call it; everybody else is told that it is away. Dropped, it stays away.
pub struct Healing(Token);

struct Inner {
    config: TokenConfig,
    serial: String,
    label: String,
    standing: Arc<Standing>,
    // Before `module`: the workers have to end before it can be finalized.
    pool: RwLock<Option<Pool>>,
    /// `None` once closed.
    module: Mutex<Option<Module>>,
    /// A start that took longer than anybody waited; the next who heals gets its answer.
    starting: Mutex<Option<Receiver<Result<(), TokenError>>>>,
}

impl Token {
    /// Loads the module, finds the token, logs in and starts the workers. The token keeps the PIN, in locked memory if
    /// the process locks it, because healing needs it. Bounded by 10 s, not by the deadline: the module is loaded and
    /// initialized.
    ///
    /// # Errors
    /// [`TokenError`] of class PIN (noted in `backoff`, or not tried because of it), configuration, deadline or token.
    pub fn open(
        config: &TokenConfig,
        pin: Pin,
        backoff: &mut PinBackoff,
        now: Instant,
    ) -> Result<Self, TokenError> {
        config.check()?;
        backoff.settle(now)?;
        backoff.admit(now)?;
        let own = config.clone();
        let late = Arc::new(LateLogin::new());
        let outcome = Arc::clone(&late);
        let opened = aside("token-open", move || {
            let opened = Self::open_with(&own, pin);
            let is_wrong = matches!(opened, Err(TokenError::Pin(PinProblem::Incorrect)));
            // Nobody else sets it.
            let _ = outcome.set(is_wrong);
            opened
        })
        .and_then(|answer| pool::wait(&answer, Instant::now() + OPEN_PATIENCE));
        if matches!(opened, Err(TokenError::Deadline)) {
            backoff.leave(late);
        }
        backoff.note(&opened, now);
        opened
    }

    fn open_with(config: &TokenConfig, pin: Pin) -> Result<Self, TokenError> {
        let module = Module::acquire(&config.module)?;
        let (access, info) = module.find(&config.choice)?;
        if info.user_pin_locked() {
            return Err(TokenError::Pin(PinProblem::Locked));
        }
        let standing = Arc::new(Standing::new(pin));
        let pool = Pool::start(&access, &standing, config.worker_sessions)?;
        let inner = Arc::new(Inner {
            config: config.clone(),
            serial: info.serial_number().to_owned(),
            label: info.label().to_owned(),
            standing,
            pool: RwLock::new(Some(pool)),
            module: Mutex::new(Some(module)),
            starting: Mutex::new(None),
        });
        Ok(Self { inner, errand: Errand::Work })
    }

    /// Makes a token in the first slot that has none and gives its serial number. The module is finalized after it,
    /// because some modules show a new token only to who initializes again.
    ///
    /// # Errors
    /// [`TokenError::Exists`] when a token has this label; [`TokenError::NotFound`] when no slot is free;
    /// [`PinProblem::Unfit`] when the token does not take PINs of this length or kind.
    pub fn create(module: &Path, label: &str, so_pin: &Pin, user_pin: &Pin) -> Result<String, TokenError> {
        if label.is_empty() || label.len() > LABEL_LEN_MAX || label.trim() != label {
            return Err(TokenError::Configuration(format!(
                "`{label}` cannot be a token's label; choose 1 to {LABEL_LEN_MAX} bytes without outer spaces"
            )));
        }
        let module = Module::acquire(module)?;
        let choice = TokenChoice::Label(label.to_owned());
        match module.find(&choice) {
            Err(TokenError::NotFound(_)) => {}
            Ok(_) | Err(TokenError::Ambiguous { .. }) => return Err(TokenError::Exists(choice.to_string())),
            Err(other) => return Err(other),
        }
        let (access, blank) = module.find_blank()?;
        // Settled before the token is made: one whose user PIN is refused afterwards is of no use.
        let lengths = blank.min_pin_length()..=blank.max_pin_length();
        if [so_pin, user_pin].iter().any(|pin| !lengths.contains(&pin.expose().expose_secret().len())) {
            return Err(TokenError::Pin(PinProblem::Unfit));
        }
        let refused = |error| match Verdict::on(&error) {
            // There is no PIN yet that it could differ from.
            Verdict::Pin(_) => TokenError::Pin(PinProblem::Unfit),
            Verdict::Token => TokenError::Away(Code::of(&error)),
            _ => TokenError::Unexpected(Code::of(&error)),
        };
        let info = access.init_token(so_pin, label).map_err(refused)?;
        let session = access.open_session().map_err(refused)?;
        session.login(UserType::So, Some(so_pin.expose())).map_err(refused)?;
        session.init_pin(user_pin.expose()).map_err(refused)?;
        Ok(info.serial_number().to_owned())
    }

    /// Its serial number.
    #[must_use]
    pub fn serial(&self) -> &str {
        &self.inner.serial
    }

    /// Its label.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.inner.label
    }

    /// Whether it went away and was not healed yet. Then every call answers [`TokenError::Away`] at once.
    #[must_use]
    pub fn is_away(&self) -> bool {
        self.trouble().is_some()
    }

    /// Why it counts as away, if it does.
    #[must_use]
    pub fn trouble(&self) -> Option<Arc<Code>> {
        self.inner.standing.trouble()
    }

    /// What it said of its PIN, if it refused it since it was opened: [`TokenError::Pin`]. The PIN must not be tried again
    /// then, whatever the call came to that had to log in.
    ///
    /// # Errors
    /// [`TokenError::Deadline`] while a login has not come back: then nobody knows.
    pub fn pin_refusal(&self) -> Result<Option<TokenError>, TokenError> {
        self.inner.standing.refusal()
    }

    /// Asks the token how it is.
    ///
    /// # Errors
    /// [`TokenError::Away`] when it is not well, [`TokenError::Deadline`] and [`TokenError::Busy`] as for any call.
    pub fn probe(&self) -> Result<(), TokenError> {
        self.call(|session| session.check_health())
    }

    /// Counts it as away, for a reason that no single call can see.
    pub fn lose(&self, why: &str) {
        self.inner.standing.lose(Code::words(why));
    }

    /// Starts over with the same token: lets the workers end, finalizes and initializes the module, finds the token by
    /// its serial number, logs in. Whether it still is the same token is for the caller to prove. Waits for at most twice
    /// the deadline; a start that takes longer goes on, and the next call gets its answer.
    ///
    /// # Errors
    /// [`TokenError::Away`] when it is still away, [`TokenError::Deadline`] when a call into the module has not come back,
    /// [`TokenError::Pin`] when the token no longer takes the PIN: no use to try again, close it and open it with another.
    pub fn heal(&self) -> Result<Healing, TokenError> {
        let mut starting = self.inner.starting.lock();
        let answer = match starting.take() {
            Some(answer) => answer,
            None => {
                self.inner.standing.lose(Code::words("it is being started over"));
                let inner = Arc::clone(&self.inner);
                aside("token-start", move || inner.start_over())?
            }
        };
        // Once for calls in flight, once for the start.
        match answer.recv_timeout(self.inner.config.deadline.saturating_mul(2)) {
            Ok(started) => {
                started.map(|()| Healing(Self { inner: Arc::clone(&self.inner), errand: Errand::Proof }))
            }
            Err(RecvTimeoutError::Timeout) => {
                *starting = Some(answer);
                Err(TokenError::Deadline)
            }
            Err(RecvTimeoutError::Disconnected) => {
                Err(TokenError::Unexpected(Code::words("its start broke off by a bug; please report this")))
            }
        }
    }

    /// Takes no new work, lets the workers finish what is queued, closes every session and finalizes the module. Every
    /// handle on the token answers [`TokenError::Closed`] from now on.
    ///
    /// # Errors
    /// [`TokenError::Deadline`] when a call into the module has not come back: then nothing is finalized. The next open does
    /// it, once that call has come back.
    pub fn close(&self) -> Result<(), TokenError> {
        let deadline = self.inner.config.deadline;
        let mut module = self.inner.module.try_lock_for(deadline).ok_or(TokenError::Deadline)?;
        let Some(mut module) = module.take() else { return Ok(()) };
        let pool = self.inner.pool.write().take();
        let ended = aside("token-end", move || {
            drop(pool);
            module.finalize(deadline)
        })?;
        pool::wait(&ended, Instant::now() + deadline.saturating_mul(2))?;
        self.inner.standing.trust();
        Ok(())
    }

    /// Has `work` done by a worker and waits for the answer until the deadline.
    pub(super) fn call<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Session) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, TokenError> {
        let until = Instant::now() + self.inner.config.deadline;
        self.inner.standing.admit(self.errand)?;
        let answer = match &*self.inner.pool.read() {
            Some(pool) => pool.submit(until, self.errand, work)?,
            None => {
                // It is lost before its workers go: without them and not away, it was closed.
                self.inner.standing.admit(self.errand)?;
                return Err(TokenError::Closed);
            }
        };
        pool::wait(&answer, until)
    }

    /// The same for work that changes what the token holds: one at a time.
    pub(super) fn change<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Session) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, TokenError> {
        let standing = Arc::clone(&self.inner.standing);
        let patience = self.inner.config.deadline;
        self.call(move |session| {
            // A change that hangs must not take every worker with it.
            let _changing = standing.changing.try_lock_for(patience).ok_or(TokenError::Busy)?;
            work(session)
        })
    }
}

impl Inner {
    fn start_over(&self) -> Result<(), TokenError> {
        let mut module = self.module.lock();
        let module = module.as_mut().ok_or(TokenError::Closed)?;
        drop(self.pool.write().take());
        module.finalize(self.config.deadline)?;
        module.initialize()?;
        let choice = TokenChoice::Serial(self.serial.clone());
        let (access, _) = module.find(&choice).map_err(|error| match error {
            TokenError::NotFound(what) => TokenError::Away(Code::words(format!("{what} is not there"))),
            other => other,
        })?;
        let pool = Pool::start(&access, &self.standing, self.config.worker_sessions)?;
        *self.pool.write() = Some(pool);
        Ok(())
    }
}

impl Healing {
    /// A master key of the token that came back, to prove it by. It answers before the token is trusted.
    ///
    /// # Errors
    /// As for [`Token::master_key`].
    pub fn master_key(&self, generation: u32) -> Result<MasterKey, TokenError> {
        self.0.master_key(generation)
    }

    /// It was proved to be the right one: from now on everybody may call it, and keys found before go on working.
    pub fn trust(self) {
        self.0.inner.standing.trust();
    }
}

/// Does what may never come back on a thread of its own.
fn aside<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> Result<T, TokenError> + Send + 'static,
) -> Result<Receiver<Result<T, TokenError>>, TokenError> {
    let (reply, answer) = sync_channel(1);
    let run = move || {
        // Nobody may be waiting any more: then what was opened is closed here.
        let _ = reply.send(work());
    };
    std::thread::Builder::new().name(name.into()).spawn(run).map_err(|error| {
        TokenError::Configuration(format!(
            "a thread for the token cannot be started ({error}); raise the limit of threads"
        ))
    })?;
    Ok(answer)
}

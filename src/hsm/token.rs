//! The token, open: found by serial or label, logged in, with workers behind it. It can go away and be healed; its keys
//! are handles on it and go and come with it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cryptoki::session::UserType;
use cryptoki::slot::TokenInfo;
use parking_lot::{Mutex, RwLock};
use secrecy::ExposeSecret;

use super::error::{Code, PinProblem, TokenError, Verdict};
use super::module::Module;
use super::pin::{Pin, PinBackoff};
use super::pool::{self, Pool, Standing};
use super::session::{Failure, Session};

/// Worker sessions at most; small hardware has 16 in all, one of them our anchor.
pub const WORKER_SESSIONS_MAX: usize = 15;
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
pub struct Token(Arc<Inner>);

struct Inner {
    config: TokenConfig,
    serial: String,
    label: String,
    standing: Arc<Standing>,
    // Before `module`: the workers have to end before it can be finalized.
    pool: RwLock<Option<Pool>>,
    /// `None` once closed.
    module: Mutex<Option<Module>>,
}

impl Token {
    /// Loads the module, finds the token, logs in and starts the workers. The token keeps the PIN, in locked memory if
    /// the process locks it, because healing needs it. Not bounded by the deadline: the module is loaded and initialized.
    ///
    /// # Errors
    /// [`TokenError`] of class PIN (noted in `backoff`, or not tried because of it), configuration or token.
    pub fn open(
        config: &TokenConfig,
        pin: Pin,
        backoff: &mut PinBackoff,
        now: Instant,
    ) -> Result<Self, TokenError> {
        config.check()?;
        backoff.admit(now)?;
        let opened = Self::open_with(config, pin);
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
        Ok(Self(Arc::new(Inner {
            config: config.clone(),
            serial: info.serial_number().to_owned(),
            label: info.label().to_owned(),
            standing,
            pool: RwLock::new(Some(pool)),
            module: Mutex::new(Some(module)),
        })))
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
        &self.0.serial
    }

    /// Its label.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.0.label
    }

    /// Whether it went away and was not healed yet. Then every call answers [`TokenError::Away`] at once.
    #[must_use]
    pub fn is_away(&self) -> bool {
        self.0.standing.is_away()
    }

    /// Asks the token how it is.
    ///
    /// # Errors
    /// [`TokenError::Away`] when it is not well, [`TokenError::Deadline`] and [`TokenError::Busy`] as for any call.
    pub fn probe(&self) -> Result<(), TokenError> {
        self.call(|session| session.check_health())
    }

    /// Starts over with the same token: lets the workers end, finalizes and initializes the module, finds the token by
    /// its serial number, logs in. Keys found before go on working; whether they still are the same keys is for the
    /// caller to prove. On failure the token stays away and healing can be tried again. Not bounded by the deadline.
    ///
    /// # Errors
    /// [`TokenError::Away`] when it is still away, [`TokenError::Deadline`] when a call into the module has not come back,
    /// [`TokenError::Pin`] when the token no longer takes the PIN: no use to try again, close it and open it with another.
    pub fn heal(&self) -> Result<(), TokenError> {
        let mut module = self.0.module.lock();
        let module = module.as_mut().ok_or(TokenError::Closed)?;
        self.0.standing.set_away(true);
        drop(self.0.pool.write().take());
        module.finalize(self.0.config.deadline)?;
        module.initialize()?;
        let choice = TokenChoice::Serial(self.0.serial.clone());
        let (access, _) = module.find(&choice).map_err(|error| match error {
            TokenError::NotFound(what) => TokenError::Away(Code::words(format!("{what} is not there"))),
            other => other,
        })?;
        let pool = Pool::start(&access, &self.0.standing, self.0.config.worker_sessions)?;
        *self.0.pool.write() = Some(pool);
        self.0.standing.set_away(false);
        Ok(())
    }

    /// Takes no new work, lets the workers finish what is queued, closes every session and finalizes the module. Every
    /// handle on the token answers [`TokenError::Closed`] from now on.
    ///
    /// # Errors
    /// [`TokenError::Deadline`] when a call into the module has not come back: then it is not finalized, and stays in use.
    pub fn close(&self) -> Result<(), TokenError> {
        let Some(mut module) = self.0.module.lock().take() else { return Ok(()) };
        drop(self.0.pool.write().take());
        module.finalize(self.0.config.deadline)?;
        self.0.standing.set_away(false);
        Ok(())
    }

    /// Has `work` done by a worker and waits for the answer until the deadline.
    pub(super) fn call<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Session) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, TokenError> {
        let until = Instant::now() + self.0.config.deadline;
        if self.is_away() {
            return Err(TokenError::Away(Code::words("it has not been healed yet")));
        }
        let answer = self.0.pool.read().as_ref().ok_or(TokenError::Closed)?.submit(until, work)?;
        pool::wait(&answer, until)
    }

    /// The same for work that changes what the token holds: one at a time.
    pub(super) fn change<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Session) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, TokenError> {
        let standing = Arc::clone(&self.0.standing);
        let patience = self.0.config.deadline;
        self.call(move |session| {
            // A change that hangs must not take every worker with it.
            let _changing = standing.changing.try_lock_for(patience).ok_or(TokenError::Busy)?;
            work(session)
        })
    }
}

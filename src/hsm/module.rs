//! The PKCS#11 module of this process. `C_Initialize` and `C_Finalize` are acts of the whole process, and finalizing with
//! a call in flight kills it (`SoftHSM`: SIGSEGV). So one [`Module`] exists at a time, and every thread that may call into
//! it holds an [`Access`]; while one exists, there is no way to finalize. A module that was let go of while a call was in
//! flight, or that refused to be finalized, is kept aside, and finalized by the next who wants one, as often as that takes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error as ModuleError, RvError};
use cryptoki::session::Session;
use cryptoki::slot::{Slot, TokenInfo};
use parking_lot::Mutex;

use super::error::{Code, TokenError};
use super::token::TokenChoice;

/// How long the next user waits for calls in flight of a [`Module`] that was let go of.
const ACQUIRE_PATIENCE: Duration = Duration::from_secs(2);
const DRAIN_POLL: Duration = Duration::from_millis(2);

/// What this process has loaded. Nothing is ever unloaded: libraries leave threads and exit handlers behind.
struct Process {
    loaded: Vec<(PathBuf, Library)>,
    in_use: bool,
    left: Option<Left>,
}

static PROCESS: Mutex<Process> = Mutex::new(Process { loaded: Vec::new(), in_use: false, left: None });

/// A loaded module. Clones are the same one.
#[derive(Clone)]
struct Library {
    pkcs11: Pkcs11,
    /// Whether it was ever we who had it initialized. A module is one for the whole process, and what it answers cannot be
    /// relied on: it may be initialized after it said that it was finalized, or that it could not be initialized.
    ours: Arc<AtomicBool>,
}

/// An initialized module that nobody uses any more, but into which somebody is still calling, or which refused to be
/// finalized.
struct Left {
    library: Library,
    leave: Arc<()>,
}

/// The initialized module, held by one user of this process.
pub(super) struct Module {
    library: Library,
    initialized: bool,
    /// Shared with every [`Access`].
    leave: Arc<()>,
}

/// Leave to call into the module for one token. Sessions must be dropped before the access they were opened with.
#[derive(Clone)]
pub(super) struct Access {
    pkcs11: Pkcs11,
    slot: Slot,
    serial: Arc<str>,
    _leave: Arc<()>,
}

impl Process {
    /// The library at `path`, loaded when it is not.
    fn load(&mut self, path: &Path) -> Result<Library, TokenError> {
        if let Some((_, library)) = self.loaded.iter().find(|(loaded, _)| loaded == path) {
            return Ok(library.clone());
        }
        let pkcs11 = Pkcs11::new(path).map_err(|error| {
            TokenError::Configuration(format!(
                "the PKCS#11 module {} cannot be loaded ({error}); check its path and rights",
                path.display()
            ))
        })?;
        let library = Library { pkcs11, ours: Arc::default() };
        self.loaded.push((path.to_owned(), library.clone()));
        Ok(library)
    }
}

impl Module {
    /// Loads the module, once per process, and initializes it.
    pub(super) fn acquire(path: &Path) -> Result<Self, TokenError> {
        let mut process = PROCESS.lock();
        if process.in_use {
            return Err(TokenError::InUse);
        }
        let library = process.load(path)?;
        process.in_use = true;
        let left = process.left.take();
        drop(process);
        let mut module = match left {
            None => Self { library, initialized: false, leave: Arc::new(()) },
            Some(Left { library: before, leave }) => {
                // Dropped on the way out, it is kept aside again.
                let mut module = Self { library: before, initialized: true, leave };
                module.finalize(ACQUIRE_PATIENCE).map_err(|error| match error {
                    TokenError::Deadline => {
                        TokenError::Away(Code::words("a call of before has not come back from its module"))
                    }
                    other => other,
                })?;
                module.library = library;
                module
            }
        };
        module.initialize()?;
        Ok(module)
    }

    /// `C_Initialize`; nothing to do when it is.
    pub(super) fn initialize(&mut self) -> Result<(), TokenError> {
        if self.initialized {
            return Ok(());
        }
        let ours = &self.library.ours;
        match self.library.pkcs11.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            Ok(()) => {
                ours.store(true, Ordering::Release);
                self.initialized = true;
                Ok(())
            }
            // It said that it was finalized, and was not: once more.
            Err(error @ ModuleError::Pkcs11(RvError::CryptokiAlreadyInitialized, _))
                if ours.load(Ordering::Acquire) =>
            {
                self.initialized = true;
                Err(TokenError::Away(Code::of(&error)))
            }
            Err(ModuleError::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Err(TokenError::InUse),
            Err(error) => {
                // Nobody else had it, and it may be initialized all the same.
                ours.store(true, Ordering::Release);
                Err(TokenError::Away(Code::of(&error)))
            }
        }
    }

    /// `C_Finalize`, as soon as nobody may call any more.
    ///
    /// # Errors
    /// [`TokenError::Deadline`] when somebody still may after `patience`, [`TokenError::Away`] when the module refuses; it was
    /// not finalized then.
    pub(super) fn finalize(&mut self, patience: Duration) -> Result<(), TokenError> {
        if !self.initialized {
            return Ok(());
        }
        drain(&mut self.leave, patience)?;
        match self.library.pkcs11.clone().finalize() {
            Ok(()) | Err(ModuleError::Pkcs11(RvError::CryptokiNotInitialized, _)) => {
                self.initialized = false;
                Ok(())
            }
            // It still is initialized, so initializing again would be refused as well.
            Err(error) => Err(TokenError::Away(Code::of(&error))),
        }
    }

    /// Access to the one token of this choice.
    pub(super) fn find(&self, choice: &TokenChoice) -> Result<(Access, TokenInfo), TokenError> {
        let mut found = self.tokens()?;
        found.retain(|(_, info)| info.token_initialized() && choice.fits(info));
        let count = found.len();
        match (found.pop(), count) {
            (Some((slot, info)), 1) => Ok((self.access(slot, info.serial_number()), info)),
            (None, _) => Err(TokenError::NotFound(choice.to_string())),
            (Some(_), count) => Err(TokenError::Ambiguous { what: choice.to_string(), count }),
        }
    }

    /// Access to the first slot whose token was never initialized.
    pub(super) fn find_blank(&self) -> Result<(Access, TokenInfo), TokenError> {
        let blank = self.tokens()?.into_iter().find(|(_, info)| !info.token_initialized());
        let (slot, info) = blank.ok_or_else(|| TokenError::NotFound("a slot free for a new token".into()))?;
        Ok((self.access(slot, info.serial_number()), info))
    }

    /// Every token that answers, with its slot.
    fn tokens(&self) -> Result<Vec<(Slot, TokenInfo)>, TokenError> {
        let slots =
            self.library.pkcs11.get_slots_with_token().map_err(|error| TokenError::Away(Code::of(&error)))?;
        // One broken token must not hide the others; if it is ours, it will not be found.
        Ok(slots
            .into_iter()
            .filter_map(|slot| Some((slot, self.library.pkcs11.get_token_info(slot).ok()?)))
            .collect())
    }

    fn access(&self, slot: Slot, serial: &str) -> Access {
        let pkcs11 = self.library.pkcs11.clone();
        Access { pkcs11, slot, serial: serial.into(), _leave: Arc::clone(&self.leave) }
    }
}

impl Drop for Module {
    /// What is in the way is not waited for here: the next user does, or the process ends without `C_Finalize`.
    fn drop(&mut self) {
        let finalized = self.finalize(Duration::ZERO).is_ok();
        let mut process = PROCESS.lock();
        process.in_use = false;
        if !finalized {
            process.left =
                Some(Left { library: self.library.clone(), leave: std::mem::take(&mut self.leave) });
        }
    }
}

/// Waits until nobody else shares `leave`.
fn drain(leave: &mut Arc<()>, patience: Duration) -> Result<(), TokenError> {
    let start = Instant::now();
    while Arc::get_mut(leave).is_none() {
        if start.elapsed() >= patience {
            return Err(TokenError::Deadline);
        }
        std::thread::sleep(DRAIN_POLL);
    }
    Ok(())
}

impl Access {
    pub(super) fn open_session(&self) -> Result<Session, ModuleError> {
        self.pkcs11.open_rw_session(self.slot)
    }

    /// Initializes the token in this slot; what was in it is gone.
    pub(super) fn init_token(&self, so_pin: &super::Pin, label: &str) -> Result<TokenInfo, ModuleError> {
        self.pkcs11.init_token(self.slot, so_pin.expose(), label)?;
        self.pkcs11.get_token_info(self.slot)
    }

    /// Asks the token how it is. `SoftHSM` goes on answering "no such key" from sessions whose token has gone; only this
    /// call tells.
    pub(super) fn check_health(&self) -> Result<(), Code> {
        let info = self.pkcs11.get_token_info(self.slot).map_err(|error| Code::of(&error))?;
        if !info.token_initialized() || info.serial_number() != &*self.serial {
            return Err(Code::words("another token is in its slot"));
        }
        if info.error_state() {
            return Err(Code::words("the token reports its error state"));
        }
        Ok(())
    }
}

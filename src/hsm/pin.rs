//! The PIN, and our own patience with wrong ones: `SoftHSM` never locks, and a hardware token that does lock may erase
//! itself. So every login asks here first.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use secrecy::SecretString;

use super::error::{Code, PinProblem, TokenError};

/// Bytes of the longest PIN taken; `SoftHSM`'s own limit.
pub const PIN_LEN_MAX: usize = 255;
/// Wrong PINs that cost no wait.
const FREE_TRIES: u32 = 3;
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// A token PIN. It cannot be printed, copied or serialised, and is wiped when dropped.
pub struct Pin(SecretString);

impl Pin {
    /// Takes a PIN as a file or credential holds it: UTF-8, 1 to [`PIN_LEN_MAX`] bytes, one line end after it forgiven.
    /// Wiping `bytes` is the caller's.
    ///
    /// # Errors
    /// [`TokenError::Configuration`] when it is empty, too long, or not UTF-8.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TokenError> {
        let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() || line.len() > PIN_LEN_MAX {
            return Err(TokenError::Configuration(format!(
                "the PIN has {} bytes; put 1 to {PIN_LEN_MAX} bytes into its file or credential",
                line.len()
            )));
        }
        let text = std::str::from_utf8(line).map_err(|_| {
            TokenError::Configuration("the PIN is not UTF-8; choose one of plain characters".into())
        })?;
        Ok(Self(SecretString::from(text)))
    }

    pub(super) fn expose(&self) -> &SecretString {
        &self.0
    }
}

/// How many wrong PINs came in a row, and until when the next has to wait: three are free, then 1 s, doubling to 5 min.
/// Kept by whoever opens tokens, since a refused PIN leaves no token behind to keep it.
#[derive(Debug, Default)]
pub struct PinBackoff {
    wrong: u32,
    until: Option<Instant>,
    /// What becomes of a login that took longer than anybody waited: no other may be tried before that is known.
    late: Option<Arc<LateLogin>>,
}

/// Once it came back: whether the PIN was wrong.
pub(super) type LateLogin = OnceLock<bool>;

impl PinBackoff {
    /// Nothing wrong yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { wrong: 0, until: None, late: None }
    }

    /// Leave to try a PIN at `now`.
    ///
    /// # Errors
    /// [`PinProblem::BackedOff`] with the time that is left to wait.
    pub fn admit(&self, now: Instant) -> Result<(), TokenError> {
        match self.until.and_then(|until| until.checked_duration_since(now)) {
            Some(wait) if !wait.is_zero() => Err(TokenError::Pin(PinProblem::BackedOff { wait })),
            _ => Ok(()),
        }
    }

    /// Settles a login that nobody waited for to the end: a PIN that it found wrong counts now, and is not tried again.
    ///
    /// # Errors
    /// [`TokenError::Away`] while it has not come back; [`PinProblem::Incorrect`] when it found the PIN wrong.
    pub(super) fn settle(&mut self, now: Instant) -> Result<(), TokenError> {
        let Some(late) = self.late.take() else { return Ok(()) };
        // Whoever would say how it went shares it until it is said.
        let found_wrong = match Arc::try_unwrap(late) {
            Ok(over) => over.into_inner(),
            Err(late) => match late.get() {
                None => {
                    self.late = Some(late);
                    return Err(TokenError::Away(Code::words("a login of before has not come back")));
                }
                known => known.copied(),
            },
        };
        if found_wrong != Some(true) {
            return Ok(());
        }
        let wrong = Err(TokenError::Pin(PinProblem::Incorrect));
        self.note(&wrong, now);
        wrong
    }

    /// A login that nobody waits for any longer.
    pub(super) fn leave(&mut self, late: Arc<LateLogin>) {
        self.late = Some(late);
    }

    /// Takes note of how a login that began at `now` went. Only a wrong PIN counts, only a right one clears the count.
    pub fn note<T>(&mut self, outcome: &Result<T, TokenError>, now: Instant) {
        match outcome {
            Ok(_) => *self = Self::new(),
            Err(TokenError::Pin(PinProblem::Incorrect)) => {
                self.wrong = self.wrong.saturating_add(1);
                let doublings = self.wrong.saturating_sub(FREE_TRIES);
                self.until = (doublings > 0).then(|| {
                    let wait = FIRST_WAIT.saturating_mul(1 << (doublings - 1).min(16));
                    now + wait.min(LONGEST_WAIT)
                });
            }
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait_after(backoff: &PinBackoff, now: Instant) -> u64 {
        match backoff.admit(now) {
            Err(TokenError::Pin(PinProblem::BackedOff { wait })) => wait.as_secs(),
            other => {
                assert!(other.is_ok());
                0
            }
        }
    }

    #[test]
    fn three_are_free_then_the_wait_doubles_to_five_minutes() {
        let now = Instant::now();
        let mut backoff = PinBackoff::new();
        let waits: Vec<u64> = (0..14)
            .map(|_| {
                backoff.note::<()>(&Err(TokenError::Pin(PinProblem::Incorrect)), now);
                wait_after(&backoff, now)
            })
            .collect();
        assert_eq!(waits, [0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(wait_after(&backoff, now + Duration::from_secs(300)), 0);
        backoff.note(&Ok(()), now);
        assert_eq!(wait_after(&backoff, now), 0);
    }

    #[test]
    fn other_errors_neither_count_nor_clear() {
        let now = Instant::now();
        let mut backoff = PinBackoff::new();
        for _ in 0..5 {
            backoff.note::<()>(&Err(TokenError::Pin(PinProblem::Incorrect)), now);
        }
        backoff.note::<()>(&Err(TokenError::Deadline), now);
        assert_eq!(wait_after(&backoff, now), 2);
    }

    #[test]
    fn one_line_end_is_forgiven_and_nothing_else() {
        let pin = |text: &str| Pin::from_bytes(text.as_bytes());
        for text in ["1234", "1234\n", "1234\r\n"] {
            let pin = pin(text).ok().unwrap();
            assert_eq!(secrecy::ExposeSecret::expose_secret(pin.expose()), "1234");
        }
        assert_eq!(secrecy::ExposeSecret::expose_secret(pin("12 \n\n").ok().unwrap().expose()), "12 \n");
        assert!(pin("\n").is_err());
        assert!(pin("").is_err());
        assert!(pin(&"9".repeat(256)).is_err());
        assert!(Pin::from_bytes(&[0xff; 8]).is_err());
    }
}

//! Where a test leaves its orders and finds the account of calls, in the folder `PKCS11_SHIM`.
//!
//! ```text
//! orders   any word                                         another word begins anew: counts at 0, hanging calls released
//!          C_Decrypt 0 1 answer 5                           the first call answers CKR 5, nothing is passed on
//!          C_Decrypt 2 * answer 5                           every call but the first two
//!          C_GenerateKey 0 1 lose 48                        passed on, and its answer lost for CKR 48
//!          C_GenerateKey 0 1 plant 7                        while in force, keys that are generated are known: see `planted`
//!          C_Encrypt 0 3 sleep 250                          three calls take 250 ms longer
//!          C_Sign 0 * hang 0                                every call waits until the orders change, then is passed on
//! calls    C_Decrypt begun                                  one line as a call comes in
//!          C_Decrypt 5                                      one as it is answered, with its code
//!          VIOLATION C_Finalize with 1 in flight            what the standard forbids and kills real modules
//! ```
//!
//! Numbers are decimal. The first order that fits a call counts. A test replaces `orders` by renaming.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cryptoki_sys::CK_RV;

const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What to do with a call.
pub(crate) enum Action {
    /// Give this code, pass nothing on.
    Answer(CK_RV),
    /// Wait until the orders no longer begin with this word.
    Hang(String),
    /// Pass it on and give this code.
    Lose(CK_RV),
    /// Wait, then pass it on.
    Sleep(Duration),
}

/// The test's folder.
pub(crate) struct Desk {
    orders: PathBuf,
    calls: File,
    in_flight: AtomicUsize,
    counted: Mutex<Counted>,
}

/// How often each order's function was called since the orders changed.
#[derive(Default)]
struct Counted {
    word: String,
    calls: HashMap<usize, u64>,
}

/// A call that has begun.
pub(crate) struct Call<'d> {
    desk: &'d Desk,
    function: &'static str,
}

impl Desk {
    pub(crate) fn open() -> Option<Self> {
        let folder = PathBuf::from(std::env::var_os("PKCS11_SHIM")?);
        let calls = OpenOptions::new().create(true).append(true).open(folder.join("calls")).ok()?;
        let (in_flight, counted) = (AtomicUsize::new(0), Mutex::default());
        Some(Self { orders: folder.join("orders"), calls, in_flight, counted })
    }

    pub(crate) fn begin(&self, function: &'static str) -> Call<'_> {
        let others = self.in_flight.fetch_add(1, Ordering::SeqCst);
        self.note(&format!("{function} begun\n"));
        if function == "C_Finalize" && others > 0 {
            self.note(&format!("VIOLATION C_Finalize with {others} in flight\n"));
        }
        Call { desk: self, function }
    }

    /// What the test wants with this call of `function`.
    pub(crate) fn order(&self, function: &str) -> Option<Action> {
        let text = std::fs::read_to_string(&self.orders).ok()?;
        let mut lines = text.lines();
        let word = lines.next()?;
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.word != word {
            *counted = Counted { word: word.to_owned(), calls: HashMap::new() };
        }
        let mut wanted = None;
        for (number, line) in lines.enumerate() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [of, skipped, times, action, value] = words[..] else { continue };
            if of != function {
                continue;
            }
            let call = counted.calls.entry(number).or_default();
            let (at, skipped) = (*call, skipped.parse::<u64>().ok()?);
            *call += 1;
            let fits = at >= skipped && times.parse::<u64>().map_or(true, |times| at - skipped < times);
            if fits && wanted.is_none() {
                let value = value.parse::<u64>().ok()?;
                wanted = match action {
                    "answer" => Some(Action::Answer(value)),
                    "hang" => Some(Action::Hang(word.to_owned())),
                    "lose" => Some(Action::Lose(value)),
                    "sleep" => Some(Action::Sleep(Duration::from_millis(value))),
                    _ => None,
                };
            }
        }
        wanted
    }

    /// The number of the key to be made where one is to be generated.
    pub(crate) fn planted(&self) -> Option<u64> {
        let text = std::fs::read_to_string(&self.orders).ok()?;
        text.lines().find_map(|line| line.strip_prefix("C_GenerateKey 0 1 plant ")?.parse().ok())
    }

    /// Returns when the orders no longer begin with `word`.
    pub(crate) fn wait_for_release(&self, word: &str) {
        let is_in_force = || {
            let text = std::fs::read_to_string(&self.orders).unwrap_or_default();
            text.lines().next() == Some(word)
        };
        while is_in_force() {
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// One write per line, so that lines of two threads do not mix. A folder that has gone is a test that has ended.
    fn note(&self, line: &str) {
        let _ = (&self.calls).write_all(line.as_bytes());
    }
}

impl Call<'_> {
    pub(crate) fn end(self, answer: CK_RV) {
        self.desk.in_flight.fetch_sub(1, Ordering::SeqCst);
        self.desk.note(&format!("{} {answer}\n", self.function));
    }
}

//! Work that goes on a little each second behind what is served: for how long, and what is told of one that cannot go on.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::fault::Stop;
use super::operational::Operational;

/// Time of a second that each of them takes; then everything else that is tended has its turn.
const SLICE: Duration = Duration::from_millis(250);

/// Why one does not go on at present, for health.
#[derive(Default)]
pub(super) struct Trouble(Mutex<Option<String>>);

impl Trouble {
    /// Keeps how the last slice went. Returns what is in the way where that is news, for the log.
    pub(super) fn note(&self, done: &Result<(), Stop>) -> Option<String> {
        let trouble = done.as_ref().err().map(ToString::to_string);
        let mut told = self.0.lock();
        let news = trouble.clone().filter(|_| *told != trouble);
        *told = trouble;
        news
    }

    /// What is in the way, if anything is.
    pub(super) fn told(&self) -> Option<String> {
        self.0.lock().clone()
    }
}

impl Operational {
    /// Does step by step what there is to do, until a step says that nothing is left for now, the slice is over, or the unlocked
    /// time is.
    ///
    /// # Errors
    /// What kept a step from being done.
    pub(super) fn for_a_slice(&self, mut step: impl FnMut() -> Result<bool, Stop>) -> Result<(), Stop> {
        let until = Instant::now() + SLICE;
        while self.check_not_ended().is_ok() && step()? && Instant::now() < until {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::refusal::Code;

    #[test]
    fn trouble_is_news_once_and_gone_when_it_goes_on() {
        let trouble = Trouble::default();
        assert_eq!((trouble.note(&Ok(())), trouble.told()), (None, None));
        let away = Err(Stop::from(Code::TokenAway));
        let told = trouble.note(&away);
        assert!(told.is_some());
        assert_eq!((trouble.note(&away), trouble.told()), (None, told.clone()));
        assert_ne!(trouble.note(&Err(Code::JournalFull.into())), None);
        assert_eq!((trouble.note(&Ok(())), trouble.told()), (None, None));
        assert_eq!(trouble.note(&away), told);
    }
}

//! What falls due of key versions: rotations, destructions whose time has come, and the second dates of those that are destroyed. Looked for
//! along all of them, a page a second, each minute where they are few and each hour where they are many.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::domain::cbor;
use crate::domain::key_life::{Gone, KeyState, Life, Open, Standing};
use crate::domain::key_version::KeyVersion;
use crate::domain::timestamp::Now;
use crate::store::{Scan, Table};

use super::fault::Stop;
use super::listed::Listed;
use super::operational::Operational;

/// Rows looked at in one go.
const PAGE_ROWS: usize = 2_000;
/// From the end of one pass to the next, where it met at most [`FEW_ROWS`], and where it met more.
const EVERY_FEW: Duration = Duration::from_secs(60);
const EVERY_MANY: Duration = Duration::from_secs(3_600);
const FEW_ROWS: usize = 10_000;

/// How far a pass has come.
#[derive(Default)]
pub(super) struct KeySweep {
    after: Option<Vec<u8>>,
    met: usize,
    damaged: usize,
    next_at: Option<Instant>,
    /// Something was changed behind it: another pass follows at once.
    again: bool,
}

impl KeySweep {
    /// Whether a pass has begun and not ended.
    pub(super) const fn is_under_way(&self) -> bool {
        self.after.is_some()
    }
}

impl Operational {
    /// Goes on with a pass, or begins one when it is due. By a clock that is not trusted nothing falls due, and what is scheduled is
    /// looked for all the same.
    pub(super) fn sweep_keys(&self, sweep: &mut KeySweep, now: Now) {
        let is_due = sweep.next_at.is_none_or(|at| now.instant >= at);
        // What was changed just now may lie before the page that comes next. A pass that is under way ends first: else whoever
        // changes something again and again would keep what lies further behind from ever being met.
        let soon = self.keys_due.soon.swap(false, Ordering::AcqRel);
        if soon && sweep.after.is_none() {
            *sweep = KeySweep::default();
        } else if soon {
            sweep.again = true;
        } else if !is_due {
            return;
        }
        if sweep.after.is_none() && self.clock_is_trusted() {
            self.keys_due.forget_all();
        }
        match self.sweep_page(sweep, now) {
            Ok(true) => {}
            Ok(false) => {
                self.destructions.met_all(sweep.damaged);
                let wait = if sweep.met > FEW_ROWS { EVERY_MANY } else { EVERY_FEW };
                let next_at = (!sweep.again).then(|| now.instant + wait);
                *sweep = KeySweep { next_at, ..KeySweep::default() };
            }
            Err(stop) => {
                tracing::error!(%stop, "what falls due of key versions could not be looked for");
                *sweep = KeySweep { next_at: Some(now.instant + EVERY_FEW), ..KeySweep::default() };
            }
        }
    }

    /// Looks at one page; whether there is another.
    fn sweep_page(&self, sweep: &mut KeySweep, now: Now) -> Result<bool, Stop> {
        let range = Scan { prefix: &[], after: sweep.after.as_deref(), limit: PAGE_ROWS };
        let page = self.store.scan(Table::KeyVersions, range)?;
        sweep.met += page.len();
        sweep.after = page.last().map(|(row_key, _)| row_key.clone());
        let is_full = page.len() == PAGE_ROWS;
        for (row_key, row) in page {
            let row = Listed::of(row)?.read_at(Table::KeyVersions, &row_key, cbor::decode::<KeyVersion>);
            let Listed::Sound(version) = row else {
                sweep.damaged += 1;
                continue;
            };
            self.meet(&row_key, &version)?;
            if !self.clock_is_trusted() {
                continue;
            }
            if let Err(stop) = self.tend_key(&row_key, &version, now) {
                tracing::error!(%stop, key = %version.place(), "what falls due of a key version could not be done");
            }
        }
        Ok(is_full)
    }

    /// Notes a destruction that waits, or waits no more.
    fn meet(&self, row_key: &[u8], version: &KeyVersion) -> Result<(), Stop> {
        let place = version.place();
        if version.life.state() != KeyState::DestroyScheduled && !self.destructions.has(place) {
            return Ok(());
        }
        // As it lies now: it may have moved since the page was read, and what becomes of it next is noted behind us.
        let _nothing_changes = self.changing.lock();
        if let Some(version) =
            self.look_up::<KeyVersion>(Table::KeyVersions, row_key)?.and_then(Listed::sound)
        {
            self.destructions.met(&version);
        }
        Ok(())
    }

    fn tend_key(&self, row_key: &[u8], version: &KeyVersion, now: Now) -> Result<(), Stop> {
        match &version.life {
            Life::DestroyScheduled { .. } if version.is_destruction_due(now.time) && self.may_destroy() => {
                self.destroy_key(row_key, now)
            }
            Life::Destroyed { gone: gone @ Gone { unrecoverable: None, .. }, .. } => {
                let is_recoverable = self.is_recoverable(version.key_id, *gone)?;
                if is_recoverable { Ok(()) } else { self.note_unrecoverable(row_key, now) }
            }
            Life::Kept { standing: Standing::Open(Open::Active | Open::Compromised), .. } => {
                self.turn_due(version, now)
            }
            _ => Ok(()),
        }
    }
}

//! Places of requests that wait for a second person. There are few, and nobody takes all of them: not one requester, whatever
//! it was that asked (a certificate or a link that makes somebody else of an account asks for a confirmation, in the name of whoever
//! made it), and not one kind, because accounts can be made to ask from. So a recovery and a destruction find a place also
//! where somebody asks for everything else.

use crate::domain::approval::{
    APPROVALS_KEPT_MAX, APPROVALS_WAITING_MAX, APPROVALS_WAITING_PER_REQUESTER_MAX, Kind,
};
use crate::domain::id::UserId;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::timestamp::Now;
use crate::store::{Batch, Table};

use super::fault::Stop;
use super::listed::Listed;
use super::operational::Operational;
use super::wanted::Wanted;

/// How many wait, of each kind.
#[derive(Default)]
struct Waiting([usize; Kind::ALL.len()]);

impl Waiting {
    fn count(&mut self, kind: Kind) {
        self.0[kind as usize] += 1;
    }

    /// Whether one more of a kind has a place that is not kept for another kind.
    fn has_place(&self, kind: Kind) -> bool {
        let waiting = |kind: Kind| self.0[kind as usize];
        let others = Kind::ALL.into_iter().filter(|other| *other != kind);
        let taken: usize = others.map(|other| waiting(other).max(other.places_kept())).sum();
        taken + waiting(kind) < APPROVALS_WAITING_MAX
    }
}

impl Operational {
    /// Refuses a request that would find no place: told before anything is handed out that would ask for one.
    ///
    /// # Errors
    /// `too-many-approvals`.
    pub(super) fn check_place(
        &self,
        wanted: &Wanted,
        requester: Option<UserId>,
        now: Now,
    ) -> Result<(), Stop> {
        self.take_place(Batch::new(now.time.micros()), wanted, requester, now).map(drop)
    }

    /// Takes out of the store what was kept long enough, or is over and stands in the way of what is wanted.
    ///
    /// # Errors
    /// `too-many-approvals`.
    pub(super) fn take_place(
        &self,
        mut batch: Batch,
        wanted: &Wanted,
        requester: Option<UserId>,
        now: Now,
    ) -> Result<Batch, Stop> {
        let (mut waiting, mut own, mut kept, mut ended) = (Waiting::default(), 0, 0, Vec::new());
        for (row_key, approval) in self.all_approvals()? {
            match approval {
                Listed::Sound(approval) if approval.may_go(now.time) => {
                    batch = batch.delete(Table::Approvals, &row_key);
                    continue;
                }
                Listed::Sound(approval) if approval.is_waiting(now.time) => {
                    // What asks for the same takes the place of what it replaces.
                    if !wanted.is_same(&approval) {
                        waiting.count(approval.kind);
                        own += usize::from(requester.is_some() && approval.requester == requester);
                    }
                }
                Listed::Sound(over) if !over.is_open(now.time) => {
                    ended.push((over.turn_to_go(now.time), row_key));
                }
                Listed::Sound(_) | Listed::Damaged(_) => {}
            }
            kept += 1;
        }
        if own >= APPROVALS_WAITING_PER_REQUESTER_MAX {
            let detail = format!(
                "{own} requests of yours wait for a second person; there may be {APPROVALS_WAITING_PER_REQUESTER_MAX} of one \
                 requester."
            );
            return Err(Refusal::new(Code::TooManyApprovals).detail(detail).into());
        }
        ended.sort_unstable();
        // Else whoever asks and withdraws would keep everybody from asking. The audit trail has them all.
        let over = (kept + 1usize).saturating_sub(APPROVALS_KEPT_MAX).min(ended.len());
        batch = ended.iter().take(over).fold(batch, |batch, (_, row)| batch.delete(Table::Approvals, row));
        if !waiting.has_place(wanted.kind) || kept - over >= APPROVALS_KEPT_MAX {
            return Err(Code::TooManyApprovals.into());
        }
        Ok(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As many of a kind as find a place, beside those that wait.
    fn fill(waiting: &mut Waiting, kind: Kind) -> usize {
        let before = waiting.0[kind as usize];
        while waiting.has_place(kind) {
            waiting.count(kind);
        }
        waiting.0[kind as usize] - before
    }

    #[test]
    fn each_kind_finds_the_places_that_are_kept_for_it() {
        for first in Kind::ALL {
            let mut waiting = Waiting::default();
            let all: usize = Kind::ALL.into_iter().map(Kind::places_kept).sum();
            assert_eq!(fill(&mut waiting, first), APPROVALS_WAITING_MAX - all + first.places_kept());
            for other in Kind::ALL.into_iter().filter(|other| *other != first) {
                assert_eq!(fill(&mut waiting, other), other.places_kept(), "{other} beside {first}");
            }
            assert_eq!(waiting.0.iter().sum::<usize>(), APPROVALS_WAITING_MAX);
        }
    }

    #[test]
    fn kinds_are_counted_by_their_number() {
        for (at, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, at);
        }
    }
}

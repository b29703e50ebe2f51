//! Rollback: whether the store is the one the token last knew. Three things are compared at unlock, each for what the others
//! cannot show:
//!
//! ```text
//! state digest     rows put back or taken out one by one
//! anchor           the whole file put back; a copy that ran on elsewhere
//! header chain     blocks exchanged or taken out since the anchor
//! ```
//!
//! Whatever differs leaves the appliance `Locked`. What may be accepted, and by whom, is decided here; what an acceptance
//! does is [`super::epoch`]'s. Damaged rows may hide others that were put back, and nobody can tell: so accepting damage is
//! accepting a rollback, with the same consequences.

use std::fmt;

use crate::domain::refusal::{Code, Refusal};
use crate::hsm::Anchor;
use crate::store::{Descent, Store, Verdict};

use super::LockReason;
use super::fault::Stop;

/// What an operator takes upon themselves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Acceptance {
    /// Rows that no longer open are known to be lost.
    pub damage: bool,
    /// The store is known to be another than the token last knew.
    pub rollback: bool,
}

/// What an unlock went past on an operator's word.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WentPast {
    /// Rows, or pages of the file, that are lost.
    pub damage: bool,
    /// A store that is another than the token last knew.
    pub rollback: bool,
}

/// In what way the store is not the one the token last knew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rollback {
    /// Every row opens, and they are not those that the last block describes.
    Rows,
    /// The token knows more of the chain than the store has.
    Behind {
        /// Epoch and next sequence number by the token.
        known: (u32, u64),
        /// The same by the store.
        found: (u32, u64),
    },
    /// The store's chain has another block where the token's ended.
    Apart(u64),
    /// The header of the block that the token knows the chain up to is damaged; it begins at this sequence number.
    Unreadable(u64),
    /// A block is missing or exchanged at this sequence number, after the one the token knows.
    Broken(u64),
    /// The token has forgotten.
    NoAnchor,
}

/// What is recorded of an acceptance: what was accepted, and what it was.
pub(super) type Accepted = Vec<(&'static str, String)>;

/// What an unlock found.
pub(super) struct Finding {
    damaged: Vec<String>,
    rollback: Option<Rollback>,
}

impl Finding {
    /// Compares `store`, of which reading all rows gave `verdict`, with what the token holds.
    pub(super) fn of(verdict: Verdict, store: &Store, anchor: Option<Anchor>) -> Result<Self, Stop> {
        let (damaged, altered) = match verdict {
            Verdict::Intact => (Vec::new(), false),
            Verdict::Rotten => (vec!["none, but pages of its file are damaged".into()], false),
            Verdict::Damaged(rows) => (rows.iter().map(ToString::to_string).collect(), false),
            Verdict::Altered => (Vec::new(), true),
        };
        let by_chain = match anchor {
            None => Some(Rollback::NoAnchor),
            Some(Anchor { epoch, next_sequence, hash }) => {
                let head = store.head();
                match store.descent(epoch, next_sequence, hash)? {
                    Descent::Unbroken(_) => None,
                    Descent::Behind => Some(Rollback::Behind {
                        known: (epoch, next_sequence),
                        found: (head.epoch, head.next_sequence),
                    }),
                    Descent::Apart => Some(Rollback::Apart(next_sequence)),
                    Descent::Unreadable(at) => Some(Rollback::Unreadable(at)),
                    Descent::Broken(at) => Some(Rollback::Broken(at)),
                }
            }
        };
        // The chain says more of what happened than the rows do.
        Ok(Self { damaged, rollback: by_chain.or(altered.then_some(Rollback::Rows)) })
    }

    /// Lets the unlock go on: `None` when there is nothing to accept, else what is to be recorded of the acceptance.
    pub(super) fn admit(
        self,
        acceptance: Acceptance,
        sandbox: bool,
    ) -> Result<Option<(WentPast, Accepted)>, (Stop, LockReason)> {
        let refuse = |reason: LockReason, accepted: bool| {
            let stop = if accepted && !sandbox {
                Refusal::new(Code::WrongState)
                    .detail(
                        "This store is not a sandbox: only a quorum of officers may accept that it was put back or \
                         damaged, and that ceremony does not exist yet; restore a backup.",
                    )
                    .into()
            } else {
                super::Fault::new(reason.to_string()).into()
            };
            Err((stop, reason))
        };
        let past = WentPast { damage: !self.damaged.is_empty(), rollback: self.rollback.is_some() };
        let mut accepted = Vec::new();
        if let Some(rollback) = self.rollback {
            if !acceptance.rollback || !sandbox {
                return refuse(LockReason::Rollback(rollback), acceptance.rollback);
            }
            accepted.push(("rollback-accepted", rollback.to_string()));
        }
        if !self.damaged.is_empty() {
            if !acceptance.damage || !sandbox {
                return refuse(LockReason::Damaged(self.damaged), acceptance.damage);
            }
            accepted.push(("damage-accepted", self.damaged.join(", ")));
        }
        Ok((!accepted.is_empty()).then_some((past, accepted)))
    }
}

/// What happened; what to do is the lock reason's to say.
impl fmt::Display for Rollback {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rows => {
                out.write_str("rows of the store were put back or taken out behind the appliance's back")
            }
            Self::Behind { known, found } => write!(
                out,
                "the token knows the chain up to record {} of epoch {}, and the store ends before record {} of epoch {}: an \
                 older copy of the store was put back",
                known.1, known.0, found.1, found.0
            ),
            Self::Apart(at) => write!(
                out,
                "the store's chain is not the one that the token knows up to record {at}: another copy of this appliance \
                 has run on, or blocks were exchanged"
            ),
            Self::Unreadable(at) => write!(
                out,
                "the header of the block at record {at}, up to which the token knows the chain, is damaged, so nobody can say \
                 whether the store was put back"
            ),
            Self::Broken(at) => write!(
                out,
                "the journal is broken at record {at}: blocks were taken out, exchanged or damaged since the token last \
                 noted the chain"
            ),
            Self::NoAnchor => out.write_str(
                "the token holds no anchor, so nobody can say whether the store was put back: the anchor was taken out, or \
                 the token itself was put back",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(damaged: bool, rollback: bool) -> Finding {
        Finding {
            damaged: if damaged { vec!["users/00".into()] } else { Vec::new() },
            rollback: rollback.then_some(Rollback::NoAnchor),
        }
    }

    #[test]
    fn each_finding_needs_its_own_word() {
        for (damaged, rolled_back) in [(false, false), (true, false), (false, true), (true, true)] {
            for (damage, rollback) in [(false, false), (true, false), (false, true), (true, true)] {
                let admitted = found(damaged, rolled_back).admit(Acceptance { damage, rollback }, true);
                let suffices = (damage || !damaged) && (rollback || !rolled_back);
                assert_eq!(admitted.is_ok(), suffices);
                if let Ok(accepted) = admitted {
                    let (past, words) = accepted.unwrap_or_default();
                    assert_eq!(past, WentPast { damage: damaged, rollback: rolled_back });
                    assert_eq!(words.len(), usize::from(damaged) + usize::from(rolled_back));
                }
            }
        }
    }

    #[test]
    fn without_a_sandbox_nobody_alone_accepts_anything() {
        let both = Acceptance { damage: true, rollback: true };
        for (damaged, rolled_back) in [(true, false), (false, true), (true, true)] {
            let Err((stop, _)) = found(damaged, rolled_back).admit(both, false) else { panic!("accepted") };
            assert!(stop.to_string().contains("quorum of officers"), "{stop}");
        }
        assert!(found(false, false).admit(both, false).is_ok_and(|accepted| accepted.is_none()));
    }
}

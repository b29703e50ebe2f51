//! The checkpoints that a chain is held against, each with a signature that was checked. One whose signature does not fit
//! never becomes a [`Witness`].

use crate::crypto::checkpoint::{Checkpoint, CheckpointKey, Statement};
use crate::crypto::hex::to_hex;

use super::chain_report::Flaw;

/// A checkpoint whose signature fits.
#[derive(Debug, Clone)]
pub struct Witness {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// The key that signed it.
    pub key: CheckpointKey,
    /// Whether that key counts: it was named, or none was.
    pub counts: bool,
}

/// Those that are still to be placed in the chain, in order of sequence.
#[derive(Debug, Clone, Default)]
pub struct Witnesses {
    /// The nearest is last.
    waiting: Vec<Witness>,
    key_was_named: bool,
}

impl Witnesses {
    /// Checks the signatures of `checkpoints` by `keys`, which came with them, and by `named` ones, which somebody vouches
    /// for. When any is named, only signatures by those count.
    ///
    /// # Errors
    /// A [`Flaw`] for a checkpoint that nobody here signed, and for two that contradict one another.
    pub fn new(
        checkpoints: &[Checkpoint],
        keys: &[CheckpointKey],
        named: &[CheckpointKey],
    ) -> Result<Self, Flaw> {
        let mut waiting = Vec::with_capacity(checkpoints.len());
        for checkpoint in checkpoints {
            let key =
                named.iter().chain(keys).find(|key| key.id() == checkpoint.signer).ok_or_else(|| {
                    let (signer, next) = (to_hex(&checkpoint.signer), checkpoint.statement.next_sequence);
                    Flaw::whole(
                        "signer",
                        format!("the checkpoint at record {next} is by {signer}, a key that is not here"),
                    )
                })?;
            checkpoint.verify(key).map_err(|_| {
                let next = checkpoint.statement.next_sequence;
                Flaw::whole(
                    "signature",
                    format!("the signature of the checkpoint at record {next} does not fit"),
                )
            })?;
            let counts = named.is_empty() || named.contains(key);
            waiting.push(Witness { checkpoint: *checkpoint, key: *key, counts });
        }
        waiting.sort_by_key(|witness| {
            let statement = &witness.checkpoint.statement;
            std::cmp::Reverse((statement.next_sequence, statement.epoch, statement.time_us))
        });
        for pair in waiting.windows(2) {
            let (one, other) = (&pair[0].checkpoint.statement, &pair[1].checkpoint.statement);
            let place = |statement: &Statement| (statement.chain, statement.epoch, statement.next_sequence);
            if place(one) == place(other) && one.hash != other.hash {
                return Err(Flaw::fork(one.next_sequence, one, &other.hash));
            }
        }
        Ok(Self { waiting, key_was_named: !named.is_empty() })
    }

    /// Whether somebody vouches for a key.
    pub(super) const fn key_was_named(&self) -> bool {
        self.key_was_named
    }

    /// The id of another chain that one of them speaks of.
    pub(super) fn other_chain(&self, chain: &[u8; 16]) -> Option<[u8; 16]> {
        self.waiting.iter().map(|witness| witness.checkpoint.statement.chain).find(|other| other != chain)
    }

    /// The next one, if it names `sequence` or less.
    pub(super) fn next_up_to(&mut self, sequence: u64) -> Option<Witness> {
        self.waiting.pop_if(|witness| witness.checkpoint.statement.next_sequence <= sequence)
    }

    /// Why a chain without a signature that counts is not proved.
    pub(super) fn unsigned(&self) -> Flaw {
        let why = if self.key_was_named {
            "no checkpoint of it is signed by a key you named: whoever made this export could have made it all up"
        } else {
            "no checkpoint names a block of it: whoever made this export could have made it all up"
        };
        Flaw::whole("unsigned", why.into())
    }
}

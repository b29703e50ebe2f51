//! What a check of a chain found: what was proved, what was not, and the first thing that is wrong.

use std::collections::BTreeMap;
use std::fmt;

use crate::crypto::block::BlockHeader;
use crate::crypto::checkpoint::Statement;
use crate::crypto::hex::to_hex;

use super::chain_witness::Witness;
use super::timestamp::Timestamp;

/// The outcome. Numbers are of records unless they say otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The chain's id: the appliance's.
    pub chain: [u8; 16],
    /// Epoch of the first block.
    pub first_epoch: u32,
    /// Epoch of the last.
    pub last_epoch: u32,
    /// Blocks that were found good.
    pub blocks: u64,
    /// Sequence number of the first record.
    pub first_sequence: u64,
    /// Sequence number behind the last.
    pub next_sequence: u64,
    /// When the first block was closed.
    pub first_time: Timestamp,
    /// When the last block was closed.
    pub last_time: Timestamp,
    /// Hash of the last header.
    pub hash: [u8; 32],
    /// In blocks that are whole.
    pub whole: u64,
    /// Proved one by one.
    pub proved: u64,
    /// Left out of a partial export.
    pub left_out: u64,
    /// Pruned before the export.
    pub pruned: u64,
    /// Those seen, by kind.
    pub kinds: BTreeMap<u16, u64>,
    /// Whether a checkpoint names what came before the first block.
    pub anchored: bool,
    /// Whether somebody vouched for a key; else the keys are those that came with the export.
    pub key_was_named: bool,
    /// Checkpoints that name a block of the chain, with a signature that counts.
    pub checkpoints: u64,
    /// The last of them.
    last_signed: Option<Signed>,
    /// By signing key: its fingerprint, and how many checkpoints it signed.
    pub signers: BTreeMap<[u8; 32], u64>,
    /// What was noticed and does not make the chain bad.
    pub notes: Vec<Note>,
    /// The first thing that is wrong.
    pub flaw: Option<Flaw>,
}

/// How far a signature reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signed {
    /// The epoch it speaks of.
    pub epoch: u32,
    /// Sequence number behind the last record that it stands for.
    pub next_sequence: u64,
    /// When it was made, microseconds since 1970 UTC.
    pub time_us: u64,
}

/// Why a chain is not proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// First sequence number of the bad block; none when it is about no one block.
    pub block: Option<u64>,
    /// One stable word.
    pub kind: &'static str,
    /// What is wrong.
    pub why: String,
}

/// Something that whoever reads the report ought to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note(pub String);

impl Report {
    /// How far signatures that count reach.
    #[must_use]
    pub const fn last_signed(&self) -> Option<Signed> {
        self.last_signed
    }

    /// Records after the last signature.
    #[must_use]
    pub fn unsigned(&self) -> u64 {
        let signed_to = self.last_signed.map_or(self.first_sequence, |signed| signed.next_sequence);
        self.next_sequence.saturating_sub(signed_to)
    }

    pub(super) const fn begin(&mut self, header: &BlockHeader) {
        self.chain = header.chain;
        self.first_epoch = header.epoch;
        self.first_sequence = header.first_sequence;
        self.next_sequence = header.first_sequence;
        self.first_time = Timestamp::from_micros(header.time_us);
    }

    pub(super) const fn reached(&mut self, header: &BlockHeader, end: u64, hash: [u8; 32]) {
        self.blocks += 1;
        self.last_epoch = header.epoch;
        self.next_sequence = end;
        self.last_time = Timestamp::from_micros(header.time_us);
        self.hash = hash;
    }

    /// `witness` names a block of the chain.
    pub(super) fn signed(&mut self, witness: &Witness) {
        *self.signers.entry(witness.key.fingerprint()).or_default() += 1;
        if witness.counts {
            let Statement { epoch, next_sequence, time_us, .. } = witness.checkpoint.statement;
            self.checkpoints += 1;
            self.last_signed = Some(Signed { epoch, next_sequence, time_us });
        }
    }
}

impl Flaw {
    /// About the block that begins at record `sequence`.
    #[must_use]
    pub const fn at(sequence: u64, kind: &'static str, why: String) -> Self {
        Self { block: Some(sequence), kind, why }
    }

    /// About no one block.
    #[must_use]
    pub const fn whole(kind: &'static str, why: String) -> Self {
        Self { block: None, kind, why }
    }

    /// Two histories of one chain and epoch. `here` is the hash that stands where `statement` says another.
    #[must_use]
    pub fn fork(block: u64, statement: &Statement, here: &[u8; 32]) -> Self {
        let why = format!(
            "FORK: of chain {}, epoch {}, a block that ends before record {} was signed with the hash {}, and here is {}. \
             Two histories were written under one name: a clone, or a store that was put back",
            to_hex(&statement.chain),
            statement.epoch,
            statement.next_sequence,
            to_hex(&statement.hash),
            to_hex(here)
        );
        Self::at(block, "fork", why)
    }

    /// Two exports of one chain and epoch that go apart.
    #[must_use]
    pub fn two_histories(one: &BlockHeader, other: &BlockHeader) -> Self {
        let why = format!(
            "FORK: of chain {}, epoch {}, one export has a block at record {} with the hash {}, and the other one at record {} \
             with {}. Two histories were written under one name: a clone, or a store that was put back",
            to_hex(&one.chain),
            one.epoch,
            one.first_sequence,
            to_hex(&one.hash()),
            other.first_sequence,
            to_hex(&other.hash())
        );
        Self::at(one.first_sequence.max(other.first_sequence), "fork", why)
    }

    /// Records that are not here, and no prune record says why. Those that are signed for reach to `pruned_to`.
    pub(super) fn removed(block: u64, pruned_to: u64) -> Self {
        let why = format!(
            "its records are not here and no prune record in this export covers them: they were taken away, or the export \
             ends before that record (then export again without --to). Prune records here reach to {pruned_to}"
        );
        Self::at(block, "removed", why)
    }

    /// Records that are not here, and the prune record in the block at `prune` says why, but nothing signed stands behind it.
    pub(super) fn said_to_be_pruned(block: u64, prune: u64) -> Self {
        let why = format!(
            "its records are not here, and the prune record in the block at record {prune} does not prove that they were \
             pruned: no checkpoint that counts stands behind it, so anybody could have added it to hide what was taken away. \
             If it is the appliance's, export again once a checkpoint was made (gembok status names the newest), or give \
             a later one with --checkpoint"
        );
        Self::at(block, "removed", why)
    }

    /// A signed block of another epoch than the one here, and no later epoch of this chain is signed.
    pub(super) fn left_behind(block: u64, statement: &Statement, epoch: u32) -> Self {
        let why = format!(
            "it is of epoch {epoch}, and a checkpoint names another block there, of epoch {}. Either a restore left this chain \
             behind (then verify an export made after it), or this chain was never the appliance's: nothing of a later epoch \
             is signed here",
            statement.epoch
        );
        Self::at(block, "left-behind", why)
    }

    /// The chain ends before something that was signed earlier than its last checkpoint.
    pub(super) fn cut_off(next: u64, statement: &Statement) -> Self {
        let why = format!(
            "the chain ends before record {next}, but a checkpoint of {} names record {}, and this chain was signed later \
             than that. Times of checkpoints do not go back, so its end was cut off",
            Timestamp::from_micros(statement.time_us),
            statement.next_sequence
        );
        Self::whole("cut-off", why)
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.block {
            Some(sequence) => write!(out, "the block at record {sequence}: {}", self.why),
            None => out.write_str(&self.why),
        }
    }
}

impl Note {
    fn about(witness: &Witness, what: &str) -> Self {
        let Statement { epoch, next_sequence, time_us, .. } = witness.checkpoint.statement;
        let time = Timestamp::from_micros(time_us);
        Self(format!("the checkpoint of {time} (epoch {epoch}, record {next_sequence}) {what}"))
    }

    pub(super) fn before_the_start(witness: &Witness) -> Self {
        Self::about(witness, "names a block before the first one here, so it could not be compared")
    }

    pub(super) fn behind_the_end(witness: &Witness) -> Self {
        Self::about(witness, "names a block behind the last one here, so it could not be compared")
    }

    pub(super) fn left_behind(witness: &Witness) -> Self {
        Self::about(
            witness,
            "names a block that is not in this chain: a restore left it behind, and a later epoch was signed",
        )
    }
}

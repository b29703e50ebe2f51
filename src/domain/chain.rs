//! Verifies a chain of blocks as an outsider would: from headers, records and signed checkpoints alone, block by block,
//! and stops at the first that is bad. It knows no store and no token, so it says the same to an auditor with a file as to
//! the appliance's own operator.
//!
//! What holds for a block: same chain as the one before, next sequence number, the hash of the one before, an epoch and a
//! time that never go back, and a root that fits its records. What a signature adds: a checkpoint that names the end of a
//! block stands for that block and all before it.

use crate::crypto::block::{BlockHeader, Leaf};
use crate::crypto::export::Records;
use crate::crypto::hex::to_hex;
use crate::crypto::merkle::{is_included, merkle_root};

use super::audit_record::{self, AuditRecord};
use super::cbor;
use super::chain_report::{Flaw, Note, Report};
use super::chain_witness::{Witness, Witnesses};

/// The act of the audit record that says up to where bodies were pruned.
pub const PRUNE_ACT: &str = "journal.prune";
/// Its detail: the first sequence number that was not pruned.
pub const PRUNE_TO: &str = "to";

/// A chain under way through its check.
pub struct ChainCheck {
    witnesses: Witnesses,
    /// The last block that was found good, and its hash.
    last: Option<(BlockHeader, [u8; 32])>,
    /// Runs of blocks whose records are said to be pruned, first and end.
    bare: Vec<(u64, u64)>,
    /// Checkpoints of another epoch than the block they do not fit; first sequence and epoch of that block.
    strays: Vec<(Witness, u64, u32)>,
    /// What prune records account for that a signature stands for: everything below.
    pruned_to: u64,
    /// The furthest of those prune records that nothing signed has come behind yet.
    claimed: Option<Claim>,
    report: Report,
}

/// What a prune record says, which anybody could have written until something signed stands behind it.
struct Claim {
    /// First sequence number of the block it is in.
    block: u64,
    /// The first record that was not pruned.
    to: u64,
}

impl ChainCheck {
    /// Against `witnesses`.
    #[must_use]
    pub fn new(witnesses: Witnesses) -> Self {
        let mut report = Report::default();
        report.key_was_named = witnesses.key_was_named();
        Self {
            witnesses,
            last: None,
            bare: Vec::new(),
            strays: Vec::new(),
            pruned_to: 0,
            claimed: None,
            report,
        }
    }

    /// The next block.
    ///
    /// # Errors
    /// The [`Flaw`] that makes it the first bad one.
    pub fn block(&mut self, header: &BlockHeader, records: &Records<'_>) -> Result<(), Flaw> {
        let end = self.follow(header)?;
        self.read(header, records, end)?;
        let hash = header.hash();
        while let Some(witness) = self.witnesses.next_up_to(end) {
            self.place(witness, header, end, &hash)?;
        }
        self.last = Some((*header, hash));
        self.report.reached(header, end, hash);
        Ok(())
    }

    /// The report when there are no more blocks.
    #[must_use]
    pub fn finish(mut self) -> Report {
        self.report.flaw = self.judge().err();
        self.report
    }

    /// The report when something was bad; what it says was proved holds for the blocks before.
    #[must_use]
    pub fn broken(mut self, flaw: Flaw) -> Report {
        self.report.flaw = Some(flaw);
        self.report
    }

    /// Sequence number of the record that comes next.
    #[must_use]
    pub const fn next_sequence(&self) -> u64 {
        self.report.next_sequence
    }

    /// Whether `header` is the one that comes next; its end.
    fn follow(&mut self, header: &BlockHeader) -> Result<u64, Flaw> {
        let first = header.first_sequence;
        let bad = |kind, why: String| Err(Flaw::at(first, kind, why));
        let Some(end) = first.checked_add(u64::from(header.count)) else {
            return bad("sequence", "its sequence numbers go beyond 2^64".into());
        };
        let Some((before, hash)) = &self.last else {
            self.begin(header)?;
            return Ok(end);
        };
        let expected = self.report.next_sequence;
        if header.chain != before.chain {
            return bad("chain", format!("it belongs to the chain {}", to_hex(&header.chain)));
        }
        if first > expected {
            return bad("missing", format!("records {expected} to {} are missing before it", first - 1));
        }
        if first < expected {
            return bad(
                "sequence",
                format!("it begins again at record {first}; record {expected} comes next"),
            );
        }
        if header.previous != *hash {
            return bad("previous", "it does not follow the block before it: the hashes differ".into());
        }
        if header.epoch < before.epoch {
            return bad("epoch", format!("its epoch, {}, is before {}", header.epoch, before.epoch));
        }
        if header.time_us < before.time_us {
            return bad("time", "it was closed before the block before it".into());
        }
        Ok(end)
    }

    /// The first block has no other before it, so something signed has to say what came before.
    fn begin(&mut self, header: &BlockHeader) -> Result<(), Flaw> {
        self.report.begin(header);
        if let Some(chain) = self.witnesses.other_chain(&header.chain) {
            let why = format!("a checkpoint is of another chain, {}", to_hex(&chain));
            return Err(Flaw::whole("chain", why));
        }
        if header.first_sequence == 0 && header.previous != [0; 32] {
            let why = "it is the first and names a block before it".into();
            return Err(Flaw::at(0, "previous", why));
        }
        while let Some(witness) = self.witnesses.next_up_to(header.first_sequence) {
            let statement = &witness.checkpoint.statement;
            if statement.next_sequence < header.first_sequence {
                self.report.notes.push(Note::before_the_start(&witness));
            } else if statement.hash == header.previous {
                self.report.anchored = true;
                self.report.signed(&witness);
            } else {
                self.differs(witness, header, &header.previous)?;
            }
        }
        Ok(())
    }

    /// Whether the root is that of the records.
    fn read(&mut self, header: &BlockHeader, records: &Records<'_>, end: u64) -> Result<(), Flaw> {
        let first = header.first_sequence;
        let bad = |why: String| Err(Flaw::at(first, "records", why));
        match records {
            Records::Whole(leaves) => {
                if leaves.len() as u64 != u64::from(header.count) {
                    return bad(format!("it holds {} records and counts {}", leaves.len(), header.count));
                }
                if merkle_root(leaves.iter().map(|leaf| leaf.bytes)) != header.root {
                    return bad("its records are not those its header was made over".into());
                }
                for leaf in leaves {
                    self.record(first, leaf)?;
                }
                self.report.whole += u64::from(header.count);
            }
            Records::Part(some) => {
                let mut behind = None;
                for proved in some {
                    if behind.is_some_and(|behind| proved.index <= behind) {
                        return bad(format!("record {} of it is out of order", proved.index));
                    }
                    behind = Some(proved.index);
                    let leaf = &proved.leaf;
                    if !is_included(&header.root, header.count, proved.index, leaf.bytes, &proved.path) {
                        return bad(format!("record {} of it is not proved by its path", proved.index));
                    }
                    self.record(first, leaf)?;
                }
                self.report.proved += some.len() as u64;
                self.report.left_out += u64::from(header.count) - some.len() as u64;
            }
            Records::Pruned => {
                match self.bare.last_mut() {
                    Some((_, run_end)) if *run_end == first => *run_end = end,
                    _ => self.bare.push((first, end)),
                }
                self.report.pruned += u64::from(header.count);
            }
        }
        Ok(())
    }

    /// Prune records say which records may be missing; the others are only counted.
    fn record(&mut self, first: u64, leaf: &Leaf<'_>) -> Result<(), Flaw> {
        *self.report.kinds.entry(leaf.kind).or_default() += 1;
        if (leaf.kind, leaf.version) != (audit_record::KIND, audit_record::VERSION) {
            return Ok(());
        }
        let unreadable = || Flaw::at(first, "records", "an audit record in it cannot be read".into());
        let record: AuditRecord = cbor::decode(leaf.body).map_err(|_| unreadable())?;
        if record.act == PRUNE_ACT {
            let to = record.details.value(PRUNE_TO).and_then(|to| to.parse().ok());
            // Nothing is pruned before it is in a block.
            let to = to.map(|to: u64| to.min(first)).ok_or_else(unreadable)?;
            if self.claimed.as_ref().is_none_or(|claim| claim.to < to) {
                self.claimed = Some(Claim { block: first, to });
            }
        }
        Ok(())
    }

    /// Holds a checkpoint against the block it names the end of, or that it should.
    fn place(
        &mut self,
        witness: Witness,
        header: &BlockHeader,
        end: u64,
        hash: &[u8; 32],
    ) -> Result<(), Flaw> {
        let statement = &witness.checkpoint.statement;
        if statement.next_sequence < end || statement.hash != *hash {
            return self.differs(witness, header, hash);
        }
        if statement.epoch != header.epoch {
            let why =
                format!("a checkpoint names it as of epoch {}, it says {}", statement.epoch, header.epoch);
            return Err(Flaw::at(header.first_sequence, "checkpoint", why));
        }
        self.report.signed(&witness);
        if witness.counts
            && let Some(claim) = self.claimed.take()
        {
            self.pruned_to = self.pruned_to.max(claim.to);
        }
        Ok(())
    }

    /// A checkpoint that stands for another block than the one here. Within one epoch that is a fork; over two, a restore may
    /// have left one of them behind.
    fn differs(&mut self, witness: Witness, header: &BlockHeader, here: &[u8; 32]) -> Result<(), Flaw> {
        let statement = &witness.checkpoint.statement;
        if statement.epoch == header.epoch {
            return Err(Flaw::fork(header.first_sequence, statement, here));
        }
        self.strays.push((witness, header.first_sequence, header.epoch));
        Ok(())
    }

    /// Whether something signed in this chain is of a later epoch than the checkpoint: then a restore is what left it behind.
    fn has_gone_on(&self, witness: &Witness) -> bool {
        self.report.last_signed().is_some_and(|last| last.epoch > witness.checkpoint.statement.epoch)
    }

    /// Whether every block without its records was pruned. Where nothing at all is signed, an unsigned prune record will do:
    /// that everything may be made up is said after this, and says more.
    fn account_for_the_bare(&self) -> Result<(), Flaw> {
        let claim = self.claimed.as_ref().filter(|claim| claim.to > self.pruned_to);
        let is_unsigned = self.report.last_signed().is_none();
        let pruned_to = claim.filter(|_| is_unsigned).map_or(self.pruned_to, |claim| claim.to);
        let Some((first, _)) = self.bare.iter().find(|(_, end)| *end > pruned_to) else { return Ok(()) };
        let from = pruned_to.max(*first);
        Err(match claim.filter(|claim| claim.to > from) {
            Some(claim) => Flaw::said_to_be_pruned(from, claim.block),
            None => Flaw::removed(from, pruned_to),
        })
    }

    fn judge(&mut self) -> Result<(), Flaw> {
        if self.last.is_none() {
            return Err(Flaw::whole("empty", "there is no block in it".into()));
        }
        self.account_for_the_bare()?;
        for (witness, block, epoch) in std::mem::take(&mut self.strays) {
            if !self.has_gone_on(&witness) {
                return Err(Flaw::left_behind(block, &witness.checkpoint.statement, epoch));
            }
            self.report.notes.push(Note::left_behind(&witness));
        }
        while let Some(witness) = self.witnesses.next_up_to(u64::MAX) {
            let statement = &witness.checkpoint.statement;
            let is_older = self.report.last_signed().is_some_and(|last| statement.time_us < last.time_us);
            if self.has_gone_on(&witness) {
                self.report.notes.push(Note::left_behind(&witness));
            } else if is_older {
                return Err(Flaw::cut_off(self.report.next_sequence, statement));
            } else {
                self.report.notes.push(Note::behind_the_end(&witness));
            }
        }
        if self.report.last_signed().is_none() {
            return Err(self.witnesses.unsigned());
        }
        Ok(())
    }
}

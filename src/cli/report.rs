//! The outcome of a verification: for eyes what was proved, what was not, and what is bad; for machines the same in JSON.

use std::fmt::Write;

use serde::Serialize;

use crate::crypto::hex::to_hex;
use crate::domain::chain_report::{Flaw, Report};
use crate::domain::timestamp::Timestamp;

use super::echoed::echoed;
use super::say_proof::{self as say, fixed};
use super::say_trouble;
use super::verify::Comparison;
use super::words::{Pair, Said};

/// Everything that was verified at once.
#[derive(Serialize)]
pub(super) struct Verification {
    /// Whether all of it holds.
    pub(super) holds: bool,
    exports: Vec<ExportShown>,
    comparisons: Vec<ComparisonShown>,
}

#[derive(Serialize)]
struct ExportShown {
    name: String,
    chain: String,
    epochs: [u32; 2],
    blocks: u64,
    first_sequence: u64,
    next_sequence: u64,
    first_time: String,
    last_time: String,
    hash: String,
    records: RecordsShown,
    anchored: bool,
    key_was_named: bool,
    checkpoints: u64,
    signers: Vec<String>,
    signed_to: Option<u64>,
    signed_at: Option<String>,
    unsigned: u64,
    notes: Vec<String>,
    bad: Option<FlawShown>,
}

#[derive(Serialize)]
struct RecordsShown {
    whole: u64,
    proved: u64,
    left_out: u64,
    pruned: u64,
    access: u64,
    audit: u64,
    gap: u64,
}

#[derive(Serialize)]
struct FlawShown {
    block: Option<u64>,
    kind: &'static str,
    why: String,
}

#[derive(Serialize)]
struct ComparisonShown {
    one: String,
    other: String,
    blocks_in_common: u64,
    note: Option<String>,
    bad: Option<FlawShown>,
}

impl Verification {
    pub(super) fn new(reports: Vec<(String, Report)>, comparisons: Vec<Comparison>) -> Self {
        let holds = reports.iter().all(|(_, report)| report.flaw.is_none())
            && comparisons.iter().all(|comparison| comparison.flaw.is_none());
        Self {
            holds,
            exports: reports.into_iter().map(|(name, report)| ExportShown::new(name, report)).collect(),
            comparisons: comparisons.into_iter().map(ComparisonShown::new).collect(),
        }
    }

    pub(super) fn text(&self) -> String {
        let exports = self.exports.iter().map(ExportShown::text);
        let comparisons = self.comparisons.iter().map(ComparisonShown::text);
        exports.chain(comparisons).collect::<Vec<_>>().join("\n")
    }

    /// The first thing that is wrong, with the name of what it is about.
    pub(super) fn first_flaw(&self) -> Option<Said> {
        let exports = self.exports.iter().filter_map(|one| one.bad.as_ref().map(|bad| (&one.name, bad)));
        let pairs = self.comparisons.iter().filter_map(|two| two.bad.as_ref().map(|bad| (&two.one, bad)));
        let first = exports.chain(pairs).next();
        first.map(|(name, bad)| say_trouble::not_proved(echoed(name), bad.text()))
    }
}

impl ExportShown {
    fn new(name: String, report: Report) -> Self {
        let (signed, unsigned) = (report.last_signed(), report.unsigned());
        let kind = |kind| report.kinds.get(&kind).copied().unwrap_or(0);
        Self {
            name,
            chain: to_hex(&report.chain),
            epochs: [report.first_epoch, report.last_epoch],
            blocks: report.blocks,
            first_sequence: report.first_sequence,
            next_sequence: report.next_sequence,
            first_time: report.first_time.to_string(),
            last_time: report.last_time.to_string(),
            hash: to_hex(&report.hash),
            records: RecordsShown {
                whole: report.whole,
                proved: report.proved,
                left_out: report.left_out,
                pruned: report.pruned,
                access: kind(1),
                audit: kind(2),
                gap: kind(3),
            },
            anchored: report.anchored,
            key_was_named: report.key_was_named,
            checkpoints: report.checkpoints,
            signers: report.signers.keys().map(|key| to_hex(key)).collect(),
            signed_to: signed.map(|signed| signed.next_sequence),
            signed_at: signed.map(|signed| Timestamp::from_micros(signed.time_us).to_string()),
            unsigned,
            notes: report.notes.into_iter().map(|note| note.0).collect(),
            bad: report.flaw.map(FlawShown::new),
        }
    }

    fn text(&self) -> String {
        let mut text = format!("{}\n", echoed(&self.name));
        let mut line = |what: Pair, value: &str| {
            // Writing to a string does not fail.
            let _ = writeln!(text, "  {what:<13}{value}");
        };
        let [first_epoch, last_epoch] = self.epochs;
        if self.blocks > 0 {
            line(fixed::CHAIN, say::chain(&self.chain, first_epoch, last_epoch).as_ref());
            let last = self.next_sequence - 1;
            line(fixed::BLOCKS, say::blocks(self.blocks, self.first_sequence, last).as_ref());
            line(fixed::CLOSED, say::closed(&self.first_time, &self.last_time).as_ref());
            line(fixed::LAST_HASH, &self.hash);
            let RecordsShown { access, audit, gap, .. } = self.records;
            line(fixed::RECORDS_HERE, say::records(access, audit, gap).as_ref());
        }
        for (head, sentences) in [(fixed::PROVED, self.proved()), (fixed::NOT_PROVED, self.not_proved())] {
            if !sentences.is_empty() {
                let _ = write!(text, "{head}\n  {}\n", sentences.join("\n  "));
            }
        }
        if let Some(bad) = &self.bad {
            let _ = writeln!(text, "{}\n  {}", fixed::BAD, bad.text());
        }
        text
    }

    fn proved(&self) -> Vec<String> {
        let mut said = Vec::new();
        if self.blocks > 0 {
            let follows = if self.bad.is_some() { fixed::FOLLOWS_TO_BAD } else { fixed::FOLLOWS };
            said.push(follows.to_string());
            let RecordsShown { whole, proved, .. } = self.records;
            if whole > 0 {
                said.push(say::whole(whole).into());
            }
            if proved > 0 {
                said.push(say::each(proved).into());
            }
        }
        if let (Some(signed_to), Some(signed_at)) = (self.signed_to, &self.signed_at)
            && signed_to > 0
        {
            let by = if self.key_was_named { fixed::BY_NAMED_KEY } else { fixed::BY_ITS_KEY };
            said.push(say::signed(self.checkpoints, by, signed_at, signed_to - 1).into());
        }
        if self.anchored {
            said.push(fixed::ANCHORED.to_string());
        }
        said
    }

    fn not_proved(&self) -> Vec<String> {
        let mut said = Vec::new();
        if self.unsigned > 0 && self.signed_to.is_some() {
            let from = self.next_sequence - self.unsigned;
            said.push(say::unsigned(from).into());
        }
        if !self.key_was_named {
            for signer in &self.signers {
                said.push(say::signer(signer).into());
            }
        }
        if self.first_sequence > 0 && !self.anchored {
            said.push(say::before(self.first_sequence).into());
        }
        let RecordsShown { left_out, pruned, .. } = self.records;
        if left_out > 0 {
            said.push(say::left_out(left_out).into());
        }
        if pruned > 0 {
            said.push(say::pruned(pruned).into());
        }
        said.extend(self.notes.iter().map(|note| echoed(note)));
        said
    }
}

impl ComparisonShown {
    fn new(comparison: Comparison) -> Self {
        let Comparison { one, other, in_common, note, flaw } = comparison;
        Self {
            one: one.display().to_string(),
            other: other.display().to_string(),
            blocks_in_common: in_common,
            note,
            bad: flaw.map(FlawShown::new),
        }
    }

    fn text(&self) -> String {
        let mut text = format!("{}\n", say::in_common(&self.one, &self.other, self.blocks_in_common));
        let bad = self.bad.as_ref().map(|bad| String::from(say::bad(bad.text())));
        for said in [self.note.as_deref().map(echoed), bad].into_iter().flatten() {
            let _ = writeln!(text, "  {said}");
        }
        text
    }
}

impl FlawShown {
    fn new(flaw: Flaw) -> Self {
        let Flaw { block, kind, why } = flaw;
        Self { block, kind, why }
    }

    fn text(&self) -> String {
        match self.block {
            Some(sequence) => say::at_block(sequence, echoed(&self.why)).into(),
            None => echoed(&self.why),
        }
    }
}

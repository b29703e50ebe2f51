//! The outcome of a verification: for eyes what was proved, what was not, and what is bad; for machines the same in JSON.

use std::fmt::Write;

use serde::Serialize;

use crate::crypto::hex::to_hex;
use crate::domain::chain_report::{Flaw, Report};
use crate::domain::timestamp::Timestamp;

use super::verify::Comparison;

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
    pub(super) fn first_flaw(&self) -> String {
        let exports = self.exports.iter().filter_map(|one| one.bad.as_ref().map(|bad| (&one.name, bad)));
        let pairs = self.comparisons.iter().filter_map(|two| two.bad.as_ref().map(|bad| (&two.one, bad)));
        let first = exports.chain(pairs).next();
        first.map(|(name, bad)| format!("{name} is not proved: {}", bad.text())).unwrap_or_default()
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
        let mut text = format!("{}\n", self.name);
        let mut line = |what: &str, value: &str| {
            // Writing to a string does not fail.
            let _ = writeln!(text, "  {what:<13}{value}");
        };
        let [first_epoch, last_epoch] = self.epochs;
        if self.blocks > 0 {
            line("chain", &format!("{}, epochs {first_epoch} to {last_epoch}", self.chain));
            line(
                "blocks",
                &format!("{}, records {} to {}", self.blocks, self.first_sequence, self.next_sequence - 1),
            );
            line("closed", &format!("{} to {}", self.first_time, self.last_time));
            line("last hash", &self.hash);
            let RecordsShown { access, audit, gap, .. } = self.records;
            line("records here", &format!("{access} access, {audit} audit, {gap} gap"));
        }
        for (head, sentences) in [("PROVED", self.proved()), ("NOT PROVED", self.not_proved())] {
            if !sentences.is_empty() {
                let _ = write!(text, "{head}\n  {}\n", sentences.join("\n  "));
            }
        }
        if let Some(bad) = &self.bad {
            let _ = writeln!(text, "BAD\n  {}", bad.text());
        }
        text
    }

    fn proved(&self) -> Vec<String> {
        let mut said = Vec::new();
        if self.blocks > 0 {
            let until = if self.bad.is_some() { " (up to what is bad)" } else { "" };
            said.push(format!("each block follows the one before by sequence, hash, epoch and time{until}"));
            let RecordsShown { whole, proved, .. } = self.records;
            if whole > 0 {
                said.push(format!("{whole} records, in whole blocks, are those the headers were made over"));
            }
            if proved > 0 {
                said.push(format!("{proved} records are each proved to be part of their block"));
            }
        }
        if let (Some(signed_to), Some(signed_at)) = (self.signed_to, &self.signed_at)
            && signed_to > 0
        {
            let by = if self.key_was_named { "by a key you named" } else { "by the key that came with it" };
            said.push(format!(
                "{} checkpoints, signed {by}, fit; the last one, of {signed_at}, stands for everything up to record {}",
                self.checkpoints,
                signed_to - 1
            ));
        }
        if self.anchored {
            said.push("a checkpoint also names what came before the first block".into());
        }
        said
    }

    fn not_proved(&self) -> Vec<String> {
        let mut said = Vec::new();
        if self.unsigned > 0 && self.signed_to.is_some() {
            let from = self.next_sequence - self.unsigned;
            said.push(format!(
                "records from {from} on come after the last checkpoint and could still be changed"
            ));
        }
        if !self.key_was_named {
            for signer in &self.signers {
                said.push(format!(
                    "whose key signed: {signer} came with the export. Compare it with the fingerprint you noted from gembok \
                     audit key, or name the key with --checkpoint-key"
                ));
            }
        }
        if self.first_sequence > 0 && !self.anchored {
            said.push(format!("what came before record {}: it is not in this export", self.first_sequence));
        }
        let RecordsShown { left_out, pruned, .. } = self.records;
        if left_out > 0 {
            said.push(format!(
                "what {left_out} records say: they were left out; only their places are proved"
            ));
        }
        if pruned > 0 {
            said.push(format!("what {pruned} records said: they were pruned; only their places are proved"));
        }
        said.extend(self.notes.iter().cloned());
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
        let mut text =
            format!("{} and {}\n  {} blocks in common\n", self.one, self.other, self.blocks_in_common);
        let bad = self.bad.as_ref().map(|bad| format!("BAD: {}", bad.text()));
        for said in [self.note.clone(), bad].into_iter().flatten() {
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
            Some(sequence) => format!("the block at record {sequence}: {}", self.why),
            None => self.why.clone(),
        }
    }
}

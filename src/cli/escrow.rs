//! `gembok escrow check`: whether an escrow log is one, from its first entry to its last. It needs no daemon and no key.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use clap::Subcommand;

use crate::appliance::read_escrow;
use crate::store::Table;

use super::error::CliError;
use super::say_answer as say;
use super::say_trouble as trouble;

#[derive(Subcommand)]
pub(super) enum Escrow {
    /// Say whether a log is whole, and what is in it
    Check {
        /// The log, or a copy of it
        file: PathBuf,
    },
}

/// What there is to say of a log.
pub(super) fn check(path: &Path) -> Result<String, CliError> {
    let file = File::open(path).map_err(CliError::file(path))?;
    let mut by_table: BTreeMap<u16, u64> = BTreeMap::new();
    let read = read_escrow(file, |entry| {
        *by_table.entry(entry.table).or_default() += 1;
        Ok(())
    });
    let read = read.map_err(|stop| CliError::Foreign(stop.to_string()))?;
    let shown = || path.display();
    if let Some(why) = read.broken {
        return Err(CliError::Own(trouble::broken_escrow(shown(), read.entries, read.bytes, why)));
    }
    let mut take = |table: Table| by_table.remove(&table.number()).unwrap_or(0);
    let (boots, keks, versions, roots) =
        (take(Table::Boot), take(Table::Keks), take(Table::KeyVersions), take(Table::IndexRoots));
    let others: u64 = by_table.values().sum();
    let mut text =
        String::from(say::escrow_sound(shown(), read.entries, boots, keks, versions, roots, others));
    if read.cut_off > 0 {
        text.push('\n');
        text.push_str(say::escrow_cut(shown(), read.cut_off).as_ref());
    }
    Ok(text)
}

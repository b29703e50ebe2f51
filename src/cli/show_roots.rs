//! The index root of an object, as a table below it.

use crate::desk::answer::{IndexRootVersion, Listed};

use super::columns::{Table, all};
use super::heads;

/// Nothing where no field was ever indexed.
pub(super) fn roots(listed: &[Listed<IndexRootVersion>]) -> String {
    if listed.is_empty() {
        return String::new();
    }
    let mut table = Table::new([heads::INDEX_ROOT, heads::CREATED]);
    table.rows(all(listed), |IndexRootVersion { version, created }| [version.to_string(), created.clone()]);
    format!("\n{}", table.text())
}

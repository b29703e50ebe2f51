//! The tables of the store, their numbers, the limits of a row, and how a row is named to a person.
//!
//! All tables share one table of the database; a row lies at `table u16 | row key`, so tables lie one behind the other and
//! those outside the state digest are the last. Numbers are frozen: they are bound into every record.

use std::fmt;
use std::ops::RangeInclusive;

/// Longest row key, bytes. A key is never empty, save the boot row's.
pub const KEY_BYTES_MAX: usize = 255;
/// Longest plaintext of a row, bytes.
pub const VALUE_BYTES_MAX: usize = 1 << 20;
/// Longest run of leaves in one block, bytes.
pub const BLOCK_BYTES_MAX: usize = 16 << 20;
/// Most rows one scan returns, whatever limit it names.
pub const SCAN_ROWS_MAX: usize = 10_000;
/// Most changes in one batch.
pub const BATCH_CHANGES_MAX: usize = 100_000;

/// Which kind of noun a row holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u16)]
pub enum Table {
    /// One row with the empty key: the only clear one, see [`super::Boot`].
    Boot = 0,
    /// Users, by id.
    Users = 1,
    /// Projects, by id.
    Projects = 2,
    /// Objects, by id.
    Objects = 3,
    /// Key ids that were ever given out; never deleted from.
    KeyIds = 4,
    /// Key versions with their wrapped data keys.
    KeyVersions = 5,
    /// Wrapped KEKs of projects.
    Keks = 6,
    /// Endpoints, by id.
    Endpoints = 7,
    /// API keys, by digest.
    ApiKeys = 8,
    /// Grants.
    Grants = 9,
    /// Enrolled certificates, by SHA-256 of the SPKI.
    Certificates = 10,
    /// Names in use, by their HMAC under the name key.
    Names = 11,
    /// Revoked certificates.
    Revocations = 12,
    /// Counters: leases, CRL number, high-water marks.
    Counters = 13,
    /// Budgets of decrypted and of indexed fields and of those that did not open, by API key and by endpoint.
    Budgets = 14,
    /// Members of projects, by project and user.
    Members = 15,
    /// Passwords and second factors, by user.
    Credentials = 16,
    /// Sessions of users, by SHA-256 of the token.
    Sessions = 17,
    /// What waits, or has waited, for a second person, by id.
    Approvals = 18,
    /// Frozen subjects, by project and pseudonym.
    FrozenSubjects = 19,
    /// What is left of what was: last uses, and deleted endpoints.
    Traces = 20,
    /// Requests that made something under a key of their asker's, by user and key; for a day.
    Idempotency = 21,
    /// How often key versions were used, as far as the journal was folded.
    KeyUses = 22,
    /// Wrapped index roots, by key id and version.
    IndexRoots = 24,
    /// Block headers, by first sequence u64; outside the state digest, and kept for ever.
    Blocks = 100,
    /// Block bodies, by first sequence u64; outside the state digest, pruned by retention.
    BlockBodies = 101,
    /// Statistics folded from access records; outside the state digest.
    Statistics = 102,
    /// Signed heads of the chain, by next sequence u64; outside the state digest, and in no block.
    Checkpoints = 103,
}

impl Table {
    /// Every table, in order of number.
    pub const ALL: [Self; 28] = [
        Self::Boot,
        Self::Users,
        Self::Projects,
        Self::Objects,
        Self::KeyIds,
        Self::KeyVersions,
        Self::Keks,
        Self::Endpoints,
        Self::ApiKeys,
        Self::Grants,
        Self::Certificates,
        Self::Names,
        Self::Revocations,
        Self::Counters,
        Self::Budgets,
        Self::Members,
        Self::Credentials,
        Self::Sessions,
        Self::Approvals,
        Self::FrozenSubjects,
        Self::Traces,
        Self::Idempotency,
        Self::KeyUses,
        Self::IndexRoots,
        Self::Blocks,
        Self::BlockBodies,
        Self::Statistics,
        Self::Checkpoints,
    ];

    /// Its frozen number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// Whether its rows are part of the state digest.
    #[must_use]
    pub const fn in_state_digest(self) -> bool {
        in_state_digest(self.number())
    }

    /// The name people see in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Boot => "boot",
            Self::Users => "users",
            Self::Projects => "projects",
            Self::Objects => "objects",
            Self::KeyIds => "key-ids",
            Self::KeyVersions => "key-versions",
            Self::Keks => "keks",
            Self::Endpoints => "endpoints",
            Self::ApiKeys => "api-keys",
            Self::Grants => "grants",
            Self::Certificates => "certificates",
            Self::Names => "names",
            Self::Revocations => "revocations",
            Self::Counters => "counters",
            Self::Budgets => "budgets",
            Self::Members => "members",
            Self::Credentials => "credentials",
            Self::Sessions => "sessions",
            Self::Approvals => "approvals",
            Self::FrozenSubjects => "frozen-subjects",
            Self::Traces => "traces",
            Self::Idempotency => "idempotency",
            Self::KeyUses => "key-uses",
            Self::IndexRoots => "index-roots",
            Self::Blocks => "blocks",
            Self::BlockBodies => "block-bodies",
            Self::Statistics => "statistics",
            Self::Checkpoints => "checkpoints",
        }
    }

    /// Where row `key` of this table lies.
    pub(super) fn place(self, key: &[u8]) -> Vec<u8> {
        [&self.number().to_be_bytes(), key].concat()
    }
}

/// The name of one row, for messages: its table and the hex of its key, never its content.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowName {
    table: u16,
    key: Vec<u8>,
}

impl RowName {
    /// Names row `key` of `table`.
    #[must_use]
    pub fn new(table: Table, key: &[u8]) -> Self {
        Self { table: table.number(), key: key.to_vec() }
    }

    /// Names the row that lies at `place`, of whatever table it claims to be.
    pub(super) fn at(place: &[u8]) -> Self {
        let (table, key) = split(place);
        Self { table, key: key.to_vec() }
    }

    /// Its table; `None` when the store has no table of that number.
    #[must_use]
    pub fn table(&self) -> Option<Table> {
        Table::ALL.into_iter().find(|table| table.number() == self.table)
    }

    /// Its row key.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        &self.key
    }
}

impl fmt::Display for RowName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.table() {
            Some(Table::Boot) if self.key.is_empty() => return out.write_str("boot"),
            Some(table) => write!(out, "{}/", table.name())?,
            None => write!(out, "table-{}/", self.table)?,
        }
        // Only a forged row has a longer key, and it must not fill the log.
        for byte in self.key.iter().take(KEY_BYTES_MAX) {
            write!(out, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for RowName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// Takes `table u16 | row key` apart. A place shorter than a table number, which only a forged row has, counts as if
/// zeros followed.
pub(super) fn split(place: &[u8]) -> (u16, &[u8]) {
    match place {
        [high, low, key @ ..] => (u16::from_be_bytes([*high, *low]), key),
        [high] => (u16::from_be_bytes([*high, 0]), &[]),
        [] => (0, &[]),
    }
}

/// The tables outside the state digest lie one behind the other. A number no table has is inside, so that a forged row
/// shows.
pub(super) const OUTSIDE_DIGEST: RangeInclusive<u16> = Table::Blocks as u16..=Table::Checkpoints as u16;

/// Whether rows of a table number are part of the state digest.
pub(super) const fn in_state_digest(table: u16) -> bool {
    table < *OUTSIDE_DIGEST.start() || table > *OUTSIDE_DIGEST.end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_ascend_and_those_outside_the_digest_are_last() {
        assert!(Table::ALL.is_sorted_by(|a, b| a.number() < b.number()));
        assert!(Table::ALL.is_sorted_by(|a, b| a.in_state_digest() >= b.in_state_digest()));
    }

    #[test]
    fn a_row_is_named_by_table_and_hex() {
        assert_eq!(RowName::new(Table::Users, &[0, 0xAB]).to_string(), "users/00ab");
        assert_eq!(RowName::new(Table::Boot, b"").to_string(), "boot");
        assert_eq!(RowName::at(&[0, 50, 1]).to_string(), "table-50/01");
        assert_eq!(RowName::at(&Table::Keks.place(b"k")), RowName::new(Table::Keks, b"k"));
    }
}

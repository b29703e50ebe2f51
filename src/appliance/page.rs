//! Pages of lists. A page ends at a row, and the next begins behind it: what is made or ended meanwhile neither repeats
//! nor hides another. A cursor is that row's key in words, a UUID where the key is one, and nothing else can be read out of it.

use uuid::Uuid;

use crate::crypto::hex::{from_hex, to_hex};
use crate::domain::refusal::{Code, Refusal};
use crate::store::{KEY_BYTES_MAX, Row, Scan, Table};

use super::fault::Stop;
use super::listed::Listed;
use super::operational::Operational;

/// Entries of a page at most, and when nothing is said.
pub const LIST_ROWS_MAX: usize = 1_000;

/// Which page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageWanted {
    /// Row key of the last one already seen, without what all keys of the list begin with.
    after: Option<Vec<u8>>,
    limit: usize,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// In order; a damaged one by its row's name.
    pub items: Vec<Listed<T>>,
    /// What the next page begins behind; none at the end.
    pub next: Option<String>,
}

impl PageWanted {
    /// A page behind the cursor `after`, of at most `limit` entries and [`LIST_ROWS_MAX`].
    ///
    /// # Errors
    /// `bad-request` for what is no cursor, and for a limit of 0.
    pub fn new(after: Option<&str>, limit: Option<u32>) -> Result<Self, Refusal> {
        let wrong = |what| Refusal::new(Code::BadRequest).detail(what);
        if limit == Some(0) {
            return Err(wrong("A page has at least one entry."));
        }
        let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(LIST_ROWS_MAX);
        let after = after.map(|text| unworded(text).ok_or_else(|| wrong("after is an id, as next told it.")));
        Ok(Self { after: after.transpose()?, limit: limit.min(LIST_ROWS_MAX) })
    }

    /// The first page.
    #[must_use]
    pub const fn first() -> Self {
        Self { after: None, limit: LIST_ROWS_MAX }
    }

    /// The same page of a list that is at hand, in the order of `key`; what has none comes first.
    pub(super) fn of<T>(&self, mut all: Vec<Listed<T>>, key: impl Fn(&T) -> [u8; 16]) -> Page<T> {
        let key = |entry: &Listed<T>| match entry {
            Listed::Sound(sound) => key(sound).to_vec(),
            Listed::Damaged(_) => Vec::new(),
        };
        all.sort_by_key(&key);
        let mut items: Vec<_> = all
            .into_iter()
            .filter(|entry| self.after.as_ref().is_none_or(|after| key(entry) > *after))
            .collect();
        // Those without a key cannot be parted: they are on the first page, however many they are.
        let damaged = items.iter().take_while(|entry| matches!(entry, Listed::Damaged(_))).count();
        let is_cut = items.len() > self.limit.max(damaged + 1);
        items.truncate(self.limit.max(damaged + 1));
        let next = items.last().filter(|_| is_cut).map(|last| worded(&key(last)));
        Page { items, next }
    }
}

impl<T> Page<T> {
    /// The same of another noun.
    pub fn map<U>(self, noun: impl Fn(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(|entry| entry.map(&noun)).collect(), next: self.next }
    }
}

impl Operational {
    /// A page of the rows of a table whose key begins with `prefix`: of those that `view` takes.
    pub(super) fn page<T>(
        &self,
        table: Table,
        prefix: &[u8],
        wanted: &PageWanted,
        mut view: impl FnMut(&[u8], Listed<Row>) -> Result<Option<Listed<T>>, Stop>,
    ) -> Result<Page<T>, Stop> {
        let mut after = wanted.after.as_ref().map(|after| [prefix, after].concat());
        let mut items = Vec::new();
        let mut last = Vec::new();
        loop {
            // Most rows may be of others; and one more than asked for tells whether there is a next page.
            let limit = LIST_ROWS_MAX + 1;
            let rows = self.store.scan(table, Scan { prefix, after: after.as_deref(), limit })?;
            let is_end = rows.len() < limit;
            after = rows.last().map(|(row_key, _)| row_key.clone());
            for (row_key, row) in rows {
                let Some(entry) = view(&row_key, Listed::of(row)?)? else { continue };
                if items.len() == wanted.limit {
                    let next = last.get(prefix.len()..).map(worded);
                    return Ok(Page { items, next });
                }
                items.push(entry);
                last = row_key;
            }
            if is_end {
                return Ok(Page { items, next: None });
            }
        }
    }
}

fn worded(key: &[u8]) -> String {
    Uuid::from_slice(key).map_or_else(|_| to_hex(key), |id| id.to_string())
}

fn unworded(text: &str) -> Option<Vec<u8>> {
    if let Ok(id) = Uuid::parse_str(text) {
        return Some(id.as_bytes().to_vec());
    }
    let pairs = text.as_bytes().chunks(2);
    let is_whole = (1..=KEY_BYTES_MAX / 2).contains(&pairs.len());
    let pair = |pair| str::from_utf8(pair).ok().and_then(from_hex::<1>);
    is_whole.then(|| pairs.map(|two| pair(two).map(|[byte]| byte)).collect())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_back_and_nothing_else_is_one() {
        for key in [vec![7; 16], vec![1; 17], vec![0xab; 32]] {
            assert_eq!(unworded(&worded(&key)), Some(key));
        }
        assert_eq!(worded(&[0; 16]), "00000000-0000-0000-0000-000000000000");
        for wrong in ["", "a", "xy", "+1", "é", "00000000-0000", &"0".repeat(600)] {
            assert!(PageWanted::new(Some(wrong), None).is_err(), "{wrong}");
        }
        assert!(PageWanted::new(None, Some(0)).is_err());
        assert_eq!(PageWanted::new(None, Some(u32::MAX)), Ok(PageWanted::first()));
    }

    #[test]
    fn pages_of_what_is_at_hand_are_the_whole_in_order() {
        let all = || (0..7).rev().map(|id| Listed::Sound([id; 16])).collect::<Vec<_>>();
        let (mut seen, mut after) = (Vec::new(), None::<String>);
        loop {
            let page = PageWanted::new(after.as_deref(), Some(3)).unwrap().of(all(), |id| *id);
            seen.extend(page.items.into_iter().filter_map(Listed::sound).map(|id| id[0]));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen, [0, 1, 2, 3, 4, 5, 6]);
    }
}

//! One bit of the file rots, in any of its pages, and the process was killed while it committed, so that the next start
//! cannot rely on a clean end. That start finds everything, or names what is damaged, or refuses and says what to do; it
//! never panics, never shows another value, never misses a committed row without saying so.

use std::collections::BTreeMap;
use std::fs;

use gembok::store::{Batch, Scan, Store, StoreError, StoreFile, Table, Verdict};

use crate::crash::killed_while_committing;
use crate::support::{CACHE_BYTES, Rig, keys, noted};

pub(crate) const PAGE_BYTES: usize = 4_096;
/// Rows there before the process that is killed adds its own.
const ROWS: u32 = 600;
/// Commits after a start that found everything.
const COMMITS_AFTER: u64 = 3;

/// What a start over a rotten file came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    /// The bit lay in a page no longer in use.
    Harmless,
    /// Every row opens; written again in a new file once an operator accepts it.
    Rebuilt,
    /// Rows are named, or missing, and what is left serves once an operator accepts it.
    Accepted,
    /// A page of rows, or of blocks, cannot be read: nothing is taken from what is left.
    OnlyRead,
    NotUnlocked,
    NotOpened,
}

#[test]
fn a_bit_that_rots_in_any_page_of_a_killed_process_s_file_is_harmless_or_named() {
    let rig = filled();
    killed_while_committing(&rig, 40);
    let killed = fs::read(rig.path()).unwrap();
    let committed = committed(&rig);
    let mut ends: BTreeMap<End, usize> = BTreeMap::new();
    let in_use = killed.chunks(PAGE_BYTES).enumerate().filter(|(_, page)| page.iter().any(|byte| *byte != 0));
    for (number, page) in in_use {
        for at in places(number, page) {
            let mut bent = killed.clone();
            let at = number * PAGE_BYTES + at;
            bent[at] ^= 1 << (at / 7 % 8);
            fs::write(rig.path(), &bent).unwrap();
            let end = start(&rig, &bent, &committed, at);
            *ends.entry(end).or_default() += 1;
        }
    }
    println!("{ends:?}");
    let seen = |end| ends.contains_key(&end);
    assert!(
        seen(End::Harmless) && seen(End::Rebuilt) && seen(End::Accepted) && seen(End::NotOpened),
        "{ends:?}"
    );
}

/// A byte of the page's own head and one of its middle; of the first page, which is the database's head, many.
pub(crate) fn places(number: usize, page: &[u8]) -> Vec<usize> {
    let written: Vec<usize> = (0..page.len()).filter(|at| page[*at] != 0).collect();
    match number {
        0 => written,
        _ => vec![written[0], written[number * 31 % written.len()]],
    }
}

pub(crate) fn filled() -> Rig {
    let (rig, _file, store) = Rig::initialised();
    let batch = (0..ROWS).fold(noted(2), |batch: Batch, n| batch.put(Table::Objects, &key(n), vec![7; 300]));
    store.commit(batch).unwrap();
    rig
}

/// Spread as random ids are.
pub(crate) fn key(n: u32) -> Vec<u8> {
    n.wrapping_mul(0x9E37_79B1).to_be_bytes().to_vec()
}

type Place = (u16, Vec<u8>);
pub(crate) type Rows = BTreeMap<Place, Vec<u8>>;

/// Every row that the killed process had made durable.
pub(crate) fn committed(rig: &Rig) -> Rows {
    let (_file, store, unlocked) = rig.unlocked();
    assert_eq!(unlocked.verdict, Verdict::Intact);
    rows(&store).into_iter().map(|(place, row)| (place, row.unwrap())).collect()
}

pub(crate) fn rows(store: &Store) -> Vec<(Place, Result<Vec<u8>, StoreError>)> {
    let mut all = Vec::new();
    for table in [Table::Objects, Table::Users, Table::Counters] {
        match store.scan(table, Scan { prefix: b"", after: None, limit: 10_000 }) {
            Ok(found) => all.extend(
                found
                    .into_iter()
                    .map(|(key, row)| ((table.number(), key), row.map(|row| row.value.to_vec()))),
            ),
            Err(error) => all.push(((table.number(), vec![]), Err(error))),
        }
    }
    all
}

fn start(rig: &Rig, bent: &[u8], committed: &Rows, at: usize) -> End {
    let unchanged = || assert!(fs::read(rig.path()).unwrap() == bent, "{at}: the file was changed");
    let helps = |error: &StoreError| assert!(error.to_string().contains("backup"), "{at}: {error}");
    let opened = StoreFile::open(&rig.path(), CACHE_BYTES);
    let file = match opened {
        Ok(file) => file,
        Err(error) => {
            helps(&error);
            unchanged();
            return End::NotOpened;
        }
    };
    let unlocked = file.unlock(keys());
    let (store, unlocked) = match unlocked {
        Ok(unlocked) => unlocked,
        Err(error) => {
            helps(&error);
            drop(file);
            unchanged();
            return End::NotUnlocked;
        }
    };
    let found = readable(&store, committed, at);
    let is_whole = found == *committed;
    let verdict = unlocked.verdict;
    assert!(
        is_whole || !matches!(verdict, Verdict::Intact | Verdict::Rotten),
        "{at}: {verdict:?}, and rows are gone"
    );
    if verdict == Verdict::Intact {
        // Pages taken for free that were not would be written over now.
        for n in 0..COMMITS_AFTER {
            store.commit(noted(9).put(Table::Projects, &n.to_be_bytes(), vec![1; 3_000])).unwrap();
        }
        drop((store, file));
        goes_on(rig, &found, committed, at);
        return End::Harmless;
    }
    assert!(matches!(store.commit(noted(9)), Err(StoreError::Disputed)), "{at}");
    drop((store, file));
    unchanged();
    let (file, store, _) = rig.unlocked();
    if let Err(error) = store.accept_damage(noted(9)) {
        helps(&error);
        drop((store, file));
        unchanged();
        return End::OnlyRead;
    }
    drop((store, file));
    assert!(
        fs::read(rig.path().with_extension("redb-damaged")).unwrap() == bent,
        "{at}: the evidence is kept"
    );
    fs::remove_file(rig.path().with_extension("redb-damaged")).unwrap();
    goes_on(rig, &found, committed, at);
    if verdict == Verdict::Rotten { End::Rebuilt } else { End::Accepted }
}

/// Those that open; none has another value.
fn readable(store: &Store, committed: &Rows, at: usize) -> Rows {
    let found: Rows = rows(store).into_iter().filter_map(|(place, row)| Some((place, row.ok()?))).collect();
    for (place, value) in &found {
        assert_eq!(Some(value), committed.get(place), "{at}: another value");
    }
    found
}

/// The next start finds what was there, perhaps more of it, and writes.
fn goes_on(rig: &Rig, before: &Rows, committed: &Rows, at: usize) {
    let (_file, store, unlocked) = rig.unlocked();
    assert_eq!(unlocked.verdict, Verdict::Intact, "{at}");
    let found = readable(&store, committed, at);
    assert!(before.keys().all(|place| found.contains_key(place)), "{at}: rows were lost later");
    store.commit(noted(9).put(Table::Users, b"after", vec![])).unwrap();
}

//! The store as a crash left it: copied away before the next start can mend anything, opened with the library, followed
//! from where the last look ended.

use std::collections::HashMap;
use std::path::Path;

use gembok::crypto::block::Leaves;
use gembok::domain::access_record::{self, AccessRecord};
use gembok::domain::audit_record;
use gembok::domain::budget::{Budget, Spender};
use gembok::domain::cbor;
use gembok::domain::gap::{self, Gap};
use gembok::domain::id::ApiKeyId;
use gembok::domain::key_place::KeyPlace;
use gembok::domain::key_version::KeyVersion;
use gembok::domain::object::Object;
use gembok::domain::statistics::{Counters, Fold};
use gembok::store::{Scan, Store, StoreFile, Table, Verdict};
use minicbor::Decode;

use crate::support::recount::{UseCount, kept, read_access, rows_kept, uses_folded};
use crate::vault::Keys;

/// The row that says that the journal is open.
#[derive(Decode)]
#[cbor(map)]
struct Tenure {
    #[n(1)]
    fields_max: u64,
}

/// The chain so far, and everything folded from it.
pub(crate) struct Chain {
    keys: Keys,
    next: u64,
    previous: [u8; 32],
    time_us: u64,
    fold: Fold,
    /// Uses of key versions up to where the store has folded them, and the records behind.
    uses: UseCount,
    unfolded: Vec<(u64, AccessRecord)>,
    /// What gaps may have cost each key version.
    gaps: u64,
    /// At the last look the journal was open, and promised to leave no more fields than these unrecorded.
    open: Option<u64>,
}

/// What one look found.
#[derive(Default)]
pub(crate) struct Found {
    /// Fields of each request that was carried out, by API key, in the journal's order; since the last look.
    pub(crate) recorded: HashMap<ApiKeyId, Vec<u32>>,
    /// Uses reserved of the key versions of objects, by name.
    pub(crate) reserved: HashMap<String, u64>,
    /// Fields that the journal shows as sealed for objects, by name; and what gaps may have cost each of them.
    pub(crate) sealed: HashMap<String, u64>,
    pub(crate) gaps: u64,
    /// Every object that is there with its key versions.
    pub(crate) objects: Vec<String>,
    /// Access records since the last look.
    pub(crate) records: usize,
    /// What the journal says of the end that was looked at last.
    pub(crate) gap: Option<Gap>,
    /// The journal was open when the daemon ended.
    pub(crate) is_open: bool,
    /// Fields charged to decrypt budgets.
    pub(crate) spent: HashMap<Spender, u64>,
}

impl Chain {
    pub(crate) fn new(keys: Keys) -> Self {
        Self {
            keys,
            next: 0,
            previous: [0; 32],
            time_us: 0,
            fold: Fold::default(),
            uses: UseCount::default(),
            unfolded: Vec::new(),
            gaps: 0,
            open: None,
        }
    }

    /// Opens the copy at `path`: the rows are those the last block describes, the chain goes on from where it was and is
    /// whole, the statistics are a recount of it, no key version is missing.
    pub(crate) fn follow(&mut self, path: &Path) -> Found {
        let file = StoreFile::open(path, 8 << 20).unwrap();
        let (store, unlocked) = file.unlock(self.keys.of_store()).unwrap();
        assert_eq!(unlocked.verdict, Verdict::Intact);
        let mut found = Found::default();
        self.walk(&store, &mut found);
        self.recount(&store);
        look_at_keys(&store, &mut found);
        self.look_at_uses(&store, &mut found);
        for (key, value) in rows(&store, Table::Budgets) {
            let budget: Budget = cbor::decode(&value).unwrap();
            let fields = budget.hours.iter().map(|hour| hour.fields).sum();
            found.spent.insert(Spender::from_row_key(&key).unwrap(), fields);
        }
        self.open =
            rows(&store, Table::Counters).iter().find(|(key, _)| key == b"journal-open").map(|(_, row)| {
                let Tenure { fields_max } = minicbor::decode(row).unwrap();
                fields_max
            });
        found.is_open = self.open.is_some();
        // What the next start will add for this end.
        found.gaps = self.gaps + self.open.unwrap_or(0);
        found
    }

    fn walk(&mut self, store: &Store, found: &mut Found) {
        let head = store.head();
        let first = self.next;
        while self.next < head.next_sequence {
            for block in store.blocks(self.next, 1_000).unwrap() {
                let block = block.unwrap();
                let header = &block.header;
                let last_block = self.time_us;
                assert_eq!(header.chain, head.chain);
                assert_eq!((header.first_sequence, header.previous), (self.next, self.previous));
                assert!(header.time_us >= self.time_us, "the journal's time went back");
                (self.previous, self.time_us) = (header.hash(), header.time_us);
                self.next += u64::from(header.count);
                for (at, leaf) in (header.first_sequence..).zip(Leaves::new(&block.leaves.unwrap())) {
                    let leaf = leaf.unwrap();
                    let is_owed = at == first && self.open.is_some();
                    assert_eq!(
                        leaf.kind == gap::KIND,
                        is_owed,
                        "a gap is the first record after an unclean end"
                    );
                    match leaf.kind {
                        access_record::KIND => {
                            let record = read_access(leaf.body);
                            self.fold.count(&record);
                            self.unfolded.push((at, record.clone()));
                            found.records += 1;
                            if let (Some(api_key), None) = (record.api_key, record.outcome) {
                                let fields = record.groups.iter().map(|group| group.fields).sum();
                                found.recorded.entry(api_key).or_default().push(fields);
                            }
                        }
                        audit_record::KIND => {}
                        gap::KIND => {
                            let gap: Gap = cbor::decode(leaf.body).unwrap();
                            let told = (gap.last_block.micros(), Some(gap.fields_max));
                            assert_eq!(told, (last_block, self.open), "the end before was another one");
                            self.gaps += gap.fields_max;
                            found.gap = Some(gap);
                        }
                        other => panic!("a record of kind {other}"),
                    }
                }
            }
        }
        assert_eq!((self.next, self.previous), (head.next_sequence, head.hash), "the chain was cut");
    }

    /// The rows of uses are a recount up to where they say, and with the records behind it they are all uses there were.
    fn look_at_uses(&mut self, store: &Store, found: &mut Found) {
        let folded = uses_folded(store);
        assert!(folded <= self.next, "{folded} of {}", self.next);
        let (before, behind): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.unfolded).into_iter().partition(|(at, _)| *at < folded);
        for (_, record) in &before {
            self.uses.count(record);
        }
        self.uses.is_stored(store);
        let mut all = UseCount(self.uses.0.clone());
        for (_, record) in &behind {
            all.count(record);
        }
        self.unfolded = behind;
        for (_, value) in rows(store, Table::Objects) {
            let object: Object = cbor::decode(&value).unwrap();
            let of = all.0.iter().filter(|((id, _), _)| *id == object.id);
            found.sealed.insert(object.name.to_string(), of.map(|(_, uses)| uses.sealed).sum());
        }
    }

    fn recount(&self, store: &Store) {
        let stored: HashMap<Vec<u8>, Counters> = rows(store, Table::Statistics)
            .into_iter()
            .map(|(key, value)| (key, cbor::decode(&value).unwrap()))
            .collect();
        let recounted: HashMap<Vec<u8>, Counters> = rows_kept(&self.fold, &kept(store)).into_iter().collect();
        assert_eq!(stored, recounted, "the statistics are not a recount of the journal");
    }
}

fn look_at_keys(store: &Store, found: &mut Found) {
    let versions: HashMap<KeyPlace, KeyVersion> = rows(store, Table::KeyVersions)
        .into_iter()
        .map(|(_, value)| cbor::decode(&value).unwrap())
        .map(|version: KeyVersion| (version.place(), version))
        .collect();
    for (_, value) in rows(store, Table::Objects) {
        let object: Object = cbor::decode(&value).unwrap();
        let mut reserved = 0;
        for version in 1..=object.current_version {
            let version = &versions[&object.key_place(version)];
            assert!(version.life.wrapped().is_some());
            reserved += version.uses_reserved;
        }
        found.reserved.insert(object.name.to_string(), reserved);
        found.objects.push(object.name.to_string());
    }
}

fn rows(store: &Store, table: Table) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut rows = Vec::new();
    let mut after: Option<Vec<u8>> = None;
    loop {
        let page = store.scan(table, Scan { prefix: b"", after: after.as_deref(), limit: 1_000 }).unwrap();
        let Some((last, _)) = page.last() else { return rows };
        after = Some(last.clone());
        rows.extend(page.into_iter().map(|(key, row)| (key, row.unwrap().value.to_vec())));
    }
}

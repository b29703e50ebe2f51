//! The store as a crash left it: copied away before the next start can mend anything, opened with the library, followed
//! from where the last look ended.

use std::collections::HashMap;
use std::path::Path;

use gembok::crypto::block::Leaves;
use gembok::domain::access_record;
use gembok::domain::audit_record;
use gembok::domain::cbor;
use gembok::domain::gap;
use gembok::domain::id::ApiKeyId;
use gembok::domain::key_version::KeyVersion;
use gembok::domain::object::Object;
use gembok::domain::statistics::{Counters, Fold};
use gembok::store::{Scan, Store, StoreFile, Table, Verdict};

use crate::support::recount::read_access;
use crate::vault::Keys;

/// The chain so far, and everything folded from it.
pub(crate) struct Chain {
    keys: Keys,
    next: u64,
    previous: [u8; 32],
    time_us: u64,
    fold: Fold,
}

/// What one look found.
#[derive(Default)]
pub(crate) struct Found {
    /// Fields of each request that was carried out, by API key, in the journal's order; since the last look.
    pub(crate) recorded: HashMap<ApiKeyId, Vec<u32>>,
    /// Uses reserved of the key versions of objects, by name.
    pub(crate) reserved: HashMap<String, u64>,
    /// Every object that is there with its key versions.
    pub(crate) objects: Vec<String>,
    /// Access records since the last look.
    pub(crate) records: usize,
    /// Unclean ends the journal tells of since the last look.
    pub(crate) gaps: usize,
}

impl Chain {
    pub(crate) fn new(keys: Keys) -> Self {
        Self { keys, next: 0, previous: [0; 32], time_us: 0, fold: Fold::default() }
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
        found
    }

    fn walk(&mut self, store: &Store, found: &mut Found) {
        let head = store.head();
        while self.next < head.next_sequence {
            for block in store.blocks(self.next, 1_000).unwrap() {
                let block = block.unwrap();
                let header = &block.header;
                assert_eq!(header.chain, head.chain);
                assert_eq!((header.first_sequence, header.previous), (self.next, self.previous));
                assert!(header.time_us >= self.time_us, "the journal's time went back");
                (self.previous, self.time_us) = (header.hash(), header.time_us);
                self.next += u64::from(header.count);
                for leaf in Leaves::new(&block.leaves.unwrap()) {
                    let leaf = leaf.unwrap();
                    match leaf.kind {
                        access_record::KIND => {
                            let record = read_access(leaf.body);
                            self.fold.count(&record);
                            found.records += 1;
                            if let (Some(api_key), None) = (record.api_key, record.outcome) {
                                let fields = record.groups.iter().map(|group| group.fields).sum();
                                found.recorded.entry(api_key).or_default().push(fields);
                            }
                        }
                        audit_record::KIND => {}
                        gap::KIND => found.gaps += 1,
                        other => panic!("a record of kind {other}"),
                    }
                }
            }
        }
        assert_eq!((self.next, self.previous), (head.next_sequence, head.hash), "the chain was cut");
    }

    fn recount(&self, store: &Store) {
        let stored: HashMap<Vec<u8>, Counters> = rows(store, Table::Statistics)
            .into_iter()
            .map(|(key, value)| (key, cbor::decode(&value).unwrap()))
            .collect();
        let recounted: HashMap<Vec<u8>, Counters> =
            self.fold.rows().into_iter().map(|(key, counters)| (key.to_vec(), counters)).collect();
        assert_eq!(stored, recounted, "the statistics are not a recount of the journal");
    }
}

fn look_at_keys(store: &Store, found: &mut Found) {
    let versions: HashMap<(u32, u32), KeyVersion> = rows(store, Table::KeyVersions)
        .into_iter()
        .map(|(_, value)| cbor::decode(&value).unwrap())
        .map(|version: KeyVersion| ((version.key_id, version.version), version))
        .collect();
    for (_, value) in rows(store, Table::Objects) {
        let object: Object = cbor::decode(&value).unwrap();
        let mut reserved = 0;
        for version in 1..=object.current_version {
            let version = &versions[&(object.key_id, version)];
            assert!(!version.wrapped.is_empty());
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

//! A stopped sandbox with so many keys that wrapping all of them anew takes seconds; and a look at what came of it.

use std::collections::BTreeMap;

use gembok::crypto::algorithm::Algorithm;
use gembok::crypto::secret::SecretKey;
use gembok::crypto::wrapped_key::{Binding, WrappedKey, WrappingKey};
use gembok::domain::actor::Actor;
use gembok::domain::audit_record::{self, AuditRecord};
use gembok::domain::cbor;
use gembok::domain::id::ProjectId;
use gembok::domain::key_move::Because;
use gembok::domain::key_version::KeyVersion;
use gembok::domain::object::Object;
use gembok::domain::project::Kek;
use gembok::domain::timestamp::Timestamp;
use gembok::store::{Batch, Scan, Table};

use crate::support::daemon::Sandbox;
use crate::support::softhsm::SoftHsm;
use crate::vault::{Vault, with_master_key};

/// The first of the numbers that no rotation comes to.
const FIRST: u32 = 1 << 20;
const PAGE: u32 = 5_000;

/// What the KEK versions of a project are, and what names them.
pub(crate) struct Keks {
    /// Those with a wrapped key.
    pub(crate) live: Vec<u32>,
    /// Those that are gone.
    pub(crate) gone: Vec<u32>,
    /// Keys by the KEK version that they name; every one of them opens.
    pub(crate) keys: BTreeMap<u32, usize>,
}

/// Gives an object `keys` more key versions that open and never sealed, under the KEK version 1.
pub(crate) fn stuff(sandbox: &Sandbox, softhsm: &SoftHsm, object: &str, keys: u32) {
    let vault = Vault::open(sandbox, softhsm);
    let object = object_named(&vault, object);
    let kek = unwrapped(sandbox, &vault, object.project, 1).unwrap();
    for from in (FIRST..FIRST + keys).step_by(PAGE as usize) {
        let audit = AuditRecord::new(Timestamp::from_seconds(1), Actor::System, "test.stuff");
        let mut batch =
            Batch::new(1).record(audit_record::KIND, audit_record::VERSION, &cbor::encode(&audit));
        for version in from..(from + PAGE).min(FIRST + keys) {
            let binding = bound(&object, version, Algorithm::Xaes256Gcm, 1);
            let wrapped = kek.wrap(&SecretKey::generate().unwrap(), &binding).unwrap().to_bytes();
            let made = Because::system(Timestamp::from_seconds(1), "");
            let place = object.key_place(version);
            let row = KeyVersion::made(place, Algorithm::Xaes256Gcm, 1, wrapped, made.clone());
            let row = row.step_down(made).unwrap();
            batch = batch.put(Table::KeyVersions, &place.row_key(), cbor::encode(&row));
        }
        vault.store.commit(batch).unwrap();
    }
}

/// Looks at every key of the project that the object is of, and opens it.
pub(crate) fn keks(sandbox: &Sandbox, softhsm: &SoftHsm, object: &str) -> Keks {
    let vault = Vault::open(sandbox, softhsm);
    let project = object_named(&vault, object).project;
    let (mut live, mut gone) = (Vec::new(), Vec::new());
    for (row_key, row) in all(&vault, Table::Keks, project.as_bytes()) {
        let kek: Kek = cbor::decode(&row).unwrap();
        assert_eq!(kek.gone.is_some(), kek.wrapped.is_empty());
        let of = if kek.gone.is_some() { &mut gone } else { &mut live };
        of.push(u32::from_be_bytes(*row_key.last_chunk().unwrap()));
    }
    let open: BTreeMap<u32, WrappingKey> = live
        .iter()
        .map(|version| (*version, unwrapped(sandbox, &vault, project, *version).unwrap()))
        .collect();
    let mut keys = BTreeMap::new();
    for (_, row) in all(&vault, Table::Objects, &[]) {
        let object: Object = cbor::decode(&row).unwrap();
        if object.project != project {
            continue;
        }
        for (_, row) in all(&vault, Table::KeyVersions, &object.key_id.to_be_bytes()) {
            let row: KeyVersion = cbor::decode(&row).unwrap();
            let stored = row.life.wrapped().unwrap();
            let wrapped = WrappedKey::parse(&stored.key).unwrap();
            let binding = bound(&object, row.version, row.algorithm, stored.kek_version);
            assert!(open[&stored.kek_version].unwrap(&wrapped, &binding).is_ok(), "{row:?}");
            *keys.entry(stored.kek_version).or_default() += 1;
        }
    }
    Keks { live, gone, keys }
}

fn bound(object: &Object, version: u32, algorithm: Algorithm, kek: u32) -> Binding {
    let (project, id) = (*object.project.as_bytes(), *object.id.as_bytes());
    Binding::data_key(algorithm, project, id, object.key_id, version, kek)
}

fn object_named(vault: &Vault, name: &str) -> Object {
    let objects = all(vault, Table::Objects, &[]);
    let mut objects = objects.iter().map(|(_, row)| cbor::decode::<Object>(row).unwrap());
    objects.find(|object| object.name.as_str() == name).unwrap()
}

fn unwrapped(sandbox: &Sandbox, vault: &Vault, project: ProjectId, version: u32) -> Option<WrappingKey> {
    let row_key = [project.as_bytes(), &version.to_be_bytes()[..]].concat();
    let kek: Kek = cbor::decode(&vault.store.get(Table::Keks, &row_key).unwrap()?.value).unwrap();
    let wrapped = WrappedKey::parse(&kek.wrapped).unwrap();
    let binding = Binding::kek(*project.as_bytes(), version, kek.master_key);
    let boot = vault.store.boot().unwrap();
    let key = with_master_key(&sandbox.path("pin"), &boot, |mk| mk.unwrap(&wrapped, &binding).unwrap());
    Some(WrappingKey::new(version, &key))
}

fn all(vault: &Vault, table: Table, prefix: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut rows = Vec::new();
    let mut after: Option<Vec<u8>> = None;
    loop {
        let page = vault.store.scan(table, Scan { prefix, after: after.as_deref(), limit: 10_000 }).unwrap();
        let Some((last, _)) = page.last() else { return rows };
        after = Some(last.clone());
        rows.extend(page.into_iter().map(|(key, row)| (key, row.unwrap().value.to_vec())));
    }
}

//! Fills the store of a sandbox with objects, each with its first key version and a grant to encrypt.
//!
//! The daemon makes an object with one commit, as an operator would; a million of them would take an
//! hour. This writes the same rows in large batches with the appliance's own store, keys and words,
//! while the daemon is stopped. It is for sandboxes: it unlocks with the PIN file of the
//! configuration and asks nobody.

use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use clap::Parser;
use gembok::config::{Config, PinSource, TokenName};
use gembok::crypto::algorithm::Algorithm;
use gembok::crypto::random;
use gembok::crypto::secret::SecretKey;
use gembok::crypto::wrapped_key::{Binding, WrappedKey, WrappingKey};
use gembok::domain::actor::Actor;
use gembok::domain::audit_record::{self, AuditRecord};
use gembok::domain::cbor;
use gembok::domain::endpoint::Endpoint;
use gembok::domain::grant::Grant;
use gembok::domain::id::ObjectId;
use gembok::domain::key_move::Because;
use gembok::domain::key_place::KeyPlace;
use gembok::domain::key_version::KeyVersion;
use gembok::domain::name::Name;
use gembok::domain::object::Object;
use gembok::domain::operation::Operation;
use gembok::domain::project::{Kek, Project};
use gembok::domain::timestamp::Timestamp;
use gembok::hsm::{MasterKey, Pin, PinBackoff, Token, TokenChoice, TokenConfig};
use gembok::store::{Batch, Boot, Scan, Store, StoreFile, StoreKeys, Table};

/// Objects of one commit; each has five rows.
const OBJECTS_PER_COMMIT: u32 = 10_000;
/// Records of a block that 256 waiting connections make.
const RECORDS_PER_COMMIT: u32 = 256;
/// Bytes of the store kept in memory while it grows.
const CACHE_BYTES: usize = 512 << 20;

type Fallible<T> = Result<T, Box<dyn Error>>;

/// Fill a sandbox's store. Its daemon must be stopped.
#[derive(Parser)]
struct Arguments {
    /// The sandbox's configuration.
    #[arg(long)]
    config: PathBuf,
    /// Objects to make; `--objects 3` makes o0000000 to o0000002.
    #[arg(long, default_value_t = 0)]
    objects: u32,
    /// Instead, commit so many blocks of 256 records and print the median time of one, in microseconds.
    #[arg(long)]
    commits: Option<u32>,
}

fn main() -> Fallible<()> {
    let arguments = Arguments::parse();
    let config = Config::load(&arguments.config)?;
    let file = StoreFile::open(&config.state.directory.join("gembok.redb"), CACHE_BYTES)?;
    let boot = file.boot()?.ok_or("the store is empty; make the sandbox first")?;
    if !boot.sandbox {
        return Err("this store is not a sandbox's".into());
    }
    let token = open_token(&config)?;
    let master_keys = boot.master_keys.iter().map(|key| token.master_key(key.generation));
    let master_keys: Vec<MasterKey> = master_keys.collect::<Result<_, _>>()?;
    let (store, _) = file.unlock(store_keys(&master_keys, &boot)?)?;
    if let Some(commits) = arguments.commits {
        println!("{:.1}", commit_us(&store, commits)?);
        token.close()?;
        return Ok(());
    }
    let filling = Filling::of(&store, &master_keys)?;
    let began = Instant::now();
    for first in (0..arguments.objects).step_by(OBJECTS_PER_COMMIT as usize) {
        filling.commit(first..arguments.objects.min(first + OBJECTS_PER_COMMIT))?;
    }
    println!("{} objects in {:.1} s", arguments.objects, began.elapsed().as_secs_f64());
    token.close()?;
    Ok(())
}

/// The median time of a commit with a full block, as the strict journal makes them under load.
fn commit_us(store: &Store, commits: u32) -> Fallible<f64> {
    let now = wall();
    let audit = AuditRecord::new(now, Actor::System, "bench.commit").with("filler", "x".repeat(128));
    let audit = cbor::encode(&audit);
    let mut times = Vec::new();
    for _ in 0..commits {
        let records = (0..RECORDS_PER_COMMIT).fold(Batch::new(now.micros()), |batch, _| {
            batch.record(audit_record::KIND, audit_record::VERSION, &audit)
        });
        let began = Instant::now();
        store.commit(records)?;
        times.push(began.elapsed());
    }
    times.sort();
    Ok(times.get(times.len() / 2).ok_or("no commit was asked for")?.as_secs_f64() * 1e6)
}

#[expect(clippy::disallowed_methods, reason = "the edge of this program, where its time is read")]
fn wall() -> Timestamp {
    Timestamp::from_system(SystemTime::now())
}

fn open_token(config: &Config) -> Fallible<Token> {
    let Some(PinSource::File(pin)) = &config.token.pin else {
        return Err("the configuration names no PIN file".into());
    };
    let token = TokenConfig {
        module: config.token.module.clone(),
        choice: match &config.token.name {
            TokenName::Label(label) => TokenChoice::Label(label.clone()),
            TokenName::Serial(serial) => TokenChoice::Serial(serial.clone()),
        },
        worker_sessions: 1,
        deadline: Duration::from_secs(10),
    };
    Ok(Token::open(&token, Pin::from_bytes(&std::fs::read(pin)?)?, &mut PinBackoff::new(), Instant::now())?)
}

fn store_keys(master_keys: &[MasterKey], boot: &Boot) -> Fallible<StoreKeys> {
    let mut generations = Vec::new();
    for entry in &boot.store_keys {
        let wrapped = WrappedKey::parse(&entry.wrapped)?;
        let master_key = by_generation(master_keys, wrapped.wrapping_version())?;
        let binding = Binding::store_key(entry.generation, master_key.generation());
        generations.push((entry.generation, master_key.unwrap(&wrapped, &binding)?));
    }
    let current = boot.current_store_key;
    let (_, store_key) =
        generations.iter().find(|(generation, _)| *generation == current).ok_or("no current store key")?;
    let wrapped = WrappedKey::parse(&boot.name_key)?;
    let name_key = WrappingKey::new(current, store_key).unwrap(&wrapped, &Binding::name_key(current))?;
    Ok(StoreKeys::new(&generations, current, &name_key)?)
}

fn by_generation(master_keys: &[MasterKey], generation: u32) -> Fallible<&MasterKey> {
    let found = master_keys.iter().find(|key| key.generation() == generation);
    Ok(found.ok_or("a wrapped key names an MK generation that is not there")?)
}

/// Where the objects go: the sandbox's one project, under its KEK, for its one endpoint.
struct Filling<'a> {
    store: &'a Store,
    project: Project,
    endpoint: Endpoint,
    kek: WrappingKey,
    now: Timestamp,
}

impl<'a> Filling<'a> {
    fn of(store: &'a Store, master_keys: &[MasterKey]) -> Fallible<Self> {
        let project: Project = cbor::decode(&only(store, Table::Projects)?)?;
        let endpoint: Endpoint = cbor::decode(&only(store, Table::Endpoints)?)?;
        let kek: Kek = cbor::decode(&only(store, Table::Keks)?)?;
        let wrapped = WrappedKey::parse(&kek.wrapped)?;
        let binding = Binding::kek(*project.id.as_bytes(), project.kek_version, kek.master_key);
        let key = by_generation(master_keys, kek.master_key)?.unwrap(&wrapped, &binding)?;
        let kek = WrappingKey::new(project.kek_version, &key);
        Ok(Self { store, project, endpoint, kek, now: wall() })
    }

    fn commit(&self, objects: std::ops::Range<u32>) -> Fallible<()> {
        let audit =
            AuditRecord::new(self.now, Actor::System, "bench.populate").with("objects", objects.len());
        let mut batch = Batch::new(self.now.micros());
        for number in objects {
            batch = self.add(batch, number)?;
        }
        let batch = batch.record(audit_record::KIND, audit_record::VERSION, &cbor::encode(&audit));
        self.store.commit(batch)?;
        Ok(())
    }

    fn add(&self, batch: Batch, number: u32) -> Fallible<Batch> {
        let name: Name = format!("o{number:07}").parse()?;
        let (id, project) = (ObjectId::from_random(random::bytes()?), self.project.id);
        // Spread as random ones are, but no two alike: of a million random ids a hundred would be.
        let key_id = (number + 1).wrapping_mul(0x9E37_79B1);
        let algorithm = Algorithm::Xaes256Gcm;
        let kek_version = self.project.kek_version;
        let (project_id, object_id) = (*project.as_bytes(), *id.as_bytes());
        let binding = Binding::data_key(algorithm, project_id, object_id, key_id, 1, kek_version);
        let wrapped = self.kek.wrap(&SecretKey::generate()?, &binding)?.to_bytes();
        let because = Because::of(Actor::Local(0), self.now, None);
        let version = KeyVersion::made(KeyPlace::new(key_id, 1), algorithm, kek_version, wrapped, because);
        let name_key = self.store.name_key(Table::Objects, &project_id, name.as_str());
        let object = Object {
            id,
            project,
            name,
            key_id,
            current_version: 1,
            required_context: vec![],
            version_floor: None,
            schema: None,
            is_unused: None,
            description: None,
            retired: None,
            rotate_after_days: None,
            created: self.now,
        };
        let grant = Grant::row_key(self.endpoint.id, id, Operation::Encrypt);
        Ok(batch
            .expect_absent(Table::KeyIds, &key_id.to_be_bytes())
            .expect_absent(Table::Names, &name_key)
            .put(Table::Names, &name_key, object_id.to_vec())
            .put(Table::KeyIds, &key_id.to_be_bytes(), object_id.to_vec())
            .put(Table::Objects, &object_id, cbor::encode(&object))
            .put(Table::KeyVersions, &version.place().row_key(), cbor::encode(&version))
            .put(Table::Grants, &grant, cbor::encode(&Grant { created: self.now })))
    }
}

/// The value of a table's one row.
fn only(store: &Store, table: Table) -> Fallible<Vec<u8>> {
    let rows = store.scan(table, Scan { prefix: &[], after: None, limit: 2 })?;
    match <[_; 1]>::try_from(rows) {
        Ok([(_, row)]) => Ok(row?.value.to_vec()),
        Err(_) => Err(format!("{table:?} has not one row, as a new sandbox's has").into()),
    }
}

//! Projects, objects and their first key version: what there is to protect.

use crate::crypto::algorithm::Algorithm;
use crate::crypto::envelope;
use crate::crypto::kcv::Kcv;
use crate::crypto::random;
use crate::crypto::secret::SecretKey;
use crate::crypto::wrapped_key::Binding;
use crate::domain::actor::Actor;
use crate::domain::audit_record::AuditRecord;
use crate::domain::cbor;
use crate::domain::description::Description;
use crate::domain::id::{ObjectId, ProjectId};
use crate::domain::key_life::KeyState;
use crate::domain::key_move::Because;
use crate::domain::key_version::KeyVersion;
use crate::domain::member::Member;
use crate::domain::name::Name;
use crate::domain::object::Object;
use crate::domain::project::Project;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::schema::Schema;
use crate::domain::timestamp::{Now, Timestamp};
use crate::store::{Batch, Table};

use super::ahead::NewKek;
use super::approvals::user_of;
use super::fault::{Fault, Stop};
use super::key_shown::KeyMarks;
use super::keyring::kek_row_key;
use super::listed::Listed;
use super::operational::Operational;
use super::page::{Page, PageWanted};
use super::rewrap::Rewrapping;
use super::roots::RootVersionView;
use super::schema::{check_required, checked, declared, identify};
use super::uses_shown::UsesShown;

/// Draws of a key id before something must be wrong with the randomness.
const KEY_ID_DRAWS_MAX: usize = 16;
/// A project in a list.
pub struct ProjectView {
    /// Its id.
    pub id: ProjectId,
    /// Its name.
    pub name: Name,
    /// When it was made.
    pub created: Timestamp,
    /// What people say it is for.
    pub description: Option<Description>,
    /// Since when it is retired, if it is.
    pub retired: Option<Timestamp>,
    /// The version of its KEK that wraps.
    pub kek_version: u32,
    /// How far its keys are with that version, while older ones are left.
    pub rewrapping: Option<Rewrapping>,
}

/// What is asked for when an object is made.
pub struct NewObject {
    /// Its name, new in the project.
    pub name: Name,
    /// Of its first key version; the appliance's default when none is named.
    pub algorithm: Option<Algorithm>,
    /// Context names every seal must bind.
    pub required_context: Vec<String>,
    /// What it declares of its data.
    pub schema: Schema,
}

/// An object with its key versions.
pub struct ObjectView {
    /// The object.
    pub object: Object,
    /// Oldest first.
    pub versions: Vec<Listed<KeyVersionView>>,
    /// Of its index root, oldest first; none where no field was ever indexed.
    pub index_roots: Vec<Listed<RootVersionView>>,
}

/// A key version without its key.
pub struct KeyVersionView {
    /// From 1.
    pub version: u32,
    /// Of its envelopes.
    pub algorithm: Algorithm,
    /// What it may do.
    pub state: KeyState,
    /// Seals reserved by leases.
    pub uses_reserved: u64,
    /// Whether it seals and has been used half as often as it may be.
    pub is_worn: bool,
    /// Characters a database column needs for 16 bytes of plaintext.
    pub width_16: usize,
    /// When it was made.
    pub created: Timestamp,
    /// From when on it encrypts nothing.
    pub encrypt_until: Option<Timestamp>,
    /// From when on it decrypts nothing.
    pub decrypt_until: Option<Timestamp>,
    /// When its scheduled destruction falls due.
    pub destroy_at: Option<Timestamp>,
    /// How often it was used.
    pub uses: UsesShown,
    /// What its state alone does not tell.
    pub marks: KeyMarks,
}

impl Operational {
    /// Makes a project with its first KEK. A user who makes one is its member.
    ///
    /// # Errors
    /// `already-exists`, `token-away`.
    pub fn create_project(&self, actor: Actor, name: Name, now: Now) -> Result<ProjectView, Stop> {
        let ahead = self.wrap_ahead(actor, &name, now)?;
        self.create_project_with(actor, name, ahead, now)
    }

    /// The same with a KEK that was made ahead.
    ///
    /// # Errors
    /// As of [`Operational::create_project`].
    pub fn create_project_with(
        &self,
        actor: Actor,
        name: Name,
        ahead: NewKek,
        now: Now,
    ) -> Result<ProjectView, Stop> {
        let NewKek { id, kek } = ahead;
        let project = Project {
            id,
            name,
            created: now.time,
            kek_version: 1,
            kek_version_floor: None,
            description: None,
            retired: None,
            maker: user_of(actor),
        };
        self.change(now, |batch| {
            self.check_new_project(project.maker, &project.name)?;
            let batch = self.name(batch, Table::Projects, &[0; 16], &project.name, id.as_bytes());
            let batch = batch.put(Table::Projects, id.as_bytes(), cbor::encode(&project)).put(
                Table::Keks,
                &kek_row_key(id, 1),
                cbor::encode(&kek),
            );
            let batch = self.wait_for_escrow(batch, Table::Keks, &kek_row_key(id, 1));
            let audit = AuditRecord::new(now.time, actor, "project.create")
                .with("id", id)
                .with("name", &project.name);
            let Actor::User(maker) = actor else { return Ok((batch, audit, ())) };
            let member = cbor::encode(&Member { created: now.time });
            let batch = batch.put(Table::Members, &Member::row_key(id, maker), member);
            Ok((batch, audit.with("member", maker), ()))
        })?;
        Ok(self.seen(project))
    }

    /// Makes an object with its first key version, which seals at once.
    ///
    /// # Errors
    /// `not-found` for the project, `project-retired`, `already-exists`, `bad-context` for the required names, `bad-request` for
    /// the schema, `token-away`, `too-many-things`.
    pub fn create_object(
        &self,
        actor: Actor,
        project: &str,
        new: NewObject,
        now: Now,
    ) -> Result<ObjectView, Stop> {
        let project = self.live_project(project)?;
        let required_context = check_required(new.required_context)?;
        let mut schema = checked(new.schema)?;
        identify(&mut schema, None)?;
        let id = ObjectId::from_random(random::bytes()?);
        let kek = self.load_kek(&project, now)?;
        let algorithm = new.algorithm.unwrap_or(self.policies().default_algorithm);
        let (object, version) = self.change(now, |batch| {
            let wraps = self.wrapping_now(project, kek, now)?;
            let project = &wraps.project;
            let key_id = self.draw_key_id()?;
            let object = Object {
                id,
                project: project.id,
                name: new.name,
                key_id,
                current_version: 1,
                required_context,
                created: now.time,
                version_floor: None,
                schema,
                is_unused: Some(true),
                description: None,
                retired: None,
                rotate_after_days: None,
            };
            let ids = (*project.id.as_bytes(), *id.as_bytes());
            let binding = Binding::data_key(algorithm, ids.0, ids.1, key_id, 1, project.kek_version);
            let wrapped = wraps.key().wrap(&SecretKey::generate()?, &binding)?.to_bytes();
            let (place, because) = (object.key_place(1), Because::of(actor, now.time, None));
            let version = KeyVersion::made(place, algorithm, project.kek_version, wrapped, because);
            let version = if self.keeps_escrow() { version.await_copy() } else { version };
            let batch = self.name(batch, Table::Objects, project.id.as_bytes(), &object.name, id.as_bytes());
            let batch = batch
                .expect_absent(Table::KeyIds, &key_id.to_be_bytes())
                .put(Table::KeyIds, &key_id.to_be_bytes(), id.as_bytes().to_vec())
                .put(Table::Objects, id.as_bytes(), cbor::encode(&object))
                .put(Table::KeyVersions, &place.row_key(), cbor::encode(&version));
            let batch = self.wait_for_escrow(batch, Table::KeyVersions, &place.row_key());
            let batch = self.count_object(batch, project.id)?;
            let batch = self.with_first_root(batch, &object, Some(&wraps), now)?;
            let audit = AuditRecord::new(now.time, actor, "object.create")
                .with("id", id)
                .with("name", &object.name)
                .with("project", project.id)
                .with("key-id", format!("{key_id:08x}"))
                .with("algorithm", algorithm.name())
                .with("required-context", format!("{:?}", object.required_context));
            let audit = declared(audit, &object);
            Ok((batch, audit, (object, version)))
        })?;
        if !self.keeps_escrow() {
            return self.view(object, vec![Listed::Sound(version)]);
        }
        self.escrow_at_once(now);
        self.object_view(object.id)
    }

    /// An object as it is stored now, with its key versions.
    pub(super) fn object_view(&self, id: ObjectId) -> Result<ObjectView, Stop> {
        let missing = || not_found("object", &id.to_string());
        let object: Object = self.read(Table::Objects, id.as_bytes())?.ok_or_else(missing)?;
        let versions = self.key_versions(&object)?;
        self.view(object, versions)
    }

    /// Projects by id; a damaged one by its row's name.
    ///
    /// # Errors
    /// The store's.
    pub fn projects(&self, wanted: &PageWanted) -> Result<Page<ProjectView>, Stop> {
        self.page(Table::Projects, &[], wanted, |_, row| {
            Ok(Some(row.decode()?.map(|project| self.seen(project))))
        })
    }

    pub(super) fn project_view(&self, id: ProjectId) -> Result<Option<ProjectView>, Stop> {
        let project: Option<Project> = self.read(Table::Projects, id.as_bytes())?;
        Ok(project.map(|project| self.seen(project)))
    }

    /// The project of a name.
    ///
    /// # Errors
    /// `not-found`.
    pub fn project(&self, name: &str) -> Result<ProjectView, Stop> {
        self.project_named(name).map(|project| self.seen(project))
    }

    /// Objects of a project by id, without their versions; and those whose row is damaged, of whichever project they are.
    ///
    /// # Errors
    /// `not-found` for the project.
    pub fn objects(&self, project: &str, wanted: &PageWanted) -> Result<Page<Object>, Stop> {
        let project = self.project_named(project)?;
        self.page(Table::Objects, &[], wanted, |_, row| {
            let object = row.decode::<Object>()?;
            let is_of_another = matches!(&object, Listed::Sound(object) if object.project != project.id);
            Ok((!is_of_another).then_some(object))
        })
    }

    /// An object with its key versions.
    ///
    /// # Errors
    /// `not-found`.
    pub fn object(&self, project: &str, name: &str) -> Result<ObjectView, Stop> {
        let project = self.project_named(project)?;
        let object = self.object_named(project.id, name)?.ok_or_else(|| not_found("object", name))?;
        let versions = self.key_versions(&object)?;
        self.view(object, versions)
    }

    pub(super) fn view(&self, object: Object, versions: Vec<Listed<KeyVersion>>) -> Result<ObjectView, Stop> {
        let index_roots = self.root_versions(&object)?;
        let index_roots = index_roots.into_iter().map(|root| root.map(RootVersionView::from)).collect();
        let versions = versions.into_iter().map(|version| match version {
            Listed::Sound(version) => Ok(Listed::Sound(self.version_view(object.id, &version)?)),
            Listed::Damaged(row) => Ok(Listed::Damaged(row)),
        });
        let versions = versions.collect::<Result<_, Stop>>()?;
        Ok(ObjectView { object, versions, index_roots })
    }

    /// A key version of an object, with how often it was used.
    pub(super) fn version_view(
        &self,
        object: ObjectId,
        version: &KeyVersion,
    ) -> Result<KeyVersionView, Stop> {
        Ok(KeyVersionView::of(version, self.key_uses(object, version)?, self.now()))
    }

    /// The KCV of the current MK generation, as the token computes it.
    ///
    /// # Errors
    /// `token-away`.
    pub fn master_key_kcv(&self) -> Result<Kcv, Stop> {
        let master_key = self.master_keys.last().ok_or_else(|| Fault::new("no MK generation is open"))?;
        Ok(master_key.kcv()?)
    }

    pub(super) fn seen(&self, project: Project) -> ProjectView {
        let Project { id, name, created, description, retired, kek_version, .. } = project;
        let rewrapping = self.rewrapping_of(id);
        ProjectView { id, name, created, description, retired, kek_version, rewrapping }
    }

    pub(super) fn project_named(&self, name: &str) -> Result<Project, Stop> {
        let name_key = self.store.name_key(Table::Projects, &[0; 16], name);
        let id = self.store.get(Table::Names, &name_key)?.ok_or_else(|| not_found("project", name))?;
        self.read(Table::Projects, &id.value)?.ok_or_else(|| not_found("project", name))
    }

    /// The project of a name, unless it is retired: nothing new is made in one that is.
    pub(super) fn live_project(&self, name: &str) -> Result<Project, Stop> {
        let project = self.project_named(name)?;
        if project.retired.is_some() { Err(Code::ProjectRetired.into()) } else { Ok(project) }
    }

    /// Reserves a name below a parent and lets it lead to `id`.
    pub(super) fn name(
        &self,
        batch: Batch,
        table: Table,
        parent: &[u8; 16],
        name: &Name,
        id: &[u8; 16],
    ) -> Batch {
        let name_key = self.store.name_key(table, parent, name.as_str());
        batch.expect_absent(Table::Names, &name_key).put(Table::Names, &name_key, id.to_vec())
    }

    /// A key id nobody has or had. Never 0.
    fn draw_key_id(&self) -> Result<u32, Stop> {
        for _ in 0..KEY_ID_DRAWS_MAX {
            let id = u32::from_be_bytes(random::bytes()?);
            if id != 0 && self.store.get(Table::KeyIds, &id.to_be_bytes())?.is_none() {
                return Ok(id);
            }
        }
        Err(Fault::new("no free key id was found in 16 draws; the randomness cannot be right").into())
    }
}

/// Row key of the wraps of an MK generation in the counters.
pub(super) fn token_wraps_key(generation: u32) -> Vec<u8> {
    [b"token-wraps".as_slice(), &generation.to_be_bytes()].concat()
}

pub(super) fn not_found(noun: &str, name: &str) -> Stop {
    // The name is the caller's own word from the command line or URL, never data.
    Refusal::new(Code::NotFound).detail(format!("There is no {noun} {name:?}.")).into()
}

impl KeyVersionView {
    fn of(version: &KeyVersion, uses: UsesShown, now: Now) -> Self {
        Self {
            version: version.version,
            algorithm: version.algorithm,
            state: version.life.state(),
            uses_reserved: version.uses_reserved,
            is_worn: version.is_worn(uses.uses),
            width_16: envelope::text_len(version.algorithm, 16),
            created: version.created,
            encrypt_until: version.encrypt_until,
            decrypt_until: version.decrypt_until,
            uses,
            marks: KeyMarks::of(version, now.time),
            destroy_at: version.life.doom().map(|doom| doom.at),
        }
    }
}

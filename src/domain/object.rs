//! An object (`objek`): a class of protected data in a project, with a key of its own.

use minicbor::{Decode, Encode};

use super::description::Description;
use super::id::{ObjectId, ProjectId};
use super::key_place::KeyPlace;
use super::name::Name;
use super::schema::Schema;
use super::timestamp::Timestamp;

/// An object as it is stored under its id. It never moves to another project.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Object {
    /// Never changes.
    #[n(0)]
    pub id: ObjectId,
    /// Its tenant.
    #[n(1)]
    pub project: ProjectId,
    /// Unique in its project.
    #[n(2)]
    pub name: Name,
    /// Random, not 0, unique in the appliance for ever.
    #[n(3)]
    pub key_id: u32,
    /// The key version that seals.
    #[n(4)]
    pub current_version: u32,
    /// Context names a seal must bind, sorted.
    #[n(5)]
    pub required_context: Vec<String>,
    /// When it was made.
    #[n(6)]
    pub created: Timestamp,
    /// The next key version has at least this number: a new epoch leaves room for those that are lost.
    #[n(7)]
    pub version_floor: Option<u32>,
    /// What it declares of its data.
    #[n(8)]
    pub schema: Option<Schema>,
    /// There from its making until an endpoint is first let encrypt on it. Without it there may be ciphertexts, which names
    /// that must be bound are part of.
    #[n(9)]
    pub is_unused: Option<bool>,
    /// What people say it is for.
    #[n(10)]
    pub description: Option<Description>,
    /// Since when nothing new is encrypted for it, if so; what there is opens.
    #[n(11)]
    pub retired: Option<Timestamp>,
    /// How many days old its key may become, where that is not the policy's; 0 any age.
    #[n(12)]
    pub rotate_after_days: Option<u32>,
}

impl Object {
    /// A version of its key, or of its index root.
    #[must_use]
    pub const fn key_place(&self, version: u32) -> KeyPlace {
        KeyPlace::new(self.key_id, version)
    }

    /// The key version that seals.
    #[must_use]
    pub const fn current_place(&self) -> KeyPlace {
        self.key_place(self.current_version)
    }

    /// The number of its next key version.
    #[must_use]
    pub fn next_version(&self) -> u32 {
        self.current_version.saturating_add(1).max(self.version_floor.unwrap_or(0))
    }

    /// Whether any field of it is indexed.
    #[must_use]
    pub fn is_indexed(&self) -> bool {
        self.schema.as_ref().is_some_and(Schema::has_index)
    }

    /// The context name that says whose data it is.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.schema.as_ref()?.subject.as_deref()
    }
}

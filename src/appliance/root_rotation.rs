//! Rotation of an index root, in two steps with the application's work between them: from the first on every answer carries the
//! values under both versions, so that rows are found whether they were indexed anew already or not; the second takes the older
//! version out, and what was made under it finds nothing any more.

use crate::domain::actor::Actor;
use crate::domain::audit_record::AuditRecord;
use crate::domain::object::Object;
use crate::domain::project::Project;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::root_version::RootVersion;
use crate::domain::timestamp::Now;
use crate::store::Table;

use super::catalog::{ObjectView, not_found};
use super::epoch::VERSIONS_JUMP;
use super::fault::Stop;
use super::listed::Listed;
use super::operational::Operational;
use super::roots::{new_root, put_new};

impl Operational {
    /// Makes the next version of an object's index root. Index values carry both until the rotation is finished.
    ///
    /// # Errors
    /// `not-found`; `index-rotation-state` where no field is indexed, or the rotation before is not finished; `token-away`.
    pub fn rotate_index_root(
        &self,
        actor: Actor,
        project: &str,
        name: &str,
        now: Now,
    ) -> Result<ObjectView, Stop> {
        let project = self.project_named(project)?;
        let kek = self.load_kek(&project, now)?;
        self.change_root(&project, name, now, |object, roots| {
            let next = match roots {
                [] => return Err(state("No field of the object is indexed, so there is no index root to rotate.")),
                [Listed::Sound(root)] => root.next(),
                // Which versions came after it, nobody knows.
                [Listed::Damaged(row)] => number(row.key()).saturating_add(1 + VERSIONS_JUMP),
                _ => {
                    return Err(state(
                        "The index root is being rotated already: when every row is indexed anew, gembok index finish-rotation \
                         ends that.",
                    ));
                }
            };
            let wraps = self.wrapping_now(project.clone(), kek, now)?;
            let root = new_root(object, next, &wraps, now)?;
            let audit = audit(now, actor, "index.rotate-root", object).with("version", next);
            Ok((audit, Change::Made(root)))
        })
    }

    /// Takes the older version of an object's index root out: what was made under it is found no more.
    ///
    /// # Errors
    /// `not-found`; `index-rotation-state` where none is being rotated.
    pub fn finish_index_rotation(
        &self,
        actor: Actor,
        project: &str,
        name: &str,
        now: Now,
    ) -> Result<ObjectView, Stop> {
        let project = self.project_named(project)?;
        let mut ended = None;
        let view = self.change_root(&project, name, now, |object, roots| {
            let [older, Listed::Sound(newest)] = roots else {
                return Err(state(
                    "The index root is not being rotated; gembok index rotate-root begins that.",
                ));
            };
            let older = match older {
                Listed::Sound(root) => root.version,
                Listed::Damaged(row) => number(row.key()),
            };
            ended = Some(object.key_place(older));
            let audit = audit(now, actor, "index.finish-rotation", object)
                .with("version", newest.version)
                .with("ended", older);
            Ok((audit, Change::Ended(older)))
        })?;
        if let Some(place) = ended {
            self.keyring.forget_root(place);
        }
        Ok(view)
    }

    fn change_root(
        &self,
        project: &Project,
        name: &str,
        now: Now,
        change: impl FnOnce(&Object, &[Listed<RootVersion>]) -> Result<(AuditRecord, Change), Stop>,
    ) -> Result<ObjectView, Stop> {
        let object = self.change(now, |batch| {
            let object = self.object_named(project.id, name)?.ok_or_else(|| not_found("object", name))?;
            let (audit, change) = change(&object, &self.root_versions(&object)?)?;
            let batch = match change {
                Change::Made(root) => {
                    let row_key = root.place().row_key();
                    self.wait_for_escrow(put_new(batch, &root), Table::IndexRoots, &row_key)
                }
                Change::Ended(version) => {
                    let row_key = object.key_place(version).row_key();
                    self.owe_file(batch.delete(Table::IndexRoots, &row_key), now)?
                }
            };
            Ok((batch, audit, object))
        })?;
        let versions = self.key_versions(&object)?;
        self.view(object, versions)
    }
}

enum Change {
    Made(RootVersion),
    Ended(u32),
}

fn audit(now: Now, actor: Actor, act: &'static str, object: &Object) -> AuditRecord {
    AuditRecord::new(now.time, actor, act)
        .with("object", object.id)
        .with("key-id", format!("{:08x}", object.key_id))
}

fn state(detail: &'static str) -> Stop {
    Refusal::new(Code::IndexRotationState).detail(detail).into()
}

/// The version in a row key: what is left of a damaged row.
fn number(row_key: &[u8]) -> u32 {
    row_key.last_chunk().map_or(0, |version| u32::from_be_bytes(*version))
}

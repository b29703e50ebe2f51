//! Frozen subjects: whose data is not decrypted until the freeze is ended. The rows are the truth; in memory there is a set of
//! them, which a decrypt looks into once for each item whose object has a subject.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::crypto::pseudonym::Pseudonym;
use crate::domain::audit_record::AuditRecord;
use crate::domain::cbor;
use crate::domain::frozen::FrozenSubject;
use crate::domain::id::ProjectId;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::timestamp::{Now, Timestamp};
use crate::store::{Scan, Store, StoreError, Table};

use super::access::Leave;
use super::fault::Stop;
use super::operational::Operational;
use super::page::{LIST_ROWS_MAX, Page, PageWanted};

/// Subjects frozen at once, in all projects.
const FROZEN_MAX: usize = 100_000;

/// A subject of a project.
type Frozen = (ProjectId, Pseudonym);

/// Who is frozen.
#[derive(Default)]
pub(super) struct FrozenSubjects {
    now: ArcSwap<HashSet<Frozen>>,
    /// Counts the freezes of each project, so that an answer on its way out knows whether there was one meanwhile.
    freezes: Mutex<HashMap<ProjectId, u64>>,
    changing: Mutex<()>,
}

/// Looks, when an answer is to go out, whether anybody of its project was frozen since it was begun.
pub struct FreezeWatch {
    frozen: Arc<FrozenSubjects>,
    project: ProjectId,
    began: u64,
}

/// A frozen subject in a list.
pub struct FrozenView {
    /// Who.
    pub subject: Pseudonym,
    /// Since when.
    pub since: Timestamp,
}

impl FreezeWatch {
    /// Whether what was opened may still go out.
    ///
    /// # Errors
    /// `conflict` when a subject was frozen meanwhile, whoever that is: asked again, the request is told.
    pub fn check(&self) -> Result<(), Refusal> {
        if self.frozen.freezes(self.project) == self.began {
            return Ok(());
        }
        Err(Refusal::new(Code::Conflict).detail("A subject was frozen while this was opened."))
    }
}

impl FrozenSubjects {
    /// All of the store. A damaged row counts: its key says who it is.
    pub(super) fn load(store: &Store) -> Result<Self, StoreError> {
        let mut frozen = HashSet::new();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let range = Scan { prefix: &[], after: after.as_deref(), limit: LIST_ROWS_MAX };
            let page = store.scan(Table::FrozenSubjects, range)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            frozen.extend(page.iter().filter_map(|(key, _)| FrozenSubject::from_row_key(key)));
        }
        Ok(Self { now: ArcSwap::from_pointee(frozen), ..Self::default() })
    }

    /// A watch that began before anybody was looked for.
    pub(super) fn watch(self: &Arc<Self>, project: ProjectId) -> FreezeWatch {
        FreezeWatch { frozen: Arc::clone(self), project, began: self.freezes(project) }
    }

    fn freezes(&self, project: ProjectId) -> u64 {
        self.freezes.lock().get(&project).copied().unwrap_or(0)
    }

    /// Whether nothing of `subject` may be decrypted.
    ///
    /// # Errors
    /// `subject-frozen`.
    pub(super) fn check(&self, project: ProjectId, subject: Pseudonym) -> Result<(), Code> {
        if self.now.load().contains(&(project, subject)) { Err(Code::SubjectFrozen) } else { Ok(()) }
    }

    fn change(&self, change: impl FnOnce(&mut HashSet<Frozen>)) {
        let mut frozen = HashSet::clone(&self.now.load());
        change(&mut frozen);
        self.now.store(Arc::new(frozen));
    }
}

impl Operational {
    /// The pseudonym of a subject of a project, by its value.
    ///
    /// # Errors
    /// `not-found` for the project; `bad-request` for an empty value.
    pub fn pseudonym(&self, project: &str, value: &str) -> Result<Pseudonym, Stop> {
        let project = self.project_named(project)?.id;
        if value.is_empty() {
            return Err(Refusal::new(Code::BadRequest).detail("The subject's value is empty.").into());
        }
        Ok(self.subject_key.pseudonym(project.as_bytes(), value))
    }

    /// Lets nothing of a subject be decrypted, from the return on: an answer that was under way and did not get out before is
    /// dropped. One that is frozen already leaves no record.
    ///
    /// # Errors
    /// `not-found` for the project; `bad-request` when too many are frozen.
    pub fn freeze_subject(
        &self,
        leave: Leave,
        project: &str,
        subject: Pseudonym,
        now: Now,
    ) -> Result<(), Stop> {
        let project = self.project_named(project)?.id;
        let row_key = FrozenSubject::row_key(project, subject);
        // In the order of whoever keeps all changes out.
        let turn = self.changing.lock();
        let one_at_a_time = self.frozen.changing.lock();
        self.change_if_any(now, |batch| {
            if self.look_up::<FrozenSubject>(Table::FrozenSubjects, &row_key)?.is_some() {
                return Ok(None);
            }
            if self.frozen.now.load().len() >= FROZEN_MAX {
                return Err(Refusal::new(Code::BadRequest)
                    .detail(format!("{FROZEN_MAX} subjects are frozen already, as many as may be."))
                    .into());
            }
            let row = cbor::encode(&FrozenSubject { since: now.time });
            let audit = freeze_audit(&leave, "subject.freeze", project, subject, now);
            Ok(Some((batch.put(Table::FrozenSubjects, &row_key, row), audit)))
        })?;
        // Also where the row was there already: a write that was said to have failed may have landed. But only who is new there
        // holds up answers.
        let mut is_new = false;
        self.frozen.change(|frozen| is_new = frozen.insert((project, subject)));
        if is_new {
            *self.frozen.freezes.lock().entry(project).or_insert(0) += 1;
        }
        // It is felt before the token is asked for anything.
        drop((one_at_a_time, turn));
        if is_new {
            self.witness_withdrawal(now);
        }
        Ok(())
    }

    /// Ends a freeze, a damaged one too. One that is not there leaves no record.
    ///
    /// # Errors
    /// `not-found` for the project.
    pub fn unfreeze_subject(
        &self,
        leave: Leave,
        project: &str,
        subject: Pseudonym,
        now: Now,
    ) -> Result<(), Stop> {
        let project = self.project_named(project)?.id;
        let row_key = FrozenSubject::row_key(project, subject);
        let _turn = self.changing.lock();
        let _one_at_a_time = self.frozen.changing.lock();
        self.change_if_any(now, |batch| {
            if self.look_up::<FrozenSubject>(Table::FrozenSubjects, &row_key)?.is_none() {
                return Ok(None);
            }
            let audit = freeze_audit(&leave, "subject.unfreeze", project, subject, now);
            Ok(Some((batch.delete(Table::FrozenSubjects, &row_key), audit)))
        })?;
        self.frozen.change(|frozen| {
            frozen.remove(&(project, subject));
        });
        Ok(())
    }

    /// A page of the frozen subjects of a project; a damaged row by its name.
    ///
    /// # Errors
    /// `not-found` for the project.
    pub fn frozen_subjects(&self, project: &str, wanted: &PageWanted) -> Result<Page<FrozenView>, Stop> {
        let project = self.project_named(project)?.id;
        self.page(Table::FrozenSubjects, project.as_bytes(), wanted, |row_key, row| {
            let Some((_, subject)) = FrozenSubject::from_row_key(row_key) else { return Ok(None) };
            let row = row.decode::<FrozenSubject>()?;
            Ok(Some(row.map(|FrozenSubject { since }| FrozenView { subject, since })))
        })
    }
}

fn freeze_audit(
    leave: &Leave,
    act: &'static str,
    project: ProjectId,
    subject: Pseudonym,
    now: Now,
) -> AuditRecord {
    AuditRecord::new(now.time, leave.actor(), act).with("project", project).with("subject", subject)
}

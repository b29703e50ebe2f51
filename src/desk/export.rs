//! An export as it is asked for, whichever door carries its pages away: who may have it, which part of the journal, and one
//! page after the other.

use crate::appliance::{Appliance, Export, ExportWanted, Exported, Leave, Selection, Stop, Target};
use crate::domain::access::Act;
use crate::domain::access_record;
use crate::domain::audit_record;
use crate::domain::timestamp::Now;

use super::asker::Asker;
use super::perform::bad;
use super::request::ExportOf;

/// A page, and what stands behind it.
pub struct Page {
    /// Bytes of the export.
    pub bytes: Vec<u8>,
    /// What comes next.
    pub next: Next,
}

/// What comes after a page.
pub enum Next {
    /// Another.
    Page(Box<Export>),
    /// Nothing: that was the export.
    End(Exported),
}

impl Page {
    /// The next of an export that has not ended. Between two pages nothing of the unlocked appliance is held. Blocks.
    ///
    /// # Errors
    /// `wrong-state` when a lock came; a fault where the disk gives nothing.
    pub fn of(mut export: Box<Export>, appliance: &Appliance) -> Result<Self, Stop> {
        let appliance = appliance.unlocked()?;
        let bytes = appliance.export_page(&mut export)?.unwrap_or_default();
        let next = if export.is_ended() {
            Next::End(appliance.conclude_export(*export))
        } else {
            Next::Page(export)
        };
        Ok(Self { bytes, next })
    }
}

impl ExportOf {
    /// Begins the export, if the access policies allow it to whoever asks; that they do not leaves a record. Blocks.
    ///
    /// # Errors
    /// `forbidden`; `bad-request` and `not-found` where there is no such part.
    pub fn begin(self, appliance: &Appliance, asker: &Asker, now: Now) -> Result<Box<Export>, Stop> {
        let acts = [(Act::AuditExport, Target::Appliance)];
        let leave = asker.leave(appliance, &acts, now);
        let begun = leave.and_then(|leave| self.begin_with(leave, appliance, now));
        if let Err(Stop::Refused(refusal)) = &begun {
            asker.record_refused(appliance, &acts, refusal.code, now);
        }
        begun
    }

    fn begin_with(self, _: Leave, appliance: &Appliance, now: Now) -> Result<Box<Export>, Stop> {
        let appliance = appliance.unlocked()?;
        let Self { from, to, kind, project, endpoint } = self;
        let of = match (project, endpoint) {
            (Some(project), Some(endpoint)) => Some((project, endpoint)),
            (None, None) => None,
            _ => return Err(no("Name a project and its endpoint, or neither.")),
        };
        let selection = match (kind.as_deref(), of) {
            (None, None) => Selection::Everything,
            (Some("access"), None) => Selection::Kind(access_record::KIND),
            (Some("audit"), None) => Selection::Kind(audit_record::KIND),
            (None, Some((project, endpoint))) => {
                Selection::Endpoint(appliance.endpoint_id(&project, &endpoint)?)
            }
            (Some(_), None) => return Err(no("A kind is access or audit.")),
            (Some(_), Some(_)) => {
                return Err(no("Name a kind or an endpoint, not both: an endpoint has access records only."));
            }
        };
        Ok(Box::new(appliance.begin_export(ExportWanted { from, to, selection }, now)?))
    }
}

fn no(why: &str) -> Stop {
    bad(why.into()).into()
}

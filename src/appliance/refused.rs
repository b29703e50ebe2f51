//! Acts on the control plane that were refused, as audit records of their own: who tried what on what, and why not. A flood of
//! them becomes few, counted whole, as on the data plane ([`super::repeats`]).

use std::net::IpAddr;
use std::time::Instant;

use crate::domain::audit_record::{self, AuditRecord};
use crate::domain::cbor;
use crate::domain::refusal::Code;
use crate::domain::timestamp::{Now, Timestamp};
use crate::store::Batch;

use super::operational::Operational;
use super::repeats::Repeating;
use super::{Appliance, State};

/// The act of such a record.
pub const REFUSED_ACT: &str = "refused";
/// Characters of what was named that are kept: whoever is refused could name anything.
const ON_CHARS_MAX: usize = 160;

/// An act that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedAct {
    /// Who, as records say it; who could not be told is `nobody`.
    pub actor: String,
    /// What.
    pub act: String,
    /// On what, in the asker's words: there may be no such thing.
    pub on: Option<String>,
    /// From where, over the control plane.
    pub address: Option<IpAddr>,
    /// Why not.
    pub code: Code,
}

/// The same with when, and how many it stands for.
pub(super) struct RefusedActs {
    time: Timestamp,
    last: RefusedAct,
    /// Others alike.
    more: u64,
}

impl Repeating for RefusedActs {
    /// Actor, act and code: as many as there are accounts, acts and codes.
    type Like = (String, String, Code);
    type Sum = ();

    fn like(&self) -> Option<Self::Like> {
        let RefusedAct { actor, act, code, .. } = &self.last;
        Some((actor.clone(), act.clone(), *code))
    }

    fn after(self, earlier: Option<Self>, (): &mut ()) -> Self {
        let more = earlier.map_or(self.more, |earlier| self.more + earlier.more + 1);
        Self { more, ..self }
    }
}

impl RefusedActs {
    fn into_audit(self) -> AuditRecord {
        let Self { time, last: RefusedAct { actor, act, on, address, code }, more } = self;
        let audit = AuditRecord { actor, ..AuditRecord::of_nobody(time, REFUSED_ACT) };
        let audit = audit.with("act", act).with("code", code.as_str());
        let audit = match on {
            Some(on) => audit.with("on", on.chars().take(ON_CHARS_MAX).collect::<String>()),
            None => audit,
        };
        let audit = match address {
            Some(address) => audit.with("address", address),
            None => audit,
        };
        if more > 0 { audit.with("more", more) } else { audit }
    }
}

impl Appliance {
    /// Leaves the record of a refused act, where there is a journal to leave it in. What was refused for its form, its number
    /// or the state we are in says nothing of who asked, and is not recorded. Blocks.
    pub fn record_refused(&self, refused: RefusedAct, now: Now) {
        if let State::Operational(operational) = &*self.state() {
            operational.record_refused(refused, now);
        }
    }
}

impl Operational {
    /// The same of an unlocked appliance.
    pub fn record_refused(&self, refused: RefusedAct, now: Now) {
        if !refused.code.is_of_conduct() {
            return;
        }
        let refused = RefusedActs { time: now.time, last: refused, more: 0 };
        if let Some(refused) = self.refused_acts.fold(refused, now.instant) {
            self.keep_refused(refused);
        }
    }

    /// Leaves the records of repeated refusals that have waited long enough.
    pub(super) fn record_refused_due(&self, now: Instant) {
        self.refused_acts.due(now).into_iter().for_each(|refused| self.keep_refused(refused));
    }

    /// Leaves every one that waits for others.
    pub(super) fn record_refused_all(&self) {
        self.refused_acts.all().into_iter().for_each(|refused| self.keep_refused(refused));
    }

    /// A block of its own. The asker is refused whatever becomes of it; what cannot be kept is in the log.
    fn keep_refused(&self, refused: RefusedActs) {
        let audit = refused.into_audit();
        let batch = Batch::new(audit.time.micros());
        let committed = self.recorder().check_room().map_err(|refusal| refusal.to_string()).and_then(|()| {
            let record = cbor::encode(&audit);
            let batch = batch.record(audit_record::KIND, audit_record::VERSION, &record);
            self.store.commit(batch).map_err(|error| error.to_string())
        });
        if let Err(why) = committed {
            let (actor, act) = (&audit.actor, audit.details.value("act").unwrap_or_default());
            tracing::error!(actor, act, why, "a refused act could not be recorded");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::appliance::repeats::Repeats;

    fn refused(actor: &str, code: Code, on: &str) -> RefusedActs {
        let last = RefusedAct {
            actor: actor.into(),
            act: "user.delete".into(),
            on: Some(on.into()),
            address: None,
            code,
        };
        RefusedActs { time: Timestamp::from_seconds(1), last, more: 0 }
    }

    #[test]
    fn a_flood_is_one_record_a_second_and_none_goes_uncounted() {
        let (repeats, start) = (Repeats::<RefusedActs>::default(), Instant::now());
        let mut kept = Vec::new();
        for at in 0..5_000 {
            let flood = refused("local:0", Code::NotFound, &format!("user:{at}"));
            kept.extend(repeats.fold(flood, start + Duration::from_millis(at)));
        }
        kept.extend(repeats.due(start + Duration::from_secs(9)));
        let records: Vec<AuditRecord> = kept.into_iter().map(RefusedActs::into_audit).collect();
        assert_eq!(records.len(), 6);
        let counted =
            |record: &AuditRecord| 1 + record.details.value("more").map_or(0, |more| more.parse().unwrap());
        assert_eq!(records.iter().map(counted).sum::<u64>(), 5_000);
        let last = records.last().unwrap();
        assert_eq!((last.details.value("on"), last.act.as_str()), (Some("user:4999"), "refused"));
        // Others are others.
        assert!(
            repeats.fold(refused("local:1", Code::NotFound, "x"), start + Duration::from_secs(9)).is_some()
        );
        assert!(
            repeats.fold(refused("local:0", Code::LastAdmin, "x"), start + Duration::from_secs(9)).is_some()
        );
    }

    #[test]
    fn what_was_named_is_cut() {
        let audit = refused("local:0", Code::NotFound, &"é".repeat(1_000)).into_audit();
        assert_eq!(audit.details.value("on").unwrap().chars().count(), ON_CHARS_MAX);
    }
}

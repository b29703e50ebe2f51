//! What the appliance shows, in the words of an answer.

use crate::appliance::{self, Stop};
use crate::crypto::checkpoint::CheckpointKey;
use crate::crypto::hex::to_hex;
use crate::domain::refusal::Refusal;
use crate::domain::timestamp::Timestamp;

use super::answer::{self, Answer, Refused};

pub(super) fn all<T, U: From<T>>(views: Vec<T>) -> Vec<U> {
    views.into_iter().map(U::from).collect()
}

impl<T, U: From<T>> From<appliance::Listed<T>> for answer::Listed<U> {
    fn from(listed: appliance::Listed<T>) -> Self {
        match listed {
            appliance::Listed::Sound(view) => Self::Sound(view.into()),
            appliance::Listed::Damaged(row) => Self::Damaged(answer::Damaged { damaged: row.to_string() }),
        }
    }
}

impl<T, U: From<T>> From<appliance::Page<T>> for answer::Page<U> {
    fn from(page: appliance::Page<T>) -> Self {
        Self { items: all(page.items), next: page.next }
    }
}

/// The operator is told a fault in full; so is the log.
impl From<Stop> for Answer {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Refused(refusal) => refusal.into(),
            Stop::Fault(fault) => {
                tracing::error!(%fault, "a verb over the local socket met a fault");
                Self::Fault(fault.to_string())
            }
        }
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Refused {
            code: refusal.code.as_str().into(),
            detail: refusal.detail.as_deref().unwrap_or(refusal.code.title()).into(),
            hint: refusal.code.hint().into(),
        })
    }
}

impl From<appliance::Provisioned> for answer::Initialised {
    fn from(made: appliance::Provisioned) -> Self {
        let appliance::Provisioned { id, token_serial, kcv, admin } = made;
        Self { id: id.to_string(), token_serial, kcv, admin: admin.into() }
    }
}

impl From<appliance::Issued> for answer::Issued {
    fn from(issued: appliance::Issued) -> Self {
        let appliance::Issued { certificate_pem, ca_pem, spki, not_after } = issued;
        Self { certificate_pem, ca_pem, spki, not_after: not_after.to_string() }
    }
}

impl From<appliance::CertificateView> for answer::Certificate {
    fn from(view: appliance::CertificateView) -> Self {
        let appliance::CertificateView {
            spki,
            identity,
            not_after,
            revoked,
            renewed_from,
            generation,
            is_by_password,
        } = view;
        let (not_after, revoked) = (not_after.to_string(), told(revoked));
        Self { spki, identity, not_after, revoked, renewed_from, generation, by_password: is_by_password }
    }
}

impl From<appliance::CaView> for answer::Ca {
    fn from(view: appliance::CaView) -> Self {
        let retiring = view.retiring.map(|old| answer::RetiringCa {
            generation: old.generation,
            since: old.since.to_string(),
            until: old.until.to_string(),
            certificates: old.certificates,
        });
        Self { generation: view.generation, retiring, keys_left: view.keys_left }
    }
}

impl From<appliance::Withdrawn> for answer::CertificatesRevoked {
    fn from(withdrawn: appliance::Withdrawn) -> Self {
        let appliance::Withdrawn { revoked, left, renewed_from } = withdrawn;
        Self { revoked, left, renewed_from }
    }
}

impl From<appliance::ProjectView> for answer::Project {
    fn from(view: appliance::ProjectView) -> Self {
        Self {
            id: view.id.to_string(),
            name: view.name.to_string(),
            created: view.created.to_string(),
            description: view.description.as_ref().map(ToString::to_string),
            retired: told(view.retired),
            kek_version: view.kek_version,
            rewrapping: view.rewrapping.map(answer::RewrappedKeys::from),
        }
    }
}

impl From<appliance::ObjectView> for answer::Object {
    fn from(view: appliance::ObjectView) -> Self {
        let appliance::ObjectView { object, versions, index_roots } = view;
        Self { object: object.into(), versions: all(versions), index_roots: all(index_roots) }
    }
}

impl From<appliance::UsesShown> for answer::KeyUses {
    fn from(shown: appliance::UsesShown) -> Self {
        Self {
            uses: shown.uses,
            uses_max: shown.uses_max,
            last_sealed: shown.last_sealed.map(|time| time.to_string()),
            opened: shown.opened,
            last_opened: shown.last_opened.map(|time| time.to_string()),
            opened_since: shown.opened_since,
        }
    }
}

impl From<appliance::RootVersionView> for answer::IndexRootVersion {
    fn from(view: appliance::RootVersionView) -> Self {
        Self { version: view.version, created: view.created.to_string() }
    }
}

impl From<appliance::EndpointView> for answer::Endpoint {
    fn from(view: appliance::EndpointView) -> Self {
        Self {
            id: view.id.to_string(),
            name: view.name.to_string(),
            created: view.created.to_string(),
            revoked: told(view.revoked),
            disabled: told(view.disabled),
            description: view.description.as_ref().map(ToString::to_string),
            retired: told(view.retired),
        }
    }
}

impl From<appliance::GrantView> for answer::Grant {
    fn from(view: appliance::GrantView) -> Self {
        Self { object: view.object_name.to_string(), operation: view.operation.to_string() }
    }
}

impl From<appliance::BudgetView> for answer::Budget {
    fn from(view: appliance::BudgetView) -> Self {
        Self {
            of: view.spender.to_string(),
            name: view.name,
            operation: view.spender.counted().operation().to_string(),
            fields_per_day: view.standing.fields_per_day,
            used: view.standing.used,
            own_fields_per_day: view.own_fields_per_day,
            raised_until: told(view.raised_until),
        }
    }
}

impl From<appliance::AuditPage> for answer::AuditPage {
    fn from(page: appliance::AuditPage) -> Self {
        let entries = page.entries.into_iter().map(|entry| answer::AuditEntry {
            sequence: entry.sequence,
            kind: if entry.is_access { "access" } else { "audit" }.into(),
            time: entry.record.time.to_string(),
            actor: entry.record.actor,
            act: entry.record.act,
            details: entry.record.details.into_pairs().collect(),
        });
        let damaged = page.damaged.iter().map(ToString::to_string).collect();
        Self { entries: entries.collect(), next: page.next, pruned_to: page.pruned_to, damaged }
    }
}

impl From<appliance::Exported> for answer::ExportEnded {
    fn from(exported: appliance::Exported) -> Self {
        let appliance::Exported { id, first, next, blocks, damage, damaged, is_whole: _ } = exported;
        Self { id: id.to_string(), first, next, blocks, damaged, damage }
    }
}

impl From<appliance::Pruned> for answer::Pruned {
    fn from(pruned: appliance::Pruned) -> Self {
        let appliance::Pruned { from, to, blocks, is_done: _ } = pruned;
        Self { from, to, blocks }
    }
}

impl From<CheckpointKey> for answer::CheckpointKey {
    fn from(key: CheckpointKey) -> Self {
        let pem = pem::encode(&pem::Pem::new("PUBLIC KEY", key.spki().as_slice()));
        Self { fingerprint: to_hex(&key.fingerprint()), pem }
    }
}

impl From<appliance::Health> for answer::Status {
    fn from(health: appliance::Health) -> Self {
        let expiring = health.expiring().into_iter().map(|(expiry, mark_days)| answer::Expiring {
            of: expiry.of.to_string(),
            name: expiry.name.clone(),
            spki: expiry.spki.map(|spki| to_hex(&spki)),
            not_after: expiry.not_after.to_string(),
            days_left: expiry.left_s(health.time).div_euclid(86_400),
            mark_days,
            hint: expiry.hint().into(),
        });
        let expiring = expiring.collect();
        Self {
            expiring,
            state: health.state.to_string(),
            reason: health.reason,
            sandbox: health.sandbox,
            token: health.token.map(|token| answer::TokenStatus {
                serial: token.serial,
                present: token.present,
                trouble: token.trouble,
                master_key_generation: token.master_key_generation,
                kcv: token.kcv,
            }),
            journal: health.journal.map(|journal| answer::JournalStatus {
                epoch: journal.epoch,
                next_sequence: journal.next_sequence,
                last_block: journal.last_block.to_string(),
                trouble: journal.trouble,
                unrecorded: journal.unrecorded,
                disk_free_bytes: journal.disk.map(|disk| disk.free_bytes),
                disk_reserve_bytes: journal.disk.map(|disk| disk.reserve_bytes),
            }),
            clock: health.clock.map(|clock| clock.to_string()),
            clock_verdict: health.clock.map(answer::ClockStatus::from),
            witness: health.witness.map(answer::WitnessStatus::from),
            data_keys: health.data_keys,
            refused_locked: health.refused_locked,
            strained_budgets: health
                .strained_budgets
                .into_iter()
                .map(|(spender, standing)| answer::StrainedBudget {
                    of: spender.to_string(),
                    fields_per_day: standing.fields_per_day,
                    used: standing.used,
                })
                .collect(),
            worn_keys: all(health.worn_keys),
            keys: health.keys.map(answer::KeysStatus::from),
            due_keys: all(health.due_keys),
            destructions: health.destructions.map(answer::DestructionsStatus::from),
            recoveries: all(health.recoveries),
            ca: health.ca.map(answer::Ca::from),
            kept_file: health.kept_file,
            memory: health.memory,
        }
    }
}

impl From<appliance::RecoveryUnderWay> for answer::RecoveryUnderWay {
    fn from(under_way: appliance::RecoveryUnderWay) -> Self {
        let appliance::RecoveryUnderWay { approval, user, standing, asked, held_until, expires } = under_way;
        let (approval, state) = (approval.to_string(), standing.to_owned());
        let (asked, held_until, expires) = (asked.to_string(), told(held_until), expires.to_string());
        Self { approval, user, state, asked, held_until, expires }
    }
}

impl From<appliance::DueKey> for answer::DueKey {
    fn from(due: appliance::DueKey) -> Self {
        Self { key: due.key.to_string(), why: due.due.name().into() }
    }
}

impl From<appliance::WornKey> for answer::WornKey {
    fn from(worn: appliance::WornKey) -> Self {
        let appliance::WornKey { key, uses, uses_max } = worn;
        Self { key: key.to_string(), uses, uses_max }
    }
}

impl From<appliance::WentPast> for answer::Unlocked {
    fn from(past: appliance::WentPast) -> Self {
        let mut next = vec![
            "A new epoch has begun. Users, endpoints and API keys are disabled until each is enabled again: gembok user, \
             endpoint and api-key enable."
                .to_owned(),
            "Budgets count as spent for 24 hours: gembok budget raise gives more.".to_owned(),
            "Key versions of aes-256-gcm and aes-256-gcm-siv only decrypt: gembok key rotate makes the next.".to_owned(),
        ];
        if past.damage {
            next.push(
                "Blocks of the journal may be lost or damaged, too: run gembok audit check, and prove an export with gembok \
                 audit verify against a checkpoint that was kept elsewhere."
                    .to_owned(),
            );
        }
        if past.rollback {
            next.push(
                "Do again what was done in the time that is lost, revocations above all. Checkpoints that were kept elsewhere \
                 tell how long that was."
                    .to_owned(),
            );
        }
        Self { next }
    }
}

impl From<appliance::WitnessHealth> for answer::WitnessStatus {
    fn from(health: appliance::WitnessHealth) -> Self {
        let (sequence, time) = health.checkpoint.unzip();
        let (since, trouble) = health.failing.unzip();
        Self {
            checkpoint_key: to_hex(&health.checkpoint_key),
            checkpoint_sequence: sequence,
            checkpoint_time: told(time),
            failing_since: told(since),
            trouble,
        }
    }
}

pub(super) fn told(moment: Option<Timestamp>) -> Option<String> {
    moment.map(|moment| moment.to_string())
}

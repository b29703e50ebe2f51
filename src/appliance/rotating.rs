//! Replacing an API key without a gap: a new one with the same label, limits and budgets, while the old one goes on for a time
//! and then ends by itself. Which came from which stays written down.

use std::time::Duration;

use crate::crypto::random;
use crate::domain::actor::Actor;
use crate::domain::api_key::{ApiKey, ApiKeyText};
use crate::domain::budget::{Budget, Counted, Spender};
use crate::domain::cbor;
use crate::domain::endpoint::Endpoint;
use crate::domain::id::ApiKeyId;
use crate::domain::limits::ROTATION_OVERLAP_MAX;
use crate::domain::project::Project;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::timestamp::{Now, Timestamp};
use crate::store::Table;

use super::admission::refused;
use super::api_keys::{ApiKeyView, key_audit, put_new};
use super::budgets::put;
use super::catalog::not_found;
use super::fault::Stop;
use super::operational::Operational;

/// How one API key takes the place of another.
#[derive(Debug, Clone, Copy)]
pub struct Rotation {
    /// For how long the old one still counts, at most.
    pub overlap: Duration,
    /// When the new one ends; without, after as long as the old one was made for.
    pub expires: Option<Timestamp>,
}

/// Both of them. The text of the new one is returned once and kept nowhere.
pub struct Rotated {
    /// The new one.
    pub new: ApiKeyView,
    /// Its text.
    pub text: ApiKeyText,
    /// The old one, with its end.
    pub old: ApiKeyView,
}

impl Operational {
    /// Makes the API key that takes the place of another, and gives that one an end.
    ///
    /// # Errors
    /// `not-found`; `api-key-revoked`, `api-key-disabled`, `api-key-expired` for one that does not count, and what the endpoint
    /// is refused with; `bad-request` for an overlap of more than 90 days; `too-many-things`.
    pub fn rotate_api_key(
        &self,
        actor: Actor,
        id: ApiKeyId,
        rotation: Rotation,
        now: Now,
    ) -> Result<Rotated, Stop> {
        if rotation.overlap > ROTATION_OVERLAP_MAX {
            let days = ROTATION_OVERLAP_MAX.as_secs() / 86_400;
            let detail =
                format!("Both count for {days} days at most; a shorter overlap is enough to install a key.");
            return Err(Refusal::new(Code::BadRequest).detail(detail).into());
        }
        let text = ApiKeyText::generate()?;
        let new_id = ApiKeyId::from_random(random::bytes()?);
        let accounts = Counted::ALL.map(|counted| {
            let [of_old, of_new] = [id, new_id].map(|id| self.budgets.of(Spender::api_key(id, counted)));
            (of_old, of_new)
        });
        let turn = self.changing.lock();
        let nothing_is_reserved = self.budgets.reserving.lock();
        let plans = accounts.each_ref().map(|(of_old, of_new)| {
            let Budget { fields_per_day, raise, .. } = of_old.budget();
            let plan = of_new.amend(self.budget_time(now), |budget| {
                (budget.fields_per_day, budget.raise) = (fields_per_day, raise);
            });
            (plan, fields_per_day.is_some() || raise.is_some())
        });
        let changed = self.change(now, |batch| {
            let (digest, row, old) = self.api_key_by_id(id)?;
            self.check_rotatable(&old, now)?;
            self.check_api_keys(old.endpoint, Some(id), now)?;
            let lived = old.expires.map(|end| end.since(old.created));
            let new = ApiKey {
                id: new_id,
                created: now.time,
                expires: rotation.expires.or(lived.map(|lived| now.time.plus(lived))),
                replaces: Some(id),
                ..old.clone()
            };
            let end = now.time.plus(rotation.overlap);
            let old = ApiKey { expires: Some(old.expires.map_or(end, |before| before.min(end))), ..old };
            let audit = key_audit(now, actor, "api-key.rotate", &new)
                .with("replaces", id)
                .with("overlap-until", old.expires.unwrap_or(end));
            let batch = batch.expect_at(Table::ApiKeys, &digest, row.revision);
            let batch = put_new(batch.put(Table::ApiKeys, &digest, cbor::encode(&old)), &text, &new);
            let own = plans.iter().filter(|(_, is_own)| *is_own);
            let batch = own.fold(batch, |batch, (plan, _)| put(batch, plan));
            Ok((batch, audit, (new, old)))
        });
        let (new, old) = match changed {
            Ok(both) => {
                for (plan, _) in plans {
                    plan.install();
                }
                both
            }
            Err(stop) => {
                for (plan, _) in plans {
                    plan.abandon();
                }
                return Err(stop);
            }
        };
        // Nobody who decrypts waits for the token; the old one has an end now.
        drop((nothing_is_reserved, turn));
        self.witness_withdrawal(now);
        let mut old = ApiKeyView::of(old);
        (old.replaced_by, old.last_used) = (Some(new.id), self.last_use(id)?);
        Ok(Rotated { new: ApiKeyView::of(new), text, old })
    }

    fn check_rotatable(&self, old: &ApiKey, now: Now) -> Result<(), Stop> {
        let why = if old.revoked.is_some() {
            Some(Code::ApiKeyRevoked)
        } else if old.disabled.is_some() {
            Some(Code::ApiKeyDisabled)
        } else if old.expires.is_some_and(|end| end <= now.time) {
            Some(Code::ApiKeyExpired)
        } else {
            let gone = || not_found("endpoint", &old.endpoint.to_string());
            let endpoint: Endpoint =
                self.read(Table::Endpoints, old.endpoint.as_bytes())?.ok_or_else(gone)?;
            let project: Project =
                self.read(Table::Projects, endpoint.project.as_bytes())?.ok_or_else(gone)?;
            refused(&endpoint, &project)
        };
        why.map_or(Ok(()), |code| Err(code.into()))
    }
}

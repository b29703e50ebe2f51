//! API keys of endpoints: made, listed, given limits and ends, refused. One takes the place of another without a gap by
//! [`super::rotating`].

use std::collections::BTreeMap;

use crate::crypto::random;
use crate::domain::actor::Actor;
use crate::domain::api_key::{ApiKey, ApiKeyText};
use crate::domain::audit_record::AuditRecord;
use crate::domain::cbor;
use crate::domain::id::ApiKeyId;
use crate::domain::limits::RateLimits;
use crate::domain::name::Name;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::timestamp::{Now, Timestamp};
use crate::domain::trace::LastUse;
use crate::store::{Batch, Row, Table};

use super::catalog::not_found;
use super::fault::Stop;
use super::listed::Listed;
use super::operational::Operational;

/// An API key in a list: everything but the key.
pub struct ApiKeyView {
    /// Its id.
    pub id: ApiKeyId,
    /// What its owner calls it.
    pub label: Name,
    /// When it was made.
    pub created: Timestamp,
    /// From when it is refused, if ever.
    pub expires: Option<Timestamp>,
    /// Since when it is refused, if it is.
    pub revoked: Option<Timestamp>,
    /// Since when it waits to be enabled again, if it does.
    pub disabled: Option<Timestamp>,
    /// How much it may do.
    pub limits: RateLimits,
    /// The one that it takes the place of.
    pub replaces: Option<ApiKeyId>,
    /// The one that takes its place, or the newest of those.
    pub replaced_by: Option<ApiKeyId>,
    /// When and from where it was used last, to the minute or so.
    pub last_used: Option<LastUse>,
}

/// What is asked for when an API key is made.
pub struct NewApiKey {
    /// What its owner will call it.
    pub label: Name,
    /// When it ends, if ever.
    pub expires: Option<Timestamp>,
    /// How much it may do; the appliance's defaults when nothing is said.
    pub limits: Option<RateLimits>,
}

impl Operational {
    /// Makes an API key. The text is returned once and kept nowhere.
    ///
    /// # Errors
    /// `not-found` for the endpoint, `bad-request` for limits of 0, `too-many-things`.
    pub fn create_api_key(
        &self,
        actor: Actor,
        project: &str,
        endpoint: &str,
        new: NewApiKey,
        now: Now,
    ) -> Result<(ApiKeyView, ApiKeyText), Stop> {
        let endpoint = self.live_endpoint(project, endpoint)?;
        let limits = check_limits(new.limits.unwrap_or(self.policies().rate_limits))?;
        let text = ApiKeyText::generate()?;
        let id = ApiKeyId::from_random(random::bytes()?);
        let api_key = ApiKey {
            id,
            endpoint: endpoint.id,
            label: new.label,
            created: now.time,
            expires: new.expires,
            revoked: None,
            limits,
            disabled: None,
            replaces: None,
        };
        self.change(now, |batch| {
            self.check_api_keys(endpoint.id, None, now)?;
            let audit = key_audit(now, actor, "api-key.create", &api_key);
            Ok((put_new(batch, &text, &api_key), audit, ()))
        })?;
        Ok((ApiKeyView::of(api_key), text))
    }

    /// Refuses an API key from now on. One that is refused already leaves no second record.
    ///
    /// # Errors
    /// `not-found`.
    pub fn revoke_api_key(&self, actor: Actor, id: ApiKeyId, now: Now) -> Result<(), Stop> {
        let (digest, row, api_key) = self.api_key_by_id(id)?;
        if api_key.revoked.is_some() {
            return Ok(());
        }
        self.withdraw(now, |batch| {
            let revoked = ApiKey { revoked: Some(now.time), ..api_key };
            let batch = batch.expect_at(Table::ApiKeys, &digest, row.revision).put(
                Table::ApiKeys,
                &digest,
                cbor::encode(&revoked),
            );
            Ok((batch, AuditRecord::new(now.time, actor, "api-key.revoke").with("id", id), ()))
        })
    }

    /// An API key as it is stored, with its digest and its row.
    pub(super) fn api_key_by_id(&self, id: ApiKeyId) -> Result<(Vec<u8>, Row, ApiKey), Stop> {
        let (mut found, mut damaged) = (None, 0u32);
        self.each_listed(Table::ApiKeys, &[], |digest, listed| {
            let Listed::Sound(row) = listed else {
                damaged += 1;
                return Ok(());
            };
            let api_key: ApiKey = cbor::decode(&row.value)?;
            if api_key.id == id {
                found = Some((digest.to_vec(), row, api_key));
            }
            Ok(())
        })?;
        found.ok_or_else(|| match damaged {
            0 => not_found("API key", &id.to_string()),
            _ => Refusal::new(Code::NotFound)
                .detail(format!(
                    "There is no API key \"{id}\", but {damaged} whose rows are damaged. If it is one of these, it lets nobody in."
                ))
                .into(),
        })
    }

    /// API keys of an endpoint, and those whose row is damaged, of whichever endpoint they are.
    ///
    /// # Errors
    /// `not-found` for the endpoint.
    pub fn api_keys(&self, project: &str, endpoint: &str) -> Result<Vec<Listed<ApiKeyView>>, Stop> {
        let endpoint = self.endpoint_id(project, endpoint)?;
        let mut views = Vec::new();
        let mut next: BTreeMap<ApiKeyId, (Timestamp, ApiKeyId)> = BTreeMap::new();
        self.each_listed(Table::ApiKeys, &[], |_, row| {
            let api_key = row.decode::<ApiKey>()?;
            if let Listed::Sound(api_key) = &api_key {
                if api_key.endpoint != endpoint {
                    return Ok(());
                }
                if let Some(replaced) = api_key.replaces {
                    let newest = next.entry(replaced).or_insert((api_key.created, api_key.id));
                    *newest = (*newest).max((api_key.created, api_key.id));
                }
            }
            views.push(api_key.map(ApiKeyView::of));
            Ok(())
        })?;
        for view in &mut views {
            if let Listed::Sound(view) = view {
                view.replaced_by = next.get(&view.id).map(|(_, id)| *id);
                view.last_used = self.last_use(view.id)?;
            }
        }
        Ok(views)
    }

    /// Gives an API key another end, also one that is over; with none it does not end by itself.
    ///
    /// # Errors
    /// `not-found`, `api-key-revoked`.
    pub fn expire_api_key(
        &self,
        actor: Actor,
        id: ApiKeyId,
        expires: Option<Timestamp>,
        now: Now,
    ) -> Result<ApiKeyView, Stop> {
        // Another end may be an earlier one.
        let told = |end: Option<Timestamp>| end.map_or_else(|| "never".to_owned(), |end| end.to_string());
        self.amend_api_key(id, now, |api_key| {
            let audit = AuditRecord::new(now.time, actor, "api-key.expire")
                .with("id", id)
                .with("from", told(api_key.expires))
                .with("to", told(expires));
            (audit, ApiKey { expires, ..api_key })
        })
    }

    /// Gives an API key other limits, which count from the answer on. What was used of the old ones is forgotten.
    ///
    /// # Errors
    /// `not-found`, `api-key-revoked`; `bad-request` for limits of 0.
    pub fn limit_api_key(
        &self,
        actor: Actor,
        id: ApiKeyId,
        limits: impl FnOnce(RateLimits) -> RateLimits,
        now: Now,
    ) -> Result<ApiKeyView, Stop> {
        let limits = check_limits(limits(self.api_key_by_id(id)?.2.limits))?;
        self.amend_api_key(id, now, |api_key| {
            let amended = ApiKey { limits, ..api_key };
            (
                limits_audit(AuditRecord::new(now.time, actor, "api-key.limits").with("id", id), limits),
                amended,
            )
        })
    }

    fn amend_api_key(
        &self,
        id: ApiKeyId,
        now: Now,
        amend: impl FnOnce(ApiKey) -> (AuditRecord, ApiKey),
    ) -> Result<ApiKeyView, Stop> {
        let mut amended = None;
        self.withdraw_if_any(now, |batch| {
            let (digest, row, api_key) = self.api_key_by_id(id)?;
            if api_key.revoked.is_some() {
                return Err(Code::ApiKeyRevoked.into());
            }
            let (audit, after) = amend(api_key.clone());
            amended = Some(after.clone());
            if after == api_key {
                return Ok(None);
            }
            let batch = batch.expect_at(Table::ApiKeys, &digest, row.revision);
            Ok(Some((batch.put(Table::ApiKeys, &digest, cbor::encode(&after)), audit)))
        })?;
        let mut view = amended.map(ApiKeyView::of).ok_or(Code::Conflict)?;
        (view.replaced_by, view.last_used) = (self.newest_after(id)?, self.last_use(id)?);
        Ok(view)
    }

    /// The newest API key that takes the place of another.
    pub(super) fn newest_after(&self, replaced: ApiKeyId) -> Result<Option<ApiKeyId>, Stop> {
        let mut newest = None;
        self.each(Table::ApiKeys, &[], |_, row| {
            let api_key: ApiKey = cbor::decode(&row.value)?;
            if api_key.replaces == Some(replaced) {
                newest = newest.max(Some((api_key.created, api_key.id)));
            }
            Ok(())
        })?;
        Ok(newest.map(|(_, id)| id))
    }

    /// When an API key was used last, as far as that is known.
    pub(super) fn last_use(&self, of: ApiKeyId) -> Result<Option<LastUse>, Stop> {
        Ok(self.look_up::<LastUse>(Table::Traces, &LastUse::row_key(of))?.and_then(Listed::sound))
    }
}

impl ApiKeyView {
    pub(super) fn of(api_key: ApiKey) -> Self {
        let ApiKey { id, label, created, expires, revoked, limits, disabled, replaces, .. } = api_key;
        let (replaced_by, last_used) = (None, None);
        Self { id, label, created, expires, revoked, disabled, limits, replaces, replaced_by, last_used }
    }
}

/// Puts a key that was just drawn into a batch.
pub(super) fn put_new(batch: Batch, text: &ApiKeyText, api_key: &ApiKey) -> Batch {
    let digest = text.digest();
    batch.expect_absent(Table::ApiKeys, &digest).put(Table::ApiKeys, &digest, cbor::encode(api_key))
}

/// What is recorded of a new API key.
pub(super) fn key_audit(now: Now, actor: Actor, act: &'static str, api_key: &ApiKey) -> AuditRecord {
    let audit = AuditRecord::new(now.time, actor, act)
        .with("id", api_key.id)
        .with("label", &api_key.label)
        .with("endpoint", api_key.endpoint)
        .with("expires", api_key.expires.map_or_else(|| "never".to_owned(), |end| end.to_string()));
    limits_audit(audit, api_key.limits)
}

fn limits_audit(audit: AuditRecord, limits: RateLimits) -> AuditRecord {
    audit
        .with("requests-per-s", limits.requests_per_s)
        .with("requests-burst", limits.requests_burst)
        .with("fields-per-s", limits.fields_per_s)
        .with("fields-burst", limits.fields_burst)
}

fn check_limits(limits: RateLimits) -> Result<RateLimits, Refusal> {
    let RateLimits { requests_per_s, requests_burst, fields_per_s, fields_burst } = limits;
    if [requests_per_s, requests_burst, fields_per_s, fields_burst].contains(&0) {
        return Err(Refusal::new(Code::BadRequest)
            .detail("A limit of 0 would refuse everything; revoke the API key instead."));
    }
    Ok(limits)
}

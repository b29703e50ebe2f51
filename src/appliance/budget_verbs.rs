//! Budgets as operators speak of them: looked at, given another size, raised for a time.

use std::time::Duration;

use crate::domain::actor::Actor;
use crate::domain::audit_record::AuditRecord;
use crate::domain::budget::{
    Budget, Counted, FIELDS_PER_DAY_MAX, RAISE_MAX, Raise, Spender, WARNING_PERCENT,
};
use crate::domain::id::ApiKeyId;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::timestamp::{Now, Timestamp};

use super::budgets::put;
use super::fault::Stop;
use super::listed::Listed;
use super::operational::Operational;
use super::spending::Standing;

/// Whose budget an operator speaks of.
pub enum BudgetOf<'a> {
    /// An endpoint's, by the names of its project and its own.
    Endpoint {
        /// Its project's name.
        project: &'a str,
        /// Its name.
        name: &'a str,
    },
    /// An API key's.
    ApiKey(ApiKeyId),
}

/// A budget in a list.
pub struct BudgetView {
    /// Whose.
    pub spender: Spender,
    /// What an operator calls it: the endpoint's name or the API key's label.
    pub name: String,
    /// Its size now, and how much of it is used.
    pub standing: Standing,
    /// Its own size; none where the policy's counts.
    pub own_fields_per_day: Option<u64>,
    /// When the raise in force ends.
    pub raised_until: Option<Timestamp>,
}

impl Operational {
    /// The budgets of an endpoint and of its API keys, the endpoint's first: those of decrypted fields, then
    /// those of indexed ones, then those of what did not open.
    ///
    /// # Errors
    /// `not-found`.
    pub fn budgets(&self, project: &str, endpoint: &str, now: Now) -> Result<Vec<BudgetView>, Stop> {
        let endpoint_id = self.endpoint_id(project, endpoint)?;
        let api_keys = self.api_keys(project, endpoint)?;
        let api_keys: Vec<_> = api_keys.into_iter().filter_map(Listed::sound).collect();
        let mut views = Vec::with_capacity(Counted::ALL.len() * (1 + api_keys.len()));
        for counted in Counted::ALL {
            let of_endpoint = Spender::endpoint(endpoint_id, counted);
            views.push(self.budget_view(of_endpoint, endpoint.to_owned(), now));
            views.extend(
                api_keys.iter().map(|key| {
                    self.budget_view(Spender::api_key(key.id, counted), key.label.to_string(), now)
                }),
            );
        }
        Ok(views)
    }

    /// Gives a spender a budget of its own, or with none the policy's again.
    ///
    /// # Errors
    /// `not-found`; `bad-request` for 0 or more than [`FIELDS_PER_DAY_MAX`].
    pub fn set_budget(
        &self,
        actor: Actor,
        of: &BudgetOf<'_>,
        counted: Counted,
        fields_per_day: Option<u64>,
        now: Now,
    ) -> Result<BudgetView, Stop> {
        let (spender, name) = self.spender(of, counted)?;
        if let Some(fields) = fields_per_day {
            check_size(fields, counted)?;
        }
        let said = fields_per_day.map_or_else(|| "default".to_owned(), |fields| fields.to_string());
        let audit =
            AuditRecord::new(now.time, actor, "budget.set").with("of", spender).with("fields-per-day", said);
        self.amend_budget(spender, audit, now, |budget| budget.fields_per_day = fields_per_day)?;
        Ok(self.budget_view(spender, name, now))
    }

    /// Gives a spender more for a time. It ends by itself; a further raise takes its place.
    ///
    /// # Errors
    /// `not-found`; `bad-request` for one that is no more than what there is without it, longer than [`RAISE_MAX`], or more
    /// than [`FIELDS_PER_DAY_MAX`].
    pub fn raise_budget(
        &self,
        actor: Actor,
        of: &BudgetOf<'_>,
        counted: Counted,
        fields_per_day: u64,
        lasts: Duration,
        now: Now,
    ) -> Result<BudgetView, Stop> {
        let (spender, name) = self.spender(of, counted)?;
        check_size(fields_per_day, counted)?;
        if lasts.is_zero() || lasts > RAISE_MAX {
            let days = RAISE_MAX.as_secs() / 86_400;
            return Err(bad(format!(
                "A raise lasts between a second and {days} days; for longer, give the {} a budget of its own with \
                 gembok budget set.",
                spender.kind()
            )));
        }
        let base = self.budgets.of(spender).budget().fields_per_day;
        let base = base.unwrap_or_else(|| self.default_budget(spender));
        if fields_per_day <= base {
            return Err(bad(format!(
                "{fields_per_day} fields are no raise: the {}'s budget is {base} fields in 24 hours already.",
                spender.kind()
            )));
        }
        // In whole seconds, as leases are.
        let until = Timestamp::from_seconds(self.budget_time(now).at.plus(lasts).seconds());
        let audit = AuditRecord::new(now.time, actor, "budget.raise")
            .with("of", spender)
            .with("fields-per-day", fields_per_day)
            .with("until", until);
        let raise = Some(Raise { fields_per_day, until });
        self.amend_budget(spender, audit, now, |budget| budget.raise = raise)?;
        Ok(self.budget_view(spender, name, now))
    }

    /// The budgets of which four fifths are used or more.
    pub(super) fn strained_budgets(&self, now: Now) -> Vec<(Spender, Standing)> {
        let time = self.budget_time(now);
        let standings = self.budgets.all().into_iter().map(|spending| {
            (spending.spender, spending.standing(self.default_budget(spending.spender), time))
        });
        let mut strained: Vec<_> = standings
            .filter(|(_, Standing { fields_per_day, used })| {
                used.saturating_mul(100) >= fields_per_day.saturating_mul(WARNING_PERCENT)
            })
            .collect();
        strained.sort_unstable_by_key(|(spender, _)| *spender);
        strained
    }

    fn amend_budget(
        &self,
        spender: Spender,
        audit: AuditRecord,
        now: Now,
        change: impl FnOnce(&mut Budget),
    ) -> Result<(), Stop> {
        let spending = self.budgets.of(spender);
        // In the order of whoever keeps all changes out.
        let turn = self.changing.lock();
        let one_at_a_time = self.budgets.reserving.lock();
        let plan = spending.amend(self.budget_time(now), change);
        match self.change(now, |batch| Ok((put(batch, &plan), audit, ()))) {
            Ok(()) => plan.install(),
            // Refused before anything was written: who decrypts loses nothing by it.
            Err(refused @ Stop::Refused(_)) => {
                plan.abandon();
                return Err(refused);
            }
            Err(fault) => return Err(fault),
        }
        // Nobody who decrypts or searches waits for the token; less is a right that was taken away.
        drop((one_at_a_time, turn));
        self.witness_withdrawal(now);
        Ok(())
    }

    pub(super) fn budget_view(&self, spender: Spender, name: String, now: Now) -> BudgetView {
        let spending = self.budgets.of(spender);
        let (budget, time) = (spending.budget(), self.budget_time(now));
        BudgetView {
            spender,
            name,
            standing: spending.standing(self.default_budget(spender), time),
            own_fields_per_day: budget.fields_per_day,
            raised_until: budget.raise_at(time.at).map(|raise| raise.until),
        }
    }

    fn spender(&self, of: &BudgetOf<'_>, counted: Counted) -> Result<(Spender, String), Stop> {
        match of {
            BudgetOf::Endpoint { project, name } => {
                let endpoint = self.endpoint_named(project, name)?;
                Ok((Spender::endpoint(endpoint.id, counted), (*name).to_owned()))
            }
            BudgetOf::ApiKey(id) => {
                let (_, _, api_key) = self.api_key_by_id(*id)?;
                Ok((Spender::api_key(*id, counted), api_key.label.to_string()))
            }
        }
    }
}

fn check_size(fields: u64, counted: Counted) -> Result<(), Stop> {
    if (1..=FIELDS_PER_DAY_MAX).contains(&fields) {
        return Ok(());
    }
    let operation = counted.operation();
    Err(bad(format!(
        "A budget is between 1 and {FIELDS_PER_DAY_MAX} fields in 24 hours; to forbid it, revoke the grant to {operation}."
    )))
}

fn bad(detail: String) -> Stop {
    Refusal::new(Code::BadRequest).detail(detail).into()
}

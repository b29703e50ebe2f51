//! An endpoint whole: everything that decides what it may do, at one look.

use crate::domain::network::Network;
use crate::domain::timestamp::Now;

use super::api_keys::ApiKeyView;
use super::budget_verbs::BudgetView;
use super::certificates::CertificateView;
use super::enrollment::EndpointView;
use super::fault::Stop;
use super::grants::GrantView;
use super::listed::Listed;
use super::operational::Operational;
use super::page::PageWanted;

/// An endpoint with all that belongs to it.
pub struct EndpointShown {
    /// The endpoint.
    pub endpoint: EndpointView,
    /// What it may do, by object.
    pub grants: Vec<Listed<GrantView>>,
    /// Its API keys, with their limits and last uses.
    pub api_keys: Vec<Listed<ApiKeyView>>,
    /// Every certificate it has or had.
    pub certificates: Vec<CertificateView>,
    /// From where it may come; from anywhere where there are none.
    pub networks: Vec<Network>,
    /// Its budget, and those of its API keys.
    pub budgets: Vec<BudgetView>,
}

impl Operational {
    /// An endpoint with all that belongs to it. What is damaged is named.
    ///
    /// # Errors
    /// `not-found`; a fault where the row of the endpoint itself is damaged.
    pub fn endpoint_shown(&self, project: &str, name: &str, now: Now) -> Result<EndpointShown, Stop> {
        let endpoint = self.endpoint_named(project, name)?;
        let enrolments = self.enrolments_of(endpoint.id)?;
        let certificates = enrolments.iter().map(|(spki, _, row)| CertificateView::of(spki, row)).collect();
        Ok(EndpointShown {
            grants: self.grants(project, name, &PageWanted::first())?.items,
            api_keys: self.api_keys(project, name)?,
            certificates,
            networks: endpoint.networks.clone().unwrap_or_default(),
            budgets: self.budgets(project, name, now)?,
            endpoint: EndpointView::of(endpoint),
        })
    }
}

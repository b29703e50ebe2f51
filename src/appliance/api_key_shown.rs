//! One API key with what belongs to it: whose it is, and how much it may have decrypted and indexed, and miss.

use crate::domain::budget::{Counted, Spender};
use crate::domain::id::ApiKeyId;
use crate::domain::timestamp::Now;

use super::api_keys::ApiKeyView;
use super::budget_verbs::BudgetView;
use super::fault::Stop;
use super::operational::Operational;

/// An API key with what belongs to it.
pub struct ApiKeyShown {
    /// Everything but the key.
    pub api_key: ApiKeyView,
    /// The names of its project and of its endpoint; none where a row of theirs is damaged.
    pub endpoint: Option<(String, String)>,
    /// Its budgets: of decrypted fields, of indexed ones, and of what did not open.
    pub budgets: Vec<BudgetView>,
}

impl Operational {
    /// An API key with what belongs to it.
    ///
    /// # Errors
    /// `not-found`.
    pub fn api_key_shown(&self, id: ApiKeyId, now: Now) -> Result<ApiKeyShown, Stop> {
        let (_, _, api_key) = self.api_key_by_id(id)?;
        let mut api_key = ApiKeyView::of(api_key);
        (api_key.replaced_by, api_key.last_used) = (self.newest_after(id)?, self.last_use(id)?);
        let endpoint = self.endpoint_of_key(id)?.map(|of| (of.project.name, of.name));
        let view = |counted| self.budget_view(Spender::api_key(id, counted), api_key.label.to_string(), now);
        let budgets = Counted::ALL.map(view).into();
        Ok(ApiKeyShown { api_key, endpoint, budgets })
    }
}

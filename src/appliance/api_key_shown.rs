//! One API key with what belongs to it: whose it is, and how much it may have decrypted.

use crate::domain::budget::Spender;
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
    /// Its budget.
    pub budget: BudgetView,
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
        let budget = self.budget_view(Spender::ApiKey(id), api_key.label.to_string(), now);
        Ok(ApiKeyShown { api_key, endpoint, budget })
    }
}

//! From where an endpoint may come. The rule is the owner's, beside what access policies say of addresses: it is looked at with
//! each request, by the address of its connection, and costs nothing where there is none.

use crate::domain::actor::Actor;
use crate::domain::audit_record::AuditRecord;
use crate::domain::cbor;
use crate::domain::endpoint::Endpoint;
use crate::domain::network::{NETWORKS_MAX, Network};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::timestamp::Now;
use crate::store::Table;

use super::fault::Stop;
use super::operational::Operational;

impl Operational {
    /// The networks an endpoint may come from; from anywhere where there are none.
    ///
    /// # Errors
    /// `not-found`.
    pub fn networks(&self, project: &str, name: &str) -> Result<Vec<Network>, Stop> {
        Ok(self.endpoint_named(project, name)?.networks.unwrap_or_default())
    }

    /// Lets an endpoint come from these networks and from nowhere else, from the answer on; with none from anywhere. The same
    /// leave no record.
    ///
    /// # Errors
    /// `not-found`; `bad-request` for more than 64.
    pub fn set_networks(
        &self,
        actor: Actor,
        project: &str,
        name: &str,
        mut networks: Vec<Network>,
        now: Now,
    ) -> Result<Vec<Network>, Stop> {
        networks.sort_unstable();
        networks.dedup();
        if networks.len() > NETWORKS_MAX {
            let detail = format!("An endpoint has {NETWORKS_MAX} networks at most; name larger ones.");
            return Err(Refusal::new(Code::BadRequest).detail(detail).into());
        }
        let after = (!networks.is_empty()).then(|| networks.clone());
        self.withdraw_if_any(now, |batch| {
            let endpoint = self.endpoint_named(project, name)?;
            if endpoint.networks == after {
                return Ok(None);
            }
            let audit = AuditRecord::new(now.time, actor, "endpoint.networks-set")
                .with("id", endpoint.id)
                .with("from", said(endpoint.networks.as_deref()))
                .with("to", said(after.as_deref()));
            let endpoint = Endpoint { networks: after, ..endpoint };
            Ok(Some((batch.put(Table::Endpoints, endpoint.id.as_bytes(), cbor::encode(&endpoint)), audit)))
        })?;
        Ok(networks)
    }
}

fn said(networks: Option<&[Network]>) -> String {
    let Some(networks) = networks else { return "any".to_owned() };
    networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

//! How many things there may be below one: objects and endpoints of a project, API keys of an endpoint. Who makes things by a loop
//! is told no, and nobody else is held up by what he made. Asked inside the change that makes one more.
//!
//! Objects are counted in a row of their project, because looking through all of the appliance's, of which there may be a
//! million, for each that is made would cost seconds. The others are few, and looked through.

use crate::domain::api_key::ApiKey;
use crate::domain::cbor;
use crate::domain::endpoint::Endpoint;
use crate::domain::id::{ApiKeyId, EndpointId, ProjectId};
use crate::domain::limits::{
    API_KEYS_PER_ENDPOINT_EVER_MAX, API_KEYS_PER_ENDPOINT_MAX, ENDPOINTS_PER_PROJECT_MAX,
    OBJECTS_PER_PROJECT_MAX,
};
use crate::domain::object::Object;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::timestamp::Now;
use crate::store::{Batch, Table};

use super::fault::Stop;
use super::listed::Listed;
use super::operational::Operational;

impl Operational {
    /// Puts one more object of a project into a batch's count.
    ///
    /// # Errors
    /// `too-many-things`.
    pub(super) fn count_object(&self, batch: Batch, project: ProjectId) -> Result<Batch, Stop> {
        let there = self.objects_counted(project)?;
        if there >= OBJECTS_PER_PROJECT_MAX {
            return Err(too_many(format!(
                "There are {there} objects in the project, as many as there may be."
            )));
        }
        Ok(batch.put(Table::Counters, &row_key(project), cbor::encode(&(there + 1))))
    }

    /// Puts one object less of a project into a batch's count.
    pub(super) fn uncount_object(&self, batch: Batch, project: ProjectId) -> Result<Batch, Stop> {
        let left = self.objects_counted(project)?.saturating_sub(1);
        Ok(batch.put(Table::Counters, &row_key(project), cbor::encode(&left)))
    }

    /// Puts the end of a project's count into a batch.
    pub(super) fn end_count(batch: Batch, project: ProjectId) -> Batch {
        batch.delete(Table::Counters, &row_key(project))
    }

    /// By the row; where there is none yet, or it is damaged, by a look at every object.
    fn objects_counted(&self, project: ProjectId) -> Result<u64, Stop> {
        if let Some(Listed::Sound(counted)) = self.look_up::<u64>(Table::Counters, &row_key(project))? {
            return Ok(counted);
        }
        let mut counted = 0;
        self.each_listed(Table::Objects, &[], |_, row| {
            let object = row.decode::<Object>()?.sound();
            counted += u64::from(object.is_some_and(|object| object.project == project));
            Ok(())
        })?;
        Ok(counted)
    }

    /// Refuses one more endpoint of a project that has as many as there may be.
    ///
    /// # Errors
    /// `too-many-things`.
    pub(super) fn check_endpoints(&self, project: ProjectId) -> Result<(), Stop> {
        let mut there = 0;
        self.each_listed(Table::Endpoints, &[], |_, row| {
            let endpoint = row.decode::<Endpoint>()?.sound();
            there += usize::from(endpoint.is_some_and(|endpoint| endpoint.project == project));
            Ok(())
        })?;
        if there < ENDPOINTS_PER_PROJECT_MAX {
            return Ok(());
        }
        Err(too_many(format!("There are {there} endpoints in the project, as many as there may be.")))
    }

    /// Refuses one more API key of an endpoint that has as many as there may be, by those that count and by all that were made. One
    /// that takes the place of `replaced` needs none of its own.
    ///
    /// # Errors
    /// `too-many-things`.
    pub(super) fn check_api_keys(
        &self,
        endpoint: EndpointId,
        replaced: Option<ApiKeyId>,
        now: Now,
    ) -> Result<(), Stop> {
        let (mut counting, mut made) = (0, 0);
        self.each_listed(Table::ApiKeys, &[], |_, row| {
            let api_key = row.decode::<ApiKey>()?.sound();
            if let Some(api_key) = api_key.filter(|api_key| api_key.endpoint == endpoint) {
                let has_ended =
                    api_key.revoked.is_some() || api_key.expires.is_some_and(|end| end <= now.time);
                let takes_a_place = !has_ended && replaced != Some(api_key.id);
                (counting, made) = (counting + usize::from(takes_a_place), made + 1);
            }
            Ok(())
        })?;
        if counting >= API_KEYS_PER_ENDPOINT_MAX {
            return Err(too_many(format!(
                "{counting} API keys of the endpoint count, as many as may; revoke those that nobody uses."
            )));
        }
        if made >= API_KEYS_PER_ENDPOINT_EVER_MAX {
            return Err(too_many(format!(
                "{made} API keys of the endpoint were made, as many as may ever be; make another endpoint."
            )));
        }
        Ok(())
    }
}

fn row_key(project: ProjectId) -> Vec<u8> {
    [b"objects-of ", project.as_bytes().as_slice()].concat()
}

fn too_many(detail: String) -> Stop {
    Refusal::new(Code::TooManyThings).detail(detail).into()
}

//! The index verb at the edge: base64 in, in clear or sealed; hex out.

use std::sync::Arc;

use crate::appliance::{Admitted, Caller, Done, Index, Indexed, Operational, Searched, Stop, ToIndex};
use crate::domain::peer::Peer;
use crate::domain::refusal::Refusal;
use crate::domain::timestamp::Now;

use super::field;
use super::line::hop;
use super::request::{Item, Takes};
use super::verb::{Given, Verb, envelope_bytes_max, sealed};

/// Hex needs no escaping.
impl Given for Indexed {
    fn value(&self) -> &str {
        &self.value
    }

    fn write_more(&self, out: &mut Vec<u8>) {
        if let Some(previous) = &self.previous {
            out.extend_from_slice(b",\"previous\":\"");
            out.extend_from_slice(previous.as_bytes());
            out.push(b'"');
        }
    }
}

impl Verb for Index {
    const TAKES: Takes = Takes::FieldValue;
    const GIVES: &'static str = "index";
    type Given = Indexed;

    fn weigh(
        operational: &Operational,
        caller: &Caller,
        admitted: &mut Admitted<Self>,
        work: &[Item<'_>],
        peer: &Peer,
        now: Now,
    ) {
        let sealed = work.iter().map(|item| item.is_sealed);
        operational.weigh_opening(caller, admitted, sealed, peer, now);
    }

    async fn perform(
        operational: &Arc<Operational>,
        now: Now,
        admitted: Admitted<Self>,
        work: Vec<Item<'_>>,
    ) -> Result<Done<Indexed>, Refusal> {
        let values = work.into_iter().map(|item| to_index(operational, item));
        let values: Vec<Result<ToIndex<'_>, Refusal>> = values.collect();
        let needs = Operational::index_needs(&admitted, &values);
        let keys = match operational.recall_index_keys(&needs, now) {
            Some(keys) => keys,
            None => {
                let operational = Arc::clone(operational);
                hop(move || Ok(operational.load_index_keys(&needs, now))).await?
            }
        };
        operational.index(&admitted, &keys, values, now).map_err(Stop::told)
    }
}

fn to_index<'a>(operational: &Operational, mut item: Item<'a>) -> Result<ToIndex<'a>, Refusal> {
    let field = item.field.take().unwrap_or_default();
    let value = if item.is_sealed {
        Searched::Sealed(sealed(item, envelope_bytes_max(operational))?)
    } else {
        let bytes_max = operational.policies().request_limits.field_bytes_max;
        Searched::Plain(field::decode(&item.value, bytes_max)?, field::context(item.context)?)
    };
    Ok(ToIndex { field, value })
}

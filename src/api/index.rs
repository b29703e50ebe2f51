//! The index verb at the edge: base64 in, hex out.

use std::sync::Arc;

use crate::appliance::{Admitted, Done, Index, Indexed, Operational, Stop, ToIndex};
use crate::domain::refusal::Refusal;
use crate::domain::timestamp::Now;

use super::field;
use super::line::hop;
use super::request::{Item, Takes};
use super::verb::{Given, Verb};

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

    async fn perform(
        operational: &Arc<Operational>,
        now: Now,
        admitted: Admitted<Self>,
        work: Vec<Item<'_>>,
    ) -> Result<Done<Indexed>, Refusal> {
        let (admitted, roots) = match operational.recall_roots(&admitted, now) {
            Some(roots) => (admitted, roots),
            None => {
                let operational = Arc::clone(operational);
                hop(move || {
                    let roots = operational.load_roots(&admitted, now);
                    Ok((admitted, roots))
                })
                .await?
            }
        };
        let bytes_max = operational.policies().request_limits.field_bytes_max;
        let values = work.into_iter().map(|item| {
            let plaintext = field::decode(&item.value, bytes_max)?;
            let field = item.field.unwrap_or_default();
            Ok(ToIndex { field, plaintext, context: field::context(item.context)? })
        });
        operational.index(&admitted, &roots, values.collect()).map_err(Stop::told)
    }
}

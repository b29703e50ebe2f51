//! The operations of the data plane as the edge performs them: base64 in, base64 out, and the hop to a thread that may block
//! where a key is not in memory.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::appliance::{
    Admitted, Aged, Caller, Decrypt, Done, Encrypt, Field, Operate, Operational, Reencrypt, Sealed, Stop,
};
use crate::domain::peer::Peer;
use crate::domain::refusal::Refusal;
use crate::domain::timestamp::Now;

use super::field;
use super::line::hop;
use super::request::{Item, Takes};

/// Bytes an envelope has beyond its plaintext, at most.
const ENVELOPE_OVERHEAD: usize = 52;

/// An operation as the edge performs it.
pub(super) trait Verb: Operate + Send + Sized + 'static {
    /// Which member holds its values.
    const TAKES: Takes;
    /// Which member its answers go into.
    const GIVES: &'static str;
    /// What an item is answered with.
    type Given: Given;

    /// Weighs what single items need leave for besides; mostly nothing.
    fn weigh(
        _operational: &Operational,
        _caller: &Caller,
        _admitted: &mut Admitted<Self>,
        _work: &[Item<'_>],
        _peer: &Peer,
        _now: Now,
    ) {
    }

    /// Does the work it was admitted for, and gives the results as base64.
    fn perform(
        operational: &Arc<Operational>,
        now: Now,
        admitted: Admitted<Self>,
        work: Vec<Item<'_>>,
    ) -> impl Future<Output = Result<Done<Self::Given>, Refusal>> + Send;
}

/// What an item is answered with.
pub(super) trait Given: Send {
    /// The value, base64.
    fn value(&self) -> &str;

    /// Further members of the answer, each behind a comma.
    fn write_more(&self, _out: &mut Vec<u8>) {}
}

impl Given for String {
    fn value(&self) -> &str {
        self
    }
}

/// An envelope, and whether it is another than came in.
pub(super) struct GivenAnew {
    ciphertext: String,
    is_changed: bool,
}

impl Given for GivenAnew {
    fn value(&self) -> &str {
        &self.ciphertext
    }

    fn write_more(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(if self.is_changed { b",\"changed\":true" } else { b",\"changed\":false" });
    }
}

impl Verb for Encrypt {
    const TAKES: Takes = Takes::Plaintext;
    const GIVES: &'static str = "ciphertext";
    type Given = String;

    async fn perform(
        operational: &Arc<Operational>,
        now: Now,
        admitted: Admitted<Self>,
        work: Vec<Item<'_>>,
    ) -> Result<Done<String>, Refusal> {
        let (admitted, keys) = match operational.recall_sealing_keys(&admitted, now) {
            Some(keys) => (admitted, keys),
            None => {
                let operational = Arc::clone(operational);
                hop(move || {
                    let keys = operational.load_sealing_keys(&admitted, now)?;
                    Ok((admitted, keys))
                })
                .await?
            }
        };
        let bytes_max = operational.policies().request_limits.field_bytes_max;
        let fields = work.into_iter().map(|item| {
            let plaintext = field::decode(&item.value, bytes_max)?;
            Ok(Field { plaintext, context: field::context(item.context)? })
        });
        let done = operational.encrypt(&admitted, &keys, fields.collect(), now).map_err(Stop::told)?;
        Ok(done.map(|envelope| STANDARD.encode(envelope)))
    }
}

impl Verb for Decrypt {
    const TAKES: Takes = Takes::Ciphertext;
    const GIVES: &'static str = "plaintext";
    type Given = String;

    async fn perform(
        operational: &Arc<Operational>,
        now: Now,
        admitted: Admitted<Self>,
        work: Vec<Item<'_>>,
    ) -> Result<Done<String>, Refusal> {
        let bytes_max = envelope_bytes_max(operational);
        let sealed: Vec<Result<Sealed<'_>, Refusal>> =
            work.into_iter().map(|item| sealed(item, bytes_max)).collect();
        let keys = match operational.recall_opening_keys(&admitted, &sealed, now) {
            Some(keys) => keys,
            None => {
                let needs = Operational::opening_needs(&admitted, &sealed);
                let operational = Arc::clone(operational);
                hop(move || Ok(operational.load_opening_keys(needs, now))).await?
            }
        };
        let done = operational.decrypt(&admitted, &keys, sealed, now).map_err(Stop::told)?;
        Ok(done.map(|plaintext| STANDARD.encode(&*plaintext)))
    }
}

impl Verb for Reencrypt {
    const TAKES: Takes = Takes::Aged;
    const GIVES: &'static str = "ciphertext";
    type Given = GivenAnew;

    async fn perform(
        operational: &Arc<Operational>,
        now: Now,
        mut admitted: Admitted<Self>,
        work: Vec<Item<'_>>,
    ) -> Result<Done<GivenAnew>, Refusal> {
        let bytes_max = envelope_bytes_max(operational);
        let aged = work.into_iter().map(|item| {
            let force = item.force;
            Ok(Aged { sealed: sealed(item, bytes_max)?, force })
        });
        let aged: Vec<Result<Aged<'_>, Refusal>> = aged.collect();
        let needs = Operational::renewing_needs(&admitted, &aged);
        let mut keys = match operational.recall_renewing_keys(&needs, now) {
            Some(keys) => keys,
            None => {
                let operational = Arc::clone(operational);
                hop(move || operational.load_renewing_keys(&needs, now)).await?
            }
        };
        let mut renewing = operational.begin_reencrypt(aged).map_err(Stop::told)?;
        while !operational.reencrypt(&mut admitted, &mut keys, &mut renewing, now).map_err(Stop::told)? {
            let operational = Arc::clone(operational);
            admitted = hop(move || {
                operational.stake_again(&mut admitted, now);
                Ok(admitted)
            })
            .await?;
        }
        Ok(renewing.done().map(|renewed| GivenAnew {
            ciphertext: STANDARD.encode(renewed.envelope),
            is_changed: renewed.is_changed,
        }))
    }
}

pub(super) fn envelope_bytes_max(operational: &Operational) -> usize {
    operational.policies().request_limits.field_bytes_max + ENVELOPE_OVERHEAD
}

pub(super) fn sealed(item: Item<'_>, bytes_max: usize) -> Result<Sealed<'_>, Refusal> {
    let envelope = field::decode(&item.value, bytes_max)?;
    Ok(Sealed { envelope, context: field::context(item.context)? })
}

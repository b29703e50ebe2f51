//! `[journal]`: how access records reach the disk.

use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::bounds::{count, millis, seconds};
use crate::domain::operation::{Operation, Operations};

/// `[journal]`: access records on their way to the disk.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Journal {
    /// `flush_ms`: a record waits at most this long for its block. Default 20.
    #[serde(rename = "flush_ms", deserialize_with = "millis::<_, 1, 1_000>")]
    pub flush: Duration,
    /// `buffer_records_max`: records waiting; then requests are refused, because nothing unrecorded is answered. Default 65,536.
    #[serde(deserialize_with = "count::<_, _, 1_024, 1_048_576>")]
    pub buffer_records_max: u32,
    /// `strict`: operations answered only after their block is durable; the others are batched. Default `decrypt`.
    #[serde(deserialize_with = "operations")]
    pub strict: Operations,
    /// `disk_reserve_mib`: when the disk has less than this free, requests on data are refused, so that the operator's verbs
    /// go on working. Default 256.
    #[serde(deserialize_with = "count::<_, _, 0, 1_048_576>")]
    pub disk_reserve_mib: u32,
    /// `checkpoint_s`: a checkpoint is signed at least this often while the chain grows. Default 60.
    #[serde(rename = "checkpoint_s", deserialize_with = "seconds::<_, 1, 3_600>")]
    pub checkpoint_every: Duration,
    /// `retention_days`: records older than this are pruned daily, once an export of them is kept; 0 for never. Default 0.
    #[serde(rename = "retention_days", deserialize_with = "days")]
    pub retention: Option<Duration>,
}

impl Default for Journal {
    fn default() -> Self {
        Self {
            flush: Duration::from_millis(20),
            buffer_records_max: 65_536,
            strict: Operations::default().with(Operation::Decrypt),
            disk_reserve_mib: 256,
            checkpoint_every: Duration::from_secs(60),
            retention: None,
        }
    }
}

fn days<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let days: u32 = count::<_, _, 0, 36_525>(from)?;
    Ok((days > 0).then(|| Duration::from_secs(u64::from(days) * 86_400)))
}

fn operations<'de, D: Deserializer<'de>>(from: D) -> Result<Operations, D::Error> {
    let names = Vec::<String>::deserialize(from)?;
    names.iter().try_fold(Operations::default(), |set, name| {
        let known = Operation::ALL.map(Operation::name).join(", ");
        let unknown = |()| D::Error::custom(format_args!("{name:?} is no operation; there are {known}"));
        Ok(set.with(name.parse().map_err(unknown)?))
    })
}

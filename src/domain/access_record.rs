//! An access record: one data-plane request, as the journal keeps it. Never plaintext, context values, or anything they
//! could be guessed from.
//!
//! Kind 1, version 1. The body is deterministic CBOR:
//!
//! ```text
//! { 0: time µs, 1: endpoint 16, 2: API key id 16 (where one was proved), 3: certificate (SHA-256 of its SPKI, 32),
//!   4: address (4 or 16), 5: operation (0 where not yet said), 6: latency µs, 7: outcome (0 done, or the code of the refusal),
//!   8: [ [object 16 or null, key version, outcome, fields, bytes, [pseudonym 16…] (, sealed under (, true))] … ],
//!   9: further refusals like this one that it stands for (where there were any); the latency is their mean,
//!   10: { bucket: requests … }, how long all of them took, 11: the highest latency µs (both with member 9 only) }
//! ```
//!
//! One group per (object, key version, outcome, and what comes behind) of the items. Of a reencrypt the key version is the one
//! that opened; the seventh member is the one that sealed, 0 where nothing was sealed, and the eighth says that the version that
//! opened is compromised and the item came with force. Both are left out where they say nothing. `bytes` counts plaintext. Pseudonyms (`crypto/pseudonym`) ascend, one for each subject that
//! the items are about; where those are more than 1,000 the text `many` stands in place of the list, and where the object has
//! no subject the list is empty.

use std::collections::BTreeSet;
use std::net::IpAddr;

use minicbor::Encoder;
use smallvec::SmallVec;

use crate::crypto::pseudonym::Pseudonym;

use super::id::{ApiKeyId, EndpointId, ObjectId};
use super::latency::Histogram;
use super::operation::Operation;
use super::refusal::Code;
use super::timestamp::Timestamp;

/// The record's kind in its leaf.
pub const KIND: u16 = 1;
/// The body's version in its leaf.
pub const VERSION: u16 = 1;
/// Subjects of one group that are named.
pub const SUBJECTS_MAX: usize = 1_000;
/// What stands in place of more.
pub const MANY: &str = "many";

/// How a request, or an item, ended: `None` is done.
pub type Outcome = Option<Code>;

/// The number of an outcome: 0, or the code's.
#[must_use]
pub const fn outcome_number(outcome: Outcome) -> u16 {
    match outcome {
        None => 0,
        Some(code) => code.number(),
    }
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessRecord {
    /// When it arrived.
    pub time: Timestamp,
    /// Of the certificate.
    pub endpoint: EndpointId,
    /// Where one was proved.
    pub api_key: Option<ApiKeyId>,
    /// SHA-256 of the certificate's SPKI.
    pub certificate: [u8; 32],
    /// Where it came from.
    pub address: IpAddr,
    /// What was asked; none where the request was refused before it said.
    pub operation: Option<Operation>,
    /// From arrival to answer.
    pub latency_us: u64,
    /// How the whole request ended.
    pub outcome: Outcome,
    /// What was done, by object, key version and outcome.
    pub groups: Groups,
    /// Further refusals like this one, a moment earlier, that are not recorded by themselves. Boxed, because hardly any
    /// record has some.
    pub repeated: Option<Box<Repeated>>,
}

/// Refusals that are recorded as one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Repeated {
    /// How many, without the one that the record is of.
    pub more: u32,
    /// How long all of them took, that one included. Empty in records of before there were histograms.
    pub latencies: Histogram,
    /// The highest latency of all of them, microseconds.
    pub latency_max_us: u64,
}

/// The groups of one request; mostly there is one.
pub type Groups = SmallVec<[Group; 1]>;

/// Items of one request that went alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// None where the item named no object of the project.
    pub object: Option<ObjectId>,
    /// 0 where none was reached.
    pub key_version: u32,
    /// How the items ended.
    pub outcome: Outcome,
    /// How many.
    pub fields: u32,
    /// Bytes of plaintext.
    pub bytes: u64,
    /// Whom they are about, where the object has a subject. Boxed, because most have none.
    pub subjects: Option<Box<Subjects>>,
    /// What a reencrypt did with them beside opening them, where it did anything.
    pub anew: Option<Anew>,
    /// Of the object, where whoever made the record had it at hand: for those who count uses. It is not written.
    pub key_id: Option<u32>,
}

/// What a reencrypt did with items, beside opening them under their group's key version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anew {
    /// The key version that sealed them; 0 where nothing was sealed.
    pub key_version: u32,
    /// The version that they were under is compromised, and they came with force.
    pub forced: bool,
}

impl Anew {
    /// `None` where there is nothing to say.
    #[must_use]
    pub fn of(key_version: u32, forced: bool) -> Option<Self> {
        (key_version > 0 || forced).then_some(Self { key_version, forced })
    }
}

/// Whom items are about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subjects {
    /// At most [`SUBJECTS_MAX`].
    Named(BTreeSet<Pseudonym>),
    /// More than are named.
    Many,
}

impl Group {
    /// Says that an item of it is about `subject`.
    pub fn is_about(&mut self, subject: Pseudonym) {
        let subjects = self.subjects.get_or_insert_with(|| Box::new(Subjects::Named(BTreeSet::new())));
        if let Subjects::Named(named) = &mut **subjects {
            named.insert(subject);
            if named.len() > SUBJECTS_MAX {
                **subjects = Subjects::Many;
            }
        }
    }
}

impl AccessRecord {
    /// How many requests it stands for.
    #[must_use]
    pub fn requests(&self) -> u64 {
        1 + self.repeated.as_ref().map_or(0, |repeated| u64::from(repeated.more))
    }

    /// Writes the body behind what is already in `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        // Writing to a Vec cannot fail.
        let _ = self.encode(&mut Encoder::new(out));
    }

    fn encode<W: minicbor::encode::Write>(
        &self,
        out: &mut Encoder<W>,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        let repeated =
            self.repeated.as_deref().map_or(0, |repeated| if repeated.latencies.is_empty() { 1 } else { 3 });
        out.map(8 + u64::from(self.api_key.is_some()) + repeated)?;
        out.u8(0)?.u64(self.time.micros())?;
        out.u8(1)?.bytes(self.endpoint.as_bytes())?;
        if let Some(id) = self.api_key {
            out.u8(2)?.bytes(id.as_bytes())?;
        }
        out.u8(3)?.bytes(&self.certificate)?;
        match self.address {
            IpAddr::V4(address) => out.u8(4)?.bytes(&address.octets())?,
            IpAddr::V6(address) => out.u8(4)?.bytes(&address.octets())?,
        };
        out.u8(5)?.u8(self.operation.map_or(0, Operation::number))?;
        out.u8(6)?.u64(self.latency_us)?;
        out.u8(7)?.u16(outcome_number(self.outcome))?;
        out.u8(8)?.array(self.groups.len() as u64)?;
        for group in &self.groups {
            out.array(6 + group.anew.map_or(0, |anew| 1 + u64::from(anew.forced)))?;
            match group.object {
                Some(id) => out.bytes(id.as_bytes())?,
                None => out.null()?,
            };
            out.u32(group.key_version)?.u16(outcome_number(group.outcome))?;
            out.u32(group.fields)?.u64(group.bytes)?;
            match group.subjects.as_deref() {
                None => {
                    out.array(0)?;
                }
                Some(Subjects::Many) => {
                    out.str(MANY)?;
                }
                Some(Subjects::Named(named)) => {
                    out.array(named.len() as u64)?;
                    for subject in named {
                        out.bytes(&subject.0)?;
                    }
                }
            }
            if let Some(anew) = group.anew {
                out.u32(anew.key_version)?;
                if anew.forced {
                    out.bool(true)?;
                }
            }
        }
        if let Some(repeated) = &self.repeated {
            out.u8(9)?.u32(repeated.more)?;
            if !repeated.latencies.is_empty() {
                out.u8(10)?.encode(&repeated.latencies)?;
                out.u8(11)?.u64(repeated.latency_max_us)?;
            }
        }
        Ok(())
    }
}

/// The endpoint that a record is about; `None` when the bytes are no access record.
#[must_use]
pub fn endpoint_of(body: &[u8]) -> Option<EndpointId> {
    let mut from = minicbor::Decoder::new(body);
    // Members come in the order of their keys: the time, then the endpoint.
    from.map().ok()??;
    if from.u8().ok()? != 0 {
        return None;
    }
    from.u64().ok()?;
    if from.u8().ok()? != 1 {
        return None;
    }
    Some(EndpointId::from_bytes(from.bytes().ok()?.try_into().ok()?))
}

/// Adds one item to the groups, of a reencrypt with what it did beside opening it; the group it came to.
pub fn count_item(
    groups: &mut Groups,
    object: Option<ObjectId>,
    key_version: u32,
    anew: Option<Anew>,
    outcome: Outcome,
    bytes: u64,
) -> &mut Group {
    let alike = |group: &Group| {
        group.object == object
            && group.key_version == key_version
            && group.outcome == outcome
            && group.anew == anew
    };
    let at = groups.iter().position(alike).unwrap_or_else(|| {
        groups.push(Group {
            object,
            key_version,
            outcome,
            fields: 0,
            bytes: 0,
            subjects: None,
            anew,
            key_id: None,
        });
        groups.len() - 1
    });
    let group = &mut groups[at];
    group.fields += 1;
    group.bytes += bytes;
    group
}

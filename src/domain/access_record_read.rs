//! An access record read back from the journal: the inverse of [`AccessRecord::write`].

use std::net::IpAddr;

use minicbor::data::Type;
use minicbor::decode::{Decoder, Error};

use crate::crypto::pseudonym::Pseudonym;

use super::access_record::{AccessRecord, Anew, Group, Groups, MANY, Outcome, Repeated, Subjects};
use super::id::{ApiKeyId, EndpointId, ObjectId};
use super::operation::Operation;
use super::refusal::Code;
use super::timestamp::Timestamp;

impl AccessRecord {
    /// Reads a body; `None` for what is none.
    #[must_use]
    pub fn read(body: &[u8]) -> Option<Self> {
        let mut from = Decoder::new(body);
        let record = read(&mut from).ok()?;
        (from.position() == body.len()).then_some(record)
    }
}

fn read(from: &mut Decoder<'_>) -> Result<AccessRecord, Error> {
    let wrong = || Error::message("no access record");
    let mut record = AccessRecord {
        time: Timestamp::default(),
        endpoint: EndpointId::from_bytes([0; 16]),
        api_key: None,
        certificate: [0; 32],
        address: IpAddr::from([0; 4]),
        operation: None,
        latency_us: 0,
        outcome: None,
        groups: Groups::new(),
        repeated: None,
    };
    let mut repeated: Option<Box<Repeated>> = None;
    for _ in 0..from.map()?.ok_or_else(wrong)? {
        match from.u8()? {
            0 => record.time = Timestamp::from_micros(from.u64()?),
            1 => record.endpoint = EndpointId::from_bytes(sixteen(from)?),
            2 => record.api_key = Some(ApiKeyId::from_bytes(sixteen(from)?)),
            3 => record.certificate = from.bytes()?.try_into().map_err(|_| wrong())?,
            4 => {
                let address = from.bytes()?;
                let four = <[u8; 4]>::try_from(address).map(IpAddr::from);
                let address = four.or_else(|_| <[u8; 16]>::try_from(address).map(IpAddr::from));
                record.address = address.map_err(|_| wrong())?;
            }
            5 => record.operation = Operation::from_number(from.u8()?),
            6 => record.latency_us = from.u64()?,
            7 => record.outcome = outcome(from)?,
            8 => {
                for _ in 0..from.array()?.ok_or_else(wrong)? {
                    record.groups.push(group(from)?);
                }
            }
            9 => repeated.get_or_insert_default().more = from.u32()?,
            10 => repeated.get_or_insert_default().latencies = from.decode()?,
            11 => repeated.get_or_insert_default().latency_max_us = from.u64()?,
            _ => return Err(wrong()),
        }
    }
    record.repeated = repeated;
    Ok(record)
}

fn group(from: &mut Decoder<'_>) -> Result<Group, Error> {
    let wrong = || Error::message("no group");
    let members = from.array()?.filter(|members| (6..=8).contains(members)).ok_or_else(wrong)?;
    let object = match from.datatype()? {
        Type::Null => {
            from.null()?;
            None
        }
        _ => Some(ObjectId::from_bytes(sixteen(from)?)),
    };
    let mut group = Group {
        object,
        key_version: from.u32()?,
        outcome: outcome(from)?,
        fields: from.u32()?,
        bytes: from.u64()?,
        subjects: None,
        anew: None,
        key_id: None,
    };
    if from.datatype()? == Type::String {
        group.subjects = (from.str()? == MANY).then(|| Box::new(Subjects::Many));
        if group.subjects.is_none() {
            return Err(wrong());
        }
    } else {
        for _ in 0..from.array()?.ok_or_else(wrong)? {
            group.is_about(Pseudonym(sixteen(from)?));
        }
    }
    if members > 6 {
        let key_version = from.u32()?;
        // What says nothing is left out, so it cannot say no.
        if (members > 7 && !from.bool()?) || (members == 7 && key_version == 0) {
            return Err(wrong());
        }
        group.anew = Anew::of(key_version, members > 7);
    }
    Ok(group)
}

/// A code that this program does not know was none it could have written.
fn outcome(from: &mut Decoder<'_>) -> Result<Outcome, Error> {
    match from.u16()? {
        0 => Ok(None),
        number => Code::from_number(number).map(Some).ok_or_else(|| Error::message("no code")),
    }
}

fn sixteen(from: &mut Decoder<'_>) -> Result<[u8; 16], Error> {
    from.bytes()?.try_into().map_err(|_| Error::message("not 16 bytes"))
}

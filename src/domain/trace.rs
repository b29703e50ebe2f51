//! What is left of what was, or was done: when an API key was used last, and which project a deleted endpoint belonged to.
//! Neither decides anything; lists and statistics show it.
//!
//! ```text
//! row key   1 | API key id 16, or 2 | endpoint id 16
//! ```

use std::net::IpAddr;

use minicbor::{Decode, Encode};

use super::id::{ApiKeyId, EndpointId, ProjectId};
use super::timestamp::Timestamp;

/// The last use of an API key, to the minute or so, as it is stored under [`LastUse::row_key`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct LastUse {
    /// When.
    #[n(0)]
    pub time: Timestamp,
    /// From where: 4 or 16 bytes.
    #[cbor(n(1), with = "octets")]
    pub address: IpAddr,
}

/// An endpoint that was deleted, as it is stored under [`Departed::row_key`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Departed {
    /// Whose it was.
    #[n(0)]
    pub project: ProjectId,
    /// When it was deleted.
    #[n(1)]
    pub deleted: Timestamp,
}

impl LastUse {
    /// Where that of an API key is kept.
    #[must_use]
    pub fn row_key(of: ApiKeyId) -> [u8; 17] {
        row_key(1, of.as_bytes())
    }
}

impl Departed {
    /// Where what is left of an endpoint is kept.
    #[must_use]
    pub fn row_key(of: EndpointId) -> [u8; 17] {
        row_key(2, of.as_bytes())
    }
}

fn row_key(kind: u8, id: &[u8; 16]) -> [u8; 17] {
    let mut key = [kind; 17];
    key[1..].copy_from_slice(id);
    key
}

/// An address as its bytes.
mod octets {
    use std::net::IpAddr;

    use minicbor::decode::Error as DecodeError;
    use minicbor::encode::{Error as EncodeError, Write};
    use minicbor::{Decoder, Encoder};

    pub(super) fn encode<C, W: Write>(
        address: &IpAddr,
        out: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        match address {
            IpAddr::V4(address) => out.bytes(&address.octets())?.ok(),
            IpAddr::V6(address) => out.bytes(&address.octets())?.ok(),
        }
    }

    pub(super) fn decode<C>(from: &mut Decoder<'_>, _: &mut C) -> Result<IpAddr, DecodeError> {
        let bytes = from.bytes()?;
        let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
        let address = v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from));
        address.map_err(|_| DecodeError::message("an address has 4 or 16 bytes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::cbor;

    #[test]
    fn an_address_is_its_bytes() {
        for (address, bytes) in [("10.0.0.7", vec![10, 0, 0, 7]), ("::1", [&[0; 15][..], &[1]].concat())] {
            let used = LastUse { time: Timestamp::from_micros(5), address: address.parse().unwrap() };
            let written = cbor::encode(&used);
            let head = [0xA2, 0x00, 0x05, 0x01, 0x40 + u8::try_from(bytes.len()).unwrap()];
            assert_eq!(written, [&head[..], &bytes].concat());
            assert_eq!(cbor::decode(&written), Ok(used));
        }
        assert!(cbor::decode::<LastUse>(&[0xA2, 0x00, 0x05, 0x01, 0x41, 0x07]).is_err());
    }
}

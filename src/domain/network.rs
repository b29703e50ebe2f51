//! Networks that an endpoint may come from: an address and how many bits of it count, such as `10.20.0.0/16` or `fd00::/8`.
//!
//! An IPv4 address inside IPv6 (`::ffff:10.0.0.7`, as a dual-stack listener sees one) is one of its IPv4 network, and of no
//! IPv6 network: so one rule holds whichever way a client comes. Stored as `address 4 or 16 | bits u8`.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};
use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decode, Decoder, Encode, Encoder};

/// Most networks of one endpoint.
pub const NETWORKS_MAX: usize = 64;

/// One network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Network(IpNet);

/// The text is no network; the sentence says what to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotANetwork(String);

impl fmt::Display for NotANetwork {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for NotANetwork {}

impl Network {
    /// Whether an address is in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }

    /// In the one form that each network has.
    fn canonical(net: IpNet) -> Option<Self> {
        let IpNet::V6(v6) = net else { return Some(Self(net)) };
        let Some(mapped) = v6.addr().to_ipv4_mapped() else { return Some(Self(net)) };
        let bits = v6.prefix_len().checked_sub(96)?;
        Ipv4Net::new(mapped, bits).ok().map(|net| Self(net.into()))
    }
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let wanted = || {
            NotANetwork(format!("{text:?} is no network; write it like 10.20.0.0/16, fd00::/8 or 10.20.0.7"))
        };
        let net = match text.parse::<IpAddr>() {
            Ok(address) => IpNet::from(address),
            Err(_) => text.parse::<IpNet>().map_err(|_| wanted())?,
        };
        if net.addr() != net.network() {
            return Err(NotANetwork(format!(
                "{text} has bits behind its /{}; its network is {}",
                net.prefix_len(),
                net.trunc()
            )));
        }
        Self::canonical(net).ok_or_else(wanted)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

impl<C> Encode<C> for Network {
    fn encode<W: Write>(&self, out: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        let mut bytes = match self.0.addr() {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        bytes.push(self.0.prefix_len());
        out.bytes(&bytes)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Network {
    fn decode(from: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        let wrong = || DecodeError::message("a network is an address of 4 or 16 bytes and its bits");
        let (bits, address) = from.bytes()?.split_last().ok_or_else(wrong)?;
        let v4 = <[u8; 4]>::try_from(address).map(IpAddr::from);
        let address = v4.or_else(|_| <[u8; 16]>::try_from(address).map(IpAddr::from));
        let net = IpNet::new(address.map_err(|_| wrong())?, *bits).map_err(|_| wrong())?;
        Self::canonical(net)
            .filter(|network| network.0 == net && net.addr() == net.network())
            .ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::cbor;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_is_in_its_network_whichever_way_it_comes() {
        for (net, inside, outside) in [
            (
                "10.20.0.0/16",
                &["10.20.0.0", "10.20.255.255", "::ffff:10.20.3.4"][..],
                &["10.21.0.0", "::10.20.3.4", "fd00::1"][..],
            ),
            ("10.20.0.7", &["10.20.0.7", "::ffff:10.20.0.7"], &["10.20.0.8"]),
            ("0.0.0.0/0", &["1.2.3.4", "::ffff:1.2.3.4"], &["::1"]),
            ("::/0", &["::1", "fd00::1"], &["1.2.3.4", "::ffff:1.2.3.4"]),
            ("fd00:1::/32", &["fd00:1::", "fd00:1:ffff::1"], &["fd00:2::", "10.0.0.1"]),
            ("::ffff:10.20.0.0/112", &["10.20.3.4", "::ffff:10.20.3.4"], &["10.21.0.0"]),
        ] {
            let is_in = |address: &&str| network(net).contains(address.parse().unwrap());
            assert!(inside.iter().all(is_in), "{net}");
            assert!(!outside.iter().any(is_in), "{net}");
        }
        assert_eq!(network("::ffff:10.20.0.0/112"), network("10.20.0.0/16"), "one network has one form");
    }

    #[test]
    fn what_says_something_else_than_it_means_is_refused() {
        let said = |text: &str| text.parse::<Network>().unwrap_err().0;
        assert!(said("10.20.0.7/16").contains("its network is 10.20.0.0/16"), "{}", said("10.20.0.7/16"));
        for bad in [
            "",
            "10.20",
            "10.20.0.0/33",
            "fd00::/129",
            "kantor",
            "10.20.0.0/255.255.0.0",
            "::ffff:0.0.0.0/80",
            " 10.0.0.0/8",
        ] {
            assert!(!said(bad).is_empty(), "{bad}");
        }
    }

    #[test]
    fn a_network_is_its_address_and_its_bits() {
        for (text, bytes) in [
            ("10.20.0.0/16", vec![0x45, 10, 20, 0, 0, 16]),
            ("fd00::/8", [&[0x51, 0xFD][..], &[0; 15], &[8]].concat()),
        ] {
            assert_eq!(cbor::encode(&network(text)), bytes);
            assert_eq!(cbor::decode(&bytes), Ok(network(text)));
        }
        // Bits behind the prefix, too many of them, and IPv4 in IPv6: other ways of writing one.
        let mapped = [&[0x51][..], &[0; 10], &[0xFF, 0xFF, 10, 20, 0, 0, 112]].concat();
        for bad in [
            &[0x45, 10, 20, 0, 1, 16][..],
            &[0x45, 10, 20, 0, 0, 33],
            &[0x44, 10, 20, 0, 0],
            &[0x40],
            &mapped,
        ] {
            assert!(cbor::decode::<Network>(bad).is_err(), "{bad:?}");
        }
    }
}

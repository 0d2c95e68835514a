//! A client network: one IPv4 or IPv6 prefix.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use crate::Error;

/// An address prefix such as `203.0.113.0/24` or `2001:db8:0:42::/64`, with no bit set after its
/// length. An IPv4 network is never written as mapped IPv6, so that it has one spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientNet {
    first: IpAddr,
    prefix_bits: u8,
}

impl ClientNet {
    /// Checks that `first` is the first address of its network.
    pub fn new(first: IpAddr, prefix_bits: u8) -> Result<Self, Error> {
        Self::checked(first, prefix_bits).ok_or_else(|| {
            let value = format!("{first}/{prefix_bits}");
            Error::value(
                "client network",
                &value,
                "a prefix with no bit set after its length",
            )
        })
    }

    /// The network of one address: /32 or, for IPv6, its /64 (a home's network: privacy addresses
    /// change within it).
    pub fn of_client(address: IpAddr) -> Self {
        match address.to_canonical() {
            first @ IpAddr::V4(_) => Self {
                first,
                prefix_bits: 32,
            },
            IpAddr::V6(v6) => {
                let first = IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask_v6(64)));
                Self {
                    first,
                    prefix_bits: 64,
                }
            }
        }
    }

    /// Reads `address/length`, or an address alone as a network of one.
    pub fn parse(text: &str) -> Result<Self, Error> {
        Self::parsed(text).ok_or_else(|| {
            let hint = "an address and a prefix length, with no bit set after it, such as \
                        203.0.113.0/24 or 2001:db8::/56";
            Error::value("client network", text, hint)
        })
    }

    /// The network of an address and a prefix length as other vendors write them: bits after the
    /// length are dropped, and mapped IPv6 is the IPv4 that it is.
    pub(crate) fn loose(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().ok()?)),
            None => (text, None),
        };
        match address.parse().ok()? {
            IpAddr::V4(v4) => {
                let bits = bits.unwrap_or(32);
                Self::checked(
                    IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask_v4(bits))),
                    bits,
                )
            }
            IpAddr::V6(v6) => {
                let bits = bits.unwrap_or(128);
                if let (Some(v4), 96..=128) = (v6.to_ipv4_mapped(), bits) {
                    return Self::loose(&format!("{v4}/{}", bits - 96));
                }
                Self::checked(
                    IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask_v6(bits))),
                    bits,
                )
            }
        }
    }

    fn parsed(text: &str) -> Option<Self> {
        let Some((first, bits)) = text.split_once('/') else {
            let first: IpAddr = text.parse().ok()?;
            return Self::checked(first, if first.is_ipv4() { 32 } else { 128 });
        };
        Self::checked(first.parse().ok()?, bits.parse().ok()?)
    }

    /// Whether `client` is in the network. A v4-mapped IPv6 address counts as the IPv4 address
    /// that it is, because a dual-stack socket reports IPv4 clients so.
    pub fn contains(&self, client: IpAddr) -> bool {
        match (self.first, client.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(client)) => {
                client.to_bits() & mask_v4(self.prefix_bits) == first.to_bits()
            }
            (IpAddr::V6(first), IpAddr::V6(client)) => {
                client.to_bits() & mask_v6(self.prefix_bits) == first.to_bits()
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }

    /// Prefix length, then 4 or 16 bytes of address.
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let mut bytes = vec![self.prefix_bits];
        match self.first {
            IpAddr::V4(first) => bytes.extend(first.octets()),
            IpAddr::V6(first) => bytes.extend(first.octets()),
        }
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&prefix_bits, address) = bytes.split_first()?;
        let first = match address.len() {
            4 => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(address).ok()?)),
            16 => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(address).ok()?)),
            _ => return None,
        };
        Self::checked(first, prefix_bits)
    }

    fn checked(first: IpAddr, prefix_bits: u8) -> Option<Self> {
        let tail_is_zero = match first {
            IpAddr::V4(v4) => prefix_bits <= 32 && v4.to_bits() & !mask_v4(prefix_bits) == 0,
            IpAddr::V6(v6) => {
                prefix_bits <= 128
                    && v6.to_ipv4_mapped().is_none()
                    && v6.to_bits() & !mask_v6(prefix_bits) == 0
            }
        };
        tail_is_zero.then_some(Self { first, prefix_bits })
    }
}

impl fmt::Display for ClientNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix_bits)
    }
}

fn mask_v4(bits: u8) -> u32 {
    u32::MAX
        .checked_shl(32_u32.saturating_sub(u32::from(bits)))
        .unwrap_or(0)
}

fn mask_v6(bits: u8) -> u128 {
    u128::MAX
        .checked_shl(128_u32.saturating_sub(u32::from(bits)))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_mapped_address_is_the_ipv4_client_that_it_is() {
        let net = ClientNet::parse("203.0.113.0/24").unwrap();
        assert!(net.contains(ip("203.0.113.7")));
        assert!(net.contains(ip("::ffff:203.0.113.7")));
        assert!(!net.contains(ip("203.0.114.7")));
        assert!(
            !net.contains(ip("::203.0.113.7")),
            "the old compatible form is not mapped"
        );
        assert_eq!(
            ClientNet::of_client(ip("::ffff:192.0.2.1")).to_string(),
            "192.0.2.1/32"
        );
    }

    #[test]
    fn another_64_is_another_client() {
        let net = ClientNet::of_client(ip("2001:db8:0:42::9"));
        assert!(net.contains(ip("2001:db8:0:42:ffff::1")));
        assert!(!net.contains(ip("2001:db8:0:43::9")));
        assert!(!net.contains(ip("192.0.2.1")));
    }

    #[test]
    fn a_network_has_one_spelling() {
        let bad = [
            "203.0.113.1/24",
            "203.0.113.0/33",
            "2001:db8::1/64",
            "::/129",
            "::ffff:1.2.3.4/128",
            "1.2.3",
            "1.2.3.4/",
            "/8",
            "1.2.3.4/-1",
            "1.2.3.4/8/8",
            "",
        ];
        for bad in bad {
            assert!(ClientNet::parse(bad).is_err(), "{bad:?}");
        }
        assert!(
            ClientNet::parse("0.0.0.0/0")
                .unwrap()
                .contains(ip("255.1.2.3"))
        );
        assert!(
            ClientNet::parse("::/0")
                .unwrap()
                .contains(ip("2001:db8::1"))
        );
        assert_eq!(
            ClientNet::parse("192.0.2.1").unwrap().to_string(),
            "192.0.2.1/32"
        );
    }

    proptest! {
        #[test]
        fn bytes_round_trip_or_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..20)) {
            if let Some(net) = ClientNet::from_bytes(&bytes) {
                prop_assert_eq!(net.to_bytes(), bytes);
            }
        }

        #[test]
        fn a_client_is_in_its_own_network(address in any::<IpAddr>()) {
            prop_assert!(ClientNet::of_client(address).contains(address));
        }
    }
}

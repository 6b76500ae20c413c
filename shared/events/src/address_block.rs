//! Blocks of network addresses: where an order came from, without anybody's address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use envelope::Extensions;
use serde_json::Value;

/// Name of the extension attribute of `OrderCreated` that has the block of its caller's address.
pub const ADDRESS_BLOCK: &str = "addressblock";

/// Bits of an IPv4 address that its block has in common: 256 addresses are the least that is told apart in the public routing
/// tables, and nobody's in particular.
const BITS_V4: u32 = 24;

/// The same of IPv6, where a customer of a provider has from a /64 to a /48 alone.
const BITS_V6: u32 = 48;

/// Block of network addresses, such as `203.0.113.0/24` or `2001:db8:7::/48`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressBlock(String);

impl AddressBlock {
    /// The block that `address` is in: a /24 of IPv4, a /48 of IPv6. None of an address that is not of the public network: there
    /// it is that of a proxy, or of all the world.
    #[must_use]
    pub fn of(address: IpAddr) -> Option<Self> {
        match address.to_canonical() {
            IpAddr::V4(address) => {
                let is_local = address.is_private() || address.is_loopback() || address.is_link_local();
                let first = Ipv4Addr::from_bits(address.to_bits() & (u32::MAX << (u32::BITS - BITS_V4)));
                (!is_local && !address.is_unspecified()).then(|| Self(format!("{first}/{BITS_V4}")))
            }
            IpAddr::V6(address) => {
                let is_local = address.is_unique_local() || address.is_loopback() || address.is_unicast_link_local();
                let first = Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << (u128::BITS - BITS_V6)));
                (!is_local && !address.is_unspecified()).then(|| Self(format!("{first}/{BITS_V6}")))
            }
        }
    }

    /// The block among the extension attributes of an event; none where there is none, or something else.
    #[must_use]
    pub fn among(extensions: &Extensions) -> Option<Self> {
        let text = extensions.get(ADDRESS_BLOCK).and_then(Value::as_str)?;
        let (address, _) = text.split_once('/')?;
        Self::of(address.parse().ok()?).filter(|block| block.0 == text)
    }

    /// The block as the extension attribute of an event.
    #[must_use]
    pub fn into_extension(self) -> (String, Value) {
        (ADDRESS_BLOCK.to_owned(), Value::String(self.0))
    }

    /// The block as a text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(address: &str) -> Option<String> {
        AddressBlock::of(address.parse().unwrap()).map(|block| block.0)
    }

    #[test]
    fn neighbours_are_in_one_block_and_nobody_is_alone_in_it() {
        for (address, in_block) in [
            ("203.0.113.7", "203.0.113.0/24"),
            ("203.0.113.255", "203.0.113.0/24"),
            ("203.0.114.0", "203.0.114.0/24"),
            ("::ffff:203.0.113.7", "203.0.113.0/24"),
            ("2001:db8:7:1::1", "2001:db8:7::/48"),
            ("2001:db8:7:ffff:ffff:ffff:ffff:ffff", "2001:db8:7::/48"),
            ("2001:db8:8::", "2001:db8:8::/48"),
        ] {
            assert_eq!(block(address).as_deref(), Some(in_block), "{address}");
        }
    }

    #[test]
    fn what_is_not_of_the_public_network_tells_nobody_apart() {
        for address in
            ["127.0.0.1", "10.1.2.3", "192.168.0.9", "169.254.0.1", "0.0.0.0", "::", "::1", "fd00::1", "fe80::1"]
        {
            assert_eq!(block(address), None, "{address}");
        }
    }

    #[test]
    fn a_block_is_read_as_it_was_written_and_nothing_else_is() {
        let among = |text: &str| {
            let extensions = Extensions::from_iter([(ADDRESS_BLOCK.to_owned(), Value::from(text))]);
            AddressBlock::among(&extensions)
        };
        for address in ["203.0.113.7", "2001:db8:7:1::1"] {
            let block = AddressBlock::of(address.parse().unwrap()).unwrap();
            let extensions = Extensions::from_iter([block.clone().into_extension()]);
            assert_eq!(AddressBlock::among(&extensions), Some(block));
        }
        for other in ["203.0.113.7/24", "203.0.113.0/32", "203.0.113.0", "203.0.113.0/24 ", "10.0.0.0/24", ""] {
            assert_eq!(among(other), None, "{other}");
        }
        assert_eq!(AddressBlock::among(&Extensions::new()), None);
    }
}

//! Addresses: which of them are public.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Tells that an address is public: that anybody on the Internet means the same host by it. Private networks, this machine, the link with
/// the metadata of clouds on it, documentation, multicast and all that is reserved are not; nor is an address of IPv6 that stands for
/// one of IPv4 that is not.
///
/// By IANA's registries of special-purpose addresses, of which what is in doubt is not public.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// Blocks of IPv4 that are not public, and the number of bits of each.
const INNER: [(Ipv4Addr, u32); 15] = [
    (Ipv4Addr::UNSPECIFIED, 8),           // this network
    (Ipv4Addr::new(10, 0, 0, 0), 8),      // private
    (Ipv4Addr::new(100, 64, 0, 0), 10),   // shared by the subscribers of a carrier
    (Ipv4Addr::new(127, 0, 0, 0), 8),     // loopback
    (Ipv4Addr::new(169, 254, 0, 0), 16),  // link-local, with the metadata
    (Ipv4Addr::new(172, 16, 0, 0), 12),   // private
    (Ipv4Addr::new(192, 0, 0, 0), 24),    // protocols
    (Ipv4Addr::new(192, 0, 2, 0), 24),    // documentation
    (Ipv4Addr::new(192, 88, 99, 0), 24),  // relays of 6to4
    (Ipv4Addr::new(192, 168, 0, 0), 16),  // private
    (Ipv4Addr::new(198, 18, 0, 0), 15),   // benchmarks
    (Ipv4Addr::new(198, 51, 100, 0), 24), // documentation
    (Ipv4Addr::new(203, 0, 113, 0), 24),  // documentation
    (Ipv4Addr::new(224, 0, 0, 0), 4),     // multicast
    (Ipv4Addr::new(240, 0, 0, 0), 4),     // reserved, and broadcast
];

fn is_public_v4(address: Ipv4Addr) -> bool {
    !INNER.iter().any(|(block, bits)| (address.to_bits() ^ block.to_bits()) >> (32 - bits) == 0)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, third, .., seventh, eighth] = address.segments();
    let v4 = |high: u16, low: u16| is_public_v4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    match (first, second) {
        // NAT64 stands for an address of IPv4, and so does 6to4.
        (0x64, 0xff9b) if address.segments()[2..6] == [0; 4] => v4(seventh, eighth),
        (0x2002, high) => v4(high, third),
        // Protocols, Teredo among them, and documentation.
        (0x2001, second) if second < 0x200 || second == 0xdb8 => false,
        (0x3fff, second) => second >= 0x1000,
        // All that is given out lies in 2000::/3. So neither loopback, nor what is mapped from IPv4, nor private.
        (first, _) => first & 0xe000 == 0x2000,
    }
}

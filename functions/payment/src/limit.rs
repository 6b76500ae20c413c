//! Limit of declines: what they are counted by, and from when on no more is asked.
//!
//! Who tries stolen cards makes an order for each, and each decline costs the shop: the provider's fee for it, and its standing
//! with the banks. So declines are counted, and orders are not: by the customer, by the payment method, and by the block of
//! addresses that the order came from. Where one of them has had too many within an hour, the provider is not asked.
//!
//! ```text
//!   goods reserved ──► count declines ──► fewer than the limit ──► intent ──► charge ──► declined: put it down, once
//!                            └─ as many as the limit: declined, and nobody was asked
//! ```
//!
//! A count is read before the charge and written after it, so that an order which is paid costs no write. What is under way
//! side by side is therefore not counted yet, and the limit is half of what is to be the most: a thousand orders in a minute
//! are 17 a second, of which a provider that takes half a second has 9 at a time.

use std::time::Duration;

use data_encoding::HEXLOWER;
use orderflow_events::{AddressBlock, Extensions, OrderDetails, PaymentFailure, PaymentMethod, Text, is_guest};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Time before and after an order's charge in which declines count, by the events that the goods are reserved with. Cards are
/// tried within minutes; whoever has mistyped one may try again later.
pub(crate) const WINDOW: Duration = Duration::from_hours(1);

/// Retention of a decline after the time of its event, for tidiness and for privacy. A message is at most 14 days in each of
/// three queues: the one for what the topic could not deliver, its own, and the one for dead letters. Who comes back later than
/// that is counted without the others.
pub const DECLINES_KEPT: Duration = Duration::from_hours(45 * 24);

/// Code of a decline that is ours, and not the provider's.
const CODE: &str = "tooManyDeclines";

/// Bytes of a digest that are kept: enough that no two are the same by chance, and half of the row's.
const DIGEST_BYTES: usize = 16;

/// Something that declines are counted by: a customer, a payment method or a block of addresses. It is a digest, which names
/// nobody.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Tally(String);

impl Tally {
    /// That of a customer, by the shop's own id.
    #[must_use]
    pub fn of_customer(id: &Text) -> Self {
        Self::new("customer", id.as_str())
    }

    /// That of a card or an account, by the provider's token.
    #[must_use]
    pub fn of_method(method: &PaymentMethod) -> Self {
        Self::new("method", method.as_str())
    }

    /// That of all who order from a block of addresses.
    #[must_use]
    pub fn of_addresses(block: &AddressBlock) -> Self {
        Self::new("addresses", block.as_str())
    }

    fn new(kind: &str, text: &str) -> Self {
        let digest = Sha256::digest(text);
        Self(format!("{kind}#{}", HEXLOWER.encode(&digest[..DIGEST_BYTES])))
    }

    /// The tally as a text, such as `method#5e88…`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Tallies of an order, that its decline is counted by. Each order of a guest has a customer of its own, who has no other; an order of
/// another producer has no address.
pub(crate) fn tallies(order: &OrderDetails, method: &PaymentMethod, extensions: &Extensions) -> Vec<Tally> {
    let customer = Some(&order.customer.id).filter(|id| !is_guest(id)).map(Tally::of_customer);
    let addresses = AddressBlock::among(extensions).as_ref().map(Tally::of_addresses);
    [Some(Tally::of_method(method)), customer, addresses].into_iter().flatten().collect()
}

/// True where one of these counts of declines has come to the limit.
pub(crate) fn is_reached(limit: u32, counts: &[u32]) -> bool {
    counts.iter().any(|count| *count >= limit)
}

/// Reason of a decline that is ours.
pub(crate) fn refusal() -> PaymentFailure {
    let [code, message] = [CODE, "Too many payments were declined within an hour."].map(Text::shortened);
    PaymentFailure { code, message }
}

#[cfg(test)]
mod tests {
    use orderflow_events::{OrderId, guest_of, sample};

    use super::*;

    fn method(name: &str) -> PaymentMethod {
        PaymentMethod::new(name).unwrap()
    }

    fn block(address: &str) -> AddressBlock {
        AddressBlock::of(address.parse().unwrap()).unwrap()
    }

    #[test]
    fn an_order_counts_for_its_method_its_customer_and_where_it_came_from() {
        let (mut order, visa) = (sample::order("ord_1").details, method("pm_card_visa"));
        let from = |address| Extensions::from_iter([block(address).into_extension()]);
        let by_method = Tally::of_method(&visa);
        let by_customer = Tally::of_customer(&order.customer.id);
        let by_addresses = Tally::of_addresses(&block("203.0.113.99"));
        let all = [by_method.clone(), by_customer.clone(), by_addresses.clone()];
        assert_eq!(tallies(&order, &visa, &from("203.0.113.7")), all);
        assert_eq!(tallies(&order, &visa, &Extensions::new()), all[..2], "of another producer");
        order.customer.id = guest_of(&OrderId::new("ord_1").unwrap());
        assert_eq!(tallies(&order, &visa, &from("203.0.113.7")), [by_method, by_addresses], "of a guest");
    }

    #[test]
    fn a_tally_names_nobody_and_never_changes() {
        let of = |name: &str| Tally::of_customer(&Text::new(name).unwrap());
        assert_ne!(of("pm_card_visa").as_str(), Tally::of_method(&method("pm_card_visa")).as_str());
        assert_ne!(of("ada"), of("Ada"));
        // Stored by earlier builds: this value may never change.
        assert_eq!(of("ada@example.com").as_str(), "customer#b5fc85e55755f9e0d030a10ab4429b6b");
    }

    #[test]
    fn one_count_is_enough_to_reach_the_limit() {
        for (limit, counts, reached) in [
            (10, &[][..], false),
            (10, &[0, 0, 0], false),
            (10, &[9, 9, 9], false),
            (10, &[0, 10, 0], true),
            (10, &[11], true),
            (1, &[0, 1], true),
        ] {
            assert_eq!(is_reached(limit, counts), reached, "{counts:?} of {limit}");
        }
    }

    #[test]
    fn a_refusal_says_why() {
        assert_eq!(refusal().code.as_str(), "tooManyDeclines");
    }
}

//! Orders of a run: how many of which kind, drawn from a seed.

use fastrand::Rng;
use serde_json::{Value, json};

/// Kind of an order, by what becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Shipped,
    Declined,
    OutOfStock,
    /// By the customer, right after it was placed.
    Cancelled,
}

/// Kinds with their shares of a hundred orders. Whether a customer has a telephone is drawn for each, one in two.
pub(crate) const MIX: [(usize, Kind); 4] =
    [(85, Kind::Shipped), (6, Kind::Declined), (4, Kind::OutOfStock), (5, Kind::Cancelled)];

/// SKUs of which there is enough.
pub(crate) const SKUS: [&str; 8] = [
    "TEA-EARL-GREY-100",
    "TEA-ASSAM-250",
    "CUP-PORCELAIN-2",
    "POT-GLASS-1L",
    "TRAY-OAK-40",
    "SPOON-SET-6",
    "HONEY-ACACIA-500",
    "KETTLE-STEEL-17",
];

/// One order.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) kind: Kind,
    pub(crate) body: Value,
}

/// Orders of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sample {
    /// Shipped, every one.
    Shipped,
    /// As [`MIX`] has them.
    Mixed,
}

impl Sample {
    /// So many orders of customers whose ids begin with `prefix`.
    pub(crate) fn orders(self, count: usize, prefix: &str, rng: &mut Rng) -> Vec<Order> {
        let kinds = MIX.iter().flat_map(|(share, kind)| std::iter::repeat_n(*kind, *share));
        let mut kinds: Vec<Kind> = kinds.collect();
        rng.shuffle(&mut kinds);
        let kind = |number: usize| if self == Self::Shipped { Kind::Shipped } else { kinds[number % kinds.len()] };
        (0..count).map(|number| Order::of(kind(number), &format!("{prefix}{number}"), rng)).collect()
    }
}

impl Order {
    /// An order of two lines.
    fn of(kind: Kind, customer: &str, rng: &mut Rng) -> Self {
        let mut skus = SKUS;
        rng.shuffle(&mut skus);
        let method = if kind == Kind::Declined { "pm_card_visa_chargeDeclined" } else { "pm_card_visa" };
        let second = if kind == Kind::OutOfStock { "sold-out" } else { skus[1] };
        let line = |sku: &str, quantity: u32, cents: u32| json!({ "sku": sku, "quantity": quantity, "unitPrice": { "amount": cents, "currency": "EUR" } });
        let mut body = json!({
            "customer": { "id": customer, "email": format!("{customer}@example.com"), "name": "Ada Lovelace" },
            "lines": [line(skus[0], rng.u32(1..4), rng.u32(100..10_000)), line(second, 1, rng.u32(100..10_000))],
            "shippingAddress": {
                "name": "Ada Lovelace", "line1": "Analytical Road 1", "city": "Berlin", "postalCode": "10115",
                "country": "DE"
            },
            "paymentMethod": method,
        });
        if rng.bool() {
            // One that got the messages of all would make the set of them larger than anybody's is.
            body["customer"]["phone"] = json!(format!("+49302{:06}", rng.u32(0..1_000_000)));
        }
        Self { kind, body }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_draws_the_same_orders_again() {
        let draw = |seed| format!("{:?}", Sample::Mixed.orders(50, "c", &mut Rng::with_seed(seed)));
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn a_hundred_orders_have_the_shares_of_the_mix() {
        assert_eq!(MIX.iter().map(|(share, _)| share).sum::<usize>(), 100);
        let orders = Sample::Mixed.orders(100, "c", &mut Rng::with_seed(3));
        for (share, kind) in MIX {
            assert_eq!(orders.iter().filter(|order| order.kind == kind).count(), share, "{kind:?}");
        }
        let shipped = Sample::Shipped.orders(100, "c", &mut Rng::with_seed(3));
        assert!(shipped.iter().all(|order| order.kind == Kind::Shipped));
        assert!(shipped.iter().any(|order| order.body["customer"].get("phone").is_none()));
    }
}

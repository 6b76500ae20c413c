//! Sample facts of the shop, to try functions with.

use envelope::parse;
use serde_json::json;

use crate::{Event, OrderCreated, Payload};

/// An order of two SKUs, 3 pieces of `A-1` on two lines and one of `B-2`, for 36.85 EUR, paid by `pm_card_visa`.
///
/// # Panics
///
/// If `order_id` is no order id.
#[must_use]
#[expect(clippy::expect_used, reason = "a sample that is wrong should be noticed at once")]
pub fn order(order_id: &str) -> OrderCreated {
    let price = |amount: i64| json!({ "amount": amount, "currency": "EUR" });
    let order = json!({
        "orderId": order_id,
        "customer": { "id": "cus_1", "name": "Ada Lovelace", "email": "ada@example.com", "phone": "+4930123456" },
        "lines": [
            { "sku": "A-1", "quantity": 2, "unitPrice": price(995) },
            { "sku": "B-2", "quantity": 1, "unitPrice": price(700) },
            { "sku": "A-1", "quantity": 1, "unitPrice": price(995) },
        ],
        "total": price(3685),
        "shippingAddress": {
            "name": "Ada Lovelace", "line1": "Analytical Road 1", "city": "Berlin", "postalCode": "10115", "country": "DE"
        },
        "paymentMethod": "pm_card_visa",
    });
    parse(&order).expect("a sample order keeps the rules")
}

/// Event that says so, from the source that its type counts from; another web shop's where that is anyone. Two events of
/// one type and one order are the same event, with the same id.
#[must_use]
pub fn event(payload: impl Into<Payload>) -> Event {
    envelope::sample::event(payload)
}

/// Like [`event`], with another id for each `number`.
#[must_use]
pub fn another_event(payload: impl Into<Payload>, number: u8) -> Event {
    envelope::sample::another_event(payload, number)
}

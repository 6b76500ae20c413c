//! Sample facts, to try functions with.

use orderflow_events::{
    Context, Event, EventId, EventType, Extensions, OrderCreated, OrderId, Payload, Source, Text, Time, parse,
};
use serde_json::json;

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

/// The event that says so, from the source that its type counts from; another web shop's where that is anyone. Two
/// events of one type and one order are the same event, with the same id.
#[must_use]
pub fn event(payload: impl Into<Payload>) -> Event {
    another_event(payload, 0)
}

/// Like [`event`], with another id for each `number`.
///
/// # Panics
///
/// Never: the source is a URI-reference.
#[must_use]
#[expect(clippy::expect_used, reason = "a sample that is wrong should be noticed at once")]
pub fn another_event(payload: impl Into<Payload>, number: u8) -> Event {
    let data = payload.into();
    let kind = data.kind();
    let step = EventType::ALL.iter().position(|other| *other == kind).and_then(|step| u8::try_from(step).ok());
    let mut chance = [number; 10];
    chance[0] = step.unwrap_or(u8::MAX);
    let order: &OrderId = data.order_id();
    for (index, byte) in order.as_str().bytes().enumerate() {
        chance[2 + index % 8] = chance[2 + index % 8].rotate_left(3) ^ byte;
    }
    let millis = 1_767_225_600_000 + u64::from(step.unwrap_or_default()) * 1_000;
    let id = EventId::from_parts(millis, chance);
    let context = Context {
        id,
        source: kind.source().unwrap_or_else(|| Source::new("https://shop.example").expect("a URI-reference")),
        subject: order.clone(),
        time: Time::from_millis(i64::try_from(millis).unwrap_or_default()),
        sequence: Some(1),
        correlation_id: Some(Text::shortened("flow-1")),
        causation_id: None,
        trace_parent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        trace_state: None,
        extensions: Extensions::new(),
    };
    Event { context, data }
}

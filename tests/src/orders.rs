//! Orders and events, as the tests send them.

use serde_json::{Value, json};

use crate::shop::unique;

/// The types of all events of an order that went well.
pub const FULFILLED: [&str; 4] = ["InventoryReserved", "OrderCreated", "PaymentProcessed", "ShipmentCreated"];

/// An order of one line. The customers of each SKU are its own, or screening would take all tests for one eager buyer.
#[must_use]
pub fn order(sku: &str, quantity: u32, payment_method: &str) -> Value {
    json!({
        "customer": { "id": format!("cus_{sku}"), "email": format!("{sku}@example.com"), "phone": "+4930123456" },
        "lines": [{ "sku": sku, "quantity": quantity, "unitPrice": { "amount": 1990, "currency": "EUR" } }],
        "shippingAddress": {
            "name": "Ada Lovelace", "line1": "Analytical Road 1", "city": "Berlin", "postalCode": "10115", "country": "DE"
        },
        "paymentMethod": payment_method,
    })
}

/// The event with which another producer's order begins: the example of the README, as a new order of one piece.
#[must_use]
pub fn foreign_order(order_id: &str, sku: &str) -> Value {
    let example = include_str!("../../localstack/examples/order-created.json");
    let mut event: Value = serde_json::from_str(example).expect("JSON");
    event["id"] = json!(unique());
    event["subject"] = json!(order_id);
    // Members that nobody knows, in the event as well as in its data, are kept and ignored.
    event["partnerid"] = json!("kept");
    event["data"]["giftWrap"] = json!({ "colour": [null, 1.5, "red"] });
    event["data"]["lines"][0]["engraving"] = json!("for Ada");
    event["data"]["orderId"] = json!(order_id);
    event["data"]["lines"][0]["sku"] = json!(sku);
    event["data"]["customer"]["id"] = json!(format!("cus_{sku}"));
    event["data"]["customer"]["email"] = json!(format!("{sku}@example.com"));
    event
}

/// An event of a type of the contract about an order, from that source.
#[must_use]
pub fn event(kind: &str, source: &str, order_id: &str, mut data: Value) -> Value {
    data["orderId"] = json!(order_id);
    json!({
        "specversion": "1.0",
        "id": unique(),
        "source": source,
        "type": kind,
        "subject": order_id,
        "time": "2026-11-22T09:00:00.000Z",
        "datacontenttype": "application/json",
        "dataschema": format!("urn:orderflow:{kind}:1"),
        "data": data,
    })
}

/// Notices of the stack: orders of goods that no other test has, at most one digest in a minute.
pub const NOTICES: &str = r#"[
    {"match": {"type": ["OrderCreated"], "data": {"lines": {"sku": ["noticed"]}}}, "to": "staff@shop.example", "every": 1},
    {"match": {"type": ["OrderCancelled"], "subject": ["nobodys"]}, "to": "night@shop.example", "every": 60}
]"#;

/// Queue of a partner, on an emulator.
pub const PARTNER_ARN: &str = "arn:aws:sqs:us-east-1:000000000000:partners-events.fifo";

/// Pattern of what that queue gets: orders of a customer that no other test has. It names no field of a line, for the embedded
/// emulator looks into no list of objects, as SNS does.
pub const PARTNER_PATTERN: &str = r#"{"type":["OrderCreated"],"data":{"customer":{"id":["cus_partnered"]}}}"#;

//! The attributes of an event: any text is an envelope or is refused with its faults, and what was read is written and
//! read again as the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use orderflow_contracts::{DecodeError, Envelope, Event, OrderCreated, parse};
use serde_json::{Value, json};

fuzz_target!(|text: &str| {
    let decoded = Event::decode(text);
    let Ok(document) = serde_json::from_str::<Value>(text) else {
        assert!(matches!(decoded, Err(DecodeError::NotJson(_))));
        return;
    };
    let envelope = match Envelope::from_value(&document) {
        Ok(envelope) => envelope,
        Err(faults) => {
            assert!(!faults.is_empty());
            assert_eq!(decoded, Err(DecodeError::NotCloudEvent(faults)));
            return;
        }
    };
    // An order may be created by any source, so every context can stand over one.
    let event = Event { data: order(envelope.context.subject.as_str()).into(), context: envelope.context };
    assert_eq!(Event::decode(&serde_json::to_string(&event).expect("an event is JSON")), Ok(event));
});

fn order(id: &str) -> OrderCreated {
    let price = json!({ "amount": 1, "currency": "EUR" });
    parse(&json!({
        "orderId": id,
        "customer": { "id": "c", "name": "Ada", "email": "a@b" },
        "lines": [{ "sku": "A", "quantity": 1, "unitPrice": price }],
        "total": price,
        "shippingAddress": { "name": "Ada", "line1": "1", "city": "B", "postalCode": "1", "country": "DE" },
        "paymentMethod": "pm",
    }))
    .expect("the order keeps every rule")
}

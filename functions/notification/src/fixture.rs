//! The events that the tests are about.

use onewrite::envelope::Heard as _;
use onewrite::personal::{Key, seal};
use orderflow_events::{
    CancellationReason, Email, Event, EventType, Money, OrderId, Person, ReturnId, StockLine, Text, Time, guest_of,
    sample,
};
use serde_json::{Value, json};

use crate::domain::{Contact, Heard, Message};

pub(crate) fn order() -> OrderId {
    OrderId::new("ord_1").unwrap()
}

pub(crate) fn contact() -> Contact {
    contact_of("c1", &person())
}

fn contact_of(customer: &str, person: &Person) -> Contact {
    Contact {
        customer: Text::new(customer).unwrap(),
        personal: seal(person, &key(), [0; 12]).unwrap(),
        country: "DE".parse().unwrap(),
        total: total(),
    }
}

/// Key of every customer.
pub(crate) fn key() -> Key {
    Key::new(sample::KEY_NAME.parse().unwrap(), sample::KEY).unwrap()
}

pub(crate) fn person() -> Person {
    let (name, email) = (Text::new("Ada Lovelace").unwrap(), Email::new("ada@example.com").unwrap());
    Person { name, email, phone: Text::new("030 123456").ok(), ..sample::person() }
}

pub(crate) fn total() -> Money {
    Money::new(101_990, "EUR").unwrap()
}

/// Every message, and a name for it.
pub(crate) fn messages() -> Vec<(&'static str, Message)> {
    let line = |sku: &str, quantity| StockLine { sku: sku.parse().unwrap(), quantity };
    let text = |text| Text::new(text).unwrap();
    let shipped = Message::Shipped { carrier: text("Hare & Hound"), tracking_number: text("HH-2026-000017") };
    let at = Time::new("2026-11-22T09:00:00.000Z").unwrap();
    let cancelled = |reason| Message::Cancelled { reason, at };
    vec![
        ("received", Message::Received { lines: vec![line("TEA-GREEN", 2), line("CUP", 12)] }),
        ("shipped", shipped),
        ("cancelled by the customer", cancelled(CancellationReason::CustomerRequest)),
        ("cancelled out of stock", cancelled(CancellationReason::OutOfStock)),
        ("cancelled unpaid", cancelled(CancellationReason::PaymentFailed)),
        ("withdrawn", Message::Withdrawn { return_id: ReturnId::of(&order()), at }),
    ]
}

pub(crate) fn created() -> Event {
    event(EventType::OrderCreated)
}

pub(crate) fn created_with_phone(phone: Option<&str>) -> Event {
    let mut data = data(EventType::OrderCreated);
    let person = Person { phone: phone.and_then(|phone| Text::new(phone).ok()), ..person() };
    data["personal"] = json!(contact_of("c1", &person).personal);
    event_with(EventType::OrderCreated, &data)
}

pub(crate) fn created_by_guest() -> Event {
    let mut data = data(EventType::OrderCreated);
    data["customer"]["id"] = json!(guest_of(&order()));
    event_with(EventType::OrderCreated, &data)
}

/// A type that notification does not consume.
pub(crate) fn payment_processed() -> Event {
    event(EventType::PaymentProcessed)
}

/// One event of each type that notification consumes.
pub(crate) fn consumed() -> Vec<Event> {
    Heard::TYPES.iter().copied().map(event).collect()
}

pub(crate) fn event(kind: EventType) -> Event {
    event_with(kind, &data(kind))
}

fn event_with(kind: EventType, data: &Value) -> Event {
    let number = EventType::ALL.iter().position(|other| *other == kind).unwrap();
    Event::from_value(&json!({
        "specversion": "1.0",
        "id": format!("0193a5c0-7b1e-7c3a-9f00-{number:012}"),
        "source": kind.source().map_or("https://shop.example/#web".to_owned(), |source| source.to_string()),
        "type": kind.as_str(),
        "subject": "ord_1",
        "time": "2026-11-22T09:00:00.000Z",
        "dataschema": kind.schema(),
        "data": data,
    }))
    .unwrap()
}

fn data(kind: EventType) -> Value {
    let (order, money) = ("ord_1", json!({ "amount": 101_990, "currency": "EUR" }));
    match kind {
        EventType::OrderCreated => json!({
            "orderId": order,
            "customer": { "id": "c1" },
            "lines": [
                { "sku": "TEA-GREEN", "quantity": 2, "unitPrice": { "amount": 48_795, "currency": "EUR" } },
                { "sku": "CUP", "quantity": 12, "unitPrice": { "amount": 367, "currency": "EUR" } },
            ],
            "total": money,
            "shippingAddress": { "country": "DE" },
            "personal": contact().personal,
            "paymentMethod": "pm_card_visa",
        }),
        EventType::OrderCancelled => json!({ "orderId": order, "reason": "customerRequest" }),
        EventType::InventoryReserved => json!({ "orderId": order, "lines": [{ "sku": "CUP", "quantity": 1 }] }),
        EventType::PaymentProcessed => json!({ "orderId": order, "paymentId": "pay_1", "amount": money }),
        EventType::ShipmentCreated => json!({
            "orderId": order, "shipmentId": "shp_1", "carrier": "Hare & Hound", "trackingNumber": "HH-2026-000017"
        }),
        EventType::ReturnRequested => json!({ "orderId": order, "returnId": "ret_1" }),
        _ => panic!("no test needs {kind}"),
    }
}

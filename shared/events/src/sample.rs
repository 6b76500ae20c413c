//! Sample facts of the shop, to try functions with.

use envelope::parse;
use serde_json::{Value, json};

use crate::{Event, EventType, OrderCreated, OrderCreatedV2, Payload, Person, Personal};

/// Name of the key that the person of [`order`] is sealed with.
pub const KEY_NAME: &str = "sample";

/// That key: everybody has it, and nobody may use it.
pub const KEY: &[u8; 32] = b"sample key of nobody, never used";

/// An order of two SKUs, 3 pieces of `A-1` on two lines and one of `B-2`, for 36.85 EUR, paid by `pm_card_visa`. Its
/// [`person`] is sealed with [`KEY`].
///
/// # Panics
///
/// If `order_id` is no order id.
#[must_use]
#[expect(clippy::expect_used, reason = "a sample that is wrong should be noticed at once")]
pub fn order(order_id: &str) -> OrderCreated {
    let mut order = order_in_clear(order_id);
    order.details.personal = Personal::from_compact(SEALED).expect("a sealed sample has its form").into();
    order
}

/// [`person`], sealed.
const SEALED: &str = concat!(
    "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIiwia2lkIjoic2FtcGxlIn0..c2FtcGxlLW5vbmNl.",
    "V0SGMXluFCr28CLZmdg0URmvNczLiDqVVUeFSi_DYvp24oiHgkuOgqOn-X7p_QMaw8pZgYV4nbnMVO2U6_qkjTDf0OpJAiq1JuTkvsR0iWvhzh383IwfUSHN",
    "ebbXxwnfc8LR3Y06qZPBE4vePZqq_kedG3KwFnI_y53LmLXLiJv_Utcz4vZ5RE88lUVsi-p3Bxjt192XJxueCV8oIgS8AtT6EjL05V0LJGLMpC-TfGAIwDox",
    "dE4wctGFIWrEa1Vfyw.NVrFXPjvA_ZvIeK3Fenhwg",
);

/// The same order as it comes in: with its person in clear.
///
/// # Panics
///
/// If `order_id` is no order id.
#[must_use]
#[expect(clippy::expect_used, reason = "a sample that is wrong should be noticed at once")]
pub fn order_in_clear(order_id: &str) -> OrderCreated {
    parse::<OrderCreatedV2>(&document(order_id)).expect("a sample order keeps the rules").into()
}

/// Person of the sample order.
///
/// # Panics
///
/// If the sample order has none in clear.
#[must_use]
#[expect(clippy::expect_used, reason = "a sample that is wrong should be noticed at once")]
pub fn person() -> Person {
    order_in_clear("x").details.personal.clear().cloned().expect("a person in clear")
}

/// Data of `OrderCreated` in version 2 of the sample order: as other producers send it, and as it can be posted.
#[must_use]
pub fn document(order_id: &str) -> Value {
    let price = |amount: i64| json!({ "amount": amount, "currency": "EUR" });
    json!({
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
    })
}

/// Event of another producer that says so: the sample order as [`document`] has it, in version 2.
#[must_use]
pub fn event_document(order_id: &str) -> Value {
    let mut event = json!(event(order(order_id)));
    event["dataschema"] = json!(EventType::OrderCreated.schema_of(2));
    event["data"] = document(order_id);
    event
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

//! The schemas and the decoder take the same events: two ways to say one contract, and neither is kinder.

use jsonschema::Validator;
use orderflow_events::{DecodeError, Event, EventType, schema};
use serde_json::{Value, json};

use crate::golden;
use crate::places::{places, with, without};

/// Values that are put in the place of everything, once each.
fn oddities() -> Vec<Value> {
    let text = |length| json!("x".repeat(length));
    let mut all: Vec<Value> = [64, 65, 200, 201, 254, 255].into_iter().map(text).collect();
    all.extend(
        ["", " ", "a b", "a\nb", "a\u{7f}", "a\u{9f}b", "a\u{fffe}", "ä", "🎈", "a/b", "a.b", "-", "pay_", "pay_ü"]
            .map(Value::from),
    );
    all.extend(
        [
            "a@b.example",
            "a..b@c.example",
            "a@b@c.example",
            "a,b@c.example",
            "ä@c.example",
            "a@b\u{200b}c.example",
            "a@bü.example",
        ]
        .map(Value::from),
    );
    all.extend(["pm_x", "PM_x", "pm_", "pm_x y", "SG", "AE", "us"].map(Value::from));
    all.extend(
        ["usd", "EURO", "€", "rfd_1", "a@b", "@b", "a@", "a b@c", "customerRequest", "nothing"].map(Value::from),
    );
    all.extend([json!(null), json!(true), json!([]), json!({}), json!([1]), json!(["x"]), json!([{}])]);
    all.extend([0, 1, 100, 101, 9_999, 10_000, 499_950, 499_951, -1].map(Value::from));
    all.extend([json!(100_000_000), json!(1.5), json!(1.0), json!("1"), json!(i64::MIN), json!(i64::MAX)]);
    all
}

/// The same, for attributes of the envelope.
fn odd_attributes() -> Vec<Value> {
    let odd = [
        "2026-11-22T09:00:00Z",
        "2026-11-22t09:00:00.123456z",
        "2026-11-22T09:00:00+00:00",
        "2026-11-22T09:00:00+01:00",
        "2026-11-22",
        "00000000000000000000",
        "00000000000000000001",
        "1",
        "0193a5c0-7b1e-7c3a-9f00-0123456789ab",
        "0193A5C0-7B1E-7C3A-9F00-0123456789AB",
        "0193a5c0-7b1e-4c3a-9f00-0123456789ab",
        "0193a5c07b1e7c3a9f000123456789ab",
        "https://shop.example/a?b#c",
        "a b",
        "1.0",
        "0.3",
    ];
    oddities().into_iter().chain(odd.map(Value::from)).collect()
}

/// Every document that differs from this one in one place.
fn odd_ones(document: &Value, values: &[Value]) -> Vec<(String, Value)> {
    let mut pointers = Vec::new();
    places(document, "", &mut pointers);
    let odd = |pointer: &String| {
        let odd = values.iter().map(|value| with(document, pointer, value.clone())).chain([without(document, pointer)]);
        odd.map(|odd| (pointer.clone(), odd)).collect::<Vec<_>>()
    };
    pointers.iter().flat_map(odd).collect()
}

pub(crate) fn the_schemas_take_the_data_that_the_decoder_takes() {
    let mut refused = 0;
    for (kind, version, event) in golden::all() {
        let validator = validator(&schema::of_data(kind, version).expect("a version"));
        for (pointer, data) in odd_ones(&event["data"], &oddities()) {
            let mut event = event.clone();
            event["data"] = data;
            // Another order id is another's order, not other data.
            let decoded = Event::from_value(&event);
            assert_eq!(Event::faults(&event).is_empty(), decoded.is_ok(), "{event}");
            let decoded = !matches!(decoded, Err(DecodeError::InvalidData(_)));
            let valid = validator.is_valid(&event["data"]);
            assert_eq!(valid, decoded, "{kind} {version} with another {pointer}: {}", event["data"]);
            refused += usize::from(!valid);
        }
    }
    assert!(refused > 1_000, "only {refused} were refused");
}

pub(crate) fn the_schema_takes_the_attributes_that_the_decoder_takes() {
    let validator = validator(&schema::of_event());
    let event = golden::read(EventType::OrderCreated, 2).expect("an event");
    let mut attributes = event.as_object().cloned().expect("an object");
    attributes.insert("partnerid".to_owned(), json!("kept"));
    attributes["data"] = json!({});
    let attributes = Value::Object(attributes);
    for (pointer, odd) in odd_ones(&attributes, &odd_attributes()) {
        // A trace is followed if it can be, and another's sequence is ignored. Of the media type a schema cannot say that
        // its case does not matter.
        if ["/traceparent", "/sequence", "/datacontenttype", "/data"].contains(&pointer.as_str()) {
            continue;
        }
        let decoded = Event::from_value(&odd);
        assert_eq!(Event::faults(&odd).is_empty(), decoded.is_ok(), "{odd}");
        let decoded = !matches!(decoded, Err(DecodeError::NotCloudEvent(_)));
        assert_eq!(validator.is_valid(&odd), decoded, "with another {pointer}: {odd}");
    }
}

/// Without formats: they are for people and their tools, and the patterns say what counts.
fn validator(schema: &Value) -> Validator {
    jsonschema::validator_for(schema).expect("a schema")
}

//! Our events are CloudEvents to those who made the rules: to their schema, and to their SDK.

use jsonschema::Validator;
use orderflow_events::Event;
use serde_json::{Value, json};

use crate::golden;
use crate::places::{with, without};

/// The schema of the specification, with its formats.
fn specification() -> Validator {
    let schema: Value = serde_json::from_str(include_str!("cloudevents.json")).expect("JSON");
    jsonschema::options().should_validate_formats(true).build(&schema).expect("a schema")
}

pub(crate) fn every_event_is_what_the_specification_says() {
    let specification = specification();
    for (kind, version, event) in golden::all() {
        let faults: Vec<String> = specification.iter_errors(&event).map(|error| error.to_string()).collect();
        assert!(faults.is_empty(), "{kind} {version}: {faults:?}");
        for odd in [
            without(&event, "/specversion"),
            without(&event, "/source"),
            with(&event, "/id", json!("")),
            with(&event, "/time", json!("yesterday")),
            with(&event, "/dataschema", json!("no URI")),
        ] {
            assert!(!specification.is_valid(&odd), "{odd}");
        }
    }
}

pub(crate) fn every_event_survives_the_official_sdk() {
    for (kind, version, event) in golden::all() {
        let theirs: ::cloudevents::Event = serde_json::from_value(event.clone()).expect("a CloudEvent");
        let back = serde_json::to_value(&theirs).expect("a CloudEvent can be written");
        assert_eq!(back, event, "{kind} {version}");
        assert_eq!(Event::from_value(&back), Event::from_value(&event), "{kind} {version}");
    }
}

pub(crate) fn an_event_that_the_official_sdk_has_made_is_one_of_ours() {
    use ::cloudevents::{EventBuilder, EventBuilderV10};
    let data = golden::read(orderflow_events::EventType::OrderCreated, 2).expect("an event")["data"].clone();
    let theirs = EventBuilderV10::new()
        .id("019aa9d0-7c00-7b1e-9f00-5a0000000017")
        .source("https://shop.example/web")
        .ty("OrderCreated")
        .subject(data["orderId"].as_str().expect("an order id"))
        .time("2026-11-22T09:00:00Z")
        .data_with_schema("application/json", "urn:orderflow:OrderCreated:2", data)
        .build()
        .expect("a CloudEvent");
    let text = serde_json::to_string(&theirs).expect("a CloudEvent can be written");
    let event = Event::decode(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(event.context.source.as_str(), "https://shop.example/web");
}

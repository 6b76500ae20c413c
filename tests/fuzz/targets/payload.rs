//! What an event says: under attributes that are always right, the data of any text is a payload of the type that the
//! text names, or is refused with its faults; and what was read is written and read again as the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use orderflow_contracts::{DecodeError, Event, EventType};
use serde_json::{Value, json};

fuzz_target!(|text: &str| {
    let Ok(told) = serde_json::from_str::<Value>(text) else { return };
    let Some(kind) = told["type"].as_str().and_then(EventType::named) else { return };
    let schema = told["dataschema"].as_str().filter(|schema| kind.version_named(schema).is_some());
    let document = json!({
        "specversion": "1.0",
        "id": "0193a5c0-7b1e-7c3a-9f00-0123456789ab",
        "source": kind.source().map_or_else(|| "shop".to_owned(), String::from),
        "type": kind.as_str(),
        "subject": told["data"]["orderId"].as_str().unwrap_or("ord_1"),
        "time": "2026-11-22T09:00:00.000Z",
        "dataschema": schema.map_or_else(|| kind.schema(), str::to_owned),
        "data": told["data"],
    });
    match Event::from_value(&document) {
        Ok(event) => assert_eq!(Event::decode(&serde_json::to_string(&event).expect("an event is JSON")), Ok(event)),
        Err(DecodeError::InvalidData(faults) | DecodeError::NotCloudEvent(faults)) => assert!(!faults.is_empty()),
        Err(DecodeError::LaterVersion { version, .. }) => assert!(version > kind.newest_version()),
        Err(other) => panic!("{other} of {document}"),
    }
});

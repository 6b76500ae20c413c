//! JSON Schemas (2020-12) of the events, made of the types themselves.
//!
//! The types are the only source: the committed schemas, in `schemas/`, are written from here by `cargo documents`. What no
//! schema can say, such as the sum of the lines, [`Event::decode`](crate::Event::decode) still checks.

pub use envelope::describe::of_answer;
use envelope::describe::of_shape;
use schemars::JsonSchema;
use serde_json::Value;

use crate::EventType;

/// Schema of the data of an event of that type and version; none where there is no such version.
#[must_use]
pub fn of_data(event_type: EventType, version: u32) -> Option<Value> {
    event_type.shape(version).map(|mut schema| {
        schema.insert("$id".to_owned(), event_type.schema_of(version).into());
        schema.insert("title".to_owned(), format!("{event_type}, version {version}").into());
        schema.insert("description".to_owned(), event_type.meaning().into());
        schema.into()
    })
}

/// Schema of the whole of an event, whatever its data says.
#[must_use]
pub fn of_event() -> Value {
    let mut schema = envelope::event_schema();
    schema["$id"] = "urn:orderflow:event".into();
    schema["title"] = "An event of orderflow".into();
    schema
}

/// Schema of a body that is read.
#[must_use]
pub fn of_request<T: JsonSchema>() -> Value {
    of_shape::<T>().into()
}

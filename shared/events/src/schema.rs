//! What events look like, as JSON Schema (2020-12), made of the types themselves.
//!
//! The types are the only source: the committed schemas, in `schemas/`, are written from here by `cargo documents`. What no schema can say, such as the sum of
//! the lines, [`Event::decode`](crate::Event::decode) still checks.

/// Says what a type looks like that is written as something else than its fields.
macro_rules! json_schema_of {
    ($name:ident, [$($description:literal),*], $schema:tt) => {
        #[cfg(feature = "schema")]
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let mut schema = schemars::json_schema!($schema);
                schema.insert("description".to_owned(), concat!($($description, "\n"),*).trim().into());
                schema
            }
        }
    };
}
pub(crate) use json_schema_of;

/// The committed JSON Schema of the whole of an event, whatever its data says.
pub const COMMITTED_EVENT: &str = include_str!("../schemas/Event.json");

#[cfg(feature = "schema")]
pub(crate) use generated::of;
#[cfg(feature = "schema")]
pub use generated::{meaning, of_answer, of_data, of_event, of_request};

#[cfg(feature = "schema")]
mod generated {
    use schemars::generate::SchemaSettings;
    use schemars::transform::RecursiveTransform;
    use schemars::{JsonSchema, Schema};
    use serde_json::Value;

    use crate::context::Wire;
    use crate::types::EventType;

    /// What an event of that type tells, and when it is sent.
    #[must_use]
    pub fn meaning(kind: EventType) -> &'static str {
        kind.meaning()
    }

    /// The schema of the data of an event of that type and version; none where there is no such version.
    #[must_use]
    pub fn of_data(kind: EventType, version: u32) -> Option<Value> {
        kind.shape(version).map(|mut schema| {
            schema.insert("$id".to_owned(), kind.schema_of(version).into());
            schema.insert("title".to_owned(), format!("{kind}, version {version}").into());
            schema.insert("description".to_owned(), kind.meaning().into());
            schema.into()
        })
    }

    /// The schema of the whole of an event, whatever its data says.
    #[must_use]
    pub fn of_event() -> Value {
        let mut schema = of::<Wire<'_, Value>>();
        schema.insert("$id".to_owned(), "urn:orderflow:event".into());
        schema.insert("title".to_owned(), "An event of orderflow".into());
        schema.into()
    }

    /// The schema of a body that is read.
    #[must_use]
    pub fn of_request<T: JsonSchema>() -> Value {
        of::<T>().into()
    }

    /// The schema of a body that is written: what is left out of it at times is not required.
    #[must_use]
    pub fn of_answer<T: JsonSchema>() -> Value {
        under::<T>(SchemaSettings::draft2020_12().for_serialize()).into()
    }

    /// The schema of a type.
    pub(crate) fn of<T: JsonSchema>() -> Schema {
        under::<T>(SchemaSettings::draft2020_12())
    }

    fn under<T: JsonSchema>(settings: SchemaSettings) -> Schema {
        let settings = settings.with_transform(RecursiveTransform(for_everybody));
        settings.into_generator().into_root_schema_for::<T>()
    }

    /// Takes out what only Rust knows: the width of its integers, and the line breaks of its comments.
    fn for_everybody(schema: &mut Schema) {
        let format = schema.get("format").and_then(Value::as_str).unwrap_or_default();
        if format.starts_with("int") || format.starts_with("uint") {
            schema.remove("format");
        }
        if let Some(Value::String(description)) = schema.get_mut("description") {
            *description = description.split_whitespace().collect::<Vec<_>>().join(" ");
        }
    }
}

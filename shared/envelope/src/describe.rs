//! JSON Schema (2020-12) of types: what documents are made of.

/// Says what a type looks like that is written as something else than its fields: the type, its description, its schema. A
/// type with a parameter looks the same whatever that is.
///
/// Without the feature `schema` it comes to nothing.
#[macro_export]
macro_rules! json_schema_of {
    ($name:ident $(<$parameter:ident>)?, [$($description:literal),*], $schema:tt) => {
        $crate::with_schema! {
            impl$(<$parameter>)? $crate::__private::schemars::JsonSchema for $name$(<$parameter>)? {
                fn schema_name() -> std::borrow::Cow<'static, str> {
                    stringify!($name).into()
                }

                fn json_schema(
                    _: &mut $crate::__private::schemars::SchemaGenerator,
                ) -> $crate::__private::schemars::Schema {
                    use $crate::__private::schemars;
                    let mut schema = schemars::json_schema!($schema);
                    schema.insert("description".to_owned(), concat!($($description, "\n"),*).trim().into());
                    schema
                }
            }
        }
    };
}

/// Keeps its content where the feature `schema` is on.
#[cfg(feature = "schema")]
#[doc(hidden)]
#[macro_export]
macro_rules! with_schema {
    ($($content:tt)*) => { $($content)* };
}

/// Keeps its content where the feature `schema` is on.
#[cfg(not(feature = "schema"))]
#[doc(hidden)]
#[macro_export]
macro_rules! with_schema {
    ($($content:tt)*) => {};
}

/// Text without control characters, as a pattern of JSON Schema: what [`is_plain`](crate::is_plain) takes.
pub const PLAIN: &str = r"^[^\u0000-\u001f\u007f-\u009f\ufffe\uffff]*$";

#[cfg(feature = "schema")]
pub use generated::{of_answer, of_shape};

#[cfg(feature = "schema")]
mod generated {
    use schemars::generate::SchemaSettings;
    use schemars::transform::RecursiveTransform;
    use schemars::{JsonSchema, Schema};
    use serde_json::Value;

    /// Schema of a value that is read, such as an event's data or a request's body.
    #[must_use]
    pub fn of_shape<T: JsonSchema>() -> Schema {
        under::<T>(SchemaSettings::draft2020_12())
    }

    /// Schema of a value that is written: what is left out of it at times is not required.
    #[must_use]
    pub fn of_answer<T: JsonSchema>() -> Value {
        under::<T>(SchemaSettings::draft2020_12().for_serialize()).into()
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

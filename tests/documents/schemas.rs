//! The JSON Schemas: made of the types, and committed.

use orderflow_events::{EventType, schema};
use serde_json::{Map, Value, json};

use crate::compatibility::breaks;
use crate::document::{Document, committed};
use crate::golden::{self, versions};
use crate::identity;
use crate::places::{places, without};

/// Path of the schema of that version.
pub(crate) fn path(kind: EventType, version: u32) -> String {
    format!("schemas/{kind}.{version}.json")
}

/// The schema of an event's data, as the types say it; its example is the committed event.
pub(crate) fn of_data(kind: EventType, version: u32) -> Value {
    let mut schema = schema::of_data(kind, version).expect("a version that is understood");
    if let Some(event) = golden::read(kind, version) {
        schema["examples"] = json!([event["data"]]);
    }
    schema
}

/// The schema of every event, and of the data of each type and version; of the shop, and of the toolkit's example.
pub(crate) fn documents() -> Vec<Document> {
    let text = |schema: &Value| format!("{schema:#}\n");
    let of_event = Document { path: "schemas/Event.json".to_owned(), text: text(&schema::of_event()) };
    let of_data =
        versions().map(|(kind, version)| Document { path: path(kind, version), text: text(&of_data(kind, version)) });
    std::iter::once(of_event).chain(of_data).chain(identity::documents()).collect()
}

/// Changes of released schemas that break somebody. A file that is empty is not released yet.
pub(crate) fn broken() -> Vec<String> {
    let mut faults = Vec::new();
    for Document { path, text } in documents() {
        let parse = |text: &str| serde_json::from_str::<Value>(text).expect("a schema is JSON");
        let Some(released) = committed(&path).filter(|text| !text.trim().is_empty()) else { continue };
        let breaks = breaks(&parse(&released), &parse(&text));
        faults.extend(breaks.iter().map(|one| format!("{path}: {one}, or make it a new version")));
    }
    faults
}

/// Puts a schema among the components of a document, under that name, and its definitions beside it, under theirs; each in
/// the dialect of the document.
pub(crate) fn hoist(schema: &Value, name: &str, dialect: fn(Value) -> Value, components: &mut Map<String, Value>) {
    let mut schema = schema.clone();
    let keywords = schema.as_object_mut().expect("a schema is an object");
    let definitions = keywords.remove("$defs").unwrap_or_default();
    // A document that refers to them by their place has no use for ids.
    keywords.remove("$id");
    keywords.remove("$schema");
    let named = definitions.as_object().cloned().unwrap_or_default().into_iter().chain([(name.to_owned(), schema)]);
    for (name, schema) in named {
        let schema = dialect(among_components(schema));
        let before = components.insert(name.clone(), schema.clone());
        assert!(before.is_none_or(|before| before == schema), "two schemas are named {name}");
    }
}

/// The schema with references to the components instead of its own definitions.
fn among_components(schema: Value) -> Value {
    match schema {
        Value::Object(object) => object
            .into_iter()
            .map(|(keyword, value)| match (keyword.as_str(), value) {
                ("$ref", Value::String(place)) => (keyword, place.replace("#/$defs/", "#/components/schemas/").into()),
                (_, value) => (keyword, among_components(value)),
            })
            .collect(),
        Value::Array(list) => list.into_iter().map(among_components).collect(),
        other => other,
    }
}

pub(crate) fn no_released_version_is_broken() {
    let faults = broken();
    assert!(faults.is_empty(), "{}\nCONTRIBUTING.md says how to add a version.", faults.join("\n"));
}

pub(crate) fn every_schema_has_a_description_of_each_field() {
    fn undescribed(schema: &Value, place: &str, found: &mut Vec<String>) {
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let place = format!("{place}/{name}");
            if field["description"].as_str().is_none_or(|text| text.len() < 8) {
                found.push(place.clone());
            }
            undescribed(field, &place, found);
        }
    }
    for Document { path, text } in documents() {
        let schema: Value = serde_json::from_str(&text).expect("JSON");
        let mut found = Vec::new();
        undescribed(&schema, &path, &mut found);
        for (name, definition) in schema["$defs"].as_object().into_iter().flatten() {
            undescribed(definition, &format!("{path}#{name}"), &mut found);
        }
        assert!(found.is_empty(), "without a description: {found:?}");
        assert!(path.ends_with("/Event.json") || schema["examples"].is_array(), "{path} has no example");
    }
}

pub(crate) fn nothing_can_be_taken_out_of_a_schema_unseen() {
    for Document { path, text } in documents() {
        let schema: Value = serde_json::from_str(&text).expect("JSON");
        let mut pointers = Vec::new();
        places(&schema, "", &mut pointers);
        // Texts that are for people only may change, and the type of a constant is said twice.
        let is_said_twice = |pointer: &str| pointer.contains("/oneOf/") && pointer.ends_with("/type");
        let format_utc = |pointer: &str| {
            let words: Vec<&str> = pointer.split('/').collect();
            let is_name = |index: usize| index > 0 && ["properties", "$defs"].contains(&words[index - 1]);
            words.iter().enumerate().any(|(index, word)| {
                ["$schema", "$id", "title", "description", "examples"].contains(word) && !is_name(index)
            })
        };
        let rules: Vec<&String> = pointers.iter().filter(|one| !format_utc(one) && !is_said_twice(one)).collect();
        assert!(rules.len() > 10, "{path}: {rules:?}");
        for pointer in rules {
            let without = without(&schema, pointer);
            assert_ne!(breaks(&schema, &without), [], "{path} without {pointer}");
        }
    }
}

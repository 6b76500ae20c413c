//! The catalogue of events, for people.

use std::fmt::Write as _;

use orderflow_events::{EventType, schema};
use orderflow_registry::SERVICES;
use serde_json::Value;

use crate::document::Document;
use crate::golden::{self, versions};
use crate::schemas::of_data;

pub(crate) fn documents() -> Vec<Document> {
    vec![Document { path: "EVENTS.md".to_owned(), text: document() }]
}

fn document() -> String {
    let mut text = "\
# The events of orderflow

<!-- Made of the types by `cargo documents`. -->

Each event is a fact about one order: a [CloudEvent](https://github.com/cloudevents/spec) of version 1.0 in structured JSON,
published to one FIFO topic. [asyncapi.json](asyncapi.json) has the topic and the queues, the webhooks and the feed,
[schemas](schemas) the JSON Schema of each type and version, and [golden](golden) an event of each. Who receives events takes
them more than once and in any order, and ignores what they do not know. Older versions are understood for ever; the newest is
the one that is sent.

| type | version | from | to |
|---|---|---|---|
"
    .to_owned();
    for kind in EventType::ALL {
        let (anchor, from, to) = (kind.as_str().to_lowercase(), senders(kind), receivers(kind));
        line(&mut text, format!("| [{kind}](#{anchor}) | {} | {from} | {to} |", kind.newest_version()));
    }
    text.push_str("\n## Attributes of every event\n\n");
    fields(&mut text, &schema::of_event());
    for kind in EventType::ALL {
        event_type(&mut text, kind);
    }
    text
}

fn line(text: &mut String, line: impl AsRef<str>) {
    text.push_str(line.as_ref());
    text.push('\n');
}

fn event_type(text: &mut String, kind: EventType) {
    let _ = write!(text, "\n## {kind}\n\n{}\n\nFrom: {}. To: {}.\n", kind.meaning(), senders(kind), receivers(kind));
    for (_, version) in versions().filter(|(other, _)| *other == kind).collect::<Vec<_>>().into_iter().rev() {
        let _ = write!(
            text,
            "\n### {kind}, version {version}\n\n`data`, as [its schema](schemas/{kind}.{version}.json) has it:\n\n"
        );
        fields(text, &of_data(kind, version));
        if let Some(event) = golden::text(kind, version) {
            let _ = write!(text, "\nAn example:\n\n```json\n{event}```\n");
        }
    }
}

fn senders(kind: EventType) -> String {
    let own = SERVICES.iter().filter(|service| service.sends().contains(&kind)).map(|service| service.name.to_owned());
    let anyone = kind.source().is_none().then(|| "other producers".to_owned());
    own.chain(anyone).collect::<Vec<_>>().join(", ")
}

fn receivers(kind: EventType) -> String {
    let receivers = SERVICES.iter().filter(|service| service.receives().contains(&kind));
    receivers.map(|service| service.name.to_owned()).collect::<Vec<_>>().join(", ")
}

/// A table of all fields of an object, those of the objects in it included; those that are required come first.
fn fields(text: &mut String, schema: &Value) {
    text.push_str("| field | required | value | meaning |\n|---|---|---|---|\n");
    rows(text, schema, schema, "");
}

fn rows(text: &mut String, object: &Value, root: &Value, place: &str) {
    let is_required =
        |name: &str| object["required"].as_array().is_some_and(|names| names.iter().any(|one| one == name));
    let properties = object["properties"].as_object().into_iter().flatten();
    let (required, optional): (Vec<_>, Vec<_>) = properties.partition(|(name, _)| is_required(name));
    for (name, field) in required.into_iter().chain(optional) {
        let (place, rules) = (format!("{place}{name}"), resolved(field, root));
        let meaning = field["description"].as_str().unwrap_or_default().replace('|', "\\|");
        let required = if is_required(name) { "yes" } else { "no" };
        line(text, format!("| `{place}` | {required} | {} | {meaning} |", value(rules, root)));
        match rules["type"].as_str() {
            Some("array") => rows(text, resolved(&rules["items"], root), root, &format!("{place}[].")),
            _ => rows(text, rules, root, &format!("{place}.")),
        }
    }
}

/// The rules of a field, wherever they stand. That it may also be `null` is said by its not being required.
fn resolved<'a>(schema: &'a Value, root: &'a Value) -> &'a Value {
    let schema = schema["anyOf"].get(0).unwrap_or(schema);
    match schema["$ref"].as_str() {
        Some(place) => root.pointer(place.trim_start_matches('#')).expect("a definition"),
        None => schema,
    }
}

/// Rule for a field, in a few words.
fn value(rules: &Value, root: &Value) -> String {
    if let Some(only) = rules.get("const") {
        return format!("`{only}`");
    }
    if let Some(choices) = rules["oneOf"].as_array() {
        return choices.iter().map(|choice| format!("`{}`", choice["const"])).collect::<Vec<_>>().join(", ");
    }
    let number = |name: &str| rules[name].as_i64();
    let range = match (number("minimum"), number("maximum")) {
        (Some(least), Some(most)) => format!(", {least} to {most}"),
        (Some(least), None) => format!(", {least} or more"),
        _ => String::new(),
    };
    let count = |least: &str, most: &str| match (number(least), number(most)) {
        (Some(least), Some(most)) => format!("{least} to {most}"),
        (_, Some(most)) => format!("at most {most}"),
        _ => "any number of".to_owned(),
    };
    let is = |name: &str| rules["type"] == name || rules["type"][0] == name;
    if is("integer") {
        format!("whole number{range}")
    } else if is("array") {
        let items = value(resolved(&rules["items"], root), root);
        format!("list of {} × {items}", count("minItems", "maxItems"))
    } else if is("object") {
        "object".to_owned()
    } else if let Some(format) = rules["format"].as_str() {
        format!("text, format `{format}`")
    } else {
        let length = match rules.get("maxLength") {
            Some(_) => format!(" of {} characters", count("minLength", "maxLength")),
            None => String::new(),
        };
        // That a text has no control characters goes without saying.
        let pattern = rules["pattern"].as_str().filter(|pattern| !pattern.contains(r"\u0000"));
        let pattern = pattern.map_or(String::new(), |pattern| format!(", pattern `{}`", pattern.replace('|', r"\|")));
        format!("text{length}{pattern}")
    }
}

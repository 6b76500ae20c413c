//! The AsyncAPI document: the topic, the queues, every message, and who sends and receives it.

use orderflow_contracts::{EventType, schema};
use serde_json::{Map, Value, json};

use crate::Document;
use crate::golden;
use crate::places::with;
use crate::schemas::{of_data, versions};
use crate::services::{Service, services};

const ABOUT: &str = "\
orderflow takes orders and fulfils them. What happens to an order is told by events: each is a fact about one order, and a \
CloudEvent of version 1.0 in structured JSON. All of them go to one FIFO topic of SNS, and from there to a FIFO queue of SQS \
for each service.

To receive events, make a FIFO queue of your own, let the topic send to it, and subscribe it with raw message delivery and, \
where you want some types only, with a filter policy of scope `MessageBody` on `type`. An event may come more than once, and in \
any order: recognise it by `source` and `id`. Ignore attributes, fields and types that you do not know.

To create an order, publish `OrderCreated` under a `source` of your own. No other type counts from another source than the one \
in its message.

The newest version of each type is the one that is sent. Older ones are understood for ever.";

const TOPIC: &str = "\
The FIFO topic of every event: its ARN is the stack's output `EventsTopicArn`. The message is the event, its message group \
is the event's `subject`, and its deduplication id, if you give one, is the event's `id`.";

pub(crate) fn documents() -> Vec<Document> {
    vec![Document { path: "asyncapi.json".to_owned(), text: format!("{:#}\n", document()) }]
}

fn document() -> Value {
    let mut schemas = Map::new();
    hoist(&schema::of_event(), "Event", &mut schemas);
    for (kind, version) in versions() {
        hoist(&of_data(kind, version), &name(kind, version), &mut schemas);
    }
    let messages: Map<String, Value> =
        versions().map(|(kind, version)| (name(kind, version), message(kind, version))).collect();
    let mut channels = Map::from_iter([("events".to_owned(), topic())]);
    let mut operations = Map::new();
    for service in services() {
        channels.insert(queue_name(&service), queue(&service));
        operations.insert(format!("receiveAs{}", service.name), receive(&service));
        if !service.sends().is_empty() {
            operations.insert(format!("sendAs{}", service.name), send(&service));
        }
    }
    operations.insert("sendAsAnyone".to_owned(), send_as_anyone());
    json!({
        "asyncapi": "3.0.0",
        "id": "urn:orderflow",
        "info": {
            "title": "orderflow",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": { "name": "MIT" },
        },
        "defaultContentType": "application/cloudevents+json",
        "servers": {
            "sns": server("sns"),
            "sqs": server("sqs"),
        },
        "channels": channels,
        "operations": operations,
        "components": { "messages": messages, "schemas": schemas },
    })
}

fn server(service: &str) -> Value {
    json!({
        "host": format!("{service}.{{region}}.amazonaws.com"),
        "protocol": service,
        "description": "AWS. A local stack has it at the URL that `cargo local outputs` calls `Endpoint`.",
        "variables": { "region": { "description": "The region of the stack.", "default": "eu-central-1" } },
    })
}

/// A message's name: its type and version.
fn name(kind: EventType, version: u32) -> String {
    format!("{kind}.{version}")
}

fn queue_name(service: &Service) -> String {
    format!("{}Queue", service.name)
}

fn reference(place: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/{place}/{name}") })
}

/// References to the messages of these types, in each of their versions.
fn in_all_versions(place: &str, kinds: &[EventType]) -> Vec<(String, Value)> {
    let wanted = versions().filter(|(kind, _)| kinds.contains(kind)).map(|(kind, version)| name(kind, version));
    wanted.map(|name| (name.clone(), reference(place, &name))).collect()
}

fn message(kind: EventType, version: u32) -> Value {
    let mut attributes = json!({
        "type": { "const": kind.as_str() },
        "dataschema": { "const": kind.schema_of(version) },
        "data": reference("components/schemas", &name(kind, version)),
    });
    if let Some(source) = kind.source() {
        attributes["source"] = json!({ "const": source });
    }
    let is_newest = version == kind.newest_version();
    let summary = schema::meaning(kind);
    json!({
        "name": kind.as_str(),
        "title": format!("{kind}, version {version}"),
        "summary": if is_newest { summary.to_owned() } else { format!("{summary} An older version: it is understood, and no longer sent by orderflow.") },
        "contentType": "application/cloudevents+json",
        "correlationId": {
            "description": "The id of the first event of the flow.",
            "location": "$message.payload#/correlationid",
        },
        "payload": {
            "allOf": [reference("components/schemas", "Event"), { "type": "object", "properties": attributes }],
        },
        "examples": golden::read(kind, version).map(|event| json!({ "name": "published", "payload": event })).as_slice(),
    })
}

fn topic() -> Value {
    json!({
        "address": "{stack}-events.fifo",
        "title": "All events",
        "description": TOPIC,
        "parameters": { "stack": { "description": "The name of the stack.", "default": "orderflow" } },
        "servers": [reference("servers", "sns")],
        "messages": Map::from_iter(in_all_versions("components/messages", &EventType::ALL)),
        "bindings": {
            "sns": {
                "bindingVersion": "0.1.0",
                "name": "{stack}-events.fifo",
                "ordering": { "type": "FIFO", "contentBasedDeduplication": true },
            },
        },
    })
}

fn queue(service: &Service) -> Value {
    let name = service.name;
    json!({
        "address": null,
        "title": format!("What {} receives", name.to_lowercase()),
        "description": format!(
            "The FIFO queue of {}: its URL is the stack's output `{name}QueueUrl`. What can never be handled, and what \
             failed too often, is moved to its dead-letter queue, `{name}DlqUrl`, with the attributes `failure-class`, \
             `failure-reason`, `failed-at` and `failed-function`.",
            name.to_lowercase(),
        ),
        "servers": [reference("servers", "sqs")],
        "messages": Map::from_iter(in_all_versions("components/messages", &service.receives())),
    })
}

fn receive(service: &Service) -> Value {
    let channel = queue_name(service);
    let messages = in_all_versions(&format!("channels/{channel}/messages"), &service.receives());
    json!({
        "action": "receive",
        "title": format!("{} receives", service.name.to_lowercase()),
        "channel": reference("channels", &channel),
        "messages": messages.into_iter().map(|(_, message)| message).collect::<Vec<_>>(),
        "tags": [{ "name": service.name.to_lowercase() }],
    })
}

/// What orderflow itself sends is always of the newest version.
fn send(service: &Service) -> Value {
    let newest = service.sends().into_iter().map(|kind| name(kind, kind.newest_version()));
    json!({
        "action": "send",
        "title": format!("{} sends", service.name.to_lowercase()),
        "channel": reference("channels", "events"),
        "messages": newest.map(|name| reference("channels/events/messages", &name)).collect::<Vec<_>>(),
        "tags": [{ "name": service.name.to_lowercase() }],
    })
}

fn send_as_anyone() -> Value {
    let open: Vec<EventType> = EventType::ALL.into_iter().filter(|kind| kind.source().is_none()).collect();
    let messages = in_all_versions("channels/events/messages", &open);
    json!({
        "action": "send",
        "title": "another producer sends",
        "description": "Under a `source` of its own.",
        "channel": reference("channels", "events"),
        "messages": messages.into_iter().map(|(_, message)| message).collect::<Vec<_>>(),
        "tags": [{ "name": "other producers" }],
    })
}

/// Puts a schema among the others, under that name, and its definitions beside it, under theirs.
fn hoist(schema: &Value, name: &str, schemas: &mut Map<String, Value>) {
    let mut schema = schema.clone();
    let keywords = schema.as_object_mut().expect("a schema is an object");
    let definitions = keywords.remove("$defs").unwrap_or_default();
    // A document that refers to them by their place has no use for ids.
    keywords.remove("$id");
    keywords.remove("$schema");
    let named = definitions.as_object().cloned().unwrap_or_default().into_iter().chain([(name.to_owned(), schema)]);
    for (name, schema) in named {
        let schema = in_draft_7(schema);
        let before = schemas.insert(name.clone(), schema.clone());
        assert!(before.is_none_or(|before| before == schema), "two schemas are named {name}");
    }
}

/// AsyncAPI's own dialect is that of draft 7, in which nothing may stand beside a reference.
fn in_draft_7(schema: Value) -> Value {
    match schema {
        Value::Object(mut object) => {
            if let Some(Value::String(place)) = object.remove("$ref") {
                let reference = json!({ "$ref": place.replace("#/$defs/", "#/components/schemas/") });
                if object.is_empty() {
                    return reference;
                }
                object.insert("allOf".to_owned(), json!([reference]));
            }
            object.into_iter().map(|(keyword, value)| (keyword, in_draft_7(value))).collect()
        }
        Value::Array(list) => list.into_iter().map(in_draft_7).collect(),
        other => other,
    }
}

/// The parser does not look at examples, and dialects differ.
pub(crate) fn every_message_says_what_its_event_is() {
    let document = document();
    for (kind, version, event) in golden::all() {
        let schema = json!({
            "$ref": format!("#/components/messages/{}/payload", name(kind, version)),
            "components": document["components"],
        });
        let validator = jsonschema::draft7::new(&schema).expect("a schema");
        let faults: Vec<String> = validator.iter_errors(&event).map(|error| error.to_string()).collect();
        assert!(faults.is_empty(), "{kind} {version}: {faults:?}");
        for pointer in ["/type", "/dataschema", "/id", "/data/orderId"] {
            let odd = with(&event, pointer, json!("odd one"));
            assert!(!validator.is_valid(&odd), "{kind} {version} with another {pointer}");
        }
        let stranger = with(&event, "/source", json!("https://shop.example/web"));
        assert_eq!(validator.is_valid(&stranger), kind.source().is_none(), "{kind} {version}");
    }
}

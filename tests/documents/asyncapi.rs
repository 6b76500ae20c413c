//! The AsyncAPI document: the topic, the queues, every message, and who sends and receives it.

use std::path::Path;

use orderflow_events::{ADDRESS_BLOCK, EventType, schema};
use orderflow_local::expanded;
use orderflow_registry::{SERVICES, Service};
use serde_json::{Map, Value, json};

use crate::document::Document;
use crate::golden::{self, versions};
use crate::places::with;
use crate::schemas::{hoist, of_data};

const ABOUT: &str = "\
orderflow takes orders and fulfils them. What happens to an order is told by events: each is a fact about one order, and a \
CloudEvent of version 1.0 in structured JSON. All of them go to one FIFO topic of SNS, and from there to a queue of SQS for each \
service.

To receive events, make a FIFO queue of your own, allow `sns.amazonaws.com` in its policy to send to it from the topic, and \
subscribe it to the topic as the operation `receiveAsAnyone` says: with raw message delivery and, where you want some types \
only, with a filter policy of scope `MessageBody` on `type`. An event may come more than once, and in any order: recognise it by \
`source` and `id`. Ignore attributes, fields and types that you do not know.

To create an order, publish `OrderCreated` under a `source` of your own, as the operation `sendAsAnyone` says. No other type \
counts from another source than the one in its message.

Both need credentials of AWS whose role may do so: `sns:Subscribe` on the topic of all events, `sns:Publish` on that of the intake.

The newest version of each type is the one that is sent. Older ones are understood for ever.";

const TOPIC: &str = "\
The FIFO topic of every event: its ARN is the stack's output `EventsTopicArn`. The message is the event. `MessageGroupId` and \
`MessageDeduplicationId` are what the runtime expressions `x-message-group-id` and `x-message-deduplication-id` of its binding \
find in it. The events of one order have one group, and keep the order in which they are sent.";

const INTAKE: &str = "\
The standard topic for orders of other producers: its ARN is the stack's output `IntakeTopicArn`. The message is the event, and \
nothing else is to be set. What is taken becomes an order of ours: `OrderCreated` from `orderflow/orders`, whose `causationid` is \
the `id` of the producer's event, and whose extensions `originsource` and `originid` name it. A second event for the same order is \
refused, the same one again is a duplicate.";

const ADDRESSES: &str = "\
The block of network addresses that the order came from, such as `203.0.113.0/24` or `2001:db8:7::/48`, as the gateway has seen its \
caller: 256 addresses of IPv4, a /48 of IPv6, so that it is nobody's. It is an extension attribute of orders that came by the HTTP \
API. Others have none: that of another producer is not taken over.";

const QUEUE: &str = "\
What can never be handled, and what failed too often, is moved to its dead-letter queue with the attributes `failure-class`, \
`failure-reason`, `failed-at` and `failed-function`.";

/// The topic's name, of which the first part is the stack's.
const TOPIC_NAME: &str = "{stack}-events.fifo";

pub(crate) fn documents() -> Vec<Document> {
    vec![Document { path: "asyncapi.json".to_owned(), text: format!("{:#}\n", document()) }]
}

fn document() -> Value {
    let mut schemas = Map::new();
    hoist(&schema::of_event(), "Event", in_draft_7, &mut schemas);
    for (kind, version) in versions() {
        hoist(&of_data(kind, version), &name(kind, version), in_draft_7, &mut schemas);
    }
    let messages: Map<String, Value> =
        versions().map(|(kind, version)| (name(kind, version), message(kind, version))).collect();
    let mut channels = Map::from_iter([("events".to_owned(), topic()), ("intake".to_owned(), intake())]);
    let mut operations = Map::new();
    let template = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../template.yaml"));
    let template = expanded(template).expect("the template");
    for service in SERVICES {
        channels.insert(queue_name(service), queue(service, &template));
        operations.insert(format!("receiveAs{}", service.id), receive(service));
        if !service.sends().is_empty() {
            operations.insert(format!("sendAs{}", service.id), send(service));
        }
    }
    operations.insert("receiveAsAnyone".to_owned(), receive_as_anyone());
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
    format!("{}Queue", service.id)
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
    if kind == EventType::OrderCreated {
        let form = "^([0-9.]+/24|[0-9a-f:]+/48)$";
        attributes[ADDRESS_BLOCK] = json!({ "type": "string", "pattern": form, "description": ADDRESSES });
    }
    let is_newest = version == kind.newest_version();
    let summary = kind.meaning();
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
        "address": TOPIC_NAME,
        "title": "All events",
        "description": TOPIC,
        "parameters": { "stack": { "description": "The name of the stack.", "default": "orderflow" } },
        "servers": [reference("servers", "sns")],
        "messages": Map::from_iter(in_all_versions("components/messages", &EventType::ALL)),
        "bindings": {
            "sns": {
                "bindingVersion": "0.1.0",
                "name": TOPIC_NAME,
                "ordering": { "type": "FIFO", "contentBasedDeduplication": false },
                "x-message-group-id": "$message.payload#/subject",
                "x-message-deduplication-id": "$message.payload#/id",
            },
        },
    })
}

/// References to the messages that anybody may send, in the versions that have the person in clear: nobody else can seal.
fn open_versions(place: &str) -> Vec<(String, Value)> {
    let is_sealed = |kind, version| of_data(kind, version)["properties"].get("personal").is_some();
    let open = versions().filter(|(kind, version)| kind.source().is_none() && !is_sealed(*kind, *version));
    open.map(|(kind, version)| (name(kind, version), reference(place, &name(kind, version)))).collect()
}

fn intake() -> Value {
    json!({
        "address": null,
        "title": "Orders of other producers",
        "description": INTAKE,
        "servers": [reference("servers", "sns")],
        "messages": Map::from_iter(open_versions("components/messages")),
        "bindings": { "sns": { "bindingVersion": "0.1.0", "name": "IntakeTopic", "ordering": { "type": "standard" } } },
    })
}

fn queue(service: &Service, template: &Value) -> Value {
    let name = service.id;
    let dead_letters = format!("{name}Dlq");
    let mut binding = queue_binding(&queue_name(service), template);
    binding["redrivePolicy"] = json!({
        "deadLetterQueue": { "name": dead_letters },
        "maxReceiveCount": property(template, &queue_name(service), "RedrivePolicy/maxReceiveCount"),
    });
    json!({
        "address": null,
        "title": format!("What {} receives", name.to_lowercase()),
        "description": format!(
            "The queue of {}: its URL is the stack's output `{name}QueueUrl`, and `{name}DlqUrl` that of its \
             dead-letter queue. {QUEUE}",
            name.to_lowercase(),
        ),
        "servers": [reference("servers", "sqs")],
        "messages": Map::from_iter(in_all_versions("components/messages", service.receives())),
        "bindings": {
            "sqs": {
                "bindingVersion": "0.2.0",
                "queue": binding,
                "deadLetterQueue": queue_binding(&dead_letters, template),
            },
        },
    })
}

/// Settings of that queue in the template.
fn queue_binding(name: &str, template: &Value) -> Value {
    let property = |place: &str| property(template, name, place);
    let mut binding = json!({
        "name": name,
        "fifoQueue": property("FifoQueue") == true,
        "messageRetentionPeriod": property("MessageRetentionPeriod"),
        "visibilityTimeout": property("VisibilityTimeout"),
    });
    binding.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
    binding
}

/// A property of that resource of the template, a number also where it is written as a text; null if it has none.
fn property(template: &Value, resource: &str, property: &str) -> Value {
    let place = format!("/Resources/{resource}/Properties/{property}");
    let value = template.pointer(&place).unwrap_or(&Value::Null);
    value.as_str().and_then(|text| text.parse::<u64>().ok()).map_or_else(|| value.clone(), Value::from)
}

/// A subscription to the topic, of those types, or else of all that there will ever be.
fn subscription(queue: &str, types: Option<&[EventType]>) -> Value {
    let mut consumer = json!({ "protocol": "sqs", "endpoint": { "name": queue }, "rawMessageDelivery": true });
    if let Some(types) = types {
        consumer["filterPolicyScope"] = json!("MessageBody");
        consumer["filterPolicy"] = json!({ "type": types.iter().map(|kind| kind.as_str()).collect::<Vec<_>>() });
    }
    json!({ "sns": { "bindingVersion": "0.1.0", "topic": { "name": TOPIC_NAME }, "consumers": [consumer] } })
}

fn receive(service: &Service) -> Value {
    let channel = queue_name(service);
    let messages = in_all_versions(&format!("channels/{channel}/messages"), service.receives());
    json!({
        "action": "receive",
        "title": format!("{} receives", service.name.to_owned()),
        "channel": reference("channels", &channel),
        "messages": messages.into_iter().map(|(_, message)| message).collect::<Vec<_>>(),
        "tags": [{ "name": service.name.to_owned() }],
        "bindings": subscription(&channel, service.consumes()),
    })
}

/// Operations of orderflow itself, which always sends the newest version.
fn send(service: &Service) -> Value {
    let newest = service.sends().into_iter().map(|kind| name(kind, kind.newest_version()));
    json!({
        "action": "send",
        "title": format!("{} sends", service.name.to_owned()),
        "channel": reference("channels", "events"),
        "messages": newest.map(|name| reference("channels/events/messages", &name)).collect::<Vec<_>>(),
        "tags": [{ "name": service.name.to_owned() }],
    })
}

fn receive_as_anyone() -> Value {
    let messages = in_all_versions("channels/events/messages", &EventType::ALL);
    json!({
        "action": "receive",
        "title": "another consumer receives",
        "description": "From a FIFO queue of its own. Of the types it names those that it wants; without a filter policy it gets \
                        all, those of later releases, too.",
        "channel": reference("channels", "events"),
        "messages": messages.into_iter().map(|(_, message)| message).collect::<Vec<_>>(),
        "tags": [{ "name": "other consumers" }],
        "bindings": subscription("yours.fifo", Some(&EventType::ALL)),
    })
}

fn send_as_anyone() -> Value {
    let messages = open_versions("channels/intake/messages");
    json!({
        "action": "send",
        "title": "another producer sends",
        "description": "Under a `source` of its own.",
        "channel": reference("channels", "intake"),
        "messages": messages.into_iter().map(|(_, message)| message).collect::<Vec<_>>(),
        "tags": [{ "name": "other producers" }],
    })
}

/// AsyncAPI's own dialect is that of draft 7, in which nothing may stand beside a reference.
fn in_draft_7(schema: Value) -> Value {
    match schema {
        Value::Object(mut object) => {
            if let Some(place) = object.remove("$ref") {
                let reference = json!({ "$ref": place });
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
        for (pointer, odd) in
            [("/type", "odd one"), ("/dataschema", "odd one"), ("/id", ""), ("/data/orderId", "odd one")]
        {
            let odd = with(&event, pointer, json!(odd));
            assert!(!validator.is_valid(&odd), "{kind} {version} with another {pointer}");
        }
        let stranger = with(&event, "/source", json!("https://shop.example/web"));
        assert_eq!(validator.is_valid(&stranger), kind.source().is_none(), "{kind} {version}");
    }
}

//! The AsyncAPI document: the topic, the queues, the webhooks and the feed, every message, and who sends and receives it.

use std::path::Path;

use onewrite::webhook::{Secret, Secrets};
use orderflow_events::scope::{EVENTS_READ, WEBHOOKS};
use orderflow_events::{ADDRESS_BLOCK, EventType, Time, schema};
use orderflow_local::expanded;
use orderflow_registry::{SERVICES, Service};
use serde_json::{Map, Value, json};

use crate::document::Document;
use crate::feed::{event, read_events};
use crate::golden::{self, versions};
use crate::openapi;
use crate::places::{with, without};
use crate::schemas::{hoist, of_data};
use crate::webhooks::post_event;

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

Whoever has no such role receives the same events in one of three ways, each by a pattern in the syntax of SNS: a queue of their \
own, which the shop subscribes as `receiveAsPartner` says; a webhook, to which they are posted as `postEvent` says; and the feed, \
from which they are pulled as `readEvents` says. openapi.json has the last two under the same names, and how a webhook is made.

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

const PARTNER_QUEUE: &str = "\
A queue of somebody else, in the shop's account or in another, FIFO or standard: its ARN is the stack's parameter `PartnerQueueArn`, and \
its owner's policy lets the topic send to it. To a FIFO queue the events of one order come in the order in which they are sent.";

const HOOKS: &str = "\
The URLs of the webhooks, each its owner's, who has registered it by `createWebhook` of openapi.json, with a pattern of the events that \
are posted to it. Nothing else is posted but the test of `testWebhook`, an event of the type `WebhookTested`.";

const FEED: &str = "\
All events that were ever published, in the order of the log, a page at a time: whoever pulls keeps a cursor of their own.";

/// Type of the event by which a webhook is tested.
const TESTED: &str = "WebhookTested";

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
    for (name, schema) in orderflow_journal::schemas() {
        hoist(&schema, name, in_draft_7, &mut schemas);
    }
    let messages: Map<String, Value> =
        versions().map(|(kind, version)| (name(kind, version), message(kind, version))).collect();
    let channels = [
        ("events", topic()),
        ("intake", intake()),
        ("partnerQueue", partner_queue()),
        ("webhooks", webhooks()),
        ("feed", feed()),
    ];
    let mut channels: Map<String, Value> =
        channels.into_iter().map(|(name, channel)| (name.to_owned(), channel)).collect();
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
    operations.insert("receiveAsPartner".to_owned(), receive_as_partner());
    operations.insert("postEvent".to_owned(), post());
    operations.insert("readEvents".to_owned(), read());
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
            "api": api(),
            "receiver": receiver(),
        },
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": messages,
            "messageBindings": { "event": { "http": posted() } },
            "schemas": schemas,
            "securitySchemes": { "token": openapi::token() },
        },
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

/// The HTTP API, as the OpenAPI document has it.
fn api() -> Value {
    let mut server = openapi::server();
    let url = server.as_object_mut().and_then(|server| server.remove("url")).unwrap_or_default();
    let parts = url.as_str().and_then(|url| url.strip_prefix("https://")?.split_once('/'));
    let (host, path) = parts.expect("a URL with a host and a path");
    server["host"] = json!(host);
    server["pathname"] = json!(format!("/{path}"));
    server["protocol"] = json!("https");
    server
}

fn receiver() -> Value {
    json!({
        "host": "{receiver}",
        "protocol": "https",
        "description": "The receiver of a webhook. It has a public address.",
        "variables": { "receiver": { "description": "The host of its URL.", "default": "partner.example" } },
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
        "payload": payload(&attributes),
        "bindings": reference("components/messageBindings", "event"),
        "examples": golden::read(kind, version).map(|event| json!({ "name": "published", "payload": event })).as_slice(),
    })
}

/// Schema of an event with those attributes.
fn payload(attributes: &Value) -> Value {
    json!({ "allOf": [reference("components/schemas", "Event"), { "type": "object", "properties": attributes }] })
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

fn partner_queue() -> Value {
    json!({
        "address": null,
        "title": "What a partner's queue receives",
        "description": PARTNER_QUEUE,
        "servers": [reference("servers", "sqs")],
        "messages": Map::from_iter(in_all_versions("components/messages", &EventType::ALL)),
    })
}

fn webhooks() -> Value {
    let mut messages = Map::from_iter(in_all_versions("components/messages", &EventType::ALL));
    messages.insert(TESTED.to_owned(), tested());
    json!({
        "address": null,
        "title": "What is posted to webhooks",
        "description": HOOKS,
        "servers": [reference("servers", "receiver")],
        "messages": messages,
    })
}

/// Message of a test, which no other channel has.
fn tested() -> Value {
    let attributes = json!({
        "type": { "const": TESTED },
        "source": { "const": "orderflow/webhooks" },
        "data": {
            "type": "object",
            "properties": { "webhookId": { "type": "string", "description": "The webhook." } },
            "required": ["webhookId"],
        },
    });
    json!({
        "name": TESTED,
        "title": "A test of a webhook",
        "summary": "Nothing has happened: its owner wants to see that it is taken. It is posted once, and is about the webhook.",
        "contentType": "application/cloudevents+json",
        "payload": payload(&attributes),
        "bindings": reference("components/messageBindings", "event"),
    })
}

fn feed() -> Value {
    let pulled = read_events();
    let page = &pulled["responses"]["200"];
    json!({
        "address": "/events",
        "title": "The feed",
        "description": FEED,
        "servers": [reference("servers", "api")],
        "messages": {
            "EventRequest": {
                "name": "EventRequest",
                "title": "A request for a page",
                "summary": "All of it is in the query: there is no body.",
                "payload": { "type": "null" },
            },
            "EventPage": {
                "name": "EventPage",
                "title": "A page of the feed",
                "summary": page["description"],
                "contentType": "application/json",
                "payload": reference("components/schemas", "EventPage"),
                "bindings": { "http": { "bindingVersion": "0.3.0", "statusCode": 200 } },
                "examples": [{ "name": "page", "payload": page["content"]["application/json"]["example"] }],
            },
        },
    })
}

/// Headers that an event has beside it where it is posted by itself.
fn posted() -> Value {
    json!({ "bindingVersion": "0.3.0", "headers": fields(&post_event()["parameters"]) })
}

/// The schema of an object whose fields are those parameters of the OpenAPI document.
fn fields(parameters: &Value) -> Value {
    let parameters = parameters.as_array().map(Vec::as_slice).unwrap_or_default();
    let name = |parameter: &Value| parameter["name"].as_str().unwrap_or_default().to_owned();
    let field = |parameter: &Value| {
        let mut schema = parameter["schema"].clone();
        schema["description"] = parameter["description"].clone();
        schema["examples"] = json!([parameter["example"]]);
        (name(parameter), schema)
    };
    let required: Vec<String> = parameters.iter().filter(|parameter| parameter["required"] == true).map(name).collect();
    let properties: Map<String, Value> = parameters.iter().map(field).collect();
    in_draft_7(json!({ "type": "object", "properties": properties, "required": required }))
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

fn receive_as_partner() -> Value {
    let messages = in_all_versions("channels/partnerQueue/messages", &EventType::ALL);
    let mut bindings = subscription("PartnerQueueArn", None);
    let undelivered = json!({ "deadLetterQueue": { "name": "PartnerUndeliverableQueue" } });
    bindings["sns"]["consumers"][0]["endpoint"] = json!({ "arn": "{PartnerQueueArn}" });
    bindings["sns"]["consumers"][0]["redrivePolicy"] = undelivered;
    json!({
        "action": "receive",
        "title": "a partner receives",
        "description": "All events, or those that match the stack's parameter `PartnerPattern`. The owner of a queue in another account \
                        confirms the subscription. What cannot be delivered the shop keeps for 14 days.",
        "channel": reference("channels", "partnerQueue"),
        "messages": messages.into_iter().map(|(_, message)| message).collect::<Vec<_>>(),
        "tags": [{ "name": "partners" }],
        "bindings": bindings,
    })
}

/// An event is posted by orderflow. AsyncAPI has no place for a range of statuses, so that a sentence says what answers mean.
fn post() -> Value {
    let posted = post_event();
    let mut messages = in_all_versions("channels/webhooks/messages", &EventType::ALL);
    messages.push((TESTED.to_owned(), reference("channels/webhooks/messages", TESTED)));
    let answers = posted["responses"].as_object().into_iter().flatten();
    let answers: Vec<String> = answers
        .map(|(status, answer)| format!("- `{status}`: {}", answer["description"].as_str().unwrap_or_default()))
        .collect();
    let about = posted["description"].as_str().unwrap_or_default();
    json!({
        "action": "send",
        "title": "webhooks send",
        "summary": posted["summary"],
        "description": format!("{about} To make one needs the scope `{WEBHOOKS}`.\n\nAnswers:\n\n{}", answers.join("\n")),
        "channel": reference("channels", "webhooks"),
        "messages": messages.into_iter().map(|(_, message)| message).collect::<Vec<_>>(),
        "tags": [{ "name": "webhooks" }],
        "bindings": { "http": { "bindingVersion": "0.3.0", "method": "POST" } },
    })
}

/// A page is asked for by whoever pulls.
fn read() -> Value {
    let pulled = read_events();
    let about = pulled["description"].as_str().unwrap_or_default();
    json!({
        "action": "send",
        "title": "another consumer pulls",
        "summary": pulled["summary"],
        "description": format!("{about} It needs the scope `{EVENTS_READ}`."),
        "channel": reference("channels", "feed"),
        "messages": [reference("channels/feed/messages", "EventRequest")],
        "reply": {
            "channel": reference("channels", "feed"),
            "messages": [reference("channels/feed/messages", "EventPage")],
        },
        "security": [reference("components/securitySchemes", "token")],
        "tags": [{ "name": "other consumers" }],
        "bindings": { "http": { "bindingVersion": "0.3.0", "method": "GET", "query": fields(&pulled["parameters"]) } },
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

/// Validator of a schema of the document.
fn validator_of(schema: &Value, document: &Value) -> jsonschema::Validator {
    let schema = json!({ "allOf": [schema], "components": document["components"] });
    jsonschema::draft7::new(&schema).expect("a schema")
}

/// Headers as the toolkit signs them are those of the document, and a page of the feed is what it calls one.
pub(crate) fn what_is_posted_and_what_is_pulled_are_what_it_says() {
    let document = document();
    let validator = |place: &str| validator_of(&json!({ "$ref": format!("#/{place}") }), &document);
    let secret = || Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a secret");
    let (event, now) = (event(), Time::new("2026-11-29T09:00:00Z").expect("a time"));
    let headers = validator("components/messageBindings/event/http/headers");
    for secrets in [Secrets::new(secret(), None), Secrets::new(secret(), Some(secret()))] {
        let id = event["id"].as_str().expect("an id");
        let signed = secrets.headers(id, now, &event.to_string());
        let signed: Map<String, Value> =
            signed.into_iter().map(|(name, text)| (name.to_owned(), Value::from(text))).collect();
        let signed = Value::Object(signed);
        assert!(headers.is_valid(&signed), "{signed}");
        for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
            assert!(!headers.is_valid(&without(&signed, &format!("/{name}"))), "without {name}");
        }
    }
    let test = json!({
        "specversion": "1.0", "id": "1", "source": "orderflow/webhooks", "type": "WebhookTested", "subject": "whk_1",
        "time": now, "datacontenttype": "application/json", "data": { "webhookId": "whk_1" },
    });
    let tested = validator_of(&document["channels"]["webhooks"]["messages"][TESTED]["payload"], &document);
    assert!(tested.is_valid(&test) && !tested.is_valid(&without(&test, "/data/webhookId")), "{test}");
    let (page, body) = (validator("components/schemas/EventPage"), json!({ "events": [event], "next": "17-12.3-0-9" }));
    assert!(page.is_valid(&body) && !page.is_valid(&without(&body, "/next")), "{body}");
}

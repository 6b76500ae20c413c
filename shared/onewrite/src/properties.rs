//! Properties of messages, requests and headers, and of everything that is none.

#![expect(clippy::unwrap_used, reason = "all of it is tests, though Clippy does not see any in its helpers")]

use std::collections::{BTreeMap, HashMap};

use aws_lambda_events::sqs::{SqsMessage, SqsMessageAttribute};
use data_encoding::BASE64;
use envelope::strategy::{context, damaged, json, text, time};
use envelope::{Envelope, Time, parse};
use lambda_http::http::{Request as Builder, StatusCode};
use lambda_http::{Body, Request, Response};
use proptest::collection::{hash_map, vec};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::http::{MAX_BODY_BYTES, read_body};
use crate::memory::sample::{BookRequested, Library};
use crate::message::open;
use crate::park::{Attribute, DeadLetter};
use crate::trace::TraceParent;

type Event = envelope::Event<Library>;

const RECEIVED: i64 = 1_767_225_600_000;

/// Document of an event of the sample library.
fn document() -> impl Strategy<Value = Value> {
    (context(), text(), text(), text()).prop_map(|(context, subject, title, reader)| {
        let mut document = Value::Object(context);
        for (name, value) in [("specversion", "1.0"), ("source", "https://a.example"), ("type", "BookRequested")] {
            document[name] = json!(value);
        }
        document["subject"] = json!(subject);
        document["data"] = json!({ "requestId": subject, "title": title, "reader": reader });
        document
    })
}

fn event() -> impl Strategy<Value = Event> {
    document().prop_filter_map("an event", |document| Event::from_value(&document).ok())
}

fn opened<F: crate::Incoming>(body: &str) -> Result<(F, String), envelope::DecodeError> {
    open(body, Time::from_millis(RECEIVED))
}

fn decoded(text: &str) -> Option<Event> {
    Event::received(&serde_json::from_str(text).ok()?, Time::from_millis(RECEIVED)).ok()
}

fn notification(message: &str) -> String {
    json!({ "Type": "Notification", "MessageId": "1", "TopicArn": "arn", "Message": message }).to_string()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_fact_is_opened_with_and_without_a_notification_around_it(event in event(), like_one in any::<bool>()) {
        let mut event = event;
        if like_one {
            event.context.extensions.insert("Type".to_owned(), json!("Notification"));
            event.context.extensions.insert("Message".to_owned(), json!("{}"));
        }
        let text = serde_json::to_string(&event).unwrap();
        for body in [text.clone(), notification(&text)] {
            prop_assert_eq!(opened::<Event>(&body), Ok((event.clone(), text.clone())));
            let envelope = opened::<Envelope>(&body).map(|(envelope, text)| (envelope.context, text));
            prop_assert_eq!(envelope, Ok((event.context.clone(), text.clone())));
        }
    }

    #[test]
    fn what_a_notification_has_in_it_is_judged_as_if_it_were_alone(
        text in prop_oneof![any::<String>(), json().prop_map(|it| it.to_string()), damaged(document()).prop_map(|it| it.to_string())],
    ) {
        let alone = decoded(&text);
        prop_assert_eq!(opened::<Event>(&text).map(|(event, _)| event).ok(), alone.clone());
        prop_assert_eq!(opened::<Event>(&notification(&text)).map(|(event, _)| event).ok(), alone);
        prop_assert!(opened::<Event>(&notification(&notification(&text))).is_err());
    }

    #[test]
    fn a_body_is_read_as_it_was_posted(document in document(), binary in any::<bool>()) {
        let data = document["data"].clone();
        let body = if binary { Body::Binary(data.to_string().into_bytes()) } else { Body::Text(data.to_string()) };
        let read = read_body::<BookRequested>(&request("application/json; charset=utf-8", body));
        prop_assert_eq!(read.map(|read| serde_json::to_value(read).unwrap()), Ok(data));
    }

    #[test]
    fn any_other_body_is_a_problem_of_the_caller(
        bytes in vec(any::<u8>(), 0..200),
        document in prop_oneof![json(), damaged(document()).prop_map(|event| event["data"].clone())],
        json_type in "[aA]pplication/[jJ]son *(;[ -~]{0,20})?",
        other_type in "[ -~]{0,30}".prop_filter("not JSON", |name| !name.trim().starts_with("application/json")),
    ) {
        let text = document.to_string();
        let judged = match parse::<BookRequested>(&document) {
            _ if text.len() > MAX_BODY_BYTES => StatusCode::PAYLOAD_TOO_LARGE,
            Ok(_) => StatusCode::OK,
            Err(_) => StatusCode::UNPROCESSABLE_ENTITY,
        };
        let body = Body::Text(text);
        prop_assert_eq!(status(&request(&json_type, body.clone())), judged);
        prop_assert_eq!(status(&request(&other_type, body)), StatusCode::UNSUPPORTED_MEDIA_TYPE);
        let is_json = serde_json::from_slice::<Value>(&bytes).is_ok();
        let judged = if is_json { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::BAD_REQUEST };
        prop_assert_eq!(status(&request(&json_type, Body::Binary(bytes))), judged);
    }

    #[test]
    fn a_letter_keeps_every_attribute_through_a_redrive(attributes in attributes(), now in time(), reason in any::<String>()) {
        let failure = Failure::permanent(reason);
        let about = |attributes: &BTreeMap<String, Attribute>| DeadLetter::about(&message(attributes), &failure, "lending", now);
        let letter = about(&attributes);
        prop_assert!(letter.attributes.len() <= 10);
        let missing: Vec<&String> =
            attributes.keys().filter(|name| letter.attributes.get(*name) != attributes.get(*name)).collect();
        prop_assert!(missing.len() <= usize::from(attributes.len() == 10), "{:?}", missing);
        // Parked again, it is the same letter; and what had to move is back as soon as there is room for it.
        prop_assert_eq!(&about(&letter.attributes), &letter);
        let mut fewer = letter.attributes.clone();
        if let Some(first) = attributes.keys().next() {
            fewer.remove(first);
        }
        let again = about(&fewer);
        for (name, attribute) in attributes.iter().skip(1) {
            prop_assert_eq!(again.attributes.get(name), Some(attribute));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn a_trace_is_written_as_it_was_read_or_is_none(
        text in prop_oneof![any::<String>(), "[0-9a-fA-F-]{55}", "00-[0-9a-f]{31,33}-[0-9a-f]{15,17}-[0-9a-f]{1,3}"],
        trace in "[1-9a-f][0-9a-f]{31}",
        span in "[1-9a-f][0-9a-f]{15}",
        flags in "[0-9a-f]{2}",
    ) {
        if let Some(parent) = TraceParent::parse(&text) {
            prop_assert_eq!(parent.to_string(), text.clone());
        }
        let valid = format!("00-{trace}-{span}-{flags}");
        prop_assert_eq!(TraceParent::parse(&valid).map(|parent| parent.to_string()), Some(valid));
        let xray = format!("Parent={span};Root=1-{}-{};Sampled=1", &trace[..8], &trace[8..]);
        let parent = TraceParent::from_xray(&xray).map(|parent| parent.to_string());
        prop_assert_eq!(parent, Some(format!("00-{trace}-{span}-01")));
        for odd in [text.clone(), format!("Root=1-{text};Parent={span}"), format!("Root=1-{trace};Parent={text}")] {
            if let Some(parent) = TraceParent::from_xray(&odd) {
                prop_assert_eq!(TraceParent::parse(&parent.to_string()), Some(parent));
            }
        }
    }
}

fn request(media_type: &str, body: Body) -> Request {
    Builder::builder().header("content-type", media_type).body(body).unwrap()
}

/// The status of the problem, or 200.
fn status(request: &Request) -> StatusCode {
    read_body::<BookRequested>(request).map_or_else(|problem| Response::from(problem).status(), |_| StatusCode::OK)
}

/// Attributes that a sender may set. The names that letters use for themselves are not the sender's.
fn attributes() -> impl Strategy<Value = BTreeMap<String, Attribute>> {
    let attribute = prop_oneof![
        ("(String|Number)(\\.[a-z]{1,5})?", any::<String>()).prop_map(|(kind, value)| Attribute::Text(kind, value)),
        ("Binary(\\.[a-z]{1,5})?", vec(any::<u8>(), 0..20)).prop_map(|(kind, value)| Attribute::Binary(kind, value)),
    ];
    let name = "[A-Za-z_.-]{1,10}".prop_filter("a sender's", |name| !name.starts_with("fail"));
    prop_oneof![hash_map(name.clone(), attribute.clone(), 0..10), hash_map(name, attribute, 10)]
        .prop_map(|attributes: HashMap<_, _>| attributes.into_iter().collect())
}

fn message(attributes: &BTreeMap<String, Attribute>) -> SqsMessage {
    let attribute = |attribute: &Attribute| {
        let mut message = SqsMessageAttribute::default();
        match attribute.clone() {
            Attribute::Text(kind, value) => (message.data_type, message.string_value) = (Some(kind), Some(value)),
            Attribute::Binary(kind, value) => {
                message.data_type = Some(kind);
                message.binary_value = serde_json::from_value(Value::from(BASE64.encode(&value))).unwrap();
            }
        }
        message
    };
    let mut message = SqsMessage::default();
    message.message_attributes = attributes.iter().map(|(name, it)| (name.clone(), attribute(it))).collect();
    message
}

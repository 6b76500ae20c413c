//! An event: a fact about one order, said by the one who may say it.

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::context::{Context, Envelope, Wire};
use crate::read::{Faults, Node, Read};
use crate::text::Source;
use crate::types::{EventType, Payload};

/// An event that keeps every rule of the contract.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its attributes.
    pub context: Context,
    /// What it says.
    pub data: Payload,
}

impl Event {
    /// Reads a CloudEvent in structured JSON and checks every rule of the contract.
    ///
    /// # Errors
    ///
    /// Why the text is not such an event. No later attempt can succeed.
    pub fn decode(text: &str) -> Result<Self, DecodeError> {
        Self::from_value(&serde_json::from_str(text).map_err(|error| DecodeError::NotJson(error.to_string()))?)
    }

    /// Like [`Event::decode`], of a document that has been parsed already.
    ///
    /// # Errors
    ///
    /// Why the document is not such an event.
    pub fn from_value(document: &Value) -> Result<Self, DecodeError> {
        let Envelope { context, kind, schema } = Envelope::from_value(document).map_err(DecodeError::NotCloudEvent)?;
        let (kind, version) = version_of(&kind, &schema)?;
        if !counts_from(kind, context.source.as_str()) {
            return Err(DecodeError::WrongSource { kind, said_by: context.source });
        }
        let mut faults = Faults::default();
        let data = match Payload::read(kind, version, &Node::root(&document["data"]), &mut faults) {
            Some(data) if faults.is_empty() => data,
            _ => return Err(DecodeError::InvalidData(faults)),
        };
        if data.order_id() != &context.subject {
            return Err(DecodeError::SubjectDiffers);
        }
        Ok(Self { context, data })
    }

    /// Everything that is wrong with a document, each with its place in it: nothing, if it is an event. For those who
    /// mend it; [`Event::from_value`] says as much as is needed to give it up.
    #[must_use]
    pub fn faults(document: &Value) -> Faults {
        let (root, mut faults) = (Node::root(document), Faults::default());
        Envelope::read(&root, &mut faults);
        let text = |name: &str| document.get(name).and_then(Value::as_str);
        let (Some(kind), Some(schema)) = (text("type"), text("dataschema")) else { return faults };
        let mut add = |name: &str, error: &DecodeError| faults.add(&root.field(name), error.to_string());
        let (kind, version) = match version_of(kind, schema) {
            Ok(known) => known,
            Err(error @ DecodeError::UnknownType(_)) => {
                add("type", &error);
                return faults;
            }
            Err(error) => {
                add("dataschema", &error);
                return faults;
            }
        };
        if let Some(said_by) = text("source").and_then(|source| Source::new(source).ok())
            && !counts_from(kind, said_by.as_str())
        {
            add("source", &DecodeError::WrongSource { kind, said_by });
        }
        // That there is none has been said.
        if !document["data"].is_null() {
            Payload::read(kind, version, &root.field("data"), &mut faults);
        }
        let (subject, order_id) = (text("subject"), document["data"]["orderId"].as_str());
        if subject.is_some() && order_id.is_some() && subject != order_id {
            faults.add(&root.field("subject"), "is not data.orderId");
        }
        faults
    }

    /// What kind of fact it is.
    #[must_use]
    pub fn kind(&self) -> EventType {
        self.data.kind()
    }
}

/// The type and the version of an event's data.
fn version_of(kind: &str, schema: &str) -> Result<(EventType, u32), DecodeError> {
    let kind = EventType::named(kind).ok_or_else(|| DecodeError::UnknownType(kind.to_owned()))?;
    match kind.version_named(schema) {
        Some(version) if kind.versions().contains(&version) => Ok((kind, version)),
        Some(version) if version > kind.newest_version() => Err(DecodeError::LaterVersion { kind, version }),
        _ => Err(DecodeError::UnknownSchema { kind, schema: schema.to_owned() }),
    }
}

fn counts_from(kind: EventType, source: &str) -> bool {
    kind.source().is_none_or(|only| only.as_str() == source)
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let kind = self.kind();
        Wire::new(&self.context, kind.as_str(), kind.schema(), &self.data).serialize(serializer)
    }
}

/// Why a text is not an event. Every one of these is permanent: the same text will never be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// It is not JSON, or is nested deeper than 128 levels. Has the place and the reason.
    #[error("not JSON: {0}")]
    NotJson(String),
    /// It is JSON, but no CloudEvent of ours: has all missing and wrong attributes.
    #[error("not a CloudEvent: {0}")]
    NotCloudEvent(Faults),
    /// Its type is not one of the contract's.
    #[error("unknown event type {0}")]
    UnknownType(String),
    /// Its type is known, but its schema is none of that type.
    #[error("unknown schema {schema} of {kind}: the newest is {known}", known = kind.schema())]
    UnknownSchema {
        /// The type.
        kind: EventType,
        /// The attribute `dataschema`.
        schema: String,
    },
    /// Its type is known, but not yet in this version: a later build of the consumer will know it.
    #[error(
        "version {version} of {kind} is later than {known}, the newest that this consumer knows: upgrade it",
        known = kind.newest_version()
    )]
    LaterVersion {
        /// The type.
        kind: EventType,
        /// The version.
        version: u32,
    },
    /// Its type counts from one source only, and this is another.
    #[error("{kind} does not count from source {said_by}")]
    WrongSource {
        /// The type.
        kind: EventType,
        /// Who said it.
        said_by: Source,
    },
    /// Its payload breaks rules of its type: has all of them.
    #[error("data is invalid: {0}")]
    InvalidData(Faults),
    /// Its subject is not the order that its payload is about.
    #[error("subject is not data.orderId")]
    SubjectDiffers,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn created() -> Value {
        json!({
            "specversion": "1.0",
            "id": "0193a5c0-7b1e-7c3a-9f00-0123456789ab",
            "source": "https://shop.example/web",
            "type": "OrderCreated",
            "subject": "web-17",
            "time": "2026-11-22T09:00:00.000Z",
            "datacontenttype": "application/json",
            "dataschema": "urn:orderflow:OrderCreated:2",
            "sequence": "00000000000000000001",
            "correlationid": "0193a5c0-7b1e-7c3a-9f00-0123456789ab",
            "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "data": {
                "orderId": "web-17",
                "customer": { "id": "c1", "name": "Ada Lovelace", "email": "ada@example.com", "phone": "+4930123456" },
                "lines": [
                    { "sku": "A-1", "quantity": 2, "unitPrice": { "amount": 995, "currency": "EUR" } },
                    { "sku": "A-1", "quantity": 1, "unitPrice": { "amount": 0, "currency": "EUR" } }
                ],
                "total": { "amount": 1990, "currency": "EUR" },
                "shippingAddress": {
                    "name": "Ada", "line1": "Road 1", "city": "Berlin", "postalCode": "10115", "country": "DE"
                },
                "paymentMethod": "pm_card_visa"
            }
        })
    }

    /// `created()` with the value at a JSON Pointer replaced, or removed where it is `null`.
    fn with(pointer: &str, value: Value) -> Value {
        let mut event = created();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        match event.pointer_mut(parent).unwrap() {
            Value::Object(object) if value.is_null() => drop(object.remove(name)),
            Value::Object(object) => drop(object.insert(name.to_owned(), value)),
            Value::Array(list) => list[name.parse::<usize>().unwrap()] = value,
            _ => panic!("{parent} has no members"),
        }
        event
    }

    #[test]
    fn an_event_survives_being_written_and_read() {
        // The last is a fraction that a quick reading gets wrong in its last digit.
        for kept in [json!("kept"), json!(null), json!(-6.530_729_239_331_848_5e-152)] {
            let mut document = created();
            document["partnerid"] = kept.clone();
            let event = Event::from_value(&document).unwrap();
            assert_eq!(event.context.extensions.get("partnerid"), Some(&kept));
            assert_eq!(Event::decode(&serde_json::to_string(&event).unwrap()), Ok(event.clone()));
            assert_eq!(serde_json::to_value(&event).unwrap(), document);
        }
    }

    #[test]
    fn what_may_be_absent_or_unknown_is_no_fault() {
        for event in [
            with("/datacontenttype", Value::Null),
            with("/sequence", Value::Null),
            with("/correlationid", Value::Null),
            with("/traceparent", json!("nonsense")),
            with("/data/customer/phone", Value::Null),
            with("/data/giftWrap", json!(true)),
            with("/data/total/amount", json!(2490)),
            with("/time", json!("2026-11-22T09:00:00+00:00")),
        ] {
            assert!(Event::from_value(&event).is_ok(), "{event}");
        }
    }

    #[test]
    fn every_broken_rule_is_named_with_its_place() {
        let long = "x".repeat(201);
        let count = "not a CloudEvent: /sequence must be a count from 1, left-padded with zeros to 20 digits";
        let line = |amount: i64, currency: &str| json!({ "sku": "B", "quantity": 9999, "unitPrice": { "amount": amount, "currency": currency } });
        for (pointer, value, reason) in [
            ("/specversion", json!("0.3"), "not a CloudEvent: /specversion must be \"1.0\""),
            ("/id", json!("1"), "not a CloudEvent: /id must be a UUIDv7"),
            ("/id", Value::Null, "not a CloudEvent: /id is required"),
            ("/source", json!(""), "not a CloudEvent: /source must be 1 to 200 characters"),
            ("/type", json!(7), "not a CloudEvent: /type must be a text"),
            ("/subject", json!("a b"), "not a CloudEvent: /subject must be 1 to 64 of [A-Za-z0-9_-]"),
            ("/time", json!("now"), "not a CloudEvent: /time must be a time of RFC 3339 in UTC"),
            ("/datacontenttype", json!("text/xml"), "not a CloudEvent: /datacontenttype must be application/json"),
            ("/dataschema", Value::Null, "not a CloudEvent: /dataschema is required"),
            ("/data", Value::Null, "not a CloudEvent: /data is required"),
            ("/sequence", json!("1"), count),
            ("/sequence", json!("0".repeat(20)), count),
            ("/type", json!("OrderEaten"), "unknown event type OrderEaten"),
            (
                "/dataschema",
                json!("urn:orderflow:OrderCreated:3"),
                "version 3 of OrderCreated is later than 2, the newest that this consumer knows: upgrade it",
            ),
            (
                "/dataschema",
                json!("urn:orderflow:OrderCreated:0"),
                "unknown schema urn:orderflow:OrderCreated:0 of OrderCreated: the newest is urn:orderflow:OrderCreated:2",
            ),
            (
                "/dataschema",
                json!("urn:orderflow:OrderEaten:1"),
                "unknown schema urn:orderflow:OrderEaten:1 of OrderCreated: the newest is urn:orderflow:OrderCreated:2",
            ),
            ("/subject", json!("web-18"), "subject is not data.orderId"),
            ("/data/lines", json!([]), "data is invalid: /lines must have 1 to 50 items"),
            (
                "/data/lines/0/quantity",
                json!(0),
                "data is invalid: /lines/0/quantity must be a whole number from 1 to 9999",
            ),
            ("/data/lines/1", line(1, "USD"), "data is invalid: /lines must all have the same currency"),
            (
                "/data/lines/1",
                line(10_001, "EUR"),
                "data is invalid: /lines must sum up to at most 99999999 minor units",
            ),
            ("/data/total/currency", json!("USD"), "data is invalid: /total must have the currency of the lines"),
            ("/data/customer/name", Value::Null, "data is invalid: /customer/name is required"),
            ("/data/customer/email", json!("nobody"), "data is invalid: /customer/email must be an email address"),
            (
                "/data/shippingAddress/city",
                json!(long),
                "data is invalid: /shippingAddress/city must be 1 to 200 characters",
            ),
            (
                "/data/paymentMethod",
                json!("4242 4242 4242 4242"),
                "data is invalid: /paymentMethod must be a token of the payment provider, not a card number",
            ),
        ] {
            let error = Event::from_value(&with(pointer, value)).expect_err(reason);
            assert_eq!(error.to_string(), reason);
        }
    }

    #[test]
    fn all_faults_of_a_document_are_found_at_once_with_their_places() {
        let faults = |document: &Value| {
            let faults = Event::faults(document);
            faults.as_slice().iter().map(|fault| format!("{} {}", fault.pointer, fault.detail)).collect::<Vec<_>>()
        };
        assert_eq!(faults(&created()), [""; 0]);
        let mut bad = with("/id", json!("1"));
        bad["subject"] = json!("web-18");
        bad["data"]["customer"]["email"] = json!("nobody");
        bad["data"]["lines"][0]["quantity"] = json!(0);
        let expected = [
            "/id must be a UUIDv7",
            "/data/customer/email must be an email address",
            "/data/lines/0/quantity must be a whole number from 1 to 9999",
            "/subject is not data.orderId",
        ];
        assert_eq!(faults(&bad), expected);
        for (pointer, value, expected) in [
            ("/subject", json!("web-18"), "/subject is not data.orderId"),
            ("/data/orderId", json!("web-18"), "/subject is not data.orderId"),
            ("/type", json!("OrderEaten"), "/type unknown event type OrderEaten"),
            ("/type", Value::Null, "/type is required"),
            ("/source", json!(""), "/source must be 1 to 200 characters"),
            ("/data", json!([]), "/data must be an object"),
            ("/data", Value::Null, "/data is required"),
        ] {
            assert_eq!(faults(&with(pointer, value))[0], expected);
        }
        assert_eq!(faults(&with("/data", Value::Null)), ["/data is required"]);
        let later = faults(&with("/dataschema", json!("urn:orderflow:OrderCreated:3")));
        assert!(later[0].starts_with("/dataschema version 3 of OrderCreated is later than 2"), "{later:?}");
        let mut paid = with("/type", json!("PaymentProcessed"));
        paid["dataschema"] = json!("urn:orderflow:PaymentProcessed:1");
        assert_eq!(
            faults(&paid),
            [
                "/source PaymentProcessed does not count from source https://shop.example/web",
                "/data/paymentId is required",
                "/data/amount is required"
            ]
        );
        assert_eq!(faults(&json!([])), [" must be an object"]);
    }

    #[test]
    fn version_1_of_an_order_has_the_name_of_its_recipient() {
        let newest = Event::from_value(&with("/data/customer/name", json!("Ada"))).unwrap();
        let mut first = with("/dataschema", json!("urn:orderflow:OrderCreated:1"));
        // What version 1 does not know is ignored, as in every version.
        for name in [json!("Grace"), json!({ "first": "Grace" }), Value::Null] {
            first["data"]["customer"]["name"] = name;
            assert_eq!(Event::from_value(&first), Ok(newest.clone()));
        }
        first["data"]["customer"]["email"] = json!("nobody");
        first["data"]["total"]["currency"] = json!("USD");
        let error = Event::from_value(&first).expect_err("a rule is broken").to_string();
        assert_eq!(
            error,
            "data is invalid: /customer/email must be an email address; /total must have the currency of the lines"
        );
    }

    #[test]
    fn only_an_order_may_be_created_by_anyone() {
        let paid = |source: &str| {
            let mut event = with("/source", json!(source));
            event["type"] = json!("PaymentProcessed");
            event["dataschema"] = json!("urn:orderflow:PaymentProcessed:1");
            event["data"] = json!({
                "orderId": "web-17", "paymentId": "pay_1", "amount": { "amount": 1, "currency": "EUR" }
            });
            Event::from_value(&event)
        };
        assert!(paid("orderflow/payment").is_ok());
        assert_eq!(
            paid("https://evil.example").map_err(|error| error.to_string()),
            Err("PaymentProcessed does not count from source https://evil.example".to_owned())
        );
    }

    #[test]
    fn junk_is_no_event_and_no_panic() {
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        for junk in ["", "hello", "{", "null", "[]", "42", "{}", deep.as_str()] {
            assert!(Event::decode(junk).is_err(), "{junk:.20}");
        }
    }

    #[test]
    fn lines_of_one_sku_are_summed() {
        let Payload::OrderCreated(order) = Event::from_value(&created()).unwrap().data else { panic!("another type") };
        let lines: Vec<_> =
            order.details.stock_lines().into_iter().map(|line| (line.sku.to_string(), line.quantity)).collect();
        assert_eq!(lines, [("A-1".to_owned(), 3)]);
        assert_eq!(order.details.total().map(|total| total.amount()), Some(1990));
    }
}

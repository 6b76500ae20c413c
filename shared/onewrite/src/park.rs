//! The letter that a message becomes when it cannot be handled.

use std::collections::BTreeMap;

use aws_lambda_events::sqs::{SqsMessage, SqsMessageAttribute};
use data_encoding::BASE64;
use envelope::Time;
use serde_json::{Map, Value, json};

use crate::failure::{Failure, FailureKind};

/// SQS takes ten attributes with a message (its quota).
const MAX_ATTRIBUTES: usize = 10;

/// The attribute that says what went wrong where there is no room for four.
const FAILURE: &str = "failure";

/// Message attribute of a redrive: whoever sends a dead letter back sets it, and its processing is linked to the first
/// trace instead of going on with it.
pub const REDRIVE: &str = "redrive";

/// In it, an attribute that had to make room.
const MOVED: &str = "moved-attribute";

/// The most characters of a reason that are kept.
const MAX_REASON: usize = 1_000;

/// A message attribute of SQS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// `String`, `Number`, or a type of the sender's own, and the value.
    Text(String, String),
    /// `Binary`, or a type of the sender's own, and the value.
    Binary(String, Vec<u8>),
}

impl Attribute {
    fn string(value: impl Into<String>) -> Self {
        Self::Text("String".to_owned(), value.into())
    }
}

/// A message on its way to a dead-letter queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The body, as it was.
    pub body: String,
    /// The attributes, as they were, and those that say what went wrong.
    pub attributes: BTreeMap<String, Attribute>,
}

impl DeadLetter {
    /// The letter about `message`, which failed in `function` at `now`.
    #[must_use]
    pub fn about(message: &SqsMessage, failure: &Failure, function: &str, now: Time) -> Self {
        let mut attributes = kept_attributes(message);
        describe(&mut attributes, marks(failure, function, now));
        Self { body: message.body.clone().unwrap_or_default(), attributes }
    }

    /// The letter about something that came from no queue, as JSON.
    #[must_use]
    pub fn from_json(body: &Value, failure: &Failure, function: &str, now: Time) -> Self {
        // The two characters of Unicode that SQS refuses can only stand in texts, and a text may write them like this.
        let body = body.to_string().replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff");
        let mut attributes = BTreeMap::new();
        describe(&mut attributes, marks(failure, function, now));
        Self { body, attributes }
    }
}

/// A dead letter as it is found in its queue: the message as it was before it failed, and what is said about the failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundLetter {
    /// The body, as it was.
    pub body: String,
    /// The attributes, as they were.
    pub attributes: BTreeMap<String, Attribute>,
    /// Failure, as its consumer tells it; none where SQS itself has moved the message, or SNS.
    pub failure: Option<FoundFailure>,
}

/// Words of a consumer about a message that it has parked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundFailure {
    /// `permanent` or `exhausted`.
    pub class: String,
    /// The reason.
    pub reason: String,
    /// Time of the failure; none where it is not legible.
    pub at: Option<Time>,
    /// Function that has parked the message.
    pub function: String,
}

impl From<&SqsMessage> for FoundLetter {
    fn from(message: &SqsMessage) -> Self {
        let mut attributes = kept_attributes(message);
        let failure = found(&attributes);
        forget_earlier(&mut attributes, &MARKS);
        Self { body: message.body.clone().unwrap_or_default(), attributes, failure }
    }
}

/// The marks of [`describe`], wherever they stand.
fn found(attributes: &BTreeMap<String, Attribute>) -> Option<FoundFailure> {
    let text = |name: &str| match attributes.get(name) {
        Some(Attribute::Text(_, text)) => Some(text.clone()),
        Some(Attribute::Binary(..)) | None => None,
    };
    let together: Value = text(FAILURE).and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default();
    let [class, reason, at, function] = MARKS.map(|mark| {
        let among = || together[mark].as_str().map(str::to_owned);
        text(mark).or_else(among)
    });
    Some(FoundFailure {
        class: class?,
        reason: reason.unwrap_or_default(),
        at: at.and_then(|at| Time::new(&at).ok()),
        function: function.unwrap_or_default(),
    })
}

/// The attributes that say what went wrong, each by itself.
const MARKS: [&str; 4] = ["failure-class", "failure-reason", "failed-at", "failed-function"];

fn marks(failure: &Failure, function: &str, now: Time) -> [(&'static str, String); 4] {
    let class = match failure.kind() {
        FailureKind::Permanent => "permanent",
        FailureKind::Transient | FailureKind::Unavailable | FailureKind::Deferred | FailureKind::Misconfigured => {
            "exhausted"
        }
    };
    let reason: String = failure.reason().chars().filter(|c| is_sendable(*c)).take(MAX_REASON).collect();
    let reason = if reason.is_empty() { "-".to_owned() } else { reason };
    let [class_mark, reason_mark, at_mark, function_mark] = MARKS;
    [
        (class_mark, class.to_owned()),
        (reason_mark, reason),
        (at_mark, now.to_string()),
        (function_mark, function.to_owned()),
    ]
}

/// SQS takes the characters that XML does. A reason may name an event's type, and so have any character in it.
fn is_sendable(character: char) -> bool {
    !character.is_control() && !matches!(character, '\u{fffe}' | '\u{ffff}')
}

fn kept_attributes(message: &SqsMessage) -> BTreeMap<String, Attribute> {
    let attributes = message.message_attributes.iter();
    attributes.filter_map(|(name, attribute)| Some((name.clone(), kept(attribute)?))).collect()
}

fn kept(attribute: &SqsMessageAttribute) -> Option<Attribute> {
    let data_type = attribute.data_type.clone()?;
    match (&attribute.string_value, &attribute.binary_value) {
        (Some(text), _) => Some(Attribute::Text(data_type, text.clone())),
        (None, Some(binary)) => Some(Attribute::Binary(data_type, binary.0.clone())),
        (None, None) => None,
    }
}

/// Adds `marks` as attributes of their own where SQS takes so many, else as one JSON attribute `failure`. Where even
/// that is one too many, the last attribute by name moves into the JSON, so that nothing is lost.
fn describe(attributes: &mut BTreeMap<String, Attribute>, marks: [(&str, String); 4]) {
    forget_earlier(attributes, &MARKS);
    if attributes.len() + marks.len() <= MAX_ATTRIBUTES {
        attributes.extend(marks.map(|(name, value)| (name.to_owned(), Attribute::string(value))));
        return;
    }
    let mut failure: Map<_, _> = marks.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
    if attributes.len() >= MAX_ATTRIBUTES
        && let Some((name, attribute)) = attributes.pop_last()
    {
        failure.insert(MOVED.to_owned(), moved(&name, &attribute));
    }
    attributes.insert(FAILURE.to_owned(), Attribute::string(Value::Object(failure).to_string()));
}

/// Removes what an earlier letter said, as after a redrive, and brings back the attribute that had to move for it.
fn forget_earlier(attributes: &mut BTreeMap<String, Attribute>, marks: &[&str]) {
    attributes.retain(|name, _| marks.iter().all(|mark| name != mark));
    if let Some(Attribute::Text(_, earlier)) = attributes.remove(FAILURE)
        && let Ok(earlier) = serde_json::from_str::<Value>(&earlier)
        && let Some((name, attribute)) = moved_back(&earlier[MOVED])
    {
        attributes.insert(name, attribute);
    }
}

fn moved(name: &str, attribute: &Attribute) -> Value {
    match attribute {
        Attribute::Text(data_type, value) => json!({ "name": name, "type": data_type, "value": value }),
        Attribute::Binary(data_type, value) => {
            json!({ "name": name, "type": data_type, "base64": BASE64.encode(value) })
        }
    }
}

fn moved_back(moved: &Value) -> Option<(String, Attribute)> {
    let text = |field: &str| moved[field].as_str().map(str::to_owned);
    let (name, data_type) = (text("name")?, text("type")?);
    let attribute = match (text("value"), text("base64")) {
        (Some(value), _) => Attribute::Text(data_type, value),
        (None, base64) => Attribute::Binary(data_type, BASE64.decode(base64?.as_bytes()).ok()?),
    };
    Some((name, attribute))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(attributes: usize) -> SqsMessage {
        let mut message = SqsMessage::default();
        message.body = Some("{}".to_owned());
        for number in 0..attributes {
            let mut attribute = SqsMessageAttribute::default();
            attribute.data_type = Some("String".to_owned());
            attribute.string_value = Some(number.to_string());
            message.message_attributes.insert(format!("a{number}"), attribute);
        }
        message
    }

    fn letter(message: &SqsMessage, failure: &Failure) -> DeadLetter {
        DeadLetter::about(message, failure, "lending", Time::from_millis(0))
    }

    #[test]
    fn a_letter_keeps_the_message_and_says_why() {
        let letter = letter(&message(6), &Failure::permanent("not\nJSON"));
        assert_eq!(letter.body, "{}");
        assert_eq!(letter.attributes.len(), 10);
        for (name, value) in [
            ("a5", "5"),
            ("failure-class", "permanent"),
            ("failure-reason", "notJSON"),
            ("failed-at", "1970-01-01T00:00:00.000Z"),
            ("failed-function", "lending"),
        ] {
            assert_eq!(letter.attributes[name], Attribute::string(value));
        }
    }

    #[test]
    fn where_the_attributes_are_too_many_the_reason_is_one_of_them() {
        for (before, after) in [(7, 8), (9, 10), (10, 10)] {
            let letter = letter(&message(before), &Failure::transient("down"));
            assert_eq!(letter.attributes.len(), after, "{before}");
            let Attribute::Text(_, failure) = &letter.attributes["failure"] else { panic!("no text") };
            let failure: serde_json::Value = serde_json::from_str(failure).unwrap();
            assert_eq!(failure["failure-class"], "exhausted");
            let moved =
                if before == 10 { json!({ "name": "a9", "type": "String", "value": "9" }) } else { json!(null) };
            assert_eq!(failure["moved-attribute"], moved);
        }
    }

    #[test]
    fn a_letter_that_was_redriven_is_described_anew() {
        let mut again = message(0);
        for name in ["failure-class", "failure-reason", "failed-at", "failed-function"] {
            let mut attribute = SqsMessageAttribute::default();
            attribute.data_type = Some("String".to_owned());
            attribute.string_value = Some("old".to_owned());
            again.message_attributes.insert(name.to_owned(), attribute);
        }
        let letter = letter(&again, &Failure::transient("down"));
        assert_eq!(letter.attributes.len(), 4);
        assert_eq!(letter.attributes["failure-class"], Attribute::string("exhausted"));
    }

    #[test]
    fn an_attribute_that_had_to_move_is_not_lost_by_a_redrive() {
        let mut before = message(9);
        let mut binary = SqsMessageAttribute::default();
        binary.data_type = Some("Binary.png".to_owned());
        binary.binary_value = serde_json::from_value(json!("AP8=")).unwrap();
        before.message_attributes.insert("z".to_owned(), binary);
        let parked = letter(&before, &Failure::transient("down"));
        assert!(!parked.attributes.contains_key("z"));

        let mut redriven = message(9);
        let Attribute::Text(data_type, failure) = &parked.attributes["failure"] else { panic!("no text") };
        let mut attribute = SqsMessageAttribute::default();
        attribute.data_type = Some(data_type.clone());
        attribute.string_value = Some(failure.clone());
        redriven.message_attributes.insert("failure".to_owned(), attribute);
        assert_eq!(letter(&redriven, &Failure::transient("down")), parked);
    }

    /// The letter as SQS hands it out.
    fn handed_out(letter: &DeadLetter) -> SqsMessage {
        let mut message = SqsMessage::default();
        message.body = Some(letter.body.clone());
        for (name, attribute) in &letter.attributes {
            let mut given = SqsMessageAttribute::default();
            match attribute {
                Attribute::Text(data_type, text) => {
                    (given.data_type, given.string_value) = (Some(data_type.clone()), Some(text.clone()));
                }
                Attribute::Binary(data_type, bytes) => {
                    given.data_type = Some(data_type.clone());
                    given.binary_value = serde_json::from_value(json!(BASE64.encode(bytes))).unwrap();
                }
            }
            message.message_attributes.insert(name.clone(), given);
        }
        message
    }

    #[test]
    fn a_letter_is_read_back_as_the_message_and_its_failure() {
        for attributes in [0, 6, 7, 9, 10] {
            let sent = message(attributes);
            let found = FoundLetter::from(&handed_out(&letter(&sent, &Failure::transient("down"))));
            assert_eq!((found.body.as_str(), &found.attributes), ("{}", &kept_attributes(&sent)), "{attributes}");
            let FoundFailure { class, reason, at, function } = found.failure.unwrap();
            assert_eq!((class.as_str(), reason.as_str(), function.as_str()), ("exhausted", "down", "lending"));
            assert_eq!(at, Some(Time::from_millis(0)));
        }
        assert_eq!(FoundLetter::from(&message(3)).failure, None);
    }

    #[test]
    fn a_reason_has_only_what_sqs_takes() {
        let reason = format!("a\u{ffff}b\u{fffe}c\n{}", "ä".repeat(2_000));
        let letter = letter(&message(0), &Failure::permanent(reason));
        assert_eq!(
            letter.attributes["failure-reason"],
            Attribute::string(format!("abc{}", "ä".repeat(MAX_REASON - 3)))
        );
    }
}

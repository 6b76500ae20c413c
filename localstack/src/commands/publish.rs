//! An event from a file, published to the topic.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use aws_sdk_sns::error::{DisplayErrorContext, ProvideErrorMetadata};
use orderflow_events::{Event, Fault, Faults};
use serde_json::Value;

use crate::client::outputs::Outputs;

/// Failure to publish an event.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
    /// It holds no JSON.
    #[error("the event is not JSON: {0}")]
    NotJson(#[source] serde_json::Error),
    /// It holds other JSON.
    #[error("the event is not a JSON object")]
    NotAnObject,
    /// The services would not take it. Has everything that is wrong with it.
    #[error("no service would take the event; --unchecked publishes it nonetheless{}", listed(.0))]
    Invalid(Faults),
    /// SNS needs this attribute to order events and to recognise a repetition.
    #[error("the event has no `{0}`, which must be a text that is not empty")]
    Without(&'static str),
    /// The stack has no topic.
    #[error("the stack has no output EventsTopicArn")]
    NoTopic,
    /// SNS refuses it.
    #[error("SNS refuses the event: {0}")]
    Refused(String),
}

/// Each fault on a line of its own, after its place in the event.
fn listed(faults: &Faults) -> String {
    let line = |fault: &Fault| {
        let place = if fault.pointer.is_empty() { "the event" } else { &fault.pointer };
        format!("\n  {place}  {}", fault.detail)
    };
    faults.as_slice().iter().map(line).collect()
}

/// Check of an event before it is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// It has to be one that the services take.
    Contract,
    /// Anything goes that SNS takes, so that odd events can be tried, too.
    Nothing,
}

/// A message to the topic: the text as it came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Draft {
    text: String,
    pub(crate) id: String,
    pub(crate) subject: String,
}

impl Draft {
    /// From a file, or from standard input if it is named `-`.
    pub(crate) fn read(path: &Path, check: Check) -> Result<Self, PublishError> {
        let text = if path == Path::new("-") { io::read_to_string(io::stdin()) } else { read_file(path) };
        text.map_err(|source| PublishError::Read { path: path.to_owned(), source })
            .and_then(|text| Self::parse(text, check))
    }

    fn parse(text: String, check: Check) -> Result<Self, PublishError> {
        let event: Value = serde_json::from_str(&text).map_err(PublishError::NotJson)?;
        if !event.is_object() {
            return Err(PublishError::NotAnObject);
        }
        let faults = Event::faults(&event);
        if check == Check::Contract && !faults.is_empty() {
            return Err(PublishError::Invalid(faults));
        }
        let (id, subject) = (required(&event, "id")?, required(&event, "subject")?);
        Ok(Self { text, id, subject })
    }

    /// Publishes it as every producer does: grouped by its subject, recognised by its id.
    pub(crate) async fn publish(self, outputs: &Outputs) -> Result<(), PublishError> {
        let topic_arn = outputs.get("EventsTopicArn").ok_or(PublishError::NoTopic)?;
        let request = aws_sdk_sns::Client::new(&outputs.endpoint().sdk_config())
            .publish()
            .topic_arn(topic_arn)
            .message(self.text);
        let sent = request.message_group_id(self.subject).message_deduplication_id(self.id).send().await;
        sent.map(|_| ()).map_err(|error| {
            let said = error.message().map(str::to_owned);
            PublishError::Refused(said.unwrap_or_else(|| DisplayErrorContext(&error).to_string()))
        })
    }
}

fn read_file(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?.read_to_string(&mut text)?;
    Ok(text)
}

fn required(event: &Value, name: &'static str) -> Result<String, PublishError> {
    let text = event[name].as_str().filter(|text| !text.is_empty());
    text.map(str::to_owned).ok_or(PublishError::Without(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_published_as_it_was_written() {
        let text = r#"{ "id": "1", "subject": "ord_1", "odd":  true }"#;
        let draft = Draft::parse(text.to_owned(), Check::Nothing).unwrap();
        assert_eq!(draft, Draft { text: text.to_owned(), id: "1".to_owned(), subject: "ord_1".to_owned() });
    }

    #[test]
    fn what_sns_cannot_take_is_told_clearly() {
        for (text, expected) in [
            ("{", "the event is not JSON: EOF while parsing an object at line 1 column 1"),
            ("[]", "the event is not a JSON object"),
            (r#"{"subject": "ord_1"}"#, "the event has no `id`, which must be a text that is not empty"),
            (r#"{"id": 1, "subject": "ord_1"}"#, "the event has no `id`, which must be a text that is not empty"),
            (r#"{"id": "1", "subject": ""}"#, "the event has no `subject`, which must be a text that is not empty"),
        ] {
            assert_eq!(Draft::parse(text.to_owned(), Check::Nothing).unwrap_err().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn an_event_that_no_service_would_take_is_not_published_and_every_fault_is_told() {
        let good = include_str!("../../examples/order-created.json");
        assert_eq!(Draft::parse(good.to_owned(), Check::Contract).unwrap().subject, "web-17");
        let mut event: Value = serde_json::from_str(good).unwrap();
        event["time"] = "yesterday".into();
        event["data"]["lines"][0]["quantity"] = 0.into();
        event["data"]["customer"]["name"].take();
        let refused = Draft::parse(event.to_string(), Check::Contract).unwrap_err().to_string();
        let expected = [
            "no service would take the event; --unchecked publishes it nonetheless",
            "  /time  must be a time of RFC 3339 in UTC",
            "  /data/customer/name  is required",
            "  /data/lines/0/quantity  must be a whole number from 1 to 9999",
        ];
        assert_eq!(refused, expected.join("\n"));
        assert_eq!(Draft::parse(event.to_string(), Check::Nothing).unwrap().subject, "web-17");
    }
}

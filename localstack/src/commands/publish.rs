//! An event from a file, published to the intake.

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
    /// The intake would not take it. Has everything that is wrong with it.
    #[error("the intake would not take the event; --unchecked publishes it nonetheless{}", listed(.0))]
    Invalid(Faults),
    /// The stack has no intake.
    #[error("the stack has no output IntakeTopicArn")]
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

/// Look at an event before it is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// It has to be an event of the contract.
    Contract,
    /// Anything goes that SNS takes, so that odd events can be tried, too.
    Nothing,
}

/// A message to the intake: the text as it came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Draft {
    text: String,
}

impl Draft {
    /// From a file, or from standard input if it is named `-`.
    pub(crate) fn read(path: &Path, check: Check) -> Result<Self, PublishError> {
        let text = if path == Path::new("-") { io::read_to_string(io::stdin()) } else { read_file(path) };
        text.map_err(|source| PublishError::Read { path: path.to_owned(), source })
            .and_then(|text| Self::checked(text, check))
    }

    fn checked(text: String, check: Check) -> Result<Self, PublishError> {
        if check == Check::Contract {
            let event: Value = serde_json::from_str(&text).map_err(PublishError::NotJson)?;
            let faults = Event::faults(&event);
            if !faults.is_empty() {
                return Err(PublishError::Invalid(faults));
            }
        }
        Ok(Self { text })
    }

    /// Id and subject, in a few words for a person; the text may have neither.
    pub(crate) fn name(&self) -> String {
        let event: Value = serde_json::from_str(&self.text).unwrap_or_default();
        match (event["id"].as_str(), event["subject"].as_str()) {
            (Some(id), Some(subject)) => format!("{id} of {subject}"),
            _ => "a message that is no event".to_owned(),
        }
    }

    /// Publishes it as every producer of orders does: with nothing but the text.
    pub(crate) async fn publish(self, outputs: &Outputs) -> Result<(), PublishError> {
        let topic_arn = outputs.get("IntakeTopicArn").ok_or(PublishError::NoTopic)?;
        let client = aws_sdk_sns::Client::new(&outputs.endpoint().sdk_config());
        let sent = client.publish().topic_arn(topic_arn).message(self.text).send().await;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_published_as_it_was_written() {
        for (text, name) in [
            (r#"{ "id": "1", "subject": "ord_1", "odd":  true }"#, "1 of ord_1"),
            (r#"{"id": 1, "subject": "ord_1"}"#, "a message that is no event"),
            ("no JSON", "a message that is no event"),
        ] {
            let draft = Draft::checked(text.to_owned(), Check::Nothing).unwrap();
            assert_eq!((draft.text.as_str(), draft.name().as_str()), (text, name));
        }
    }

    #[test]
    fn an_event_that_the_intake_would_not_take_is_not_published_and_every_fault_is_told() {
        let good = include_str!("../../examples/order-created.json");
        assert_eq!(Draft::checked(good.to_owned(), Check::Contract).unwrap().text, good);
        let mut event: Value = serde_json::from_str(good).unwrap();
        event["time"] = "yesterday".into();
        event["data"]["lines"][0]["quantity"] = 0.into();
        event["data"]["customer"]["name"].take();
        let refused = Draft::checked(event.to_string(), Check::Contract).unwrap_err().to_string();
        let expected = [
            "the intake would not take the event; --unchecked publishes it nonetheless",
            "  /time  must be a time of RFC 3339",
            "  /data/customer/name  is required",
            "  /data/lines/0/quantity  must be a whole number from 1 to 9999",
        ];
        assert_eq!(refused, expected.join("\n"));
        assert!(Draft::checked(event.to_string(), Check::Nothing).is_ok());
        let refused = Draft::checked("{".to_owned(), Check::Contract).unwrap_err().to_string();
        assert_eq!(refused, "the event is not JSON: EOF while parsing an object at line 1 column 1");
    }
}

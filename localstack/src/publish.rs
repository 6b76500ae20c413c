//! An event from a file, published to the topic.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use aws_config::SdkConfig;
use aws_sdk_sns::error::{DisplayErrorContext, ProvideErrorMetadata};
use serde_json::Value;

use crate::outputs::Outputs;

/// Why an event is not published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It holds no JSON.
    #[error("the event is not JSON: {0}")]
    NotJson(#[source] serde_json::Error),
    /// It holds other JSON.
    #[error("the event is not a JSON object")]
    NotAnObject,
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

/// A message to the topic: the text as it came, so that odd events can be tried, too.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Draft {
    text: String,
    pub(crate) id: String,
    pub(crate) subject: String,
}

impl Draft {
    /// From a file, or from standard input if it is named `-`.
    pub(crate) fn read(path: &Path) -> Result<Self, PublishError> {
        let text = if path == Path::new("-") { io::read_to_string(io::stdin()) } else { read_file(path) };
        text.map_err(|source| PublishError::Read { path: path.to_owned(), source }).and_then(Self::parse)
    }

    fn parse(text: String) -> Result<Self, PublishError> {
        let event: Value = serde_json::from_str(&text).map_err(PublishError::NotJson)?;
        if !event.is_object() {
            return Err(PublishError::NotAnObject);
        }
        let (id, subject) = (required(&event, "id")?, required(&event, "subject")?);
        Ok(Self { text, id, subject })
    }

    /// Publishes it as every producer does: grouped by its subject, recognised by its id.
    pub(crate) async fn publish(self, sdk: &SdkConfig, outputs: &Outputs) -> Result<(), PublishError> {
        let topic_arn = outputs.get("EventsTopicArn").ok_or(PublishError::NoTopic)?;
        let request = aws_sdk_sns::Client::new(sdk).publish().topic_arn(topic_arn).message(self.text);
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
        let draft = Draft::parse(text.to_owned()).unwrap();
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
            assert_eq!(Draft::parse(text.to_owned()).unwrap_err().to_string(), expected, "{text}");
        }
    }
}

//! From the body of a message to a fact.

use orderflow_events::{Context, DecodeError, Envelope, Event};
use serde_json::Value;

/// What a function takes from the body of a message.
pub trait Incoming: Sized {
    /// Reads the JSON object of a CloudEvent.
    ///
    /// # Errors
    ///
    /// Why it is none. No later attempt can succeed.
    fn from_value(document: &Value) -> Result<Self, DecodeError>;

    /// Its attributes.
    fn context(&self) -> &Context;

    /// Its type.
    fn event_type(&self) -> &str;
}

impl Incoming for Event {
    fn from_value(document: &Value) -> Result<Self, DecodeError> {
        Event::from_value(document)
    }

    fn context(&self) -> &Context {
        &self.context
    }

    fn event_type(&self) -> &str {
        self.data.kind().as_str()
    }
}

impl Incoming for Envelope {
    fn from_value(document: &Value) -> Result<Self, DecodeError> {
        Envelope::from_value(document).map_err(DecodeError::NotCloudEvent)
    }

    fn context(&self) -> &Context {
        &self.context
    }

    fn event_type(&self) -> &str {
        &self.kind
    }
}

/// Reads the body of a message: a CloudEvent, or one inside an SNS notification (raw delivery off). Answers the fact,
/// and its own text as it was published.
pub(crate) fn open<F: Incoming>(body: &str) -> Result<(F, String), DecodeError> {
    let document = parse(body)?;
    let Some(inner) = notification(&document) else {
        return Ok((F::from_value(&document)?, body.to_owned()));
    };
    Ok((F::from_value(&parse(inner)?)?, inner.to_owned()))
}

fn parse(text: &str) -> Result<Value, DecodeError> {
    serde_json::from_str(text).map_err(|error| DecodeError::NotJson(error.to_string()))
}

/// The message of an SNS notification. A CloudEvent has a `type`, never a `Type`.
fn notification(document: &Value) -> Option<&str> {
    let is_notification = document.get("Type")?.as_str()? == "Notification" && document.get("specversion").is_none();
    document.get("Message").filter(|_| is_notification)?.as_str()
}

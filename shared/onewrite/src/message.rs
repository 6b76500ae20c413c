//! Messages: from the body to the event that it carries.

use envelope::{Context, Contract, DecodeError, Envelope, Event, Time};
use serde_json::Value;

/// Event, or as much of one as a handler needs, as it comes in with a message.
pub trait Incoming: Sized {
    /// Reads the JSON object of a CloudEvent that came at `received`.
    ///
    /// # Errors
    ///
    /// Why it is none. No later attempt can succeed.
    fn from_value(document: &Value, received: Time) -> Result<Self, DecodeError>;

    /// Its attributes.
    fn context(&self) -> &Context;

    /// Its type.
    fn event_type(&self) -> String;
}

impl<P: Contract> Incoming for Event<P> {
    fn from_value(document: &Value, received: Time) -> Result<Self, DecodeError> {
        Self::received(document, received)
    }

    fn context(&self) -> &Context {
        &self.context
    }

    fn event_type(&self) -> String {
        Self::event_type(self).to_string()
    }
}

impl Incoming for Envelope {
    fn from_value(document: &Value, received: Time) -> Result<Self, DecodeError> {
        Self::from_value(document, received).map_err(DecodeError::NotCloudEvent)
    }

    fn context(&self) -> &Context {
        &self.context
    }

    fn event_type(&self) -> String {
        self.event_type.clone()
    }
}

/// Reads the body of a message: a CloudEvent, or one inside an SNS notification (raw delivery off). Answers the fact,
/// and its own text as it was published.
pub(crate) fn open<F: Incoming>(body: &str, received: Time) -> Result<(F, String), DecodeError> {
    let document = parse(body)?;
    let Some(inner) = notification(&document) else {
        return Ok((F::from_value(&document, received)?, body.to_owned()));
    };
    Ok((F::from_value(&parse(inner)?, received)?, inner.to_owned()))
}

fn parse(text: &str) -> Result<Value, DecodeError> {
    serde_json::from_str(text).map_err(|error| DecodeError::NotJson(error.to_string()))
}

/// The message of an SNS notification. A CloudEvent has a `type`, never a `Type`.
fn notification(document: &Value) -> Option<&str> {
    let is_notification = document.get("Type")?.as_str()? == "Notification" && document.get("specversion").is_none();
    document.get("Message").filter(|_| is_notification)?.as_str()
}

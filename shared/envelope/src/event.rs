//! Event: a fact about one subject, said by the one who may say it.

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::context::{Context, Envelope, Wire};
use crate::contract::{Contract, EventType, Heard};
use crate::read::{Faults, Node};
use crate::text::Source;
use crate::time::Time;

/// Event of an application that keeps every rule of its contract, or the part of one that a consumer takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Event<P> {
    /// Its attributes.
    pub context: Context,
    /// Its payload.
    pub data: P,
}

impl<P: Contract> Event<P> {
    /// Reads a CloudEvent in structured JSON and checks every rule of the contract. It has to have a `time`.
    ///
    /// # Errors
    ///
    /// Why the text is not such an event. No later attempt can succeed.
    pub fn decode(text: &str) -> Result<Self, DecodeError> {
        let document = serde_json::from_str(text).map_err(|error| DecodeError::NotJson(error.to_string()))?;
        Self::from_value(&document)
    }

    /// Like [`Event::decode`], of a document that has been parsed already.
    ///
    /// # Errors
    ///
    /// Why the document is not such an event.
    pub fn from_value(document: &Value) -> Result<Self, DecodeError> {
        let event = Self::received(document, Time::from_millis(0))?;
        if document["time"].is_null() {
            let mut faults = Faults::default();
            faults.add(&Node::root(document).field("time"), "is required");
            return Err(DecodeError::NotCloudEvent(faults));
        }
        Ok(event)
    }

    /// Reads the document of an event that came at `received`, which is its time where it has none.
    ///
    /// # Errors
    ///
    /// Why the document is not such an event.
    pub fn received(document: &Value, received: Time) -> Result<Self, DecodeError> {
        let envelope = Envelope::from_value(document, received).map_err(DecodeError::NotCloudEvent)?;
        let Envelope { context, event_type, schema } = envelope;
        let (event_type, version) = version_of::<P::Type>(&event_type, schema.as_deref())?;
        if !counts_from(event_type, context.source.as_str()) {
            return Err(DecodeError::WrongSource { event_type: event_type.as_str(), said_by: context.source });
        }
        let mut faults = Faults::default();
        let data = match P::read(event_type, version, &Node::root(&document["data"]), &mut faults) {
            Some(data) if faults.is_empty() => data,
            _ => return Err(DecodeError::InvalidData(faults)),
        };
        if data.about().as_ref() != context.subject.as_str() {
            return Err(DecodeError::SubjectDiffers(P::SUBJECT_FIELD));
        }
        Ok(Self { context, data })
    }

    /// Everything that is wrong with a document, each with its place in it: nothing, if it is an event. For those who
    /// mend it; [`Event::received`] says as much as is needed to give it up.
    #[must_use]
    pub fn faults(document: &Value) -> Faults {
        let (root, mut faults) = (Node::root(document), Faults::default());
        Envelope::read(&root, Time::from_millis(0), &mut faults);
        let text = |name: &str| document.get(name).and_then(Value::as_str);
        let Some(event_type) = text("type") else { return faults };
        let mut add = |name: &str, error: &DecodeError| faults.add(&root.field(name), error.to_string());
        let (event_type, version) = match version_of::<P::Type>(event_type, text("dataschema")) {
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
            && !counts_from(event_type, said_by.as_str())
        {
            add("source", &DecodeError::WrongSource { event_type: event_type.as_str(), said_by });
        }
        // That there is none has been said.
        if !document["data"].is_null() {
            P::read(event_type, version, &root.field("data"), &mut faults);
        }
        let (subject, field) = (text("subject"), document["data"][P::SUBJECT_FIELD].as_str());
        if subject.is_some() && field.is_some() && subject != field {
            faults.add(&root.field("subject"), format!("is not data.{}", P::SUBJECT_FIELD));
        }
        faults
    }

    /// The type of the event.
    #[must_use]
    pub fn event_type(&self) -> P::Type {
        self.data.event_type()
    }

    /// The event as a consumer takes it; `None` where it takes none of this type.
    #[must_use]
    pub fn heard<H: Heard<Contract = P>>(&self) -> Option<Event<H>> {
        H::hear(&self.data).map(|data| Event { context: self.context.clone(), data })
    }
}

/// The type and the version of an event's data. A producer that never heard of versions has the first.
fn version_of<T: EventType>(name: &str, schema: Option<&str>) -> Result<(T, u32), DecodeError> {
    let event_type = T::named(name).ok_or_else(|| DecodeError::UnknownType(name.to_owned()))?;
    let Some(schema) = schema else { return Ok((event_type, 1)) };
    let (name, newest) = (event_type.as_str(), event_type.newest_version());
    match event_type.version_named(schema) {
        Some(version) if event_type.versions().contains(&version) => Ok((event_type, version)),
        Some(version) if version > newest => Err(DecodeError::LaterVersion { event_type: name, version, newest }),
        _ => {
            Err(DecodeError::UnknownSchema { event_type: name, schema: schema.to_owned(), newest: event_type.schema() })
        }
    }
}

fn counts_from(event_type: impl EventType, source: &str) -> bool {
    event_type.source().is_none_or(|only| only.as_str() == source)
}

impl<P: Contract> Serialize for Event<P> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let event_type = self.event_type();
        Wire::new(&self.context, event_type.as_str(), event_type.schema(), &self.data).serialize(serializer)
    }
}

/// Reason why a text is not an event. Every one of these is permanent: the same text will never be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// It is not JSON, or is nested deeper than 128 levels. Has the place and the reason.
    #[error("not JSON: {0}")]
    NotJson(String),
    /// It is JSON, but no CloudEvent as the contract has them: has all missing and wrong attributes.
    #[error("not a CloudEvent: {0}")]
    NotCloudEvent(Faults),
    /// Its type is not one of the contract's.
    #[error("unknown event type {0}")]
    UnknownType(String),
    /// Its type is known, but its schema is none of that type.
    #[error("unknown schema {schema} of {event_type}: the newest is {newest}")]
    UnknownSchema {
        /// The type.
        event_type: &'static str,
        /// The attribute `dataschema`.
        schema: String,
        /// The newest that is known.
        newest: String,
    },
    /// Its type is known, but not yet in this version: a later build of the consumer will know it.
    #[error(
        "version {version} of {event_type} is later than {newest}, the newest that this consumer knows: upgrade it"
    )]
    LaterVersion {
        /// The type.
        event_type: &'static str,
        /// The version.
        version: u32,
        /// The newest that is known.
        newest: u32,
    },
    /// Its type counts from one source only, and this is another.
    #[error("{event_type} does not count from source {said_by}")]
    WrongSource {
        /// The type.
        event_type: &'static str,
        /// The source that it names.
        said_by: Source,
    },
    /// Its payload breaks rules of its type: has all of them.
    #[error("data is invalid: {0}")]
    InvalidData(Faults),
    /// Its subject is not the one that its payload is about. Has the field that names that.
    #[error("subject is not data.{0}")]
    SubjectDiffers(&'static str),
}

//! The attributes that every event has, whatever it says.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::id::{EventId, Subject};
use crate::read::{Faults, Node, Read};
use crate::text::{Source, Text};
use crate::time::Time;

/// The version of the CloudEvents specification that the events follow.
pub const SPEC_VERSION: &str = "1.0";

/// Attributes that this crate does not know: kept as they came, and ignored.
pub type Extensions = Map<String, Value>;

/// The attributes of a CloudEvent, without its type and its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// Unique for ever. Together with [`Context::source`] it tells a duplicate.
    pub id: EventId,
    /// Producer of the event.
    pub source: Source,
    /// The one that the event is about.
    pub subject: Subject,
    /// Time at which it happened.
    pub time: Time,
    /// Number of the event among those of this source about this subject, from 1 (CloudEvents *sequence* extension, as 20
    /// digits). Others count in other ways, which are ignored.
    pub sequence: Option<u64>,
    /// The id of the first event of the flow (CloudEvents *correlation* extension).
    pub correlation_id: Option<Text>,
    /// The id of the event that caused this one; none for the first of a flow.
    pub causation_id: Option<Text>,
    /// `traceparent` of W3C Trace Context (CloudEvents *distributed tracing* extension). It is not checked here: a
    /// broken trace must never stop an event.
    pub trace_parent: Option<String>,
    /// `tracestate` of W3C Trace Context.
    pub trace_state: Option<String>,
    /// All other attributes.
    pub extensions: Extensions,
}

impl Context {
    /// Id of the first event of the flow that this event belongs to: itself, where it does not name another.
    #[must_use]
    pub fn correlation(&self) -> Text {
        self.correlation_id.clone().unwrap_or_else(|| Text::shortened(self.id.as_str()))
    }
}

/// Attributes of a CloudEvent that has data, which nobody has looked at yet: what can be said of an event of an unknown
/// type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The attributes, without the type.
    pub context: Context,
    /// The attribute `type`, such as `UserLoggedIn`.
    pub event_type: String,
    /// The attribute `dataschema`, such as `urn:identity:UserLoggedIn:2`. Without one, version 1 is meant.
    pub schema: Option<String>,
}

impl Envelope {
    /// Reads the JSON object of a CloudEvent that came at `received`, and checks its attributes only. An event without a
    /// `time` happened when it came.
    ///
    /// # Errors
    ///
    /// Every attribute that is missing or breaks its rule.
    pub fn from_value(document: &Value, received: Time) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        match Self::read(&Node::root(document), received, &mut faults) {
            Some(envelope) if faults.is_empty() => Ok(envelope),
            _ => Err(faults),
        }
    }

    pub(crate) fn read(node: &Node<'_>, received: Time, faults: &mut Faults) -> Option<Self> {
        node.object(faults)?;
        node.required::<SpecVersion>("specversion", faults);
        let id = node.required("id", faults);
        let source = node.required("source", faults);
        let event_type = node.required::<Text>("type", faults);
        let subject = node.required("subject", faults);
        let time = node.optional("time", faults);
        node.optional::<JsonContent>("datacontenttype", faults);
        let schema = node.optional::<Text>("dataschema", faults);
        let correlation_id = node.optional("correlationid", faults);
        let causation_id = node.optional("causationid", faults);
        node.required::<Anything>("data", faults);
        let text = |name| node.field(name).value().and_then(Value::as_str).map(str::to_owned);
        let context = Context {
            id: id?,
            source: source?,
            subject: subject?,
            time: time?.unwrap_or(received),
            sequence: text("sequence").and_then(|text| sequence(&text)),
            correlation_id: correlation_id?,
            causation_id: causation_id?,
            trace_parent: text("traceparent"),
            trace_state: text("tracestate"),
            extensions: extensions(node),
        };
        Some(Self { context, event_type: event_type?.into(), schema: schema?.map(String::from) })
    }
}

/// The number that 20 digits are, if it counts from 1.
fn sequence(text: &str) -> Option<u64> {
    let is_count = text.len() == 20 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|count| is_count && *count > 0)
}

/// Names of the attributes that are not extensions.
pub const KNOWN: [&str; 14] = [
    "specversion",
    "id",
    "source",
    "type",
    "subject",
    "time",
    "datacontenttype",
    "dataschema",
    "sequence",
    "correlationid",
    "causationid",
    "traceparent",
    "tracestate",
    "data",
];

fn extensions(node: &Node<'_>) -> Extensions {
    let all = node.value().and_then(Value::as_object).into_iter().flatten();
    all.filter(|(name, _)| !KNOWN.contains(&name.as_str())).map(|(name, value)| (name.clone(), value.clone())).collect()
}

struct SpecVersion;

impl Read for SpecVersion {
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        if node.text(faults)? == SPEC_VERSION {
            return Some(Self);
        }
        faults.add(node, format!("must be \"{SPEC_VERSION}\""));
        None
    }
}

struct JsonContent;

impl Read for JsonContent {
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let media_type = node.text(faults)?.split(';').next().unwrap_or_default().trim();
        if media_type.eq_ignore_ascii_case("application/json") {
            return Some(Self);
        }
        faults.add(node, "must be application/json");
        None
    }
}

struct Anything;

impl Read for Anything {
    fn read(_: &Node<'_>, _: &mut Faults) -> Option<Self> {
        Some(Self)
    }
}

#[cfg(feature = "schema")]
const DESCRIPTION: &str = "A fact about one subject: a CloudEvent of version 1.0, in structured JSON. Attributes that are \
                           not listed here are extensions: they are kept and ignored.";

/// The attributes and the payload as they are written.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(description = DESCRIPTION))]
pub(crate) struct Wire<'a, D> {
    /// The version of the CloudEvents specification that the event follows.
    #[cfg_attr(feature = "schema", schemars(extend("const" = SPEC_VERSION)))]
    specversion: &'static str,
    /// Unique for ever. Together with `source` it tells a duplicate.
    id: &'a EventId,
    /// The sender.
    source: &'a Source,
    /// Type of the fact.
    #[cfg_attr(feature = "schema", schemars(with = "Text"))]
    r#type: &'a str,
    /// The one that the event is about, and the SNS message group.
    subject: &'a Subject,
    /// Time at which it happened: RFC 3339, of ours in UTC with milliseconds. Absent, it is the time of receipt.
    #[cfg_attr(feature = "schema", schemars(with = "Option<Time>"))]
    time: Time,
    /// The media type of `data`: `application/json`, with or without parameters. Absent, it is meant.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    datacontenttype: &'static str,
    /// The JSON Schema that `data` keeps, with its version. Absent, version 1 is meant.
    #[cfg_attr(feature = "schema", schemars(with = "Option<Text>"))]
    dataschema: String,
    /// Number of the event among those of this source about this subject: of ours from 1, left-padded with zeros to 20
    /// digits (CloudEvents *sequence* extension). One of others is ignored.
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<String>,
    /// The id of the first event of the flow (CloudEvents *correlation* extension).
    #[serde(skip_serializing_if = "Option::is_none")]
    correlationid: Option<&'a Text>,
    /// The id of the event that caused this one (CloudEvents *correlation* extension).
    #[serde(skip_serializing_if = "Option::is_none")]
    causationid: Option<&'a Text>,
    /// W3C Trace Context (CloudEvents *distributed tracing* extension). A broken one is ignored.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    traceparent: Option<&'a str>,
    /// W3C Trace Context (CloudEvents *distributed tracing* extension). A broken one is ignored.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    tracestate: Option<&'a str>,
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    extensions: &'a Extensions,
    /// Payload of the event: an object, as its type and version have it.
    #[cfg_attr(feature = "schema", schemars(extend("type" = "object")))]
    data: D,
}

impl<'a, D> Wire<'a, D> {
    pub(crate) fn new(context: &'a Context, kind: &'a str, schema: String, data: D) -> Self {
        Self {
            specversion: SPEC_VERSION,
            id: &context.id,
            source: &context.source,
            r#type: kind,
            subject: &context.subject,
            time: context.time,
            datacontenttype: "application/json",
            dataschema: schema,
            sequence: context.sequence.map(|count| format!("{count:020}")),
            correlationid: context.correlation_id.as_ref(),
            causationid: context.causation_id.as_ref(),
            traceparent: context.trace_parent.as_deref(),
            tracestate: context.trace_state.as_deref(),
            extensions: &context.extensions,
            data,
        }
    }
}

/// JSON Schema of the whole of an event, whatever its data says.
#[cfg(feature = "schema")]
#[must_use]
pub fn event_schema() -> Value {
    crate::describe::of_shape::<Wire<'_, Value>>().into()
}

//! Spans of OpenTelemetry along one subject's way, by the semantic conventions for messaging, HTTP and the AWS SDK.
//!
//! ```text
//!   SERVER  POST /requests
//!   └─ PRODUCER  create BookRequested           its id is in the event's traceparent
//!      ├─ CLIENT    send events                 the relay publishes it
//!      └─ CONSUMER  process shelf-queue         each service that hears it
//!         ├─ CLIENT    dynamodb/Query
//!         └─ PRODUCER  create BookReady
//! ```
//!
//! A thread has a tracer, or none: then no span is built. A process of Lambda has one thread, and each test its own.

use std::borrow::Cow;
use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use aws_lambda_events::sqs::SqsMessage;
use envelope::{Contract, Event, Time};
use opentelemetry::global::BoxedTracer;
use opentelemetry::trace::{
    Link, SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt, TraceState, Tracer as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_semantic_conventions::attribute;
use serde::Deserialize;

use super::invocation::{is_cold_start, request_id};
use super::observe::{Observation, Observe};
use crate::failure::Failure;
use crate::message::Incoming;
use crate::park::REDRIVE;
use crate::relay::Entry;
use crate::trace::TraceParent;

/// Age of an event from which its processing is a trace of its own, linked to the first: longer than a message's receives
/// and their back-off last, and too long for a picture of one subject.
const LATE: Duration = Duration::from_hours(2);

thread_local! {
    static TRACER: RefCell<Option<BoxedTracer>> = const { RefCell::new(None) };
}

/// Sets the tracer of this thread: whatever is handled on it from now on leaves its spans there. Without one no span is
/// built.
pub fn set_tracer(tracer: Option<BoxedTracer>) {
    TRACER.set(tracer);
}

/// Tells that this thread has a tracer.
#[must_use]
pub fn is_traced() -> bool {
    TRACER.with_borrow(Option::is_some)
}

/// Span that ends when it is dropped; without a tracer, none.
#[derive(Debug, Default)]
pub(crate) struct Span(Option<Context>);

impl Span {
    /// Starts a span below `parent`. What it is made of is asked for only where there is a tracer.
    fn start(make: impl FnOnce() -> (SpanBuilder, Context)) -> Self {
        TRACER.with_borrow(|tracer| {
            let Some(tracer) = tracer else { return Self(None) };
            let (builder, parent) = make();
            let span = tracer.build_with_context(builder, &parent);
            Self(Some(parent.with_span(span)))
        })
    }

    /// Does `work` within the span: spans that begin in it are its children.
    pub(crate) async fn follow<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|task| {
            let _guard = self.0.clone().map(Context::attach);
            work.as_mut().poll(task)
        })
        .await
    }

    /// The span as the parent of others; `None` without a tracer.
    pub(crate) fn trace_parent(&self) -> Option<TraceParent> {
        self.0.as_ref().map(|context| TraceParent::from(context.span().span_context()))
    }

    /// Notes that it failed.
    pub(crate) fn fail(&self, failure: &Failure) {
        if let Some(context) = &self.0 {
            fail(context, failure);
        }
    }

    /// Notes the failure, if `result` is one.
    pub(crate) fn note<T>(&self, result: &Result<T, Failure>) {
        if let Err(failure) = result {
            self.fail(failure);
        }
    }

    /// Notes that it came to nothing, without being at fault.
    pub(crate) fn abandon(&self, reason: &'static str) {
        if let Some(context) = &self.0 {
            context.span().set_status(Status::error(reason));
        }
    }

    /// Notes the status of an HTTP response; from `error_from` on it is an error.
    #[cfg(any(feature = "aws", feature = "http"))]
    pub(crate) fn respond(&self, status: u16, error_from: u16) {
        let Some(context) = &self.0 else { return };
        let span = context.span();
        span.set_attribute(KeyValue::new(attribute::HTTP_RESPONSE_STATUS_CODE, i64::from(status)));
        if status >= 400 {
            span.set_attribute(KeyValue::new(attribute::ERROR_TYPE, status.to_string()));
        }
        if status >= error_from {
            span.set_status(Status::error(""));
        }
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if let Some(context) = &self.0 {
            context.span().end();
        }
    }
}

/// Notes a failure in a span. The reason of a failure has no personal datum.
fn fail(context: &Context, failure: &Failure) {
    let kind = format!("{:?}", failure.kind());
    let (span, reason) = (context.span(), failure.reason().to_owned());
    let exception = vec![
        KeyValue::new(attribute::EXCEPTION_TYPE, kind.clone()),
        KeyValue::new(attribute::EXCEPTION_MESSAGE, reason.clone()),
    ];
    span.add_event("exception", exception);
    span.set_attribute(KeyValue::new(attribute::ERROR_TYPE, kind));
    span.set_status(Status::error(reason));
}

/// Events of the span that is at work: what becomes of a message is told in the span of its processing.
pub(super) struct Spans;

impl Observe for Spans {
    fn observe(&self, _: Option<&str>, observation: &Observation<'_>) {
        if !is_traced() {
            return;
        }
        let context = Context::current();
        let event = |attributes| context.span().add_event(observation.name(), attributes);
        match *observation {
            Observation::Failed(failure) => fail(&context, failure),
            Observation::PutBack { hidden_seconds, .. } => {
                event(vec![KeyValue::new("hidden_seconds", i64::from(hidden_seconds))]);
            }
            Observation::Handled { .. }
            | Observation::Parked { .. }
            | Observation::LostRace
            | Observation::Conflict
            | Observation::Short => event(Vec::new()),
            // Each event that a relay publishes has a span of its own.
            Observation::NotParked(_)
            | Observation::Committed { .. }
            | Observation::Published { .. }
            | Observation::NotPublished { .. }
            | Observation::Discarded(_)
            | Observation::Measured { .. }
            | Observation::Ended { .. } => {}
        }
    }
}

/// Attribute of the processing of a message: the time, in milliseconds since 1970, at which SQS first handed it out. Until its
/// function begins, Lambda gathers others for its batch. No convention of OpenTelemetry has a name for it.
const FIRST_RECEIVED: &str = "aws.sqs.first_receive_timestamp";

/// Processing of one message. It is a child of the event's creation, and linked to it as to one of a batch; a redrive, and
/// an event that is hours late, is only linked: nobody waits for the end of a trace for a day.
pub(crate) fn process(record: &SqsMessage, fact: Option<&impl Incoming>, now: Time) -> Span {
    Span::start(|| {
        let (system, queue) = match record.event_source_arn.as_deref() {
            Some(arn) => ("aws_sqs", name_of_arn(arn)),
            None => ("aws_sns", ""),
        };
        let mut attributes = messaging(system, queue, "process");
        attributes.extend(invocation_attributes());
        if let Some(id) = &record.message_id {
            attributes.push(KeyValue::new(attribute::MESSAGING_MESSAGE_ID, id.clone()));
        }
        let received = record.attributes.get("ApproximateFirstReceiveTimestamp").and_then(|at| at.parse::<i64>().ok());
        attributes.extend(received.map(|at| KeyValue::new(FIRST_RECEIVED, at)));
        let (mut links, mut parent) = (Vec::new(), Context::new());
        if let Some(fact) = fact {
            let context = fact.context();
            attributes.extend(cloud_event(context, fact.event_type()));
            let created = context.trace_parent.as_deref().and_then(TraceParent::parse);
            if let Some(created) = created.map(|created| created.remote(context.trace_state.as_deref())) {
                let is_late = context.time.until(now) > LATE || record.message_attributes.contains_key(REDRIVE);
                links.push(Link::with_context(created.clone()));
                if !is_late {
                    parent = parent.with_remote_span_context(created);
                }
            }
        }
        let builder = SpanBuilder::from_name(named("process", queue))
            .with_kind(SpanKind::Consumer)
            .with_attributes(attributes)
            .with_links(links);
        (builder, parent)
    })
}

/// Creation of an event: the span that its `traceparent` names. It is a child of the span at work, else of `origin`. What is
/// created in another trace than the first event of its subject, as by a request of days later, is linked to that.
pub(crate) fn create<P: Contract>(
    event: &Event<P>,
    origin: Option<&TraceParent>,
    begun_in: Option<&TraceParent>,
) -> Span {
    Span::start(|| {
        let event_type = event.event_type().to_string();
        let mut parent = Context::current();
        if !parent.has_active_span()
            && let Some(origin) = origin
        {
            parent = parent.with_remote_span_context(origin.remote(event.context.trace_state.as_deref()));
        }
        let mut attributes = vec![
            KeyValue::new(attribute::MESSAGING_SYSTEM, "aws_sns"),
            KeyValue::new(attribute::MESSAGING_OPERATION_NAME, "create"),
            KeyValue::new(attribute::MESSAGING_OPERATION_TYPE, "create"),
        ];
        let builder = SpanBuilder::from_name(named("create", &event_type)).with_kind(SpanKind::Producer);
        attributes.extend(cloud_event(&event.context, event_type));
        let links = begun_elsewhere(&parent, begun_in).map(Link::with_context);
        (builder.with_attributes(attributes).with_links(links.into_iter().collect()), parent)
    })
}

/// Links the span at work to the creation of its subject's first event, if that is in another trace.
pub(crate) fn link(begun_in: Option<&TraceParent>) {
    let context = Context::current();
    if context.has_active_span()
        && let Some(begun_in) = begun_elsewhere(&context, begun_in)
    {
        context.span().add_link(begun_in, Vec::new());
    }
}

/// Creation of a subject's first event, if that is in another trace than `context`.
fn begun_elsewhere(context: &Context, begun_in: Option<&TraceParent>) -> Option<SpanContext> {
    let begun_in = begun_in?.remote(None);
    (begun_in.trace_id() != context.span().span_context().trace_id()).then_some(begun_in)
}

/// Does `work` within a span that begins a trace: for what no message and no request has set off, but a clock. Without a
/// tracer there is no span.
pub async fn within_root_span<T>(name: &'static str, work: impl Future<Output = T>) -> T {
    let span = Span::start(|| {
        let builder = SpanBuilder::from_name(name).with_kind(SpanKind::Internal);
        (builder.with_attributes(invocation_attributes()), Context::new())
    });
    span.follow(work).await
}

/// Publication of one event of a batch of `count`. By the conventions it is a CLIENT: the context that the message carries
/// is that of its creation.
pub(crate) fn send(topic: &str, entry: &Entry, count: usize) -> Span {
    #[derive(Deserialize)]
    struct Traced {
        #[serde(rename = "type")]
        event_type: String,
        traceparent: Option<String>,
        tracestate: Option<String>,
    }
    Span::start(|| {
        let traced: Option<Traced> = serde_json::from_str(&entry.message).ok();
        let mut parent = Context::new();
        let mut attributes = messaging("aws_sns", topic, "send");
        attributes.extend([
            KeyValue::new(attribute::MESSAGING_MESSAGE_ID, entry.id.as_str().to_owned()),
            KeyValue::new(attribute::MESSAGING_BATCH_MESSAGE_COUNT, i64::try_from(count).unwrap_or(i64::MAX)),
            KeyValue::new(attribute::CLOUDEVENTS_EVENT_ID, entry.id.as_str().to_owned()),
        ]);
        attributes.extend(invocation_attributes());
        let mut links = Vec::new();
        if let Some(Traced { event_type, traceparent, tracestate }) = traced {
            attributes.push(KeyValue::new(attribute::CLOUDEVENTS_EVENT_TYPE, event_type));
            if let Some(created) = traceparent.as_deref().and_then(TraceParent::parse) {
                let created = created.remote(tracestate.as_deref());
                links.push(Link::with_context(created.clone()));
                parent = parent.with_remote_span_context(created);
            }
        }
        let builder = SpanBuilder::from_name(named("send", topic))
            .with_kind(SpanKind::Client)
            .with_attributes(attributes)
            .with_links(links);
        (builder, parent)
    })
}

/// Request to somebody else's API, such as `perform charge`.
pub(crate) fn request_outside(verb: &'static str, request: &'static str) -> Span {
    Span::start(|| (SpanBuilder::from_name(named(verb, request)).with_kind(SpanKind::Client), Context::current()))
}

/// One attempt at a call of AWS, if there is a span at work that it is for.
#[cfg(feature = "aws")]
pub(crate) fn call_aws(service: &str, operation: &str, attempt: Option<i64>, server: &str) -> Span {
    let current = Context::current();
    if !current.has_active_span() {
        return Span::default();
    }
    Span::start(|| {
        let method = [service, "/", operation].concat();
        // With the status of the answer.
        let mut attributes = Vec::with_capacity(4);
        attributes.extend([
            KeyValue::new(attribute::RPC_SYSTEM_NAME, "aws-api"),
            KeyValue::new(attribute::RPC_METHOD, method.clone()),
            KeyValue::new(attribute::SERVER_ADDRESS, server.to_owned()),
        ]);
        if let Some(resent) = attempt.map(|attempt| attempt - 1).filter(|resent| *resent > 0) {
            attributes.push(KeyValue::new(attribute::HTTP_REQUEST_RESEND_COUNT, resent));
        }
        let builder = SpanBuilder::from_name(method);
        (builder.with_kind(SpanKind::Client).with_attributes(attributes), current)
    })
}

/// Request to an API of ours, below the caller's span where it names one.
#[cfg(feature = "http")]
pub(crate) fn serve(
    method: &str,
    route: Option<&str>,
    parent: impl FnOnce() -> Option<(TraceParent, Option<String>)>,
) -> Span {
    Span::start(|| {
        let context = match parent() {
            Some((parent, state)) => Context::new().with_remote_span_context(parent.remote(state.as_deref())),
            None => Context::new(),
        };
        let mut attributes = vec![KeyValue::new(attribute::HTTP_REQUEST_METHOD, method.to_owned())];
        attributes.extend(route.map(|route| KeyValue::new(attribute::HTTP_ROUTE, route.to_owned())));
        attributes.extend(invocation_attributes());
        let builder = SpanBuilder::from_name(named(method, route.unwrap_or_default()));
        (builder.with_kind(SpanKind::Server).with_attributes(attributes), context)
    })
}

/// Attributes of a span that tell the invocation that it is of.
fn invocation_attributes() -> impl Iterator<Item = KeyValue> {
    let id = Some(request_id()).filter(|id| !id.is_empty());
    let id = id.map(|id| KeyValue::new(attribute::FAAS_INVOCATION_ID, id));
    id.into_iter().chain(is_cold_start().then(|| KeyValue::new(attribute::FAAS_COLDSTART, true)))
}

fn named(operation: &str, on: &str) -> Cow<'static, str> {
    if on.is_empty() { operation.to_owned().into() } else { [operation, " ", on].concat().into() }
}

fn name_of_arn(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or_default()
}

/// Room for all attributes of the processing of a message, which has the most.
const MESSAGING_ATTRIBUTES: usize = 13;

fn messaging(system: &'static str, destination: &str, operation: &'static str) -> Vec<KeyValue> {
    let mut attributes = Vec::with_capacity(MESSAGING_ATTRIBUTES);
    attributes.extend([
        KeyValue::new(attribute::MESSAGING_SYSTEM, system),
        KeyValue::new(attribute::MESSAGING_OPERATION_NAME, operation),
        KeyValue::new(attribute::MESSAGING_OPERATION_TYPE, operation),
    ]);
    if !destination.is_empty() {
        attributes.push(KeyValue::new(attribute::MESSAGING_DESTINATION_NAME, destination.to_owned()));
    }
    attributes
}

fn cloud_event(context: &envelope::Context, event_type: String) -> [KeyValue; 5] {
    [
        KeyValue::new(attribute::CLOUDEVENTS_EVENT_ID, context.id.as_str().to_owned()),
        KeyValue::new(attribute::CLOUDEVENTS_EVENT_SOURCE, context.source.as_str().to_owned()),
        KeyValue::new(attribute::CLOUDEVENTS_EVENT_SUBJECT, context.subject.as_str().to_owned()),
        KeyValue::new(attribute::CLOUDEVENTS_EVENT_TYPE, event_type),
        KeyValue::new(attribute::MESSAGING_MESSAGE_CONVERSATION_ID, String::from(context.correlation())),
    ]
}

impl TraceParent {
    /// The same as the context of a span of another process.
    fn remote(&self, state: Option<&str>) -> SpanContext {
        let (trace, span, flags) = self.parts();
        let state = state.and_then(|state| state.parse::<TraceState>().ok()).unwrap_or_default();
        SpanContext::new(trace, span, flags, true, state)
    }
}

#[cfg(test)]
mod tests;

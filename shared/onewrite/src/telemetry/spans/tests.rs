use std::future::pending;

use aws_lambda_events::dynamodb::EventRecord;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessageAttribute};
use envelope::sample::{another_event, event};
use envelope::{Extensions, Subject, Text};
use futures::FutureExt;
use futures::executor::block_on;
use opentelemetry_sdk::trace::SpanData;
use serde_json::json;

use super::*;
use crate::batch::Batch;
use crate::config::QueueSettings;
use crate::decider::{Attempt, Commit, NoEffects};
use crate::external::{External, Request, perform_once};
use crate::failure::{FailureKind, Result};
use crate::handle::{Delivery, Handle, Handled};
use crate::ledger::{Committed, Ledger, Origin};
use crate::memory::sample::{BookReady, Library, LibraryType, Shelf, requested};
use crate::memory::{MemoryLog, MemoryQueue, MemorySpans, MemoryTopic, Pace, Paced, VirtualTime};
use crate::port::Clock;
use crate::process::Process;
use crate::relay::Relay;
use crate::row::Cause;

type LibraryEvent = Event<Library>;

const REMOTE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const UNSAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

/// The service that puts requested books on the shelf, and its relay.
struct Service {
    time: VirtualTime,
    log: MemoryLog,
}

impl Service {
    fn new() -> Self {
        Self { time: VirtualTime::new(1), log: MemoryLog::default() }
    }

    /// One delivery of these messages, as far as `pace` lets it; `None` is a crash.
    fn deliver(&self, records: Vec<SqsMessage>, pace: &Pace) -> Option<SqsBatchResponse> {
        let ledger = Ledger::new(Paced { port: &self.log, pace }, &self.time);
        let process = Process::<Shelf, _, _, _>::new(ledger, NoEffects);
        let batch = Batch::new(process, MemoryQueue::default(), &self.time, settings());
        batch.run(batch_of(records), self.time.now().after(Duration::from_secs(10))).now_or_never()
    }

    /// Lets the relay publish all rows.
    fn relay(&self) {
        let relay = Relay::new(
            envelope::Source::from_static("library/shelf"),
            MemoryTopic::new(&self.time),
            MemoryQueue::default(),
            &self.time,
            "relay",
        );
        let texts: Vec<String> = self.published().iter().map(|event| serde_json::to_string(event).unwrap()).collect();
        let row = json!({
            "eventID": "1",
            "eventName": "INSERT",
            "awsRegion": "eu-west-1",
            "dynamodb": {
                "ApproximateCreationDateTime": 1.0,
                "Keys": {},
                "NewImage": { "pk": { "S": "req_1" }, "events": { "S": format!("[{}]", texts.join(",")) } },
                "SizeBytes": 1,
            },
        });
        let record: EventRecord = serde_json::from_value(row).unwrap();
        block_on(relay.run(vec![Ok(record)], self.time.now().after(Duration::from_mins(1)))).unwrap();
    }

    fn published(&self) -> Vec<LibraryEvent> {
        self.log.published::<Library>()
    }
}

fn settings() -> QueueSettings {
    QueueSettings {
        queue_url: "queue".to_owned(),
        dead_letter_queue_url: "dead".to_owned(),
        max_receive_count: 3,
        max_backoff_seconds: 900,
        function: "test".to_owned(),
    }
}

fn batch_of(records: Vec<SqsMessage>) -> SqsEvent {
    let mut event = SqsEvent::default();
    event.records = records;
    event
}

/// A message that carries `event`.
fn message(event: &LibraryEvent) -> SqsMessage {
    let mut record = SqsMessage::default();
    record.message_id = Some(format!("message {}", event.context.id));
    record.receipt_handle = record.message_id.clone();
    record.body = Some(serde_json::to_string(event).unwrap());
    record.event_source_arn = Some("arn:aws:sqs:eu-west-1:1:shelf".to_owned());
    record
}

/// A request for a book that was made just now, in the trace of `parent`.
fn request_now(time: &VirtualTime, number: u8, parent: Option<&str>) -> LibraryEvent {
    let mut event = another_event(requested(&format!("req_{number}")), number);
    event.context.time = time.now();
    event.context.trace_parent = parent.map(str::to_owned);
    event
}

fn text(span: &SpanData, name: &str) -> String {
    let attribute = span.attributes.iter().find(|attribute| attribute.key.as_str() == name);
    attribute.map(|attribute| attribute.value.to_string()).unwrap_or_default()
}

fn events(span: &SpanData) -> Vec<&str> {
    span.events.iter().map(|event| event.name.as_ref()).collect()
}

/// The span of a context.
fn parent_of(span: &SpanData) -> String {
    format!("{}-{}", span.span_context.trace_id(), span.parent_span_id)
}

fn id_of(span: &SpanData) -> String {
    format!("{}-{}", span.span_context.trace_id(), span.span_context.span_id())
}

/// The same part of a `traceparent`.
fn id_in(trace_parent: &str) -> String {
    trace_parent[3..52].to_owned()
}

fn named<'a>(spans: &'a [SpanData], name: &str) -> Vec<&'a SpanData> {
    spans.iter().filter(|span| span.name == name).collect()
}

#[test]
fn each_record_of_a_batch_has_a_span_below_and_linked_to_its_own_event() {
    let spans = MemorySpans::record();
    let time = VirtualTime::new(1);
    let handler = Failing;
    let parents = [REMOTE, "00-11111111111111111111111111111111-1111111111111111-01", "nonsense"];
    let requests: Vec<_> =
        (1..).zip(parents).map(|(number, parent)| request_now(&time, number, Some(parent))).collect();
    let batch = Batch::new(handler, MemoryQueue::default(), &time, settings());
    let records = batch_of(requests.iter().map(message).collect());
    block_on(batch.run(records, time.now().after(Duration::from_secs(10))));
    let spans = spans.ended();
    assert_eq!(spans.len(), 3);
    for (span, (request, parent)) in spans.iter().zip(requests.iter().zip(parents)) {
        assert_eq!((span.name.as_ref(), &span.span_kind), ("process shelf", &SpanKind::Consumer));
        assert_eq!(text(span, "messaging.system"), "aws_sqs");
        assert_eq!(text(span, "messaging.destination.name"), "shelf");
        assert_eq!(text(span, "messaging.operation.type"), "process");
        assert_eq!(text(span, "messaging.message.id"), format!("message {}", request.context.id));
        assert_eq!(text(span, "cloudevents.event_id"), request.context.id.to_string());
        assert_eq!(text(span, "cloudevents.event_type"), "BookRequested");
        assert_eq!(text(span, "cloudevents.event_subject"), request.context.subject.to_string());
        if let Some(parent) = TraceParent::parse(parent) {
            assert_eq!(parent_of(span), id_in(&parent.to_string()));
            let links: Vec<_> = span.links.iter().map(|link| TraceParent::from(&link.span_context)).collect();
            assert_eq!(links, [parent]);
        } else {
            assert_eq!(span.parent_span_id, opentelemetry::SpanId::INVALID);
            assert!(span.links.is_empty());
        }
    }
    assert_eq!([events(&spans[0]), events(&spans[2])], [["changed"], ["changed"]]);
    assert_eq!(events(&spans[1]), ["exception", "put back"]);
    assert_eq!(spans[1].status, Status::error("the shelf is full"));
    assert_eq!(text(&spans[1], "error.type"), "Transient");
    assert_eq!(spans[0].status, Status::Unset);
}

/// Fails for the second request.
struct Failing;

impl Handle for Failing {
    type Incoming = LibraryEvent;

    fn consumes(&self, event: &LibraryEvent) -> bool {
        event.event_type() == LibraryType::BookRequested
    }

    async fn warm(&self) {}

    async fn handle(&self, event: &LibraryEvent, _: &Delivery<'_>) -> Result<Handled> {
        match event.context.subject.as_str() {
            "req_2" => Err(Failure::transient("the shelf is full")),
            _ => Ok(Handled::Changed),
        }
    }
}

#[test]
fn a_redrive_and_a_late_event_are_traces_of_their_own_with_a_link() {
    let service = Service::new();
    let spans = MemorySpans::record();
    let live = request_now(&service.time, 1, Some(REMOTE));
    let mut redriven = message(&request_now(&service.time, 2, Some(REMOTE)));
    redriven.message_attributes.insert(REDRIVE.to_owned(), SqsMessageAttribute::default());
    let mut late = request_now(&service.time, 3, Some(REMOTE));
    late.context.time = Time::from_millis(service.time.now().as_millis() - 2 * 60 * 60 * 1_000 - 1);
    service.deliver(vec![message(&live), redriven, message(&late)], &Pace::of(u32::MAX)).unwrap();
    let spans = spans.ended();
    let processed = named(&spans, "process shelf");
    let traces: Vec<String> = processed.iter().map(|span| span.span_context.trace_id().to_string()).collect();
    assert_eq!(traces[0], REMOTE[3..35]);
    for (span, trace) in processed.iter().zip(&traces).skip(1) {
        assert_eq!(span.parent_span_id, opentelemetry::SpanId::INVALID);
        assert_ne!(trace, &traces[0]);
        assert_eq!(TraceParent::from(&span.links[0].span_context).to_string(), REMOTE);
    }
    // Their events go on in the new traces.
    let ready: Vec<String> =
        service.published().iter().map(|event| event.context.trace_parent.clone().unwrap()[3..35].to_owned()).collect();
    assert_eq!(ready.iter().collect::<std::collections::BTreeSet<_>>(), traces.iter().collect());
}

/// Commits to `req_1` in the trace of `parent`, because of an event or of a request.
async fn commit(service: &Service, parent: &str, causation_id: Option<&str>, events: &[BookReady]) {
    let ledger = Ledger::new(&service.log, &service.time);
    let origin = Origin {
        cause: Cause { source: "test".to_owned(), id: String::new(), event_type: "Test".to_owned(), by: None },
        correlation_id: None,
        causation_id: causation_id.map(Text::shortened),
        extensions: Extensions::new(),
        trace_parent: TraceParent::parse(parent),
        trace_state: None,
    };
    let mut history = ledger.load::<Shelf>(&Subject::new("req_1").unwrap()).await.unwrap();
    let events = events.iter().cloned().map(Library::from).collect();
    let commit = Commit { change: Some(true), events, updates: Vec::new(), unfinished: false };
    assert!(matches!(ledger.commit(&mut history, &origin, commit).await, Ok(Committed::Done(_))));
}

#[test]
fn what_another_trace_commits_later_is_linked_to_the_first_event_of_its_subject() {
    const LATER: &str = "00-11111111111111111111111111111111-1111111111111111-01";
    let recorded = MemorySpans::record();
    let service = Service::new();
    service.deliver(vec![message(&request_now(&service.time, 1, Some(REMOTE)))], &Pace::of(u32::MAX)).unwrap();
    let first = id_in(service.published()[0].context.trace_parent.as_deref().unwrap());
    let again = [BookReady { request_id: Subject::new("req_1").unwrap(), copies: 1 }];
    block_on(commit(&service, REMOTE, None, &again));
    block_on(commit(&service, LATER, None, &again));
    // A clock has no trace that it could be in.
    block_on(within_root_span("GiveUp", commit(&service, LATER, None, &again)));
    // Without an event the request itself is linked. Whoever hears an event is linked to that already.
    block_on(within_root_span("Forget", commit(&service, LATER, None, &[])));
    block_on(within_root_span("Hear", commit(&service, LATER, Some("id"), &[])));
    let spans = recorded.ended();
    let links = |span: &SpanData| {
        span.links.iter().map(|link| id_in(&TraceParent::from(&link.span_context).to_string())).collect::<Vec<_>>()
    };
    let [began, same, later, given_up] = named(&spans, "create BookReady")[..] else { panic!("{spans:?}") };
    let expected = [&[][..], &[], std::slice::from_ref(&first), std::slice::from_ref(&first)];
    assert_eq!([began, same, later, given_up].map(links), expected);
    assert_eq!(parent_of(later), id_in(LATER));
    let [root, forget, hear] = ["GiveUp", "Forget", "Hear"].map(|name| named(&spans, name)[0]);
    assert_eq!((parent_of(given_up), root.parent_span_id), (id_of(root), opentelemetry::SpanId::INVALID));
    assert_eq!([root, forget, hear].map(links), [&[][..], std::slice::from_ref(&first), &[]]);
    let told: Vec<_> =
        service.published().iter().map(|event| id_in(event.context.trace_parent.as_deref().unwrap())).collect();
    assert_eq!(told, [began, same, later, given_up].map(id_of), "each event names its own");
}

#[test]
fn an_event_is_heard_below_the_span_that_committed_it_after_crashes_and_duplicates() {
    let spans = MemorySpans::record();
    let service = Service::new();
    let request = request_now(&service.time, 1, Some(REMOTE));
    assert_eq!(service.deliver(vec![message(&request)], &Pace::until("before append")), None);
    for _ in 0..2 {
        service.deliver(vec![message(&request)], &Pace::of(u32::MAX)).unwrap();
        service.relay();
    }
    let [ready] = service.published().try_into().unwrap();
    let hearing = Batch::new(Failing, MemoryQueue::default(), &service.time, settings());
    block_on(hearing.run(batch_of(vec![message(&ready)]), service.time.now().after(Duration::from_secs(10))));

    let spans = spans.ended();
    assert!(spans.iter().all(|span| span.span_context.trace_id().to_string() == REMOTE[3..35]), "one trace");
    let known: Vec<String> = spans.iter().map(id_of).chain([id_in(REMOTE)]).collect();
    for span in &spans {
        assert!(known.contains(&parent_of(span)), "{} hangs on nothing", span.name);
    }
    // The attempt that crashed, the one that committed, a duplicate, and the hearing of what was committed.
    let processed = named(&spans, "process shelf");
    assert_eq!(
        processed.iter().map(|span| events(span)).collect::<Vec<_>>(),
        [vec![], vec!["changed"], vec!["duplicate"], vec!["ignored"]]
    );
    let created = named(&spans, "create BookReady").into_iter();
    let created: Vec<_> =
        created.filter(|span| id_of(span) == id_in(ready.context.trace_parent.as_deref().unwrap())).collect();
    let [created] = created[..] else { panic!("its traceparent names {} spans", created.len()) };
    assert_eq!(created.span_kind, SpanKind::Producer);
    assert_eq!(parent_of(created), id_of(processed[1]), "whoever commits it creates it");
    assert_eq!(parent_of(processed[3]), id_of(created), "whoever hears it is below");
    let sent = named(&spans, "send events");
    assert_eq!(sent.len(), 2, "it was published twice");
    for span in sent {
        assert_eq!(parent_of(span), id_of(created));
        assert_eq!(span.span_kind, SpanKind::Client);
        assert_eq!(text(span, "messaging.system"), "aws_sns");
        assert_eq!(text(span, "messaging.batch.message_count"), "1");
    }
}

#[test]
fn an_unrecorded_trace_goes_on_unrecorded() {
    let spans = MemorySpans::record();
    let service = Service::new();
    service.deliver(vec![message(&request_now(&service.time, 1, Some(UNSAMPLED)))], &Pace::of(u32::MAX)).unwrap();
    service.relay();
    assert!(spans.ended().is_empty());
    let parent = service.published()[0].context.trace_parent.clone().unwrap();
    assert_eq!((&parent[..36], &parent[52..]), (&UNSAMPLED[..36], "-00"));
}

#[test]
fn without_a_tracer_the_trace_goes_on_and_no_span_is_built() {
    assert!(!is_traced());
    assert_eq!(Span::start(|| panic!("nobody asks for it")).trace_parent(), None);
    let service = Service::new();
    service.deliver(vec![message(&request_now(&service.time, 1, Some(REMOTE)))], &Pace::of(u32::MAX)).unwrap();
    let parent = service.published()[0].context.trace_parent.clone().unwrap();
    assert_eq!(parent[..36], REMOTE[..36]);
}

#[test]
fn a_commit_that_loses_a_race_is_told_and_names_no_event() {
    let spans = MemorySpans::record();
    let service = Service::new();
    let (first, second) = (request_now(&service.time, 1, Some(REMOTE)), {
        let mut other = another_event(requested("req_1"), 2);
        other.context.time = service.time.now();
        other.context.trace_parent = Some(REMOTE.to_owned());
        other
    });
    // Both have read when the first writes.
    let (slow, other) = (Pace::until("before append"), Pace::of(u32::MAX));
    let ledger = Ledger::new(Paced { port: &service.log, pace: &slow }, &service.time);
    let process = Process::<Shelf, _, _, _>::new(ledger, NoEffects);
    let delivery = Delivery { text: "", deadline: service.time.now() };
    let span = super::process(&message(&second), Some(&second), service.time.now());
    let mut losing = Box::pin(span.follow(process.handle(&second, &delivery)));
    assert!((&mut losing).now_or_never().is_none());
    service.deliver(vec![message(&first)], &other).unwrap();
    slow.release();
    assert_eq!(losing.as_mut().now_or_never(), Some(Ok(Handled::Unchanged)));
    drop(losing);
    drop(span);
    let spans = spans.ended();
    let lost: Vec<_> = spans.iter().filter(|span| span.status == Status::error("lost race")).collect();
    assert_eq!(lost.iter().map(|span| span.name.as_ref()).collect::<Vec<_>>(), ["create BookReady"]);
    let [ready] = service.published().try_into().unwrap();
    assert_ne!(id_of(lost[0]), id_in(ready.context.trace_parent.as_deref().unwrap()));
    assert_eq!(events(spans.last().unwrap()), ["lost race"]);
}

struct Lend;

impl Request for Lend {
    const NAME: &'static str = "lend";
    type Id = ();
    type Answer = ();
}

/// A library elsewhere that was asked before, and is down.
struct Elsewhere;

impl External<Lend> for Elsewhere {
    async fn find(&self, (): &()) -> Result<Option<()>> {
        Ok(None)
    }

    async fn perform(&self, (): &(), _: &Lend) -> Result<()> {
        Err(Failure::new(FailureKind::Unavailable, "no answer"))
    }
}

#[test]
fn calls_outside_are_spans_of_the_message_that_they_are_for() {
    let spans = MemorySpans::record();
    let ready = event::<Library>(BookReady { request_id: envelope::Subject::new("req_1").unwrap(), copies: 1 });
    let span = super::process(&message(&ready), Some(&ready), ready.context.time);
    block_on(span.follow(perform_once(&Elsewhere, &(), &Lend, Attempt::Retry))).unwrap_err();
    drop(span);
    let spans = spans.ended();
    let names: Vec<&str> = spans.iter().map(|span| span.name.as_ref()).collect();
    assert_eq!(names, ["find lend", "perform lend", "process shelf"]);
    assert_eq!(parent_of(&spans[0]), id_of(&spans[2]));
    assert_eq!(parent_of(&spans[1]), id_of(&spans[2]));
    assert_eq!((&spans[0].status, &spans[1].status), (&Status::Unset, &Status::error("no answer")));
    assert_eq!(text(&spans[1], "error.type"), "Unavailable");
}

#[test]
fn a_span_is_current_only_while_its_own_work_runs() {
    let spans = MemorySpans::record();
    let ready = event::<Library>(BookReady { request_id: envelope::Subject::new("req_1").unwrap(), copies: 1 });
    let span = super::process(&message(&ready), Some(&ready), ready.context.time);
    let mut stuck = Box::pin(span.follow(pending::<()>()));
    assert!((&mut stuck).now_or_never().is_none());
    assert!(!Context::current().has_active_span());
    assert!(spans.ended().is_empty());
    drop(stuck);
    drop(span);
    assert_eq!(spans.ended().len(), 1, "also what is given up ends");
}

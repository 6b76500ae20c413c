//! Letters, jobs and orders as the API shows them.

use std::collections::BTreeMap;

use data_encoding::BASE64;
use onewrite::Attribute;
use orderflow_events::{EventType, FlagReason, OrderFlagged, Score, Time, parse};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::archive::Recorded;
use crate::domain::{Class, Entry, Letter, LetterId, State};
use crate::jobs::job::Progress;
use crate::jobs::reconciliation::{Finding, Reconciliation, ReconciliationId};
use crate::jobs::redrive::{Redrive, RedriveId};
use crate::jobs::replay::{Replay, ReplayId};
use crate::message::Message;
use crate::port::OpenLetters;
use crate::reason::general;
use crate::service::Service;

/// A letter.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Brief {
    /// Its id.
    id: LetterId,
    /// The service whose message it is.
    service: String,
    /// Its state.
    state: State,
    /// Class of the latest failure.
    class: Class,
    /// Reason of the latest failure.
    reason: String,
    /// Type of the event.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    event_type: Option<String>,
    /// The order.
    #[serde(skip_serializing_if = "Option::is_none")]
    order_id: Option<String>,
    /// Time of the first failure.
    failed_at: Time,
    /// Times that the message was handed out before it was collected.
    receives: u32,
    /// Body of the message; empty where nobody can open it any more.
    body: String,
    /// True where nobody can open the message any more: the customer who is in it is erased, or it was of nobody knows whom, and is
    /// old. Such a letter can be dropped, and neither edited nor sent back.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    erased: bool,
    /// Time until which the message can be opened at least, of one of which nobody can tell whose it is; absent of all others, which
    /// can be opened until their customer is erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    readable_until: Option<Time>,
}

impl Brief {
    /// A letter with its body, if anybody can open it.
    pub(crate) fn of(letter: &Letter, body: Option<String>) -> Self {
        Self {
            id: letter.id.clone(),
            service: letter.service.clone(),
            state: letter.state,
            class: letter.class,
            reason: letter.reason.clone(),
            event_type: letter.glimpse.event_type.clone(),
            order_id: letter.glimpse.subject.clone(),
            failed_at: letter.failed_at,
            receives: letter.receives,
            erased: body.is_none(),
            readable_until: letter.readable_until.filter(|_| body.is_some()),
            body: body.unwrap_or_default(),
        }
    }
}

/// Letters, the oldest failure first.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Page {
    /// The letters.
    pub(crate) letters: Vec<Brief>,
    /// Cursor of the next page, where there may be one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

/// A letter with all that is known of it.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Whole {
    #[serde(flatten)]
    brief: Brief,
    /// Function that has failed; empty where nobody has said.
    function: String,
    /// ARN of the queue that it was collected from.
    source_queue: String,
    /// Attributes of the message; of a binary one its base 64.
    attributes: BTreeMap<String, String>,
    /// All that has happened to it.
    history: Vec<Entry>,
    /// Bodies that were replaced, by the names that the history has for them; without those that nobody can open any more.
    earlier: BTreeMap<String, String>,
}

impl Whole {
    /// A letter with its message, if anybody can open it.
    pub(crate) fn of(letter: &Letter, message: Option<Message>, earlier: BTreeMap<String, String>) -> Self {
        let shown = |attribute: &Attribute| match attribute {
            Attribute::Text(_, text) => text.clone(),
            Attribute::Binary(_, bytes) => BASE64.encode(bytes),
        };
        let (body, attributes) = message.map(|message| (message.body, message.attributes)).unzip();
        let attributes: BTreeMap<String, Attribute> = attributes.unwrap_or_default();
        Self {
            function: letter.function.clone(),
            source_queue: letter.source_queue.clone(),
            attributes: attributes.iter().map(|(name, value)| (name.clone(), shown(value))).collect(),
            history: letter.history.clone(),
            earlier,
            brief: Brief::of(letter, body),
        }
    }
}

/// Letters that have failed for the same reason.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Group {
    /// The service.
    service: String,
    /// Type of the event.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    event_type: Option<String>,
    /// Class of the failure.
    class: Class,
    /// Reason of the failure, without the numbers and ids in it.
    reason: String,
    /// Number of letters.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    count: u32,
    /// Time of the first failure of all.
    oldest: Time,
}

/// Groups of the letters about which something has to be done.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Groups {
    /// The groups, the largest first.
    groups: Vec<Group>,
}

/// Groups to which one letter after the other is added.
#[derive(Default)]
pub(crate) struct Grouping(BTreeMap<(String, Option<String>, Class, String), Group>);

impl Grouping {
    pub(crate) fn add(&mut self, letter: &Letter) {
        let (event_type, reason) = (letter.glimpse.event_type.clone(), general(&letter.reason));
        let key = (letter.service.clone(), event_type.clone(), letter.class, reason.clone());
        let new = || Group {
            service: letter.service.clone(),
            event_type,
            class: letter.class,
            reason,
            count: 0,
            oldest: letter.failed_at,
        };
        let group = self.0.entry(key).or_insert_with(new);
        group.count += 1;
        group.oldest = group.oldest.min(letter.failed_at);
    }
}

impl From<Grouping> for Groups {
    fn from(grouping: Grouping) -> Self {
        let mut groups: Vec<Group> = grouping.0.into_values().collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.count));
        Self { groups }
    }
}

/// A redrive that was taken on.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct RedriveTaken {
    /// Its id; none of a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<RedriveId>,
    /// Number of its letters.
    pub(crate) total: u32,
}

/// A replay that was taken on.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct ReplayTaken {
    /// Its id; none of a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<ReplayId>,
    /// Number of its events, or as many as were counted in two seconds; only a dry run counts them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) total: Option<u32>,
}

/// A reconciliation that was taken on.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct ReconciliationTaken {
    /// Its id.
    pub(crate) id: ReconciliationId,
}

/// Progress of a redrive.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct RedriveTold {
    /// Its id.
    id: RedriveId,
    /// Its state.
    state: Progress,
    /// Number of its letters.
    total: u32,
    /// Letters that were sent back.
    sent: u32,
    /// Letters that are handled.
    handled: u32,
    /// Letters that were parked again.
    parked_again: u32,
    /// Letters that were not sent.
    left: u32,
    /// Caller who has asked for it.
    by: String,
    /// Time of the request.
    at: Time,
}

impl RedriveTold {
    pub(crate) fn of(redrive: &Redrive) -> Self {
        Self {
            id: redrive.head.id.clone(),
            state: redrive.head.progress,
            total: redrive.total,
            sent: redrive.sent,
            handled: redrive.handled,
            parked_again: redrive.parked_again,
            left: redrive.left(),
            by: redrive.head.by.clone(),
            at: redrive.head.at,
        }
    }
}

/// Progress of a replay.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReplayTold {
    /// Its id.
    id: ReplayId,
    /// The consumer.
    service: String,
    /// Its state.
    state: Progress,
    /// Number of its events, as far as it has counted.
    total: u32,
    /// Events that were sent: those that the consumer had not handled.
    sent: u32,
    /// Events that are handled, as far as it has looked.
    handled: u32,
    /// Events that have become dead letters.
    parked_again: u32,
    /// Events that the consumer would refuse, and that were not sent.
    refused: u32,
    /// Events of which it is not known yet what becomes of them.
    left: u32,
    /// Caller who has asked for it.
    by: String,
    /// Time of the request.
    at: Time,
}

impl ReplayTold {
    pub(crate) fn of(replay: &Replay) -> Self {
        Self {
            id: replay.head.id.clone(),
            service: replay.service.clone(),
            state: replay.head.progress,
            total: replay.total,
            sent: replay.sent,
            handled: replay.handled,
            parked_again: replay.parked_again,
            refused: replay.refused,
            left: replay.left(),
            by: replay.head.by.clone(),
            at: replay.head.at,
        }
    }
}

/// Progress and findings of a reconciliation.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct ReconciliationTold {
    /// Its id.
    id: ReconciliationId,
    /// Its state.
    state: Progress,
    /// Rows and events that were looked at.
    checked: u64,
    /// Findings.
    findings: Vec<Finding>,
    /// Number of findings beyond those.
    untold: u64,
    /// Caller who has asked for it.
    by: String,
    /// Time of the request.
    at: Time,
}

impl ReconciliationTold {
    pub(crate) fn of(job: &Reconciliation) -> Self {
        Self {
            id: job.head.id.clone(),
            state: job.head.progress,
            checked: job.checked,
            findings: job.findings.clone(),
            untold: job.untold,
            by: job.head.by.clone(),
            at: job.head.at,
        }
    }
}

/// One order over all services.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Timeline {
    /// The order.
    order_id: String,
    /// All that has happened to it, in the order of its time.
    #[serde(rename = "timeline")]
    moments: Vec<Moment>,
    /// Events that a service has not handled, and the flag that a person has to say something about.
    waiting: Vec<Waiting>,
    /// The flag of an order that looks like fraud, and is not shipped before a person clears it. Absent of any other, and once it is
    /// cleared, cancelled or shipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    held: Option<Hold>,
    /// Its dead letters.
    letters: Vec<Brief>,
}

/// Flag of an order that waits for a person.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Hold {
    /// Time of the flag.
    since: Time,
    /// Score of suspicion.
    score: Score,
    /// Signs that are suspicious.
    reasons: Vec<FlagReason>,
}

/// Reason that is told of an order that is held.
const FLAGGED: &str = "it is flagged: a person has to clear it, or to cancel the order";

impl Hold {
    /// The flag among an order's events, if nothing has made an end of it; and the place in which the order waits.
    fn among(services: &[Service], events: &[Value]) -> Option<(Self, Waiting)> {
        let is = |event: &Value, kind: EventType| {
            event["type"] == kind.as_str() && event["source"] == kind.producer().as_str()
        };
        let ends = [EventType::OrderCleared, EventType::OrderCancelled, EventType::ShipmentCreated];
        if events.iter().any(|event| ends.into_iter().any(|kind| is(event, kind))) {
            return None;
        }
        let flag = events.iter().find(|event| is(event, EventType::OrderFlagged))?;
        let OrderFlagged { score, reasons, held, .. } = parse(&flag["data"]).ok()?;
        let Moment { at: since, service, what, event, .. } = moment(services, flag).filter(|_| held)?;
        let event = event.unwrap_or_default();
        let why = Some(FLAGGED.to_owned());
        let (receives, next_attempt) = (None, None);
        let waiting = Waiting { service, event, event_type: what, since, why, person: true, receives, next_attempt };
        Some((Self { since, score, reasons }, waiting))
    }
}

/// Something that has happened to an order.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Moment {
    /// Time of the event.
    at: Time,
    /// The service that says so.
    service: String,
    /// Type of the event.
    what: String,
    /// Id of the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<String>,
    /// Id of the event because of which it happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
    /// Time between the cause and it, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    waited_ms: Option<u64>,
}

/// Event that a service has not handled, or that waits for a person.
#[derive(Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Waiting {
    /// The service.
    pub(crate) service: String,
    /// Id of the event.
    pub(crate) event: String,
    /// Type of the event.
    #[serde(rename = "type")]
    pub(crate) event_type: String,
    /// Time since which it is on record.
    pub(crate) since: Time,
    /// Reason, where there is one: what must come first, why it would be refused, or why the last attempt has failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
    /// True where no service has to handle it, but a person has to say something about it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) person: bool,
    /// Number of times that it was received, as far as the service's log of the last hour tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) receives: Option<u32>,
    /// Time at which it is tried again, if the last attempt has failed and its log tells so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_attempt: Option<Time>,
}

impl Timeline {
    pub(crate) fn of(
        order: &str,
        services: &[Service],
        entries: &[Recorded],
        mut waiting: Vec<Waiting>,
        letters: Vec<Brief>,
    ) -> Self {
        let events: Vec<Value> = entries.iter().filter_map(|entry| serde_json::from_str(&entry.text).ok()).collect();
        let (held, waits) = Hold::among(services, &events).unzip();
        waiting.extend(waits);
        let mut timeline: Vec<Moment> = events.iter().filter_map(|event| moment(services, event)).collect();
        timeline.sort_by_key(|moment| moment.at);
        let times: BTreeMap<String, Time> =
            timeline.iter().filter_map(|moment| Some((moment.event.clone()?, moment.at))).collect();
        for moment in &mut timeline {
            let caused_at = moment.cause.as_ref().and_then(|cause| times.get(cause));
            let waited = caused_at.map(|caused_at| caused_at.until(moment.at).as_millis());
            moment.waited_ms = waited.and_then(|waited| u64::try_from(waited).ok());
        }
        Self { order_id: order.to_owned(), moments: timeline, waiting, held, letters }
    }
}

fn moment(services: &[Service], event: &Value) -> Option<Moment> {
    let text = |name: &str| event[name].as_str().map(str::to_owned);
    let source = text("source")?;
    let service = services.iter().find(|service| service.source == source).map(|service| service.name.clone());
    Some(Moment {
        at: Time::new(event["time"].as_str()?).ok()?,
        service: service.unwrap_or(source),
        what: text("type")?,
        event: text("id"),
        cause: text("causationid"),
        waited_ms: None,
    })
}

/// Events of the journal.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct JournalPage {
    /// The events, those of one order in their order.
    pub(crate) entries: Vec<JournalEntry>,
    /// Cursor of the next page, where there may be one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

/// Entry of the journal.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct JournalEntry {
    /// Time at which it was put on record.
    pub(crate) at: Time,
    /// The event as it was published.
    #[cfg_attr(feature = "schema", schemars(with = "serde_json::Map<String, Value>"))]
    pub(crate) event: Box<RawValue>,
}

/// State of the stack.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct StatusView {
    /// Queue of each service.
    pub(crate) queues: Vec<QueueView>,
    /// Letters by their state.
    pub(crate) letters: LetterCounts,
    /// Letters for which somebody has to do something, by service and class; absent where they could not be counted in time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<OpenLettersView>"))]
    pub(crate) open_letters: Option<Vec<OpenLettersView>>,
    /// Orders that have not come to their end, where a service keeps an index of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) orders: Option<OrderCounts>,
    /// Relay of each service that has one.
    pub(crate) streams: Vec<StreamView>,
}

/// Numbers of orders.
#[derive(Clone, Copy, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct OrderCounts {
    /// They are open. Those that have come to their end are counted for another minute or two.
    pub(crate) open: u64,
    /// They have been open for too long.
    pub(crate) late: u64,
}

impl OrderCounts {
    /// Those of both.
    pub(crate) const fn and(self, other: Self) -> Self {
        Self { open: self.open + other.open, late: self.late + other.late }
    }
}

/// Queue of a service.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct QueueView {
    /// The service.
    pub(crate) service: String,
    /// Messages that wait to be received, about.
    pub(crate) visible: u32,
    /// Messages that are being handled or wait for their next attempt, about.
    pub(crate) hidden: u32,
    /// Age of the oldest message in seconds, as it was measured in the last minutes; 0 where there is none. Absent where nobody has
    /// measured it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) oldest_seconds: Option<u64>,
}

/// Relay of a service.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct StreamView {
    /// The service.
    pub(crate) service: String,
    /// Rows that its relay could not publish, and about which nothing has been done.
    pub(crate) relay_letters: u32,
}

/// Letters of one service and class for which somebody has to do something.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct OpenLettersView {
    /// The service.
    service: String,
    /// Class of their latest failure.
    class: Class,
    /// Number of them; where there are more than 500,000, at least so many.
    count: u32,
    /// First failure of the oldest.
    oldest: Time,
}

impl From<OpenLetters> for OpenLettersView {
    fn from(OpenLetters { service, class, count, oldest }: OpenLetters) -> Self {
        Self { service, class, count, oldest }
    }
}

/// Numbers of letters.
#[derive(Default, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct LetterCounts {
    /// Nobody has done anything about them.
    waiting: usize,
    /// They were sent back.
    sent: usize,
    /// They are handled.
    handled: usize,
    /// They were sent back, and have failed again.
    parked_again: usize,
    /// Nothing is to be done about them.
    dropped: usize,
}

impl LetterCounts {
    pub(crate) fn add(&mut self, state: State, count: usize) {
        *match state {
            State::Waiting => &mut self.waiting,
            State::Sent => &mut self.sent,
            State::Handled => &mut self.handled,
            State::ParkedAgain => &mut self.parked_again,
            State::Dropped => &mut self.dropped,
        } += count;
    }
}

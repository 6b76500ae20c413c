//! The ledger: load, fold, and commit on the next version.
//!
//! ```text
//!   read rows 1 … n ──► fold ──► decide ──► write row n+1 if there is none
//!                                              │
//!        somebody else wrote row n+1 first ────┘ read again, decide again
//! ```
//!
//! A crash before the write leaves nothing; a crash after it leaves everything: the change, the mark that its cause is
//! handled, and the events, which the table's stream carries to the relay. There is no moment between.

use orderflow_events::{Context, Event, EventId, EventType, Extensions, OrderId, Payload, Source, Text, Time};

use crate::backoff::collision_pause;
use crate::decider::{Commit, Decider, InsufficientCounter};
use crate::failure::{Failure, Result};
use crate::port::{Appended, Clock, Log, Random};
use crate::row::{Cause, Row};
use crate::self_check;
use crate::trace::TraceParent;

/// The largest event that is committed: SNS takes 256 KB with all attributes, and a batch must have room for others.
const MAX_EVENT_BYTES: usize = 200_000;

/// The largest row that is committed: DynamoDB takes 400 KB with all names (its quota for an item).
const MAX_ROW_BYTES: usize = 350_000;

/// How often a transaction is tried that collides with another: several orders for one SKU at the same moment.
const MAX_COLLISIONS: u32 = 8;

/// A service's table, as a ledger of orders.
pub struct Ledger<L, W> {
    log: L,
    world: W,
}

/// What a service knows of one order: the fold of its rows.
pub struct History<D: Decider> {
    /// The state after all rows.
    pub state: D::State,
    order: OrderId,
    version: u32,
    emitted: u64,
    handled: Vec<Cause>,
    created_by: Option<(String, String)>,
}

/// Where a decision comes from: what its row is marked with, and what its events carry on.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The event or the request.
    pub cause: Cause,
    /// The id of the first event of the flow; none where the flow begins here.
    pub flow: Option<Text>,
    /// The id of the event that is the cause; none for a request.
    pub causation: Option<Text>,
    /// The trace so far.
    pub trace_parent: Option<TraceParent>,
    /// What other systems add to the trace.
    pub trace_state: Option<String>,
}

impl From<&Event> for Origin {
    fn from(event: &Event) -> Self {
        let context = &event.context;
        Self {
            cause: Cause::from(event),
            flow: Some(context.flow()),
            causation: Some(Text::shortened(&context.id.to_string())),
            trace_parent: context.trace_parent.as_deref().and_then(TraceParent::parse),
            trace_state: context.trace_state.clone().filter(|state| is_trace_state(state)),
        }
    }
}

/// A `tracestate` that is worth carrying on: W3C Trace Context asks for 512 characters, and lets longer ones be dropped.
fn is_trace_state(text: &str) -> bool {
    text.len() <= 512 && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
}

/// What became of a commit.
#[derive(Clone, Debug, PartialEq)]
pub enum Committed {
    /// It is on record, and these events are on their way.
    Done(Vec<Event>),
    /// Somebody else was faster: load, and decide again.
    LostRace,
    /// A counter was too small.
    Short(Vec<InsufficientCounter>),
}

impl<L: Log, W: Clock + Random> Ledger<L, W> {
    /// A ledger on a table.
    pub fn new(log: L, world: W) -> Self {
        Self { log, world }
    }

    /// Time and chance, as the ledger has them.
    pub fn world(&self) -> &W {
        &self.world
    }

    /// Opens the connection, so that the first event need not wait for it. Whether it works out shows soon enough.
    pub async fn warm(&self) {
        if let Ok(nobody) = OrderId::new("-") {
            let _ = self.log.read(&nobody).await;
        }
    }

    /// Reads what is known of `order`.
    ///
    /// # Errors
    ///
    /// The table cannot be read, or has a row that this version of the service does not understand.
    pub async fn load<D: Decider>(&self, order: &OrderId) -> Result<History<D>> {
        let mut history = History::unknown(order.clone());
        for row in self.log.read(order).await? {
            let change = change_of::<D>(&row)?;
            history.add(&row, change);
        }
        Ok(history)
    }

    /// Writes a decision on the version after `history`, and if it is written brings `history` up to date.
    ///
    /// # Errors
    ///
    /// It is unknown whether the decision is on record; or it can never be, for it is too large.
    pub async fn commit<D: Decider>(
        &self,
        history: &mut History<D>,
        origin: &Origin,
        commit: Commit<D::Change>,
    ) -> Result<Committed> {
        let now = self.world.now();
        let events: Vec<Event> = (history.emitted + 1..)
            .zip(commit.events)
            .map(|(sequence, payload)| self.event(D::SOURCE, history, origin, sequence, now, payload))
            .collect();
        let told = if let [event] = events.as_slice() { D::change_from(event) } else { None };
        let stored = commit.change.as_ref().filter(|change| told.as_ref() != Some(*change)).map(to_json).transpose()?;
        let change = commit.change.or(told);
        let change = change.ok_or_else(|| Failure::permanent("nothing says what happened"))?;
        let row = Row {
            version: history.version + 1,
            at: now,
            cause: origin.cause.clone(),
            open: commit.open,
            change: stored,
            events,
        };
        check_size(&row)?;
        row.events.iter().try_for_each(self_check::check)?;
        for attempt in 1..=MAX_COLLISIONS {
            match self.log.append(&history.order, &row, &commit.updates).await? {
                Appended::Done => {
                    history.add(&row, change);
                    return Ok(Committed::Done(row.events));
                }
                Appended::LostRace => return Ok(Committed::LostRace),
                Appended::Short(insufficient) => return Ok(Committed::Short(insufficient)),
                Appended::Conflict if attempt == MAX_COLLISIONS => break,
                Appended::Conflict => self.world.sleep(collision_pause(attempt, &self.world)).await,
            }
        }
        Err(Failure::transient(format!("the transaction collided with others {MAX_COLLISIONS} times")))
    }

    fn event<D: Decider>(
        &self,
        source: Source,
        history: &History<D>,
        origin: &Origin,
        sequence: u64,
        now: Time,
        data: Payload,
    ) -> Event {
        let mut chance = [0; 10];
        self.world.fill(&mut chance);
        let id = EventId::from_parts(u64::try_from(now.as_millis()).unwrap_or(0), chance);
        let context = Context {
            id,
            source,
            subject: history.order.clone(),
            time: now,
            sequence: Some(sequence),
            correlation_id: Some(origin.flow.clone().unwrap_or_else(|| Text::shortened(&id.to_string()))),
            causation_id: origin.causation.clone(),
            trace_parent: origin.trace_parent.as_ref().map(|parent| parent.child(&self.world).to_string()),
            trace_state: origin.trace_parent.as_ref().and(origin.trace_state.clone()),
            extensions: Extensions::new(),
        };
        Event { context, data }
    }
}

impl<D: Decider> History<D> {
    /// An order that nothing is known of.
    #[must_use]
    pub fn unknown(order: OrderId) -> Self {
        Self { state: D::State::default(), order, version: 0, emitted: 0, handled: Vec::new(), created_by: None }
    }

    /// Whether `event` is handled already: it is the cause of a row that left nothing to do, or was published from here.
    #[must_use]
    pub fn has_handled(&self, event: &Event) -> bool {
        let (source, id) = (event.context.source.as_str(), event.context.id.to_string());
        self.handled.iter().any(|cause| cause.source == source && cause.id == id)
    }

    /// Whether `event` says that the order was created, when another event has said so before.
    #[must_use]
    pub fn is_created_otherwise(&self, event: &Event) -> bool {
        let (source, id) = (event.context.source.as_str(), event.context.id.to_string());
        event.kind() == EventType::OrderCreated
            && self.created_by.as_ref().is_some_and(|known| (known.0.as_str(), &known.1) != (source, &id))
    }

    fn add(&mut self, row: &Row, change: D::Change) {
        let state = D::evolve(std::mem::take(&mut self.state), change);
        self.state = row.events.iter().fold(state, D::evolve_published);
        self.version = row.version;
        self.emitted += row.events.len() as u64;
        if !row.open {
            self.handled.push(row.cause.clone());
        }
        self.handled.extend(row.events.iter().map(Cause::from));
        let causes = std::iter::once(row.cause.clone()).chain(row.events.iter().map(Cause::from));
        for cause in causes.filter(|cause| cause.kind == EventType::OrderCreated.as_str()) {
            self.created_by.get_or_insert((cause.source, cause.id));
        }
    }
}

fn change_of<D: Decider>(row: &Row) -> Result<D::Change> {
    // What serde says may have a value in it, which could be personal data, so it is not repeated.
    let unknown = |what| Failure::not_understood(row.version, what);
    match &row.change {
        Some(change) => serde_json::from_value(change.clone()).map_err(|_| unknown("its change")),
        None => row.events.first().and_then(D::change_from).ok_or_else(|| unknown("it has no change")),
    }
}

fn to_json<T: serde::Serialize>(value: &T) -> Result<serde_json::Value> {
    serde_json::to_value(value).map_err(|error| Failure::permanent(format!("a change cannot be written: {error}")))
}

fn check_size(row: &Row) -> Result<()> {
    let length = |text: serde_json::Result<String>| text.map_or(usize::MAX, |text| text.len());
    let mut total = row.change.as_ref().map_or(0, |change| length(serde_json::to_string(change)));
    for event in &row.events {
        let bytes = length(serde_json::to_string(event));
        if bytes > MAX_EVENT_BYTES {
            return Err(Failure::permanent(format!("{} has {bytes} bytes of {MAX_EVENT_BYTES}", event.kind())));
        }
        total = total.saturating_add(bytes);
    }
    if total > MAX_ROW_BYTES {
        return Err(Failure::permanent(format!("row {} has {total} bytes of {MAX_ROW_BYTES}", row.version)));
    }
    Ok(())
}

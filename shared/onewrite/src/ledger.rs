//! Ledger: load, fold, and commit on the next version.
//!
//! ```text
//!   read rows 1 … n ──► fold ──► decide ──► write row n+1 if there is none
//!                                              │
//!        somebody else wrote row n+1 first ────┘ read again, decide again
//! ```
//!
//! A crash before the write leaves nothing; a crash after it leaves everything: the change, the mark that its cause is
//! handled, and the events, which the table's stream carries to the relay. There is no moment between.

use envelope::{Context, Contract, Event, EventId, Extensions, Source, Subject, Text, Time};

use crate::decider::{Commit, ContractOf, Decider, InsufficientCounter};
use crate::failure::{Failure, Result};
use crate::group_commit::{GroupCommit, MAX_COLLISIONS};
use crate::port::{Addition, Appended, Clock, Log, OwnedSubjects, Random};
use crate::row::{Cause, Row};
use crate::self_check;
use crate::telemetry::{Observation, observe, spans};
use crate::trace::TraceParent;

/// The largest event that is committed: SNS takes 256 KB with all attributes, and a batch must have room for others.
const MAX_EVENT_BYTES: usize = 200_000;

/// The largest row that is committed: DynamoDB takes 400 KB with all names (its quota for an item).
const MAX_ROW_BYTES: usize = 350_000;

/// Ledger of a service: its table, and the clock and the randomness that rows and events need.
pub struct Ledger<L, W> {
    log: L,
    world: W,
    group: GroupCommit,
}

/// History of one subject in a service: the fold of its rows.
pub struct History<D: Decider> {
    /// The state after all rows.
    pub state: D::State,
    subject: Subject,
    version: u32,
    emitted: u64,
    /// Causes of the rows that left nothing to do, and the events that were published from here, each with its row.
    handled: Vec<(Cause, u32)>,
    created_at: Option<Time>,
    changed_at: Option<Time>,
    begun_by: Option<(String, String)>,
    /// Creation of the first event on record, where spans are made.
    begun_in: Option<TraceParent>,
}

/// Origin of a decision: the cause that its row is marked with, and the context that its events carry on.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The event or the request.
    pub cause: Cause,
    /// The id of the first event of the flow; none where the flow begins here.
    pub correlation_id: Option<Text>,
    /// The id of the event that is the cause; none for a request.
    pub causation_id: Option<Text>,
    /// Extension attributes that the events carry.
    pub extensions: Extensions,
    /// The trace so far.
    pub trace_parent: Option<TraceParent>,
    /// Additions of other systems to the trace.
    pub trace_state: Option<String>,
}

impl<P: Contract> From<&Event<P>> for Origin {
    fn from(event: &Event<P>) -> Self {
        let context = &event.context;
        Self {
            cause: Cause::from(event),
            correlation_id: Some(context.correlation()),
            causation_id: Some(Text::shortened(context.id.as_str())),
            extensions: Extensions::new(),
            trace_parent: context.trace_parent.as_deref().and_then(TraceParent::parse),
            trace_state: context.trace_state.clone().filter(|state| is_trace_state(state)),
        }
    }
}

/// A `tracestate` that is worth carrying on: W3C Trace Context asks for 512 characters, and lets longer ones be dropped.
fn is_trace_state(text: &str) -> bool {
    text.len() <= 512 && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
}

/// Spans of the creation of a row's events.
struct Created(Vec<spans::Span>);

impl Created {
    /// Starts them, and lets each event name its own. A request that says nothing to anybody has a span of its own alone.
    fn new<P: Contract>(events: &mut [Event<P>], origin: &Origin, begun_in: Option<&TraceParent>) -> Self {
        if events.is_empty() && origin.causation_id.is_none() {
            spans::link(begun_in);
        }
        let start = |event: &mut Event<P>| {
            let span = spans::create(event, origin.trace_parent.as_ref(), begun_in);
            if let Some(parent) = span.trace_parent() {
                event.context.trace_parent = Some(parent.to_string());
            }
            span
        };
        Self(events.iter_mut().map(start).collect())
    }

    /// Ends them, and tells what a row that was not written came to grief of.
    fn end(self, cause: &Cause, appended: &Result<Appended>) {
        let lost = match appended {
            Ok(Appended::Done) => return,
            Ok(Appended::LostRace) => Observation::LostRace,
            Ok(Appended::Short(_)) => Observation::Short,
            Ok(Appended::Conflict) => Observation::Conflict,
            Err(failure) => {
                for span in &self.0 {
                    span.fail(failure);
                }
                return;
            }
        };
        observe(Some(&cause.event_type), &lost);
        for span in &self.0 {
            span.abandon(lost.name());
        }
    }
}

/// Result of a commit.
#[derive(Clone, Debug, PartialEq)]
pub enum Committed<P> {
    /// It is on record, and these events are on their way.
    Done(Vec<Event<P>>),
    /// Somebody else was faster: load, and decide again.
    LostRace,
    /// A counter was too small.
    Short(Vec<InsufficientCounter>),
}

impl<L: Log, W: Clock + Random> Ledger<L, W> {
    /// A ledger on a table.
    pub fn new(log: L, world: W) -> Self {
        Self { log, world, group: GroupCommit::default() }
    }

    /// The clock and the randomness that the ledger has.
    pub fn world(&self) -> &W {
        &self.world
    }

    /// Opens the connection, so that the first event need not wait for it. Whether it works out shows soon enough.
    pub async fn warm(&self) {
        if let Ok(nobody) = Subject::new("-") {
            let _ = self.log.read(&nobody).await;
        }
    }

    /// Reads the history of `subject`.
    ///
    /// # Errors
    ///
    /// The table cannot be read, or has a row that this version of the service does not understand.
    pub async fn load<D: Decider>(&self, subject: &Subject) -> Result<History<D>> {
        let mut history = History::unknown(subject.clone());
        for row in self.group.reading(self.log.read(subject)).await? {
            let events = events_of::<D>(&row)?;
            let change = change_of::<D>(&row, &events)?;
            history.add(&row, change, &events);
        }
        Ok(history)
    }

    /// Reads the state of `subject` after each of its rows. What is told of one row is so for good: rows never change, and more are
    /// added behind them.
    ///
    /// # Errors
    ///
    /// Those of [`load`](Self::load).
    pub async fn states<D: Decider<State: Clone>>(&self, subject: &Subject) -> Result<Vec<D::State>> {
        let mut history = History::<D>::unknown(subject.clone());
        let mut states = Vec::new();
        for row in self.group.reading(self.log.read(subject)).await? {
            let events = events_of::<D>(&row)?;
            let change = change_of::<D>(&row, &events)?;
            history.add(&row, change, &events);
            states.push(history.state.clone());
        }
        Ok(states)
    }

    /// Subjects of `owner`, what was begun first comes first, by an index that may be a moment behind.
    ///
    /// # Errors
    ///
    /// The index cannot be read.
    pub async fn owned_by(&self, owner: &str) -> Result<Vec<Subject>>
    where
        L: OwnedSubjects,
    {
        self.log.owned_by(owner).await
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
        commit: Commit<D::Change, ContractOf<D>>,
    ) -> Result<Committed<ContractOf<D>>> {
        let now = self.world.now();
        let mut events: Vec<Event<_>> = (history.emitted + 1..)
            .zip(commit.events)
            .map(|(sequence, payload)| self.event(D::SOURCE, history, origin, sequence, now, payload))
            .collect();
        let created = Created::new(&mut events, origin, history.begun_in.as_ref());
        let told = if let [event] = events.as_slice() { D::change_from(event) } else { None };
        let stored = commit.change.as_ref().filter(|change| told.as_ref() != Some(*change)).map(to_json).transpose()?;
        let change = commit.change.or(told);
        let change = change.ok_or_else(|| Failure::permanent("nothing says what happened"))?;
        events.iter().try_for_each(self_check::check)?;
        let owner = events.first().filter(|_| history.version == 0).and_then(D::owner).map(ToOwned::to_owned);
        let row = Row {
            version: history.version + 1,
            at: now,
            cause: origin.cause.clone(),
            owner,
            unfinished: commit.unfinished,
            change: stored,
            events: events.iter().map(to_text).collect::<Result<_>>()?,
        };
        check_size(&row)?;
        let addition = Addition { subject: &history.subject, row: &row, updates: &commit.updates };
        let appended = self.group.append(&self.log, &self.world, addition).await;
        created.end(&row.cause, &appended);
        match appended? {
            Appended::Done => {
                if !row.unfinished {
                    let since_created = history.created_at.map(|created_at| created_at.until(now));
                    observe(Some(&row.cause.event_type), &Observation::Committed { since_created });
                }
                history.add(&row, change, &events);
                Ok(Committed::Done(events))
            }
            Appended::LostRace => Ok(Committed::LostRace),
            Appended::Short(insufficient) => Ok(Committed::Short(insufficient)),
            Appended::Conflict => {
                Err(Failure::transient(format!("the transaction collided with others {MAX_COLLISIONS} times")))
            }
        }
    }

    fn event<D: Decider>(
        &self,
        source: Source,
        history: &History<D>,
        origin: &Origin,
        sequence: u64,
        now: Time,
        data: ContractOf<D>,
    ) -> Event<ContractOf<D>> {
        let mut random = [0; 10];
        self.world.fill(&mut random);
        let id = EventId::v7(u64::try_from(now.as_millis()).unwrap_or(0), random);
        let correlation_id = origin.correlation_id.clone().unwrap_or_else(|| Text::shortened(id.as_str()));
        let context = Context {
            id,
            source,
            subject: history.subject.clone(),
            time: now,
            sequence: Some(sequence),
            correlation_id: Some(correlation_id),
            causation_id: origin.causation_id.clone(),
            trace_parent: origin.trace_parent.as_ref().map(|parent| parent.child(&self.world).to_string()),
            trace_state: origin.trace_parent.as_ref().and(origin.trace_state.clone()),
            extensions: origin.extensions.clone(),
        };
        Event { context, data }
    }
}

impl<D: Decider> History<D> {
    /// A subject that nothing is known of.
    #[must_use]
    pub fn unknown(subject: Subject) -> Self {
        Self {
            state: D::State::default(),
            subject,
            version: 0,
            emitted: 0,
            handled: Vec::new(),
            created_at: None,
            changed_at: None,
            begun_by: None,
            begun_in: None,
        }
    }

    /// Tells a duplicate: `event` is the cause of a row that left nothing to do, or was published from here.
    #[must_use]
    pub fn has_handled<P>(&self, event: &Event<P>) -> bool {
        self.row_of(event).is_some()
    }

    /// Number of the row that `event` is the cause of and that left nothing to do, or was published in.
    #[must_use]
    pub fn row_of<P>(&self, event: &Event<P>) -> Option<u32> {
        let (source, id) = (event.context.source.as_str(), event.context.id.as_str());
        let mut handled = self.handled.iter().filter(|(cause, _)| cause.source == source && cause.id == id);
        handled.next().map(|(_, row)| *row)
    }

    /// Time of the latest row; `None` where there is none.
    #[must_use]
    pub const fn changed_at(&self) -> Option<Time> {
        self.changed_at
    }

    /// Tells an event of the type that [begins](Decider::BEGINS) a subject, when another one has begun it before.
    #[must_use]
    pub fn is_begun_otherwise(&self, event: &Event<ContractOf<D>>) -> bool {
        let (source, id) = (event.context.source.as_str(), event.context.id.as_str());
        D::BEGINS.is_some_and(|begins| event.event_type().to_string() == begins)
            && self.begun_by.as_ref().is_some_and(|known| (known.0.as_str(), known.1.as_str()) != (source, id))
    }

    fn add(&mut self, row: &Row, change: D::Change, events: &[Event<ContractOf<D>>]) {
        let state = D::evolve(std::mem::take(&mut self.state), change);
        self.state = events.iter().fold(state, D::evolve_published);
        self.version = row.version;
        self.created_at.get_or_insert(row.at);
        self.changed_at = Some(row.at);
        if self.begun_in.is_none() && spans::is_traced() {
            let created = events.iter().find_map(|event| event.context.trace_parent.as_deref());
            self.begun_in = created.and_then(TraceParent::parse);
        }
        self.emitted += events.len() as u64;
        if !row.unfinished {
            self.handled.push((row.cause.clone(), row.version));
        }
        self.handled.extend(events.iter().map(|event| (Cause::from(event), row.version)));
        let causes = std::iter::once(row.cause.clone()).chain(events.iter().map(Cause::from));
        for cause in causes.filter(|cause| D::BEGINS == Some(cause.event_type.as_str())) {
            self.begun_by.get_or_insert((cause.source, cause.id));
        }
    }
}

fn events_of<D: Decider>(row: &Row) -> Result<Vec<Event<ContractOf<D>>>> {
    let events = row.events.iter().map(|text| Event::decode(text));
    // The contract's words name rules and places, and no values.
    events.collect::<Result<_, _>>().map_err(|error| Failure::not_understood(row.version, &error.to_string()))
}

fn change_of<D: Decider>(row: &Row, events: &[Event<ContractOf<D>>]) -> Result<D::Change> {
    // An error of serde may have a value in it, which could be personal data, so it is not repeated.
    let unknown = |what| Failure::not_understood(row.version, what);
    match &row.change {
        Some(change) => serde_json::from_value(change.clone()).map_err(|_| unknown("its change")),
        None => events.first().and_then(D::change_from).ok_or_else(|| unknown("it has no change")),
    }
}

fn to_json<T: serde::Serialize>(value: &T) -> Result<serde_json::Value> {
    serde_json::to_value(value).map_err(|error| Failure::permanent(format!("a change cannot be written: {error}")))
}

fn to_text<P: Contract>(event: &Event<P>) -> Result<String> {
    let text = serde_json::to_string(event);
    let text = text.map_err(|error| Failure::permanent(format!("an event cannot be written: {error}")))?;
    if text.len() > MAX_EVENT_BYTES {
        let event_type = event.event_type();
        return Err(Failure::permanent(format!("{event_type} has {} bytes of {MAX_EVENT_BYTES}", text.len())));
    }
    Ok(text)
}

fn check_size(row: &Row) -> Result<()> {
    let change = row.change.as_ref().map_or(0, |change| change.to_string().len());
    let total = row.events.iter().map(String::len).sum::<usize>() + change;
    if total > MAX_ROW_BYTES {
        return Err(Failure::permanent(format!("row {} has {total} bytes of {MAX_ROW_BYTES}", row.version)));
    }
    Ok(())
}

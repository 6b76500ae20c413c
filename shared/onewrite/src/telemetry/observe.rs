//! Observations: what becomes of messages, rows and events, in one vocabulary for all who listen.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use crate::failure::{Failure, FailureKind};
use crate::handle::Handled;

/// Observation of a function at work: what became of a message, a row or an event.
#[derive(Clone, Copy, Debug)]
pub enum Observation<'a> {
    /// A message was handled, and is acknowledged.
    Handled {
        /// Result of it.
        handled: Handled,
        /// Age of its event: from its `time` until now.
        age: Duration,
    },
    /// An attempt at a message failed.
    Failed(&'a Failure),
    /// A message comes again.
    PutBack {
        /// Kind of the failure; [`FailureKind::Deferred`] where no attempt was made.
        kind: FailureKind,
        /// Time until it does, in seconds.
        hidden_seconds: u32,
    },
    /// A message was moved to the dead-letter queue.
    Parked {
        /// True of one whose passing cause did not pass.
        retryable: bool,
    },
    /// A message could not be moved to the dead-letter queue, for that reason.
    NotParked(&'a Failure),
    /// A row is on record that leaves nothing to do for its cause.
    Committed {
        /// Time since the first row of its subject; `None` where it is the first.
        since_created: Option<Duration>,
    },
    /// A row was not written: somebody else was faster.
    LostRace,
    /// A row was not written: its transaction collided with another. It is tried again.
    Conflict,
    /// A row was not written: a counter was too small.
    Short,
    /// Events of an invocation were published.
    Published {
        /// Number of them.
        count: usize,
        /// Times from the commit of each until now, where it is known.
        delays: &'a [Duration],
    },
    /// Events of a batch were not published.
    NotPublished {
        /// Reason.
        failure: &'a Failure,
        /// Number of them.
        count: usize,
    },
    /// A row can never be published, for that reason: it is copied to the dead letters.
    Discarded(&'a Failure),
    /// Measurement of an application's own.
    Measured {
        /// Dimensions, each with its value. Each combination of values is a metric that is paid for: never an id.
        dimensions: &'a [(&'a str, &'a str)],
        /// Measurements.
        measures: &'a [Measure],
    },
    /// The invocation is over.
    Ended {
        /// True of the first one of a process.
        cold_start: bool,
    },
}

impl Observation<'_> {
    /// Its name, in traces and tallies.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Handled { handled, .. } => handled.name(),
            Self::Failed(_) => "failed",
            Self::PutBack { .. } => "put back",
            Self::Parked { .. } => "parked",
            Self::NotParked(_) => "not parked",
            Self::Committed { .. } => "committed",
            Self::LostRace => "lost race",
            Self::Conflict => "the transaction collided",
            Self::Short => "counters are too small",
            Self::Published { .. } => "published",
            Self::NotPublished { .. } => "not published",
            Self::Discarded(_) => "discarded",
            Self::Measured { .. } => "measured",
            Self::Ended { .. } => "ended",
        }
    }
}

/// Measurement: a name, a value, and its unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measure {
    /// Name of the metric.
    pub name: &'static str,
    /// Unit of the value.
    pub unit: Unit,
    /// Value.
    pub value: f64,
}

/// Unit of a metric, as CloudWatch names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Number of something.
    Count,
    /// Time in milliseconds.
    Milliseconds,
    /// Time in seconds.
    Seconds,
    /// No unit, as of a share.
    None,
}

impl Unit {
    /// Its name; `None` where there is none.
    #[must_use]
    pub const fn as_str(self) -> Option<&'static str> {
        match self {
            Self::Count => Some("Count"),
            Self::Milliseconds => Some("Milliseconds"),
            Self::Seconds => Some("Seconds"),
            Self::None => None,
        }
    }
}

/// Listener to observations.
pub trait Observe {
    /// Takes note of an observation, about an event of that type where it is known.
    fn observe(&self, event_type: Option<&str>, observation: &Observation<'_>);
}

thread_local! {
    static OBSERVER: RefCell<Option<Rc<dyn Observe>>> = const { RefCell::new(None) };
}

/// Sets the observer of this thread, beside the log and the spans. A process of Lambda has one thread, and each test its own.
pub fn set_observer(observer: Option<Rc<dyn Observe>>) {
    OBSERVER.set(observer);
}

/// Tells that this thread has an observer: without one, nothing needs to be measured for it alone.
#[must_use]
pub fn is_observed() -> bool {
    OBSERVER.with_borrow(Option::is_some)
}

/// Observer of this thread.
pub(super) fn observer() -> Option<Rc<dyn Observe>> {
    OBSERVER.with_borrow(Clone::clone)
}

/// Does `work` under an observer of its own: where several functions share a thread, as in a simulation.
pub async fn observed_by<T>(observer: Rc<dyn Observe>, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    poll_fn(|task| {
        let before = OBSERVER.replace(Some(Rc::clone(&observer)));
        let polled = work.as_mut().poll(task);
        OBSERVER.set(before);
        polled
    })
    .await
}

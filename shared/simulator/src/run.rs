//! Run: what all parts of one simulation share.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::rc::Rc;
use std::time::Duration;

use envelope::Subject;
use fastrand::Rng;
use onewrite::telemetry::{Observation, Observe};

use crate::executor::Executor;
use crate::faults::{FaultKinds, Faults};
use crate::guarantees::{Guarantees, Violation};
use crate::observer::Observer;
use crate::outage::Outages;
use crate::safeguard::Safeguard;
use crate::trace::Trace;

/// One simulation: virtual time, random numbers, faults, and what is noted of it.
pub struct Run {
    /// Time, and who is at work.
    pub executor: Rc<Executor>,
    /// Faults.
    pub faults: Faults,
    /// Trace of one subject.
    pub trace: Trace,
    /// Figures for a summary.
    pub tally: Tally,
    /// Guarantees of the toolkit.
    pub guarantees: Guarantees,
    /// Invariants of whoever is simulated.
    pub observer: Rc<dyn Observer>,
    pub(crate) outages: Outages,
    /// Subject of the row that was added last.
    pub(crate) last_appended: RefCell<Option<Subject>>,
    without: Option<Safeguard>,
    violation: RefCell<Option<Violation>>,
    killers: RefCell<HashSet<(&'static str, Rc<str>)>>,
    random: RefCell<Rng>,
}

/// Figures for a summary.
#[derive(Debug, Default)]
pub struct Tally {
    /// Messages that were handed to functions.
    pub deliveries: Cell<u64>,
    /// Deliveries that had to come again.
    pub retries: Cell<u64>,
    /// Letters that were parked.
    pub letters: Cell<u64>,
    /// Letters that were sent back to their queues.
    pub redrives: Cell<u64>,
    /// Functions and the types of events that they were handed, where there is a trace.
    pub delivered: RefCell<BTreeSet<(&'static str, String)>>,
    /// Observations of the functions, by their [names](Observation::name): what they themselves say that has become of messages.
    pub observed: RefCell<BTreeMap<&'static str, u64>>,
}

impl Observe for Tally {
    fn observe(&self, _: Option<&str>, observation: &Observation<'_>) {
        *self.observed.borrow_mut().entry(observation.name()).or_default() += 1;
    }
}

/// Adds one.
pub fn count(counter: &Cell<u64>) {
    counter.set(counter.get() + 1);
}

impl Run {
    /// Run of that seed, without that safeguard.
    #[must_use]
    pub fn new(
        seed: u64,
        faults: Faults,
        without: Option<Safeguard>,
        trace: Trace,
        observer: Rc<dyn Observer>,
    ) -> Rc<Self> {
        Rc::new(Self {
            executor: Rc::default(),
            faults,
            trace,
            tally: Tally::default(),
            guarantees: Guarantees::default(),
            observer,
            outages: Outages::default(),
            last_appended: RefCell::default(),
            without,
            violation: RefCell::default(),
            killers: RefCell::default(),
            random: RefCell::new(Rng::with_seed(seed ^ 0x5EED)),
        })
    }

    /// Run in which nothing goes wrong, and that nobody observes.
    #[must_use]
    pub fn calm() -> Rc<Self> {
        Self::new(0, Faults::new(0, FaultKinds::NONE, None, u64::MAX), None, Trace::default(), Rc::new(()))
    }

    /// True if that safeguard was taken away.
    #[must_use]
    pub fn lacks(&self, safeguard: Safeguard) -> bool {
        self.without.is_some_and(|without| without == safeguard)
    }

    /// Starts a task that goes on by itself.
    pub fn spawn(&self, future: impl Future<Output = ()> + 'static) {
        self.executor.spawn(future);
    }

    /// Waits, in true time.
    pub async fn sleep_ms(&self, millis: u64) {
        self.executor.sleep(Duration::from_millis(millis)).await;
    }

    /// Fills `bytes` with what functions take for random.
    pub fn fill(&self, bytes: &mut [u8]) {
        self.random.borrow_mut().fill(bytes);
    }

    /// Notes the violation that a check has found, if it has.
    pub fn check(&self, found: Result<(), Violation>) {
        if let Err(violation) = found {
            self.violation.borrow_mut().get_or_insert(violation);
        }
    }

    /// First violation that was found.
    #[must_use]
    pub fn violation(&self) -> Option<Violation> {
        self.violation.borrow().clone()
    }

    /// True once a violation was found.
    #[must_use]
    pub fn is_violated(&self) -> bool {
        self.violation.borrow().is_some()
    }

    /// Lets every message of that subject kill that function.
    pub(crate) fn arm(&self, function: &'static str, subject: &Rc<str>) {
        self.killers.borrow_mut().insert((function, Rc::clone(subject)));
    }

    /// Lets nothing kill functions any more: somebody has mended them.
    pub(crate) fn disarm(&self) {
        self.killers.borrow_mut().clear();
    }

    /// True if a message of that subject kills that function.
    pub(crate) fn kills(&self, function: &'static str, subject: &Rc<str>) -> bool {
        let killers = self.killers.borrow();
        !killers.is_empty() && killers.contains(&(function, Rc::clone(subject)))
    }
}

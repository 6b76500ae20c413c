//! Circuit breaker: keeps a function from asking a neighbour that is down, but for one probe at a time.
//!
//! ```text
//!   closed ──► five subjects in a row fail ──► open ──► a second after the last failure, one probe
//!     ▲                                          ▲         │
//!     └── any answer ────────────────────────────┼─────────┘
//!                                                └── failed
//! ```
//!
//! It stands before the effects of a function, and not before its table: what needs no effect goes on. One subject that fails
//! again and again opens nothing: that may be its own fault.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use envelope::{Subject, Time};

use crate::failure::{Failure, FailureKind, Result};
use crate::port::Clock;

/// Number of subjects whose failures in a row let a neighbour be taken for down: a few lost answers are nothing unusual.
const OPENS_AFTER: u32 = 5;

/// Time between a failure and the next probe. Less than an invocation, of which each is to have one.
const PROBE_PAUSE: Duration = Duration::from_secs(1);

/// Longest time that others wait for the end of a probe: as long as a call of AWS takes with all its attempts.
const PROBE_LIMIT: Duration = Duration::from_secs(5);

/// Circuit breaker of one function.
#[derive(Debug, Default)]
pub(crate) struct CircuitBreaker {
    circuit: Cell<Circuit>,
    /// Subject of the last failure.
    failed: RefCell<Option<Subject>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Circuit {
    /// Everybody may ask. The neighbour has failed so often in a row, since then.
    Closed { failures: u32, since: Option<Time> },
    /// The neighbour is down since then, and is not asked before that.
    Open { since: Time, probe_at: Time },
}

impl Default for Circuit {
    fn default() -> Self {
        Self::Closed { failures: 0, since: None }
    }
}

/// Result of a call, as far as it says something of the neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    /// It has answered, be it with a refusal.
    Up,
    /// It has not answered, or has said that it cannot.
    Down,
    /// Nothing is known of it.
    Unknown,
}

impl Health {
    fn of<T>(result: &Result<T>) -> Self {
        match result.as_ref().map_err(Failure::kind) {
            Ok(_) | Err(FailureKind::Permanent) => Self::Up,
            Err(FailureKind::Unavailable) => Self::Down,
            Err(FailureKind::Transient | FailureKind::Misconfigured | FailureKind::Deferred) => Self::Unknown,
        }
    }
}

impl Circuit {
    /// The circuit once somebody asks at `now`; none where nobody may.
    fn asked(self, now: Time) -> Option<Self> {
        match self {
            Self::Closed { .. } => Some(self),
            Self::Open { probe_at, .. } if now < probe_at => None,
            Self::Open { since, .. } => Some(Self::Open { since, probe_at: now.after(PROBE_LIMIT) }),
        }
    }

    /// The circuit once a call has ended at `now`.
    fn answered(self, now: Time, health: Health) -> Self {
        let probe_at = now.after(PROBE_PAUSE);
        match (health, self) {
            (Health::Up, _) => Self::default(),
            (Health::Unknown, _) => self,
            (Health::Down, Self::Open { since, .. }) => Self::Open { since, probe_at },
            (Health::Down, Self::Closed { failures, since }) => {
                let (failures, since) = (failures + 1, since.unwrap_or(now));
                if failures < OPENS_AFTER {
                    Self::Closed { failures, since: Some(since) }
                } else {
                    Self::Open { since, probe_at }
                }
            }
        }
    }
}

impl CircuitBreaker {
    /// Performs `effect` for `subject`, unless the neighbour is known to be down.
    ///
    /// # Errors
    ///
    /// Deferred while it is down; or those of the effect.
    pub(crate) async fn call<T>(
        &self,
        clock: &impl Clock,
        subject: &Subject,
        effect: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let Some(circuit) = self.circuit.get().asked(clock.now()) else {
            return Err(Failure::deferred("a neighbour is down"));
        };
        self.circuit.set(circuit);
        // An effect that is given up, since its time is over, is one without an answer.
        let mut call = Call { breaker: self, clock, subject, health: Health::Down };
        let result = effect.await;
        call.health = Health::of(&result);
        result
    }

    /// Time for which a neighbour has been down by now; none while none is.
    pub(crate) fn outage(&self, clock: &impl Clock) -> Option<Duration> {
        match self.circuit.get() {
            Circuit::Closed { .. } => None,
            Circuit::Open { since, .. } => Some(since.until(clock.now())),
        }
    }
}

/// Call that is under way.
struct Call<'a, C: Clock> {
    breaker: &'a CircuitBreaker,
    clock: &'a C,
    subject: &'a Subject,
    health: Health,
}

impl<C: Clock> Drop for Call<'_, C> {
    fn drop(&mut self) {
        let CircuitBreaker { circuit, failed } = self.breaker;
        let now = circuit.get().answered(self.clock.now(), self.health);
        match (self.health, now) {
            (Health::Down, Circuit::Closed { .. }) if failed.borrow().as_ref() == Some(self.subject) => return,
            (Health::Down, _) => drop(failed.replace(Some(self.subject.clone()))),
            (Health::Up, _) => drop(failed.take()),
            (Health::Unknown, _) => {}
        }
        circuit.set(now);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::future::pending;

    use futures::FutureExt;
    use futures::executor::block_on;
    use futures::future::join;

    use super::*;
    use crate::memory::VirtualTime;

    fn at(millis: i64) -> Time {
        Time::from_millis(millis)
    }

    fn subject(number: u32) -> Subject {
        Subject::new(format!("req_{number}")).unwrap()
    }

    fn closed(failures: u32, since: i64) -> Circuit {
        Circuit::Closed { failures, since: (failures > 0).then(|| at(since)) }
    }

    fn open(since: i64, probe_at: i64) -> Circuit {
        Circuit::Open { since: at(since), probe_at: at(probe_at) }
    }

    #[test]
    fn a_circuit_opens_after_failures_in_a_row_and_closes_with_any_answer() {
        for (before, now, health, after) in [
            (closed(0, 0), 7, Health::Up, closed(0, 0)),
            (closed(0, 0), 7, Health::Unknown, closed(0, 0)),
            (closed(0, 0), 7, Health::Down, closed(1, 7)),
            (closed(1, 7), 9, Health::Down, closed(2, 7)),
            (closed(3, 7), 9, Health::Unknown, closed(3, 7)),
            (closed(4, 7), 9, Health::Up, closed(0, 0)),
            (closed(4, 7), 9, Health::Down, open(7, 1_009)),
            (open(7, 1_009), 2_000, Health::Down, open(7, 3_000)),
            (open(7, 1_009), 2_000, Health::Unknown, open(7, 1_009)),
            (open(7, 1_009), 2_000, Health::Up, closed(0, 0)),
        ] {
            assert_eq!(before.answered(at(now), health), after, "{before:?}, {health:?}");
        }
    }

    #[test]
    fn an_open_circuit_lets_one_probe_pass_at_a_time() {
        for (before, now, asked) in [
            (closed(4, 7), 9, Some(closed(4, 7))),
            (open(7, 1_009), 1_008, None),
            (open(7, 1_009), 1_009, Some(open(7, 6_009))),
            (open(7, 6_009), 6_008, None),
        ] {
            assert_eq!(before.asked(at(now)), asked, "{before:?} at {now}");
        }
    }

    #[test]
    fn every_failure_says_whether_the_neighbour_is_down() {
        for (kind, health) in [
            (FailureKind::Transient, Health::Unknown),
            (FailureKind::Unavailable, Health::Down),
            (FailureKind::Deferred, Health::Unknown),
            (FailureKind::Misconfigured, Health::Unknown),
            (FailureKind::Permanent, Health::Up),
        ] {
            assert_eq!(Health::of::<()>(&Err(Failure::new(kind, "x"))), health, "{kind:?}");
        }
        assert_eq!(Health::of(&Ok(())), Health::Up);
    }

    #[test]
    fn a_neighbour_that_is_down_is_asked_by_probes_until_one_has_an_answer() {
        let (breaker, world, asked) = (CircuitBreaker::default(), VirtualTime::new(1), RefCell::new(0));
        let ask = async |result: Result<()>| {
            let effect = async {
                *asked.borrow_mut() += 1;
                world.sleep(Duration::from_millis(100)).await;
                result
            };
            let subject = subject(*asked.borrow());
            breaker.call(&world, &subject, effect).await
        };
        let down = || Failure::unavailable("down");
        for _ in 0..OPENS_AFTER {
            assert_eq!(breaker.outage(&world), None);
            assert_eq!(block_on(ask(Err(down()))), Err(down()));
        }
        assert_eq!(breaker.outage(&world), Some(Duration::from_millis(400)), "since the first failure");
        let deferred = Err(Failure::deferred("a neighbour is down"));
        assert_eq!(block_on(ask(Ok(()))), deferred);
        world.pass(PROBE_PAUSE);
        let both = block_on(join(ask(Err(down())), ask(Ok(()))));
        assert_eq!(both, (Err(down()), deferred), "one probe at a time");
        world.pass(PROBE_PAUSE);
        assert_eq!(block_on(ask(Ok(()))), Ok(()));
        assert_eq!((breaker.outage(&world), *asked.borrow()), (None, OPENS_AFTER + 2));
    }

    #[test]
    fn one_subject_that_fails_again_and_again_opens_nothing() {
        let (breaker, world) = (CircuitBreaker::default(), VirtualTime::new(1));
        let fail = |number| {
            let subject = subject(number);
            let failure: Result<()> =
                block_on(breaker.call(&world, &subject, async { Err(Failure::unavailable("x")) }));
            assert_eq!(failure.unwrap_err().kind(), FailureKind::Unavailable);
        };
        (0..OPENS_AFTER * 2).for_each(|_| fail(1));
        assert_eq!(breaker.outage(&world), None);
        (2..=OPENS_AFTER).for_each(fail);
        assert!(breaker.outage(&world).is_some());
    }

    #[test]
    fn an_effect_that_hangs_until_it_is_given_up_is_a_failure() {
        let (breaker, world) = (CircuitBreaker::default(), VirtualTime::new(1));
        for number in 0..OPENS_AFTER {
            assert!(breaker.call(&world, &subject(number), pending::<Result<()>>()).now_or_never().is_none());
        }
        assert!(breaker.outage(&world).is_some());
    }
}

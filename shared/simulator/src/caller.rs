//! Calls of a function to its neighbours: the place where things go wrong.

use std::rc::Rc;
use std::time::Duration;

use envelope::Time;
use onewrite::port::{Clock, Random};
use onewrite::{Failure, Result};

use crate::faults::FaultKind;
use crate::run::Run;

/// Longest that a late request is on its way, in milliseconds, one of them at random.
const LATE_MS: [u64; 4] = [100, 3_000, 20_000, 100_000];

/// Function, or somebody outside: who calls, by which clock.
#[derive(Clone)]
pub struct Caller {
    /// The run.
    pub run: Rc<Run>,
    /// Its name.
    pub name: &'static str,
    skew_ms: i64,
}

impl Caller {
    /// Function of that name, with a clock of its own.
    #[must_use]
    pub fn new(run: &Rc<Run>, name: &'static str) -> Self {
        let skew_ms = if run.faults.strikes(FaultKind::Skew) {
            i64::try_from(run.faults.below(240_000)).unwrap_or(0) - 120_000
        } else {
            0
        };
        Self { run: Rc::clone(run), name, skew_ms }
    }

    /// Somebody outside, with a clock that is right.
    #[must_use]
    pub fn outside(run: &Rc<Run>, name: &'static str) -> Self {
        Self { run: Rc::clone(run), name, skew_ms: 0 }
    }

    /// Adds a line about `subject` to the trace, if that is of it.
    pub fn tell_of(&self, subject: &str, what: impl FnOnce() -> String) {
        self.run.trace.tell_of(subject, self.run.executor.now(), self.name, what);
    }

    /// Asks a neighbour for something, and hears of it, or not.
    ///
    /// The effect happens at one moment, or never, and the caller may be dead by then, or have given up: what was sent is
    /// on its way.
    ///
    /// # Errors
    ///
    /// No answer came back.
    pub async fn call<T, F>(
        &self,
        neighbour: &'static str,
        name: &'static str,
        effect: impl FnOnce() -> F + 'static,
    ) -> Result<T, Lost>
    where
        F: Future<Output = T> + 'static,
        T: 'static,
    {
        let run = &self.run;
        let mut fault = run.faults.of_call();
        if let Some(outage) = run.outages.now(self.name, neighbour, run.executor.now(), &run.faults)
            && !run.faults.are_over()
        {
            fault = Some(outage);
        }
        if let Some(fault) = fault {
            run.trace.tell(run.executor.now(), self.name, || format!("{fault}: {name}"));
        }
        match fault {
            Some(FaultKind::CrashBefore) => run.executor.die().await,
            Some(FaultKind::Refused) => {
                run.sleep_ms(run.faults.below(20)).await;
                return Err(Lost::Refused);
            }
            Some(FaultKind::Late) => {
                self.send_late(effect);
                if run.faults.below(2) == 0 {
                    return run.executor.die().await;
                }
                run.sleep_ms(2_000).await;
                return Err(Lost::Unknown);
            }
            Some(FaultKind::Frozen) => {
                let seconds = 1 + run.faults.below(200);
                run.executor.freeze(Duration::from_secs(seconds)).await;
            }
            _ => {}
        }
        let flight = Flight { caller: self, effect: Some(effect) };
        let latency = if fault == Some(FaultKind::Slow) { 15_000 } else { 1 + run.faults.below(8) };
        run.sleep_ms(latency).await;
        let result = flight.land().await;
        match fault {
            Some(FaultKind::CrashAfter) => run.executor.die().await,
            Some(FaultKind::Lost) => Err(Lost::Unknown),
            _ => Ok(result),
        }
    }

    /// Asks a neighbour for something that has a result of its own.
    ///
    /// # Errors
    ///
    /// No answer came back, or the neighbour's own failure.
    pub async fn ask<T, F>(
        &self,
        neighbour: &'static str,
        name: &'static str,
        effect: impl FnOnce() -> F + 'static,
    ) -> Result<T>
    where
        F: Future<Output = Result<T>> + 'static,
        T: 'static,
    {
        self.call(neighbour, name, effect).await?
    }

    /// Lets the effect happen when its caller has long given up.
    fn send_late<T, F>(&self, effect: impl FnOnce() -> F + 'static)
    where
        F: Future<Output = T> + 'static,
    {
        let run = Rc::clone(&self.run);
        let delay = run.faults.below(run.faults.pick(&LATE_MS));
        Rc::clone(&run.executor).spawn(async move {
            run.sleep_ms(delay).await;
            effect().await;
        });
    }
}

/// Call that is under way. Where it is given up, or its process dies, it may still arrive.
struct Flight<'a, E, T, F>
where
    E: FnOnce() -> F + 'static,
    F: Future<Output = T> + 'static,
{
    caller: &'a Caller,
    effect: Option<E>,
}

impl<E, T, F> Flight<'_, E, T, F>
where
    E: FnOnce() -> F + 'static,
    F: Future<Output = T> + 'static,
{
    #[expect(clippy::expect_used, reason = "it lands once")]
    async fn land(mut self) -> T {
        let effect = self.effect.take().expect("it is on its way");
        effect().await
    }
}

impl<E, T, F> Drop for Flight<'_, E, T, F>
where
    E: FnOnce() -> F + 'static,
    F: Future<Output = T> + 'static,
{
    fn drop(&mut self) {
        if let Some(effect) = self.effect.take()
            && !self.caller.run.faults.are_over()
            && self.caller.run.faults.below(2) == 0
        {
            self.caller.send_late(effect);
        }
    }
}

/// Reason why a caller does not know what became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// The call was refused: nothing happened.
    Refused,
    /// No answer came: it may have happened.
    Unknown,
}

impl Lost {
    /// Words in which a client reports it.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Refused => "ThrottlingException: simulated",
            Self::Unknown => "no answer in time: simulated",
        }
    }
}

impl From<Lost> for Failure {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::Refused => Self::transient(lost.reason()),
            Lost::Unknown => Self::unavailable(lost.reason()),
        }
    }
}

impl Clock for Caller {
    fn now(&self) -> Time {
        Time::from_millis(self.run.executor.millis() + self.skew_ms)
    }

    async fn sleep(&self, duration: Duration) {
        self.run.executor.sleep(duration).await;
    }
}

impl Random for Caller {
    fn fill(&self, bytes: &mut [u8]) {
        self.run.fill(bytes);
    }
}

/// Clock that is right, whoever's call it is: the neighbours'.
#[derive(Clone)]
pub struct TrueTime(Rc<Run>);

impl TrueTime {
    /// Clock of that run.
    #[must_use]
    pub fn of(run: &Rc<Run>) -> Self {
        Self(Rc::clone(run))
    }
}

impl Clock for TrueTime {
    fn now(&self) -> Time {
        self.0.executor.now()
    }

    async fn sleep(&self, duration: Duration) {
        self.0.executor.sleep(duration).await;
    }
}

//! What all parts of a run share: time, chance, faults, and what is noted of it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use fastrand::Rng;
use onewrite::port::{Clock, Random};
use onewrite::{Failure, Result};
use orderflow_events::Time;

use crate::audit::Audit;
use crate::executor::Executor;
use crate::faults::{Faults, Kind, Kinds};
use crate::outage::Outages;
use crate::sabotage::Sabotage;
use crate::story::Story;

/// One run.
pub struct World {
    /// Time, and who is at work.
    pub executor: Rc<Executor>,
    /// What goes wrong.
    pub faults: Faults,
    /// Which neighbours are down when.
    pub outages: Outages,
    /// Who looks after the invariants.
    pub audit: Audit,
    /// What is told of one order.
    pub story: Story,
    /// The safeguard that was taken away, if any.
    pub sabotage: Option<Sabotage>,
    /// What the functions draw.
    chance: RefCell<Rng>,
    /// What is counted for the summary.
    pub tally: Tally,
}

/// What is counted for the summary.
#[derive(Default)]
pub struct Tally {
    /// Messages that were handed to functions.
    pub deliveries: Cell<u64>,
    /// Events that functions found too early, or otherwise had to see again.
    pub retries: Cell<u64>,
    /// Letters that were parked.
    pub letters: Cell<u64>,
    /// Letters that were sent back to their queues.
    pub redrives: Cell<u64>,
    /// Which function was handed an event of which type, where it is asked for.
    pub delivered: RefCell<BTreeSet<(&'static str, String)>>,
}

/// Adds one.
pub fn count(counter: &Cell<u64>) {
    counter.set(counter.get() + 1);
}

impl World {
    /// A world of that seed.
    pub fn new(seed: u64, faults: Faults, sabotage: Option<Sabotage>, story: Story) -> Rc<Self> {
        let executor = Rc::new(Executor::default());
        let outages = Outages::draw(&faults, executor.now());
        Rc::new(Self {
            executor,
            faults,
            outages,
            audit: Audit::default(),
            story,
            sabotage,
            chance: RefCell::new(Rng::with_seed(seed ^ 0x5EED)),
            tally: Tally::default(),
        })
    }

    /// A world in which nothing goes wrong.
    #[must_use]
    pub fn calm() -> Rc<Self> {
        Self::new(0, Faults::new(0, Kinds::NONE, None, u64::MAX), None, Story::default())
    }

    /// Whether that safeguard was taken away.
    pub fn lacks(&self, sabotage: Sabotage) -> bool {
        self.sabotage == Some(sabotage)
    }

    /// Starts something that goes on by itself.
    pub fn spawn(&self, future: impl Future<Output = ()> + 'static) {
        self.executor.spawn(future);
    }

    /// Waits.
    pub async fn sleep_ms(&self, millis: u64) {
        self.executor.sleep(Duration::from_millis(millis)).await;
    }
}

/// One function, or a customer: who calls, by which clock.
#[derive(Clone)]
pub struct Site {
    /// The run.
    pub world: Rc<World>,
    /// Its name.
    pub name: &'static str,
    skew_ms: i64,
}

impl Site {
    /// That function, with a clock of its own.
    pub fn new(world: &Rc<World>, name: &'static str) -> Self {
        let skew_ms = if world.faults.strikes(Kind::Skew) {
            i64::try_from(world.faults.below(240_000)).unwrap_or(0) - 120_000
        } else {
            0
        };
        Self { world: Rc::clone(world), name, skew_ms }
    }

    /// Somebody outside, with a clock that is right.
    pub fn outside(world: &Rc<World>, name: &'static str) -> Self {
        Self { world: Rc::clone(world), name, skew_ms: 0 }
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
        let world = &self.world;
        let mut fault = world.faults.of_call();
        if let Some(outage) = world.outages.now(self.name, neighbour, world.executor.now())
            && !world.faults.are_over()
        {
            fault = Some(outage);
        }
        if let Some(fault) = fault {
            world.story.tell(self, || format!("{fault}: {name}"));
        }
        match fault {
            Some(Kind::CrashBefore) => world.executor.die().await,
            Some(Kind::Refused) => {
                world.sleep_ms(world.faults.below(20)).await;
                return Err(Lost::Refused);
            }
            Some(Kind::Late) => {
                self.send_late(effect);
                if world.faults.below(2) == 0 {
                    return world.executor.die().await;
                }
                world.sleep_ms(2_000).await;
                return Err(Lost::Unknown);
            }
            Some(Kind::Frozen) => {
                let seconds = 1 + world.faults.below(200);
                world.executor.freeze(Duration::from_secs(seconds)).await;
            }
            _ => {}
        }
        let flight = Flight { site: self, effect: Some(effect) };
        let latency = if fault == Some(Kind::Slow) { 15_000 } else { 1 + world.faults.below(8) };
        world.sleep_ms(latency).await;
        let result = flight.land().await;
        match fault {
            Some(Kind::CrashAfter) => world.executor.die().await,
            Some(Kind::Lost) => Err(Lost::Unknown),
            _ => Ok(result),
        }
    }

    /// Lets the effect happen when its caller has long given up.
    fn send_late<T, F>(&self, effect: impl FnOnce() -> F + 'static)
    where
        F: Future<Output = T> + 'static,
    {
        let world = Rc::clone(&self.world);
        let most = [100, 3_000, 20_000, 100_000][usize::try_from(world.faults.below(4)).unwrap_or(0)];
        let delay = world.faults.below(most);
        let executor = Rc::clone(&world.executor);
        executor.spawn(async move {
            world.sleep_ms(delay).await;
            effect().await;
        });
    }
}

/// A call that is under way. Where it is given up, or its process dies, it may still arrive.
struct Flight<'a, E, T, F>
where
    E: FnOnce() -> F + 'static,
    F: Future<Output = T> + 'static,
{
    site: &'a Site,
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
            && !self.site.world.faults.are_over()
            && self.site.world.faults.below(2) == 0
        {
            self.site.send_late(effect);
        }
    }
}

/// Why a caller does not know what became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// It was refused: nothing happened.
    Refused,
    /// No answer came: it may have happened.
    Unknown,
}

impl Lost {
    /// The words in which a client reports it.
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
        Self::transient(lost.reason())
    }
}

/// What the caller makes of a call that answers with an outcome.
///
/// # Errors
///
/// No answer came back, or it is a failure.
pub fn flatten<T>(answer: Result<Result<T>, Lost>) -> Result<T> {
    answer.map_err(Failure::from)?
}

impl Clock for Site {
    fn now(&self) -> Time {
        Time::from_millis(self.world.executor.millis() + self.skew_ms)
    }

    async fn sleep(&self, duration: Duration) {
        self.world.executor.sleep(duration).await;
    }
}

impl Random for Site {
    fn fill(&self, bytes: &mut [u8]) {
        self.world.chance.borrow_mut().fill(bytes);
    }
}

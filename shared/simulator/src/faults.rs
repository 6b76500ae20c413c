//! Faults: their kinds, how often each happens in a run, and when they stop.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::str::FromStr;

use fastrand::Rng;

/// Declares each kind of fault once, with its name on a command line and its chance in a million.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $name:literal $chance:literal;)*) => {
        /// A kind of fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum FaultKind {
            $($(#[$doc])* $kind,)*
        }

        impl FaultKind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$kind),*];

            /// Name on a command line and in a summary.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }

            /// Number of times that it happens, of a million that it could.
            const fn chance(self) -> u32 {
                match self {
                    $(Self::$kind => $chance,)*
                }
            }
        }
    };
}

kinds! {
    /// The process dies before a call.
    CrashBefore "crash-before" 2_500;
    /// The process dies after a call has taken effect, and before it hears of it.
    CrashAfter "crash-after" 2_500;
    /// A call is refused, as by throttling, and has no effect.
    Refused "refused" 8_000;
    /// A call takes effect, and its answer is lost.
    Lost "lost" 5_000;
    /// A call is given up or its process dies, and long after that it takes effect.
    Late "late" 3_000;
    /// A process stands still, with its clock, for up to minutes: longer than its messages are invisible.
    Frozen "frozen" 400;
    /// A call takes longer than the function may.
    Slow "slow" 400;
    /// A transaction collides with another.
    Conflict "conflict" 30_000;
    /// The topic refuses some events of a batch, and takes the others.
    Partial "partial" 10_000;
    /// The topic delivers a message twice, minutes or days apart.
    Duplicate "duplicate" 8_000;
    /// The topic delivers a message up to minutes late, so that others overtake it.
    Delayed "delayed" 8_000;
    /// A message cannot be delivered to a queue, and goes to its subscription's dead letters.
    Undeliverable "undeliverable" 2_000;
    /// A queue hands a message out twice at once.
    Doubled "doubled" 4_000;
    /// A message that was handled is not deleted, and so comes again.
    Unacknowledged "unacknowledged" 5_000;
    /// A batch finds no free instance of its function: its messages count as received, and come again.
    Throttled "throttled" 4_000;
    /// A source waits for more messages, so that its batches are large and late.
    Batching "batching" 250_000;
    /// A stream delivers records again that were handled.
    Redelivered "redelivered" 10_000;
    /// The clocks of the functions differ, by up to two minutes.
    Skew "skew" 300_000;
    /// A neighbour refuses or loses everything, for up to days.
    Outage "outage" 200_000;
    /// A function takes no messages, for up to days.
    Down "down" 150_000;
    /// The consumers give up at the third receive, so that much is redriven, late and in another order.
    Impatient "impatient" 100_000;
    /// A subject's messages kill every process of a function that handles them, until somebody mends it.
    Killer "killer" 300;
    /// Somebody sends a queue what no function can read.
    Poison "poison" 18_000;
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Set of kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultKinds(u32);

impl FaultKinds {
    /// Every kind.
    pub const ALL: Self = Self((1 << FaultKind::ALL.len()) - 1);
    /// No kind: all goes well.
    pub const NONE: Self = Self(0);

    /// True if that kind is among them.
    #[must_use]
    pub const fn has(self, kind: FaultKind) -> bool {
        self.0 & (1 << kind as u32) != 0
    }

    /// These kinds without that one.
    #[must_use]
    pub const fn without(self, kind: FaultKind) -> Self {
        Self(self.0 & !(1 << kind as u32))
    }

    /// These kinds with that one.
    #[must_use]
    pub const fn with(self, kind: FaultKind) -> Self {
        Self(self.0 | (1 << kind as u32))
    }

    /// Iterator over the kinds.
    pub fn iter(self) -> impl Iterator<Item = FaultKind> {
        FaultKind::ALL.iter().copied().filter(move |kind| self.has(*kind))
    }
}

impl fmt::Display for FaultKinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ALL => f.write_str("all"),
            Self::NONE => f.write_str("none"),
            some => f.write_str(&some.iter().map(FaultKind::name).collect::<Vec<_>>().join(",")),
        }
    }
}

impl FromStr for FaultKinds {
    type Err = String;

    /// `all`, `none`, or names with commas between them.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => return Ok(Self::ALL),
            "none" => return Ok(Self::NONE),
            _ => {}
        }
        text.split(',').try_fold(Self::NONE, |kinds, name| {
            let kind = FaultKind::ALL.iter().find(|kind| kind.name() == name);
            let names = || FaultKind::ALL.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ");
            kind.map(|kind| kinds.with(*kind)).ok_or_else(|| format!("there is no fault {name}; there are {}", names()))
        })
    }
}

/// Intensities of faults: how much more often than usual a kind happens in a run. Each kind draws one of its own in each
/// run, so that over many runs each is seen to be rare, frequent and absent together with each of the others: what takes three of one
/// kind at once, a storm of it finds (Groce and others, "Swarm Testing", ISSTA 2012).
const INTENSITIES: [u32; 8] = [0, 1, 1, 1, 1, 1, 3, 12];

/// Highest chance of a kind, in a million: with more of them nothing would ever succeed.
const MAX_CHANCE: u32 = 400_000;

/// Highest chance of a kind that can happen to every call, in a million: there are seven of them.
const MAX_CHANCE_OF_A_CALL: u32 = 120_000;

/// Fault at one call only: for tests that try each call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedFault {
    /// Number of the call, counted from 0.
    pub call: u64,
    /// Kind of the fault.
    pub kind: FaultKind,
}

/// Faults of one run.
pub struct Faults {
    /// Chance of each kind in this run, in a million.
    chances: [u32; FaultKind::ALL.len()],
    planned: Option<PlannedFault>,
    rng: RefCell<Rng>,
    /// Number of faults after which there are no more.
    budget: u64,
    happened: Cell<u64>,
    calls: Cell<u64>,
    over: Cell<bool>,
    counts: RefCell<[u64; FaultKind::ALL.len()]>,
}

impl Faults {
    /// Faults of those kinds, in an order that depends on `seed` alone; each so many times as often as usual, or as its
    /// kind draws for this run.
    ///
    /// Two runs of one seed are the same up to the point where one of them has used up its `budget`.
    #[must_use]
    pub fn new(seed: u64, kinds: FaultKinds, intensity: Option<u32>, budget: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let chances = std::array::from_fn(|index| {
            let (kind, drawn) = (FaultKind::ALL[index], INTENSITIES[rng.usize(0..INTENSITIES.len())]);
            let most = if OF_CALLS.contains(&kind) { MAX_CHANCE_OF_A_CALL } else { MAX_CHANCE };
            if kinds.has(kind) { kind.chance().saturating_mul(intensity.unwrap_or(drawn)).min(most) } else { 0 }
        });
        Self {
            chances,
            planned: None,
            rng: RefCell::new(rng),
            budget,
            happened: Cell::new(0),
            calls: Cell::new(0),
            over: Cell::new(false),
            counts: RefCell::new([0; FaultKind::ALL.len()]),
        }
    }

    /// These faults and a planned one.
    #[must_use]
    pub fn with(self, planned: Option<PlannedFault>) -> Self {
        Self { planned, ..self }
    }

    /// Draws whether a fault of that kind happens now. Whoever asks sees to it that it does.
    pub fn strikes(&self, kind: FaultKind) -> bool {
        self.rng.borrow_mut().u32(0..1_000_000) < self.chances[kind as usize] && self.happens(kind)
    }

    /// Draws the fault of the next call, if it has one.
    pub fn of_call(&self) -> Option<FaultKind> {
        let call = self.calls.replace(self.calls.get() + 1);
        if let Some(planned) = self.planned
            && planned.call == call
            && self.happens(planned.kind)
        {
            return Some(planned.kind);
        }
        let mut drawn = self.rng.borrow_mut().u32(0..1_000_000);
        for kind in OF_CALLS {
            let chance = self.chances[*kind as usize];
            if drawn < chance {
                return self.happens(*kind).then_some(*kind);
            }
            drawn -= chance;
        }
        None
    }

    fn happens(&self, kind: FaultKind) -> bool {
        if self.over.get() || self.happened.get() >= self.budget {
            return false;
        }
        self.happened.set(self.happened.get() + 1);
        self.counts.borrow_mut()[kind as usize] += 1;
        true
    }

    /// Ends all faults.
    pub fn end(&self) {
        self.over.set(true);
    }

    /// True once nothing goes wrong any more.
    pub fn are_over(&self) -> bool {
        self.over.get() || self.happened.get() >= self.budget
    }

    /// Number of faults that happened.
    pub fn happened(&self) -> u64 {
        self.happened.get()
    }

    /// Number of calls that something could have happened to.
    pub fn calls(&self) -> u64 {
        self.calls.get()
    }

    /// Number of faults of each kind, in the order of [`FaultKind::ALL`].
    pub fn counts(&self) -> [u64; FaultKind::ALL.len()] {
        *self.counts.borrow()
    }

    /// One of several values at random.
    ///
    /// # Panics
    ///
    /// There is none.
    pub fn pick<T: Copy>(&self, of: &[T]) -> T {
        of[self.rng.borrow_mut().usize(0..of.len())]
    }

    /// Random number from 0 to `bound` - 1, for the circumstances of a fault; 0 where `bound` is 0.
    pub fn below(&self, bound: u64) -> u64 {
        self.rng.borrow_mut().u64(0..bound.max(1))
    }
}

/// Kinds that can happen to a call, whatever it is.
pub(crate) const OF_CALLS: &[FaultKind] = &[
    FaultKind::CrashBefore,
    FaultKind::CrashAfter,
    FaultKind::Refused,
    FaultKind::Lost,
    FaultKind::Late,
    FaultKind::Frozen,
    FaultKind::Slow,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_written_as_they_are_read() {
        for text in ["all", "none", "crash-before", "lost,late,poison"] {
            assert_eq!(text.parse::<FaultKinds>().unwrap().to_string(), text);
        }
        assert!("lost,unheard-of".parse::<FaultKinds>().unwrap_err().contains("unheard-of"));
    }

    #[test]
    fn a_run_with_a_budget_is_the_beginning_of_the_same_run_without() {
        let drawn = |budget| {
            let faults = Faults::new(7, FaultKinds::ALL, Some(4), budget);
            (0..20_000).map(|_| faults.of_call()).collect::<Vec<_>>()
        };
        let (whole, part) = (drawn(u64::MAX), drawn(10));
        let last = part.iter().rposition(Option::is_some).unwrap();
        assert_eq!(part.iter().flatten().count(), 10);
        assert_eq!(part[..=last], whole[..=last]);
        assert!(whole.iter().flatten().count() > 100);
    }
}

//! What goes wrong, how often, and when it stops.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::str::FromStr;

use fastrand::Rng;

/// Lists each kind of fault once, with its name on the command line and its chance in a million.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $name:literal $chance:literal;)*) => {
        /// A kind of fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Kind {
            $($(#[$doc])* $kind,)*
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$kind),*];

            /// Its name on the command line and in the summary.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }

            /// How often it happens, of a million times that it could.
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
    /// A message is delivered twice, minutes or days apart.
    Duplicate "duplicate" 8_000;
    /// A message overtakes others of its group, as one that is redriven does.
    Overtaking "overtaking" 8_000;
    /// A message that was handled is not deleted, and so comes again.
    Unacknowledged "unacknowledged" 5_000;
    /// A message cannot be delivered to a queue, and goes to its subscription's dead letters.
    Undeliverable "undeliverable" 2_000;
    /// A stream delivers records again that were handled.
    Redelivered "redelivered" 10_000;
    /// The clocks of the functions differ, by up to two minutes.
    Skew "skew" 300_000;
    /// A neighbour refuses or loses everything, for up to days.
    Outage "outage" 200_000;
    /// A function takes no messages, for up to days.
    Down "down" 150_000;
    /// The queues give up at the third receive, so that much is redriven, late and in another order.
    Impatient "impatient" 100_000;
    /// A message kills every process that handles it, until somebody redrives it.
    Killer "killer" 2_000;
    /// Somebody sends a queue what no function can read.
    Poison "poison" 50_000;
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Which kinds of faults there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kinds(u32);

impl Kinds {
    /// Every kind.
    pub const ALL: Self = Self((1 << Kind::ALL.len()) - 1);
    /// None: all goes well.
    pub const NONE: Self = Self(0);

    /// Whether that kind is among them.
    #[must_use]
    pub const fn has(self, kind: Kind) -> bool {
        self.0 & (1 << kind as u32) != 0
    }

    /// The same without that kind.
    #[must_use]
    pub const fn without(self, kind: Kind) -> Self {
        Self(self.0 & !(1 << kind as u32))
    }

    /// The same with that kind.
    #[must_use]
    pub const fn with(self, kind: Kind) -> Self {
        Self(self.0 | (1 << kind as u32))
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = Kind> {
        Kind::ALL.iter().copied().filter(move |kind| self.has(*kind))
    }
}

impl fmt::Display for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ALL => f.write_str("all"),
            Self::NONE => f.write_str("none"),
            some => f.write_str(&some.iter().map(Kind::name).collect::<Vec<_>>().join(",")),
        }
    }
}

impl FromStr for Kinds {
    type Err = String;

    /// `all`, `none`, or names with commas between them.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => return Ok(Self::ALL),
            "none" => return Ok(Self::NONE),
            _ => {}
        }
        text.split(',').try_fold(Self::NONE, |kinds, name| {
            let kind = Kind::ALL.iter().find(|kind| kind.name() == name);
            let names = || Kind::ALL.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ");
            kind.map(|kind| kinds.with(*kind)).ok_or_else(|| format!("there is no fault {name}; there are {}", names()))
        })
    }
}

/// How much more often than usual a kind of fault happens in a run. Each kind has a weather of its own in each run, so that
/// over many runs each is seen to be rare, frequent and absent together with each of the others: what takes three of one
/// kind at once, a storm of it finds (Groce and others, "Swarm Testing", ISSTA 2012).
const WEATHER: [u32; 8] = [0, 1, 1, 1, 1, 1, 3, 12];

/// No kind is more frequent than this, in a million: else nothing would ever succeed.
const MAX_CHANCE: u32 = 400_000;

/// The same of those that can happen to every call, of which there are seven.
const MAX_CHANCE_OF_A_CALL: u32 = 120_000;

/// A fault that happens at one place only: for the tests that try each place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// At which call of all, counted from 0.
    pub call: u64,
    /// What happens there.
    pub kind: Kind,
}

/// The faults of one run.
pub struct Faults {
    /// The chance of each kind in this run, in a million.
    chances: [u32; Kind::ALL.len()],
    planned: Option<Planned>,
    rng: RefCell<Rng>,
    /// After so many faults there are no more of them.
    budget: u64,
    happened: Cell<u64>,
    calls: Cell<u64>,
    over: Cell<bool>,
    counts: RefCell<[u64; Kind::ALL.len()]>,
}

impl Faults {
    /// Faults of those kinds, in an order that depends on `seed` alone; each so many times as often as usual, or as the
    /// weather of the run is.
    ///
    /// Two runs of one seed are the same up to the point where one of them has used up its `budget`.
    #[must_use]
    pub fn new(seed: u64, kinds: Kinds, weather: Option<u32>, budget: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let chances = std::array::from_fn(|index| {
            let (kind, drawn) = (Kind::ALL[index], WEATHER[rng.usize(0..WEATHER.len())]);
            let most = if OF_CALLS.contains(&kind) { MAX_CHANCE_OF_A_CALL } else { MAX_CHANCE };
            if kinds.has(kind) { kind.chance().saturating_mul(weather.unwrap_or(drawn)).min(most) } else { 0 }
        });
        Self {
            chances,
            planned: None,
            rng: RefCell::new(rng),
            budget,
            happened: Cell::new(0),
            calls: Cell::new(0),
            over: Cell::new(false),
            counts: RefCell::new([0; Kind::ALL.len()]),
        }
    }

    /// The same, and one more fault at a place of its own.
    #[must_use]
    pub fn with(self, planned: Option<Planned>) -> Self {
        Self { planned, ..self }
    }

    /// Whether that happens now. Whoever asks sees to it that it does.
    pub fn strikes(&self, kind: Kind) -> bool {
        self.rng.borrow_mut().u32(0..1_000_000) < self.chances[kind as usize] && self.happens(kind)
    }

    /// What happens to the next call, if anything does.
    pub fn of_call(&self) -> Option<Kind> {
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

    fn happens(&self, kind: Kind) -> bool {
        if self.over.get() || self.happened.get() >= self.budget {
            return false;
        }
        self.happened.set(self.happened.get() + 1);
        self.counts.borrow_mut()[kind as usize] += 1;
        true
    }

    /// From now on nothing goes wrong.
    pub fn end(&self) {
        self.over.set(true);
    }

    /// Whether nothing goes wrong any more.
    pub fn are_over(&self) -> bool {
        self.over.get() || self.happened.get() >= self.budget
    }

    /// How many there were.
    pub fn happened(&self) -> u64 {
        self.happened.get()
    }

    /// How many calls there were that something could have happened to.
    pub fn calls(&self) -> u64 {
        self.calls.get()
    }

    /// How many there were of each kind, in the order of [`Kind::ALL`].
    pub fn counts(&self) -> [u64; Kind::ALL.len()] {
        *self.counts.borrow()
    }

    /// Random, for the circumstances of a fault.
    pub fn below(&self, bound: u64) -> u64 {
        self.rng.borrow_mut().u64(0..bound.max(1))
    }
}

/// What can happen to a call, whatever it is.
pub const OF_CALLS: &[Kind] =
    &[Kind::CrashBefore, Kind::CrashAfter, Kind::Refused, Kind::Lost, Kind::Late, Kind::Frozen, Kind::Slow];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_written_as_they_are_read() {
        for text in ["all", "none", "crash-before", "lost,late,poison"] {
            assert_eq!(text.parse::<Kinds>().unwrap().to_string(), text);
        }
        assert!("lost,unheard-of".parse::<Kinds>().unwrap_err().contains("unheard-of"));
    }

    #[test]
    fn a_run_with_a_budget_is_the_beginning_of_the_same_run_without() {
        let drawn = |budget| {
            let faults = Faults::new(7, Kinds::ALL, Some(4), budget);
            (0..20_000).map(|_| faults.of_call()).collect::<Vec<_>>()
        };
        let (whole, part) = (drawn(u64::MAX), drawn(10));
        let last = part.iter().rposition(Option::is_some).unwrap();
        assert_eq!(part.iter().flatten().count(), 10);
        assert_eq!(part[..=last], whole[..=last]);
        assert!(whole.iter().flatten().count() > 100);
    }
}

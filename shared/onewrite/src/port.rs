//! Ports: the narrow ways to the world outside. A signature shows by these traits what a function may touch.
//!
//! One conformance suite runs over each implementation, so that the one in memory is not kinder than the real one.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use auto_impl::auto_impl;
use envelope::{Subject, Time};

use crate::decider::{CounterUpdate, InsufficientCounter};
use crate::failure::{Failure, Result};
use crate::park::DeadLetter;
use crate::row::Row;

/// Clock: a port, so that tests can let time pass.
#[auto_impl(&)]
pub trait Clock {
    /// The time. Nothing that must be correct may depend on it: clocks differ, and jump.
    fn now(&self) -> Time;

    /// Waits.
    async fn sleep(&self, duration: Duration);
}

/// Random.
#[auto_impl(&)]
pub trait Random {
    /// Fills `bytes` at random.
    fn fill(&self, bytes: &mut [u8]);

    /// A random number from 0 to `bound` - 1; 0 where `bound` is 0.
    fn below(&self, bound: u64) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_be_bytes(bytes) % bound.max(1)
    }
}

/// Table of a service: for each subject, rows that are added and never changed.
#[auto_impl(&)]
pub trait Log {
    /// All rows of `subject`, by version, none that was added before missing.
    ///
    /// # Errors
    ///
    /// The table cannot be read, or a row is not one of ours.
    async fn read(&self, subject: &Subject) -> Result<Vec<Row>>;

    /// Adds all rows, if no row has any of their versions yet, and makes all their updates: either everything or nothing. Rows
    /// are of different subjects. Their updates of one key are one update by the sum, as [`merged`] makes it.
    ///
    /// # Errors
    ///
    /// The table cannot be written, and it is unknown whether the rows were added.
    async fn append_all(&self, additions: &[Addition<'_>]) -> Result<Appended>;

    /// Adds `row` if no row has its version yet, and makes all `updates` with it: either everything or nothing. No two
    /// updates may have the same key.
    ///
    /// # Errors
    ///
    /// The table cannot be written, and it is unknown whether the row was added.
    async fn append(&self, subject: &Subject, row: &Row, updates: &[CounterUpdate]) -> Result<Appended> {
        self.append_all(&[Addition { subject, row, updates }]).await
    }
}

/// Row that is to be added to a table, and the counters that change with it.
#[derive(Clone, Copy, Debug)]
pub struct Addition<'a> {
    /// Subject of the row.
    pub subject: &'a Subject,
    /// The row.
    pub row: &'a Row,
    /// The updates, of different keys.
    pub updates: &'a [CounterUpdate],
}

/// Updates of all additions, those of one key as one: the sum of what is added, and of what there must be. Where that much
/// is there, it is there for each of them in turn.
///
/// # Errors
///
/// Two updates of one addition have the same key, or those of one key ask for different counters. Both are permanent.
pub fn merged(additions: &[Addition<'_>]) -> Result<Vec<CounterUpdate>> {
    let mut all: Vec<CounterUpdate> = Vec::new();
    for Addition { updates, .. } in additions {
        let own_keys: HashSet<&str> = updates.iter().map(|update| update.key.as_str()).collect();
        if own_keys.len() < updates.len() {
            return Err(Failure::permanent("two updates have the same key"));
        }
        for update in *updates {
            match all.iter_mut().find(|known| known.key == update.key) {
                None => all.push(update.clone()),
                Some(known) if known.at_least.0 == update.at_least.0 => known.join(update),
                Some(_) => return Err(Failure::permanent("two updates of one key ask for different counters")),
            }
        }
    }
    Ok(all)
}

/// Result of a conditional append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It is done.
    Done,
    /// Somebody else added a row of that version: nothing was done.
    LostRace,
    /// A counter is too small: nothing was done.
    Short(Vec<InsufficientCounter>),
    /// Another transaction is at work on one of the items: nothing was done, and a moment later it may be.
    Conflict,
}

/// Index of the subjects of a ledger that are open: begun, and not closed yet. It may be a moment behind.
#[auto_impl(&)]
pub trait OpenSubjects {
    /// Subjects of a shard after a cursor, what was begun first comes first.
    ///
    /// # Errors
    ///
    /// The index cannot be read.
    async fn page(&self, shard: u8, after: Option<&str>) -> Result<OpenPage>;

    /// Number of the subjects that were begun before that time.
    ///
    /// # Errors
    ///
    /// The index cannot be read.
    async fn count(&self, before: Time) -> Result<u64>;

    /// Takes a subject out of the index, for ever. To close it twice is to close it once.
    ///
    /// # Errors
    ///
    /// It is unknown whether it is closed.
    async fn close(&self, subject: &Subject) -> Result<()>;
}

/// Index of the subjects of a ledger by their [owners](crate::Decider::owner). It may be a moment behind.
#[auto_impl(&)]
pub trait OwnedSubjects {
    /// Subjects of `owner`, what was begun first comes first.
    ///
    /// # Errors
    ///
    /// The index cannot be read.
    async fn owned_by(&self, owner: &str) -> Result<Vec<Subject>>;
}

/// Part of a shard of the index of the open subjects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenPage {
    /// Subjects, each with the time of its first row.
    pub subjects: Vec<(Subject, Time)>,
    /// Cursor of the next page, if there is one.
    pub next: Option<String>,
}

/// Visibility timeouts of messages that were received and not acknowledged.
#[auto_impl(&)]
pub trait Visibility {
    /// Lets each message, by its receipt handle, be seen again after so many seconds. At most ten messages.
    ///
    /// # Errors
    ///
    /// At least one of them was not changed: it comes back when the queue's own visibility timeout has passed.
    async fn set(&self, changes: &[(String, u32)]) -> Result<()>;
}

/// Dead-letter queue of a consumer.
#[auto_impl(&)]
pub trait DeadLetters {
    /// Stores the letter. Storing it twice, as after an answer that was lost, may store it twice.
    ///
    /// # Errors
    ///
    /// It is not stored for certain.
    async fn park(&self, letter: &DeadLetter) -> Result<()>;
}

/// Leases: rights to attempt effects that have no idempotency key of their own. What belongs together, such as the messages
/// about one event on several channels, has one lease, and each of it is a part with a name.
#[auto_impl(&)]
pub trait Leases {
    /// Takes the lease `key` for `owner` until `until`, unless somebody else holds it or all behind it is done. To take it
    /// twice is to take it once.
    ///
    /// # Errors
    ///
    /// It is unknown whether the lease was taken.
    async fn acquire(&self, key: &str, owner: &str, now: Time, until: Time) -> Result<Acquired>;

    /// Records that these parts are done, and what becomes of the lease, if `owner` still has it; answers whether they had.
    ///
    /// # Errors
    ///
    /// It is unknown whether it was recorded.
    async fn record(&self, key: &str, owner: &str, done: &BTreeSet<&'static str>, next: NextOfLease) -> Result<bool>;

    /// Parts behind the lease `key` that are done.
    ///
    /// # Errors
    ///
    /// The lease cannot be read.
    async fn done(&self, key: &str) -> Result<DoneParts>;
}

/// Allowances: so many places under each key, such as that of one recipient's mails on one day.
#[auto_impl(&)]
pub trait Allowances {
    /// Takes one of the `most` places under `key`, at least one, for `member`, unless others have all of them; answers whether it
    /// has one. To take it twice is to take it once. What is known of the key may be forgotten from `expires` on.
    ///
    /// # Errors
    ///
    /// It is unknown whether a place was taken.
    async fn admit(&self, key: &str, member: &str, most: u32, expires: Time) -> Result<bool>;
}

/// Most occurrences that are counted; more are as many. It bounds what one reading costs.
pub const MAX_COUNTED: u32 = 100;

/// Occurrences: what has happened to somebody, each with an id and a time, such as the loans of a member or the refusals of a
/// card. They are counted within a window, and forgotten after a while.
///
/// Whose they are is a text of the caller's making, best a digest, so that the store names nobody. Who records first and counts
/// then sees, of all that happen at once, each at least once: the last of them sees all.
#[auto_impl(&)]
pub trait Occurrences {
    /// Puts down that `id` has happened to `whose` at that time, once, however often this is done.
    ///
    /// # Errors
    ///
    /// It is unknown whether it is put down.
    async fn record(&self, whose: &str, id: &str, at: Time) -> Result<()>;

    /// Number of different ids that are put down for `whose` up to `within` before or after `around`, all that were recorded before
    /// this was asked; at most [`MAX_COUNTED`].
    ///
    /// # Errors
    ///
    /// They cannot be counted.
    async fn count(&self, whose: &str, around: Time, within: Duration) -> Result<u32>;
}

/// Result of an attempt to take a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acquired {
    /// It is the caller's, and these parts are done already.
    Mine(BTreeSet<String>),
    /// Somebody else holds it.
    Held,
    /// All behind it is done for ever.
    Done,
}

/// Parts of a lease's effects that are done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DoneParts {
    /// True if all behind it is done for ever.
    pub all: bool,
    /// Names of those that are done.
    pub parts: BTreeSet<String>,
}

impl DoneParts {
    /// Tells that the part of that name is done.
    #[must_use]
    pub fn has(&self, part: &str) -> bool {
        self.all || self.parts.contains(part)
    }
}

/// Fate of a lease after parts of its effects are recorded as done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextOfLease {
    /// It is held on: other parts are under way.
    Held,
    /// It is given up, so that the next attempt need not wait until it has run out.
    Released,
    /// All is done, and nobody gets it again.
    Done,
}

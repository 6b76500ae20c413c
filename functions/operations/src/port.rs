//! Ports of the service: letters and jobs on record, and the services with their queues, consumers, relays, rows and journal.

use std::time::Duration;

use auto_impl::auto_impl;
use onewrite::{Answers, Inquiry, Result, Slot};
use orderflow_events::Time;

use crate::archive::{Range, Recorded, SlotPage};
use crate::domain::{Class, Glimpse, Letter, LetterId, State};
use crate::jobs::job::Job;
use crate::jobs::reconciliation::{OutboxRow, RowPage};
use crate::jobs::redrive::RedriveId;
use crate::message::{Kept, Message};
use crate::service::Service;

/// Revision of a record that a write replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// None: the record is new.
    New,
    /// The one that was read.
    Revision(u64),
}

/// Result of a conditional write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// It is on record.
    Done,
    /// Somebody else has changed the record, or the answer of an earlier attempt was lost: nothing was done.
    Changed,
}

/// Letters and their messages.
#[auto_impl(&)]
pub trait LetterStore {
    /// The letter as of now or later.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    async fn letter(&self, id: &LetterId) -> Result<Option<Letter>>;

    /// The letters of these ids, in their order, each as of now or later: of a hundred, one question.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    async fn letters_of(&self, ids: &[LetterId]) -> Result<Vec<Option<Letter>>>;

    /// Puts a letter on record, if it is the next revision of the one that was read.
    ///
    /// # Errors
    ///
    /// It is unknown whether it was done.
    async fn put(&self, letter: &Letter, since: Since) -> Result<Stored>;

    /// Keeps a message of a letter for ever, under [that name](Letter::message). To keep it twice is to keep it once, as it was the
    /// first time.
    ///
    /// # Errors
    ///
    /// It is unknown whether it is kept.
    async fn keep(&self, id: &LetterId, name: &str, message: &Kept) -> Result<()>;

    /// A message of a letter by its name.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    async fn message(&self, id: &LetterId, name: &str) -> Result<Option<Kept>>;

    /// The messages that these letters have now, in their order: of a hundred that are short, one question.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    async fn messages_of(&self, letters: &[&Letter]) -> Result<Vec<Option<Kept>>>;

    /// Letters of that state whose [place](Letter::place) is after that one, the oldest failure first: as many as fit, and
    /// one at least, if there is any. They may be a little behind.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    async fn page(&self, state: State, after: Option<&str>) -> Result<Vec<Letter>>;
}

/// Counts of the letters for which somebody has to do something. No letter is read for them.
#[auto_impl(&)]
pub trait Backlog {
    /// Letters that are [open](State::is_open), by service and class, of which each is counted by itself: however many there are of
    /// one, no other is hidden. They may be a little behind.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    async fn open_letters(&self) -> Result<Vec<OpenLetters>>;
}

/// Letters of one service and class for which somebody has to do something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenLetters {
    /// The service.
    pub service: String,
    /// Class of their latest failure.
    pub class: Class,
    /// Number of them; where there are more than 500,000, at least so many.
    pub count: u32,
    /// First failure of the oldest.
    pub oldest: Time,
}

/// Lists of the letters of redrives.
#[auto_impl(&)]
pub trait PartStore {
    /// Keeps a part of the list of a redrive that is about to be put on record.
    ///
    /// # Errors
    ///
    /// It is unknown whether it is kept.
    async fn keep_part(&self, id: &RedriveId, part: u32, letters: &[LetterId]) -> Result<()>;

    /// A part of the list of a redrive.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    async fn part(&self, id: &RedriveId, part: u32) -> Result<Vec<LetterId>>;
}

/// Letters in one part of a redrive's list.
pub const PART: usize = 1_000;

/// Jobs on record.
#[auto_impl(&)]
pub trait JobStore {
    /// The job as of now or later.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    async fn job<J: Job>(&self, id: &str) -> Result<Option<J>>;

    /// Puts a job on record, if it is the next revision of the one that was read.
    ///
    /// # Errors
    ///
    /// It is unknown whether it was done.
    async fn put_job<J: Job>(&self, job: &J, since: Since) -> Result<Stored>;

    /// Jobs of a kind for which something is to be done. They may be a little behind.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    async fn active<J: Job>(&self) -> Result<Vec<J>>;
}

/// Reason of what is sent to a queue that there is no more.
pub(crate) const GONE: &str = "its queue is gone: the service was taken out of the stack, or has another queue now";

/// Queues of the services.
#[auto_impl(&)]
pub trait Queues {
    /// Sends messages to the queue with that URL, ten at once as far as they are short, and tells of each, in their order, whether
    /// the queue has it. A permanent failure is a message that the queue never takes, or a queue that is gone.
    ///
    /// # Errors
    ///
    /// It is unknown of each whether it was sent.
    async fn send(&self, queue_url: &str, messages: &[Message]) -> Result<Vec<Result<()>>>;

    /// Depth of the queue with that URL.
    ///
    /// # Errors
    ///
    /// The queue does not answer.
    async fn depth(&self, queue_url: &str) -> Result<Depth>;
}

/// Measurements of the queues.
#[auto_impl(&)]
pub trait Gauges {
    /// Age of the oldest message of each of those queues, in the same order, as it was a minute or some before `now`; none where
    /// nobody has measured it.
    ///
    /// # Errors
    ///
    /// Who measures it does not answer.
    async fn oldest(&self, queue_urls: &[&str], now: Time) -> Result<Vec<Option<Duration>>>;
}

/// Depth of a queue, about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Messages that wait to be received.
    pub visible: u32,
    /// Messages that are being handled, or wait for their next attempt.
    pub hidden: u32,
}

impl Depth {
    /// True where the queue has no message.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.visible == 0 && self.hidden == 0
    }
}

/// Logs of the consumers.
#[auto_impl(&)]
pub trait Logs {
    /// Lines about a subject that a consumer has logged since a time, in the order of their time; perhaps of others too, and
    /// where there are too many not the last ones. Of a subject that cannot be looked for there are none.
    ///
    /// # Errors
    ///
    /// The log cannot be read.
    async fn lines(&self, log_group: &str, subject: &str, since: Time) -> Result<Vec<String>>;
}

/// Directory of the services.
#[auto_impl(&)]
pub trait Directory {
    /// All services of the stack.
    ///
    /// # Errors
    ///
    /// The directory cannot be read.
    async fn services(&self) -> Result<Vec<Service>>;
}

/// Consumers of the services, which can tell what they have handled.
#[auto_impl(&)]
pub trait Consumers {
    /// The answers to an inquiry; `None` where the function fails at it, as one does that cannot start, or is gone.
    ///
    /// # Errors
    ///
    /// The function cannot be asked.
    async fn inspect(&self, function: &str, inquiry: &Inquiry) -> Result<Option<Answers>>;
}

/// Relays of the services.
#[auto_impl(&)]
pub trait Relays {
    /// Has a relay publish rows of its service once more.
    ///
    /// # Errors
    ///
    /// Not all are published.
    async fn publish(&self, relay: &str, rows: &[&OutboxRow]) -> Result<()>;
}

/// Rows of the services.
#[auto_impl(&)]
pub trait Outboxes {
    /// Rows of that table after a cursor.
    ///
    /// # Errors
    ///
    /// The table cannot be read.
    async fn rows(&self, table: &str, after: Option<&str>) -> Result<RowPage>;

    /// Tells of each row, by its subject and its number, that it is there.
    ///
    /// # Errors
    ///
    /// The table cannot be read.
    async fn has_rows(&self, table: &str, rows: &[(String, u32)]) -> Result<Vec<bool>>;

    /// Number of the subjects that are open in that table and were begun before that time, by the table's index.
    ///
    /// # Errors
    ///
    /// The index cannot be read.
    async fn open(&self, table: &str, before: Time) -> Result<u64>;
}

/// Journal.
#[auto_impl(&)]
pub trait Archive {
    /// Entries of a slot that are in the range, after a cursor, the oldest first.
    ///
    /// # Errors
    ///
    /// The table cannot be read.
    async fn slot(&self, journal: &str, slot: Slot, range: Range, after: Option<&str>) -> Result<SlotPage>;

    /// All entries of a subject, in the order of their ids.
    ///
    /// # Errors
    ///
    /// The table cannot be read.
    async fn of_subject(&self, journal: &str, subject: &str) -> Result<Vec<Recorded>>;

    /// Tells of each event that it is on record.
    ///
    /// # Errors
    ///
    /// The table cannot be read.
    async fn has(&self, journal: &str, events: &[Glimpse]) -> Result<Vec<bool>>;
}

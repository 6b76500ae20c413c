//! Ports of the service: letters and redrives on record, the queues that letters are sent back to, and what the services
//! have on record of having handled.

use auto_impl::auto_impl;
use onewrite::Result;

use crate::domain::{Destination, Glimpse, Letter, LetterId, Message, State};
use crate::redrive::{Redrive, RedriveId};

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

    /// Puts a letter on record, if it is the next revision of the one that was read.
    ///
    /// # Errors
    ///
    /// It is unknown whether it was done.
    async fn put(&self, letter: &Letter, since: Since) -> Result<Stored>;

    /// Keeps a message of a letter for ever, under the name of its digest. To keep it twice is to keep it once.
    ///
    /// # Errors
    ///
    /// It is unknown whether it is kept.
    async fn keep(&self, id: &LetterId, message: &Message) -> Result<()>;

    /// A message of a letter by its name.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    async fn message(&self, id: &LetterId, name: &str) -> Result<Option<Message>>;

    /// Letters of that state whose [place](Letter::place) is after that one, the oldest failure first: as many as fit, and
    /// one at least, if there is any. They may be a little behind.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    async fn page(&self, state: State, after: Option<&str>) -> Result<Vec<Letter>>;
}

/// Redrives and the lists of their letters.
#[auto_impl(&)]
pub trait RedriveStore {
    /// The redrive as of now or later.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    async fn redrive(&self, id: &RedriveId) -> Result<Option<Redrive>>;

    /// Puts a redrive on record, if it is the next revision of the one that was read.
    ///
    /// # Errors
    ///
    /// It is unknown whether it was done.
    async fn put_redrive(&self, redrive: &Redrive, since: Since) -> Result<Stored>;

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

    /// Redrives for which something is to be done. They may be a little behind.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    async fn active(&self) -> Result<Vec<Redrive>>;
}

/// Letters in one part of a redrive's list.
pub const PART: usize = 1_000;

/// Queues of the services.
#[auto_impl(&)]
pub trait Queues {
    /// Sends a message to the queue with that URL.
    ///
    /// # Errors
    ///
    /// It is unknown whether it was sent; a permanent failure is a message that the queue never takes.
    async fn send(&self, queue_url: &str, message: &Message) -> Result<()>;
}

/// Records of the services: what they have handled.
#[auto_impl(&)]
pub trait Records {
    /// Number of the row whose cause is that event; none where there is no such row, or not even an event. An entry of a
    /// journal is row 1.
    ///
    /// # Errors
    ///
    /// The table cannot be read.
    async fn row_of(&self, destination: &Destination, event: &Glimpse) -> Result<Option<u32>>;
}

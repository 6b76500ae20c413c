//! Ports: who watches what, and the sockets that lead to them.

use std::collections::BTreeMap;

use auto_impl::auto_impl;
use onewrite::Result;
use orderflow_events::Time;
use serde_json::Value;

use crate::domain::{Ahead, BoardUpdate, Right, Topic};

/// A connection whose caller has said who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Their right.
    pub right: Right,
    /// Subscriptions that it has: the [key](Topic::key) of the topic of each, by its id.
    pub subscriptions: BTreeMap<String, String>,
}

/// Subscription to a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// The topic.
    pub topic: Topic,
    /// The connection that it is of.
    pub connection: String,
    /// Its id, of the client's choice.
    pub subscription: String,
    /// Right by which it is.
    pub right: Right,
    /// GraphQL request, in JSON, as it came.
    pub request: String,
    /// Position after all that was sent: of an order the number of its last update, of the feed a cursor.
    pub position: String,
    /// Name of the last change of the position, which no other change has: of the attempt that has released it, or drawn as it was added.
    /// Positions come back, as those of a board do, and so does the id of a subscription that the client has ended.
    pub turn: String,
    /// Attempt that is sending, if there is one. What an attempt that has died has sent, nobody knows.
    pub holder: Option<String>,
}

/// Result of adding a subscription. Unless it is there, nothing was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It is there.
    Done,
    /// There is one of that id.
    Taken,
    /// The client has [ended](Watches::end) it already: its word has overtaken this. That is forgotten now.
    Ended,
    /// Its connection has [as many](MAX_SUBSCRIPTIONS) as it may.
    ConnectionFull,
    /// Its topic has [as many](Topic::most) as it may.
    TopicFull,
    /// The connection is closed, or was never opened.
    Closed,
    /// Something else was done to the connection at the same moment: it may be tried again.
    Collided,
}

/// Most subscriptions of a connection, and most that its client may have ended before they were added.
pub const MAX_SUBSCRIPTIONS: usize = 20;

/// Most subscriptions of a [`Page`].
pub const PAGE: usize = 100;

/// Subscription of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "nearly all are understood, and a page has a hundred at the most")]
pub enum Found {
    /// It is understood.
    Watch(Watch),
    /// One of that connection, which is not understood, as of another version.
    Broken(String),
}

/// Page of the subscriptions to a topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// They, [so many](PAGE) at the most.
    pub found: Vec<Found>,
    /// Place that the next page begins after, if there is one.
    pub next: Option<String>,
}

/// Connections and their subscriptions. What is kept of a connection may be forgotten once `expires` is over, and not before.
#[auto_impl(&)]
pub trait Watches {
    /// Opens a connection, unless it is open; answers whether it was not.
    ///
    /// # Errors
    ///
    /// It is unknown whether it is open.
    async fn open(&self, connection: &str, right: &Right, expires: Time) -> Result<bool>;

    /// A connection that is open.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    async fn connection(&self, connection: &str) -> Result<Option<Connection>>;

    /// Subscriptions of a connection to a topic, by its [key](Topic::key), as of now or some moments ago.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    async fn watching(&self, connection: &str, key: &str) -> Result<Vec<String>>;

    /// Adds a subscription to its connection, if that is open and has none of its id. Of those who add at once to one topic, some
    /// more than it may have are taken, and some more of many, which need not be counted to the last.
    ///
    /// # Errors
    ///
    /// It is unknown whether it was added.
    async fn add(&self, watch: &Watch, expires: Time) -> Result<Added>;

    /// A page of the subscriptions to a topic, by its [key](Topic::key), after a place. In all pages none is missing that was added
    /// before the first.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    async fn page(&self, key: &str, after: Option<&str>) -> Result<Page>;

    /// A subscription as it is now.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    async fn get(&self, key: &str, connection: &str, subscription: &str) -> Result<Option<Watch>>;

    /// Lets `holder` send what comes after `watch.position`, if nobody else is sending, and it is still the turn of `watch`; answers whether
    /// it may. Asked twice it says the same, so that an answer which was lost can be asked for again: a holder is one attempt.
    ///
    /// # Errors
    ///
    /// It is unknown whether it may.
    async fn hold(&self, watch: &Watch, holder: &str) -> Result<bool>;

    /// Records that `holder` has sent all up to `position`, and sends no more, which is a turn of its name; answers whether it was the one to
    /// send. Once that is
    /// recorded it is not any more: so it may be asked again where the answer was lost, and nothing is recorded twice.
    ///
    /// # Errors
    ///
    /// It is unknown whether it was recorded.
    async fn release(&self, watch: &Watch, holder: &str, position: &str) -> Result<bool>;

    /// Removes a subscription. To remove it twice is to remove it once.
    ///
    /// # Errors
    ///
    /// It is unknown whether it is removed.
    async fn remove(&self, connection: &str, subscription: &str) -> Result<()>;

    /// Removes a subscription on the client's word. Of one that is not there the word is kept, for it may have overtaken that by
    /// which the subscription begins: the next that has its id is not added.
    ///
    /// # Errors
    ///
    /// It is unknown whether it is removed, or the client has ended [too many](MAX_SUBSCRIPTIONS) that never were.
    async fn end(&self, connection: &str, subscription: &str) -> Result<()>;

    /// Removes what is there of a subscription whose connection is closed or gone.
    ///
    /// # Errors
    ///
    /// It is unknown whether it is removed.
    async fn forget(&self, watch: &Watch) -> Result<()>;

    /// Removes a connection with all its subscriptions, so that none can be added any more.
    ///
    /// # Errors
    ///
    /// Something may be left of it.
    async fn close(&self, connection: &str) -> Result<()>;
}

/// Feed of the events of all orders.
#[auto_impl(&)]
pub trait Feed {
    /// Events after that position that match, at most so many; none of those that become visible later is before the position that
    /// is answered.
    ///
    /// # Errors
    ///
    /// The feed cannot be read.
    async fn after(&self, position: &str, pattern: Option<&Value>, most: usize) -> Result<Ahead>;

    /// Position after all that there is.
    ///
    /// # Errors
    ///
    /// The feed cannot be read.
    async fn end(&self) -> Result<String>;
}

/// Board of the shop.
#[auto_impl(&)]
pub trait Boards {
    /// The board as it is at that time. Letters may be a little behind.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    async fn board(&self, now: Time) -> Result<BoardUpdate>;
}

/// Result of sending a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is on its way. It comes after those that were on their way before.
    Done,
    /// Nobody is there any more.
    Gone,
    /// There is too much to send at the moment: it was not sent, and may be a moment later.
    Busy,
}

/// Sockets of clients, by their connections.
#[auto_impl(&)]
pub trait Sockets {
    /// Sends a text.
    ///
    /// # Errors
    ///
    /// It is unknown whether it was sent.
    async fn send(&self, connection: &str, text: &str) -> Result<Sent>;

    /// Closes a connection. To close it twice is to close it once.
    ///
    /// # Errors
    ///
    /// It is unknown whether it is closed.
    async fn close(&self, connection: &str) -> Result<()>;
}

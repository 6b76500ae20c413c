//! Ports: who watches what, and the sockets that lead to them.

use auto_impl::auto_impl;
use onewrite::Result;
use orderflow_events::Time;
use serde_json::Value;

use crate::domain::{Ahead, Right, Topic};

/// A connection whose caller has said who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Their right.
    pub right: Right,
    /// Ids of the subscriptions that it has.
    pub subscriptions: Vec<String>,
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
    /// Attempt that is sending, if there is one. What an attempt that has died has sent, nobody knows.
    pub holder: Option<String>,
}

/// Result of adding a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It is there.
    Done,
    /// There is one of that id: nothing was added.
    Taken,
    /// The connection is closed, or was never opened: nothing was added.
    Closed,
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

    /// Adds a subscription to its connection, if that is open and has none of its id.
    ///
    /// # Errors
    ///
    /// It is unknown whether it was added.
    async fn add(&self, watch: &Watch, expires: Time) -> Result<Added>;

    /// Subscriptions to a topic, by its [key](Topic::key), none that was added before missing.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    async fn of_topic(&self, key: &str) -> Result<Vec<Watch>>;

    /// A subscription as it is now.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    async fn get(&self, key: &str, connection: &str, subscription: &str) -> Result<Option<Watch>>;

    /// Lets `holder` send what comes after `watch.position`, if nobody is sending, and that was sent last; answers whether it may.
    ///
    /// # Errors
    ///
    /// It is unknown whether it may.
    async fn hold(&self, watch: &Watch, holder: &str) -> Result<bool>;

    /// Records that `holder` has sent all up to `position`, and sends no more; answers whether it was the one to send.
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

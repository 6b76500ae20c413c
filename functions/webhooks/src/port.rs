//! Ports of the webhooks: endpoints and deliveries on record, the feed, receivers, and who works for an endpoint.

use auto_impl::auto_impl;
use onewrite::Result;
use onewrite::feed::Cursor;
use onewrite::webhook::{Answer, Unanswered};
use serde::{Deserialize, Serialize};

use crate::domain::{Delivery, Endpoint};

/// All endpoints, and how far the feed was looked through for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roster {
    /// The endpoints, in the order of their ids.
    pub endpoints: Vec<Endpoint>,
    /// The place, if there is one.
    pub place: Option<Place>,
}

/// Place of the feed up to which all that an endpoint wants was told to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The place itself.
    pub cursor: Cursor,
    /// Revision of the record; 0 of one that is not on record.
    #[serde(skip)]
    pub revision: u64,
}

/// Endpoints. What was written before is never missing.
#[auto_impl(&)]
pub trait Endpoints {
    /// All of them.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    async fn roster(&self) -> Result<Roster>;

    /// The endpoint of that id.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    async fn get(&self, id: &str) -> Result<Option<Endpoint>>;

    /// Puts an endpoint on record as the next revision of the one that was read; answers whether nobody was faster.
    ///
    /// # Errors
    ///
    /// It is unknown whether it was done.
    async fn put(&self, endpoint: &Endpoint) -> Result<bool>;

    /// Removes an endpoint, and what waits for it: it stays on record among those that are removed, for some weeks. To remove it twice
    /// is to remove it once.
    ///
    /// # Errors
    ///
    /// It is unknown whether it is removed.
    async fn remove(&self, endpoint: &Endpoint) -> Result<()>;

    /// The endpoint of that id among those that are removed.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    async fn removed(&self, id: &str) -> Result<Option<Endpoint>>;

    /// Puts the place on record as the next revision of the one that was read; answers whether nobody was faster.
    ///
    /// # Errors
    ///
    /// It is unknown whether it was done.
    async fn put_place(&self, place: &Place) -> Result<bool>;
}

/// Deliveries of each endpoint. They may be forgotten after some weeks.
#[auto_impl(&)]
pub trait Deliveries {
    /// Puts a delivery on record as it is now: among those that wait, if it does, and else among those that have ended. It
    /// `was_waiting` if it was put among those that wait before.
    ///
    /// # Errors
    ///
    /// It is unknown whether it is on record. Where it ended it may be among those that wait as well.
    async fn record(&self, endpoint: &str, delivery: &Delivery, was_waiting: bool) -> Result<()>;

    /// Deliveries that wait, in the order of their places.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    async fn waiting(&self, endpoint: &str) -> Result<Vec<Delivery>>;

    /// Deliveries that have ended, the latest event first, at most so many: those before that event, if it is named.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    async fn ended(&self, endpoint: &str, before: Option<&str>, most: usize) -> Result<Vec<Delivery>>;
}

/// Event of the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happened {
    /// Its key in the journal.
    pub key: (String, String),
    /// The event as it was published.
    pub text: String,
    /// Cursor after it.
    pub cursor: Cursor,
}

/// Feed of the events of all orders.
#[auto_impl(&)]
pub trait Feed {
    /// Events after a cursor, at most so many; none at its end.
    ///
    /// # Errors
    ///
    /// The feed cannot be read.
    async fn after(&self, cursor: &Cursor, most: usize) -> Result<Vec<Happened>>;

    /// Cursor after all that there is.
    ///
    /// # Errors
    ///
    /// The feed cannot be read.
    async fn end(&self) -> Result<Cursor>;

    /// Texts of the events of those keys; `None` where there is none.
    ///
    /// # Errors
    ///
    /// The feed cannot be read.
    async fn texts(&self, keys: &[(String, String)]) -> Result<Vec<Option<String>>>;
}

/// Receivers.
#[auto_impl(&)]
pub trait Receivers {
    /// Posts an event with those headers: the answer, whatever it says.
    async fn post(&self, url: &str, headers: &[(&'static str, String)], body: &str) -> Result<Answer, Unanswered>;
}

/// Those who work for an endpoint, each for one.
#[auto_impl(&)]
pub trait Workers {
    /// Has somebody work for that endpoint, soon. Where that does not come to pass the endpoint stays due.
    ///
    /// # Errors
    ///
    /// It is unknown whether somebody will.
    async fn start(&self, endpoint: &str) -> Result<()>;
}

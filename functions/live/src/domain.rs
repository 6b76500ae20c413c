//! Topics, their updates, and who may see them: pure.

use std::collections::BTreeMap;

use onewrite::access::Caller;
use onewrite::envelope::derive_id;
use onewrite::link::Link;
use orderflow_analytics::Board;
use orderflow_events::scope::{EVENTS_READ, OPERATIONS};
use orderflow_events::{OrderId, Text, Time};
use orderflow_operations::OpenLetters;
use orderflow_orders::{Known, Order, Seen, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Topic of a subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Topic {
    /// Updates of an order.
    Order(OrderId),
    /// The events of all orders, those that match a pattern, if there is one.
    Events(Option<Value>),
    /// The board: orders and money.
    Board,
}

impl Topic {
    /// Key that its subscriptions are found by.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Order(order) => Self::key_of(order),
            Self::Events(_) => Self::EVENTS.to_owned(),
            Self::Board => Self::BOARD.to_owned(),
        }
    }

    /// Most subscriptions that it may have, or some more. Each costs three calls for each update, and whoever may see an order can open any
    /// number of connections; the events of all and the board are for those who are trusted with more. All of an order are found by one
    /// look.
    #[must_use]
    pub const fn most(&self) -> usize {
        match self {
            Self::Order(_) => 100,
            Self::Events(_) | Self::Board => 10_000,
        }
    }

    /// Key of the subscriptions to the events of all orders.
    pub const EVENTS: &'static str = "e";

    /// Key of the subscriptions to the board.
    pub const BOARD: &'static str = "b";

    /// Key of the subscriptions to an order.
    #[must_use]
    pub fn key_of(order: &OrderId) -> String {
        format!("o#{order}")
    }
}

/// An event of the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedEvent {
    /// Position after it, for a client that comes back.
    pub cursor: String,
    /// The event as it was published.
    pub event: Value,
}

/// The board as it is at some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoardUpdate {
    /// Digest of its numbers, which stays while they do.
    pub digest: String,
    /// Orders and money.
    pub board: Board,
    /// Letters that are open, of each service that has any, by its name.
    pub letters: Vec<ServiceLetters>,
}

/// Letters of a service for which somebody has to do something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServiceLetters {
    /// The service.
    pub service: String,
    /// Number of them; of more than 500,000 at least so many.
    pub count: u32,
    /// First failure of the oldest.
    pub oldest: Time,
}

impl BoardUpdate {
    /// The board of these orders and letters. Classes of failures are one here: a wall says where somebody has to look.
    #[must_use]
    pub fn new(board: Board, open: Vec<OpenLetters>) -> Self {
        let mut by_service = BTreeMap::<String, (u32, Time)>::new();
        for OpenLetters { service, class: _, count, oldest } in open {
            let known = by_service.entry(service).or_insert((0, oldest));
            *known = (known.0.saturating_add(count), known.1.min(oldest));
        }
        let letters =
            by_service.into_iter().map(|(service, (count, oldest))| ServiceLetters { service, count, oldest });
        let letters: Vec<ServiceLetters> = letters.collect();
        let Board { at: _, minutes, hours, skus } = &board;
        let numbers = serde_json::json!([minutes, hours, skus, letters]);
        Self { digest: derive_id("", &[&numbers.to_string()]), board, letters }
    }
}

/// Update that is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Update {
    /// Something has happened to an order.
    Order(OrderUpdate),
    /// An event of the feed.
    Event(FeedEvent),
    /// The board has changed.
    Board(Box<BoardUpdate>),
}

impl Update {
    /// Position of a subscription that it was sent to.
    pub(crate) fn position(&self) -> String {
        match self {
            Self::Order(update) => update.sequence.to_string(),
            Self::Event(event) => event.cursor.clone(),
            Self::Board(update) => update.digest.clone(),
        }
    }
}

/// Updates after a position.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ahead {
    /// Those that are to be told.
    pub updates: Vec<Update>,
    /// Position after all that was looked at, if that is further.
    pub position: Option<String>,
}

/// Updates of an order after a position, at most so many.
pub(crate) fn ahead_of(updates: &[OrderUpdate], position: &str, most: usize) -> Ahead {
    let sent: u32 = position.parse().unwrap_or_default();
    let due = updates.iter().filter(|update| update.sequence > sent).take(most).cloned();
    let updates: Vec<Update> = due.map(Update::Order).collect();
    Ahead { position: updates.last().map(Update::position), updates }
}

/// The board, for whoever has another.
pub(crate) fn board_ahead(board: &BoardUpdate, position: &str) -> Ahead {
    if board.digest == position {
        return Ahead::default();
    }
    Ahead { updates: vec![Update::Board(Box::new(board.clone()))], position: Some(board.digest.clone()) }
}

/// Something that has happened to an order, with its number among all that has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderUpdate {
    /// 1, 2, 3 … within the order, without a gap, in the sequence in which the orders service has learned of it.
    pub sequence: u32,
    /// The event.
    pub seen: Seen,
    /// The order as it then stood.
    pub order: Box<Known>,
}

/// Updates of an order, of its state after each of its rows. Rows are added and never changed, and a row adds to the end of the
/// timeline: so an update has its number for good, whoever asks, and whenever.
#[must_use]
pub fn updates_of(states: Vec<Order>) -> Vec<OrderUpdate> {
    let mut updates: Vec<OrderUpdate> = Vec::new();
    for state in states {
        let Order::Known(order) = state else { continue };
        for seen in order.timeline.iter().skip(updates.len()).cloned().collect::<Vec<_>>() {
            let sequence = u32::try_from(updates.len()).unwrap_or(u32::MAX).saturating_add(1);
            updates.push(OrderUpdate { sequence, seen, order: order.clone() });
        }
    }
    updates
}

/// Right by which somebody watches, as it stands beside a connection and its subscriptions. It has no credential in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Right {
    /// Access is open: everything.
    Anybody,
    /// That of a token.
    #[serde(rename_all = "camelCase")]
    Caller {
        /// Subject of the token.
        subject: Text,
        /// Scopes of the token that matter here.
        scopes: Vec<String>,
        /// Time at which the token ends.
        ends_at: Time,
    },
    /// That of a link to one order.
    #[serde(rename_all = "camelCase")]
    Holder {
        /// The order.
        order: OrderId,
        /// Time at which the link was issued, by which it can be revoked.
        issued_at: Time,
        /// Time at which the link ends.
        ends_at: Time,
    },
    /// None, for that reason: each subscription is told.
    Nobody(String),
}

/// Refusal to let somebody see something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// They are not signed in, or their right has ended.
    Unauthorized(String),
    /// They lack that scope.
    Forbidden(&'static str),
    /// There is no such order, or it is not theirs: one answer for both.
    NotFound,
    /// An update with all that they ask for has more bytes than a message may have, which are so many.
    TooLarge(usize),
}

impl Right {
    /// The visitor that the orders know, if the right counts at that time.
    fn visitor(&self, now: Time) -> Result<Visitor, Refusal> {
        let ended = || Refusal::Unauthorized("The right has ended.".to_owned());
        match self {
            Self::Anybody => Ok(Visitor::Caller(Caller::anybody())),
            Self::Caller { ends_at, .. } | Self::Holder { ends_at, .. } if *ends_at <= now => Err(ended()),
            Self::Caller { subject, scopes, .. } => {
                Ok(Visitor::Caller(Caller::signed_in(subject.clone(), scopes.iter().cloned())))
            }
            Self::Holder { order, issued_at, ends_at } => {
                let link = Link { issued_at: *issued_at, expires_at: *ends_at };
                Ok(Visitor::Holder { order: order.to_string(), link })
            }
            Self::Nobody(reason) => Err(Refusal::Unauthorized(reason.clone())),
        }
    }

    /// Tells that the right is one at that time: whoever has none is not listened to.
    pub(crate) fn counts(&self, now: Time) -> Result<(), Refusal> {
        self.visitor(now).map(drop)
    }

    /// Tells that the events of all orders are theirs to see at that time.
    pub(crate) fn of_events(&self, now: Time) -> Result<(), Refusal> {
        match self.visitor(now)? {
            Visitor::Caller(caller) if caller.has(EVENTS_READ) => Ok(()),
            Visitor::Caller(_) | Visitor::Holder { .. } => Err(Refusal::Forbidden(EVENTS_READ)),
        }
    }

    /// Tells that the order may be theirs at that time: of another nothing is read, so that nobody learns by the time of the answer
    /// whether there is one.
    pub(crate) fn may_reach(&self, order: &OrderId, now: Time) -> Result<(), Refusal> {
        match self.visitor(now)? {
            Visitor::Holder { order: own, .. } if own != order.as_str() => Err(Refusal::NotFound),
            Visitor::Holder { .. } | Visitor::Caller(_) => Ok(()),
        }
    }

    /// Tells that the board is theirs to see at that time.
    pub(crate) fn of_board(&self, now: Time) -> Result<(), Refusal> {
        match self.visitor(now)? {
            Visitor::Caller(caller) if caller.has(EVENTS_READ) || caller.has(OPERATIONS) => Ok(()),
            Visitor::Caller(_) | Visitor::Holder { .. } => Err(Refusal::Forbidden(OPERATIONS)),
        }
    }

    /// Updates of an order, as far as they are theirs to see at that time: all, or none.
    pub(crate) fn of(&self, updates: &[OrderUpdate], now: Time) -> Result<(), Refusal> {
        let visitor = self.visitor(now)?;
        match updates.last() {
            Some(latest) if visitor.may_act_for(&latest.order) => Ok(()),
            Some(_) | None => Err(Refusal::NotFound),
        }
    }
}

//! Clients of who watches: what each subscribes to, what it has been told, and what it has to have been told in the end.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;

use orderflow_events::OrderId;
use serde_json::{Value, json};
use simulator::Violation;

const ORDER: &str = "subscription ($id: ID!, $after: Int) { order(id: $id, after: $after) { sequence } }";

const EVENTS: &str = "subscription ($match: JSON, $after: String) \
                      { events(match: $match, after: $after) { cursor id source subject } }";

/// Numbers of the board that are asked for, of each span of time.
const NUMBERS: [&str; 7] = ["at", "currency", "created", "createdAmount", "paid", "shipped", "cancelled"];

/// Types of the events that a client wants who does not want all.
const SOME_TYPES: [&str; 2] = ["OrderCreated", "ShipmentCreated"];

/// Subscription of a client, with what it has been told.
pub(super) enum Client {
    /// To an order, with the number of the updates that it has.
    Order(OrderId, Cell<u32>),
    /// To the events of all orders.
    Events(EventsClient),
    /// To the board, with the numbers of the last.
    Board(RefCell<Value>),
}

/// Subscription to the events of all orders.
pub(super) struct EventsClient {
    /// Types that are wanted; all, where it is none.
    types: Option<&'static [&'static str]>,
    /// Cursor of the last event.
    cursor: RefCell<String>,
    /// Events by their names, as they came.
    told: RefCell<Vec<String>>,
}

/// Event of the feed.
pub(super) struct Listed {
    name: String,
    event_type: String,
}

impl Listed {
    /// The event of that JSON.
    pub(super) fn of(event: &Value) -> Self {
        Self { name: name_of(event), event_type: event["type"].as_str().unwrap_or_default().to_owned() }
    }
}

/// Source and id of an event, by which a duplicate is known.
fn name_of(event: &Value) -> String {
    let [source, id] = ["source", "id"].map(|member| event[member].as_str().unwrap_or_default());
    format!("{source} {id}")
}

/// Numbers of a board that are asked for, as it is told or as it is read.
pub(super) fn numbers(board: &Value) -> Value {
    let of = |spans: &str| -> Vec<Value> {
        let tallies = board[spans].as_array().into_iter().flatten();
        tallies.map(|tally| json!(NUMBERS.map(|name| &tally[name]))).collect()
    };
    json!([of("minutes"), of("hours")])
}

impl Client {
    /// Client that watches an order from its beginning.
    pub(super) fn of_order(order: OrderId) -> Self {
        Self::Order(order, Cell::default())
    }

    /// Clients that watch what is of all orders: all events, some of them, and the board.
    pub(super) fn of_all() -> [Self; 3] {
        let events = |types| Self::Events(EventsClient { types, cursor: RefCell::default(), told: RefCell::default() });
        [events(None), events(Some(&SOME_TYPES)), Self::Board(RefCell::default())]
    }

    /// Request by which it subscribes, from what it has been told on.
    pub(super) fn request(&self) -> Value {
        match self {
            Self::Order(order, latest) => {
                json!({ "query": ORDER, "variables": { "id": order, "after": latest.get() } })
            }
            Self::Events(EventsClient { types, cursor, told: _ }) => {
                let matching = types.map(|types| json!({ "type": types }));
                json!({ "query": EVENTS, "variables": { "match": matching, "after": &*cursor.borrow() } })
            }
            Self::Board(_) => {
                let numbers = NUMBERS.join(" ");
                let query = format!("subscription {{ board {{ minutes {{ {numbers} }} hours {{ {numbers} }} }} }}");
                json!({ "query": query })
            }
        }
    }

    /// Hears of an update.
    ///
    /// # Errors
    ///
    /// It has that already, or lacks what comes before it.
    pub(super) fn hear(&self, data: &Value) -> Result<(), Violation> {
        match self {
            Self::Order(order, latest) => {
                let (known, sequence) = (latest.get(), &data["order"]["sequence"]);
                latest.set(known + 1);
                if *sequence == json!(known + 1) {
                    return Ok(());
                }
                let what = format!("a client that has {known} updates is told the {sequence}th");
                Err(Violation::of(order.as_str(), what))
            }
            Self::Events(EventsClient { types: _, cursor, told }) => {
                let event = &data["events"];
                cursor.replace(event["cursor"].as_str().unwrap_or_default().to_owned());
                let (name, mut told) = (name_of(event), told.borrow_mut());
                if told.contains(&name) {
                    let subject = event["subject"].as_str().unwrap_or_default();
                    return Err(Violation::of(subject, format!("a client is told once more of the event {name}")));
                }
                told.push(name);
                Ok(())
            }
            Self::Board(last) => {
                last.replace(numbers(&data["board"]));
                Ok(())
            }
        }
    }

    /// Checks that it has been told all: so many updates of its order.
    ///
    /// # Errors
    ///
    /// It has less, or more.
    pub(super) fn check_updates(&self, updates: usize) -> Result<(), Violation> {
        match self {
            Self::Order(order, latest) if latest.get() as usize != updates => {
                Err(Violation::of(order.as_str(), format!("a client has {} updates of {updates}", latest.get())))
            }
            Self::Order(..) | Self::Events(_) | Self::Board(_) => Ok(()),
        }
    }

    /// Checks that it has been told all: the events of each shard of the feed, in their order; the last board, as one of those that
    /// were read since something was counted last.
    ///
    /// # Errors
    ///
    /// It has less, or something else.
    pub(super) fn check_of_all(&self, feed: &[Vec<Listed>], boards: &[Value]) -> Result<(), Violation> {
        match self {
            Self::Order(..) => Ok(()),
            Self::Events(EventsClient { types, cursor: _, told }) => check_events(*types, &told.borrow(), feed),
            Self::Board(last) if boards.contains(&last.borrow()) => Ok(()),
            Self::Board(last) => Err(Violation::new(format!(
                "the last board that a client was told is none of those that there were since: {}",
                last.borrow()
            ))),
        }
    }
}

/// The shards are merged by the clocks of whoever wrote their pages, for each who reads as far as they are then: so the order is that of
/// each shard.
fn check_events(types: Option<&[&str]>, told: &[String], feed: &[Vec<Listed>]) -> Result<(), Violation> {
    let is_wanted = |listed: &&Listed| types.is_none_or(|types| types.contains(&listed.event_type.as_str()));
    let mut count = 0;
    for shard in feed {
        let wanted: Vec<&str> = shard.iter().filter(is_wanted).map(|listed| listed.name.as_str()).collect();
        let names: HashSet<&str> = wanted.iter().copied().collect();
        let of_shard: Vec<&str> = told.iter().map(String::as_str).filter(|name| names.contains(name)).collect();
        if of_shard != wanted {
            let same = of_shard.iter().zip(&wanted).take_while(|(one, other)| one == other).count();
            let (told, all) = (of_shard.len(), wanted.len());
            return Err(Violation::new(format!(
                "a client is told {told} of {all} events of a shard, in its order up to the {same}th"
            )));
        }
        count += wanted.len();
    }
    if told.len() == count {
        return Ok(());
    }
    Err(Violation::new(format!("a client is told {} events, of which {count} are those that it wants", told.len())))
}

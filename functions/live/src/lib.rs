//! Live: what becomes of an order, as it happens, and GraphQL over what there is.
//!
//! Three functions. `live` answers the routes of the WebSocket API, by the protocol `graphql-transport-ws`; `live-push` hears of
//! the rows that the orders' table gets, of the pages of the feed, of the counts and of dead letters, and tells those who watch; `graphql` answers queries over HTTP.
//!
//! It is a window, and no service: it decides nothing, keeps no fact, and nobody depends on it. So it may look into several
//! services, which know nothing of it, nor of each other. All that it keeps is who watches what, and what they were sent.

mod api;
mod aws;
mod board;
mod domain;
mod feed;
#[cfg(any(test, feature = "testing"))]
mod memory;
mod port;
mod protocol;
mod push;
mod routes;
mod schema;
#[cfg(test)]
mod tests;

pub use api::GraphqlApi;
pub use aws::{DynamoWatches, GatewaySockets};
pub use board::ShopBoard;
pub use domain::{Ahead, BoardUpdate, FeedEvent, OrderUpdate, Right, ServiceLetters, Topic, Update, updates_of};
pub use feed::JournalFeed;
#[cfg(any(test, feature = "testing"))]
pub use memory::{MemoryFeed, MemorySockets, MemoryWatches};
pub use port::{Added, Boards, Connection, Feed, Found, MAX_SUBSCRIPTIONS, PAGE, Page, Sent, Sockets, Watch, Watches};
pub use push::{GOES_ON_FOR, Push};
pub use routes::{Event, EventType, Reply, Routes};
pub use schema::sdl;

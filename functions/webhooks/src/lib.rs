//! Webhooks: events of the feed, posted to those who have asked for them.
//!
//! Three functions. `webhooks-api` takes and shows endpoints; `webhooks` looks through what is new in the feed and says who is to
//! work; `webhooks-send` works for one endpoint.
//!
//! It is a window, and no service: it says no event, and nobody depends on it. All that it keeps is who wants what, how far they
//! have come in the feed of the journal, and what became of each delivery.

mod api;
mod aws;
mod dispatch;
mod domain;
mod feed;
#[cfg(any(test, feature = "testing"))]
mod memory;
mod outage;
mod port;
mod record;
mod send;
#[cfg(test)]
mod tests;
mod view;
mod wording;

pub use api::WebhooksApi;
pub use aws::{DynamoWebhooks, HttpReceivers, LambdaWorkers, loopback_of, mailer_of};
pub use dispatch::Dispatch;
pub use domain::{
    Act, Attempt, BOTH_SIGN_FOR, CLEARED_AFTER, Delivery, DeliveryState, Disabled, Endpoint, Failing, MAILS_APART,
    MAX_EARLIER, MAX_MAILS_OF_OWNER, MAX_PREVIOUS, Round, TRIED_FOR, UNABLE_PAUSE, Untold, What,
};
pub use feed::JournalFeed;
#[cfg(any(test, feature = "testing"))]
pub use memory::{MemoryReceivers, MemoryWebhooks, MemoryWorkers};
pub use port::{Deliveries, Endpoints, Feed, Happened, Place, Receivers, Roster, Workers};
pub use send::Sender;
#[cfg(feature = "schema")]
pub use view::schemas;

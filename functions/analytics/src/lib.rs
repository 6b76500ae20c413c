//! Analytics: counts what becomes of orders and of money, by minute, by hour and by SKU, for those who run the shop.
//!
//! Exactly once, whatever comes twice, late or in another order: the row of an event and the counters that it changes are one
//! write (`domain`). Nobody reads the rows to tell the counts; `api` reads the counters alone, which are sums, and so the
//! same in whatever order their events came. A second stack's, or a table's that was built anew by a replay, are equal to the byte.

mod api;
mod aws;
mod board;
mod domain;
#[cfg(any(test, feature = "testing"))]
mod memory;
mod port;
mod settings;

pub use api::AnalyticsApi;
#[cfg(feature = "schema")]
pub use api::schemas;
pub use aws::DynamoCounts;
pub use board::{Board, Sold, Tally, board};
pub use domain::Analytics;
pub use port::{CountStore, Counted};
pub use settings::Settings;

#[cfg(test)]
mod tests;

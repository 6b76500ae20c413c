//! Analytics: counts what becomes of orders and of money, by minute, by hour and by SKU, for those who run the shop.
//!
//! Exactly once, whatever comes twice, late or in another order: an event is an entry under its own id (`domain`, `effects`), and the
//! sums follow from the entries alone (`counts`, `tally`). A second stack's, or those of a table that was built anew by a replay, are equal
//! to the byte.

mod api;
mod aws;
mod board;
mod counts;
mod domain;
mod effects;
#[cfg(any(test, feature = "testing"))]
mod memory;
mod port;
mod settings;
mod tally;

pub use api::AnalyticsApi;
#[cfg(feature = "schema")]
pub use api::schemas;
pub use aws::DynamoCounts;
pub use board::{Board, Sold as BoardSold, Tally as BoardTally, board};
pub use counts::Counts;
pub use domain::Analytics;
pub use effects::CountEffects;
#[cfg(any(test, feature = "testing"))]
pub use memory::MemoryCounts;
pub use port::{CountStore, Key};
pub use settings::Settings;
pub use tally::{Entry, Sold, Tally};

#[cfg(test)]
mod tests;

//! Payment: charges an order once its goods are reserved, and gives the money back if the order is cancelled.
//!
//! The way of an order through here is in `domain`, which is pure, and so is `limit`, which says when too much was declined to
//! ask once more. `port` is what this service needs of the company that moves the money; the toolkit's
//! `Occurrences` count declines. `effects` asks both, and `simulated` is the adapter to a company that stands in for a real one. The adapter to a real one
//! belongs beside that.

mod domain;
mod effects;
mod limit;
mod port;
mod settings;
#[cfg(feature = "simulated")]
mod simulated;

pub use domain::Payment;
pub use effects::ProviderEffects;
pub use limit::{DECLINES_KEPT, Tally};
pub use port::{Charge, PaymentProvider, Refund, Verdict};
pub use settings::{DeclinesPerHour, Settings};

#[cfg(test)]
#[cfg(feature = "simulated")]
mod tests;

//! Payment: charges an order once its goods are reserved, and gives the money back if the order is cancelled.
//!
//! The way of an order through here is in `domain`, which is pure. `port` is what this service needs of the company that
//! moves the money, `effects` asks it, and `simulated` is the adapter to one that stands in for it. The adapter to a real
//! one belongs beside that.

mod domain;
mod effects;
mod port;
mod settings;
#[cfg(feature = "simulated")]
mod simulated;

pub use domain::Payment;
pub use effects::ProviderEffects;
pub use port::{Charge, PaymentProvider, Refund, Verdict};
pub use settings::Settings;

#[cfg(test)]
#[cfg(feature = "simulated")]
mod tests;

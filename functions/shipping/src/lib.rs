//! Shipping: books the carrier once an order is paid, and voids the shipment if the order is cancelled.
//!
//! The way of an order through here is in `domain`, which is pure. `port` is what this service needs of the company that
//! carries the goods, `effects` asks it, and `simulated` is the adapter to one that stands in for it. The adapter to a
//! real one belongs beside that.

mod domain;
mod effects;
mod port;
mod settings;
#[cfg(feature = "simulated")]
mod simulated;

pub use domain::Shipping;
pub use effects::CarrierEffects;
pub use port::{Booking, Carrier, Parcel, Void};
pub use settings::Settings;

#[cfg(test)]
#[cfg(feature = "simulated")]
mod tests;

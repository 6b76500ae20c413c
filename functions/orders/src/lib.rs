//! Orders: taken, followed to their end, and cancelled.
//!
//! Four functions stand on one table. `orders-api` places, shows and cancels orders over HTTP, `intake` takes those of other
//! producers, `orders` listens to the other services, and `open-orders` counts each minute what has not come to its end.
//! Beside it stands the price table, which `orders-api` keeps, and by which both doors check what an order is to cost.

mod api;
mod aws;
mod domain;
mod intake;
#[cfg(any(test, feature = "testing"))]
mod memory;
mod open;
mod port;
mod pricing;
mod settings;
mod view;

pub use api::OrdersApi;
pub use aws::DynamoPrices;
pub use domain::{CancelRefusal, Change, Known, Order, Orders, Payment, Progress, Seen, Shipment, Status, cancel};
pub use intake::{Intake, IntakeHandler};
#[cfg(any(test, feature = "testing"))]
pub use memory::MemoryPrices;
pub use open::tell;
pub use port::{Listed, NewPrice, PriceStore, Quote};
pub use settings::{PricingProducers, Settings};
#[cfg(feature = "schema")]
pub use view::schemas;

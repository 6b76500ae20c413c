//! Orders: taken, followed to their end, and cancelled.
//!
//! Three functions stand on one table. `orders-api` places, shows and cancels orders over HTTP, `intake` takes those of other
//! producers, and `orders` listens to the other services.

mod api;
mod domain;
mod intake;
mod view;

pub use api::OrdersApi;
pub use domain::{CancelRefusal, Change, Known, Order, Orders, Payment, Progress, Seen, Shipment, Status, cancel};
pub use intake::{Intake, IntakeHandler};
#[cfg(feature = "schema")]
pub use view::schemas;

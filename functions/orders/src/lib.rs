//! Orders: takes them, follows what becomes of them, and cancels them.
//!
//! Two functions stand on one table. `orders-api` places, shows and cancels orders over HTTP; `orders` listens to what
//! the other services say of them.

mod api;
mod domain;
mod view;

pub use api::OrdersApi;
pub use domain::{CancelRefusal, Change, Known, Order, Orders, Payment, Progress, Seen, Shipment, Status, cancel};
#[cfg(feature = "schema")]
pub use view::schemas;

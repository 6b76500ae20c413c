//! Orders: taken, followed to their end, cancelled, and withdrawn from.
//!
//! Four functions stand on one table. `orders-api` places, shows and cancels orders over HTTP, of guests too, and takes
//! withdrawals from them, `intake` takes those of other
//! producers, `orders` listens to the other services, and `open-orders` counts each minute what has not come to its end.

mod api;
mod domain;
mod guests;
mod intake;
mod open;
mod view;
mod withdrawal_page;

pub use api::OrdersApi;
pub use domain::withdrawal::{Outcome, WithdrawalPeriod, WithdrawalRefusal, Withdrawn, withdraw};
pub use domain::{
    CancelRefusal, Change, Known, Order, Orders, Payment, Progress, Return, Seen, Shipment, Status, cancel,
};
pub use guests::Guests;
pub use intake::{Intake, IntakeHandler};
pub use open::tell;
#[cfg(feature = "schema")]
pub use view::schemas;

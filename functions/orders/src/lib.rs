//! Orders: taken, followed to their end, cancelled, and withdrawn from.
//!
//! Four functions stand on one table. `orders-api` places, shows and cancels orders over HTTP, of guests too, and takes
//! withdrawals from them, `intake` takes those of other
//! producers, `orders` listens to the other services, and `open-orders` counts each minute what has not come to its end, and cancels what
//! is never paid, and what is nobody's.
//! Beside it stands the price table, which `orders-api` keeps, and by which both doors check what an order is to cost.

mod api;
mod aws;
mod domain;
mod guests;
mod intake;
#[cfg(any(test, feature = "testing"))]
mod memory;
mod open;
mod order_page;
mod orphans;
mod page;
mod port;
mod pricing;
mod settings;
mod view;
mod withdrawal_page;

pub use api::OrdersApi;
pub use aws::DynamoPrices;
pub use domain::withdrawal::{Outcome, WithdrawalPeriod, WithdrawalRefusal, Withdrawn, withdraw};
pub use domain::{
    CancelRefusal, Change, Known, Order, Orders, Payment, Progress, Return, Seen, Shipment, Status, cancel,
};
pub use guests::{Guests, Visitor};
pub use intake::{Intake, IntakeHandler, Seal, SealEffects};
#[cfg(any(test, feature = "testing"))]
pub use memory::MemoryPrices;
pub use open::{Endings, PaymentDue, tell};
pub use page::Socket;
pub use port::{Listed, NewPrice, PriceStore, Quote};
pub use settings::{PricingProducers, Settings};
pub use view::OrderStatus;
#[cfg(feature = "schema")]
pub use view::schemas;

//! Inventory: sets goods aside for orders, all or none, and never more than there are.
//!
//! Two functions: `inventory` reserves, releases and hands out; `inventory-api` shows the stock of a SKU, takes counts of
//! the shelf, and hears from the warehouse that goods are back.

mod api;
mod aws;
mod domain;
#[cfg(any(test, feature = "testing"))]
mod memory;
mod port;
mod settings;

pub use api::InventoryApi;
#[cfg(feature = "schema")]
pub use api::schemas;
pub use aws::DynamoStock;
pub use domain::{Change, Inventory, Reservation, ReturnRefusal, Returned, Short, take_back};
pub use port::{AVAILABLE, Counted, RESERVED, REVISION, Revision, Stock, StockStore};
pub use settings::Settings;

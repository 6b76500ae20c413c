//! Inventory: sets goods aside for orders, all or none, and never more than there are.
//!
//! Two functions: `inventory` reserves, releases and hands out; `inventory-api` shows the stock of a SKU and takes
//! counts of the shelf.

mod api;
mod domain;
mod settings;
mod stock;

pub use api::InventoryApi;
#[cfg(feature = "schema")]
pub use api::schemas;
pub use domain::{Change, Inventory, Reservation, Short};
pub use settings::Settings;
pub use stock::{AVAILABLE, Counted, DynamoStock, RESERVED, REVISION, Revision, Stock, StockStore};

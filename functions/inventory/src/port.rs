//! Port to the stock of each SKU: how much of it can be had, and how much is set aside.
//!
//! DynamoDB's conditions know no arithmetic, so what is available is stored, and what is on hand is the sum.

use auto_impl::auto_impl;
use onewrite::Result;
use orderflow_events::{Sku, Text};
use serde::Deserialize;

/// Counter of the pieces that can be had.
pub const AVAILABLE: &str = "available";
/// Counter of the pieces that are set aside for orders.
pub const RESERVED: &str = "reserved";
/// Counter of the changes: two readings of one revision are of one stock.
pub const REVISION: &str = "revision";

/// Attribute with the caller who made the last count.
pub(crate) const COUNTED_BY: &str = "countedBy";

/// Stock of a SKU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Stock {
    /// Pieces that can be had.
    pub available: i64,
    /// Pieces that are set aside for orders.
    pub reserved: i64,
    /// Number of its changes.
    pub revision: u64,
}

impl Stock {
    /// Pieces on the shelf.
    #[must_use]
    pub const fn on_hand(&self) -> i64 {
        self.available + self.reserved
    }
}

/// Revision of the stock that a count replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revision {
    /// None: the SKU is new.
    New,
    /// The one that had been read.
    Read(u64),
}

/// Result of a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// It is on record.
    Done,
    /// The stock had changed since it was read: nothing was done.
    Changed,
}

/// Stocks by SKU.
#[auto_impl(&)]
pub trait StockStore {
    /// The stock of `sku` as of now or later.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    async fn get(&self, sku: &Sku) -> Result<Option<Stock>>;

    /// Makes `stock` the stock of `sku`, if it still has that revision. `by` is who has counted, as far as anybody knows: the
    /// record says so until the next count.
    ///
    /// # Errors
    ///
    /// It is unknown whether it was done.
    async fn count(&self, sku: &Sku, stock: Stock, since: Revision, by: Option<&Text>) -> Result<Counted>;
}

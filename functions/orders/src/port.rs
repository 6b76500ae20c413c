//! Port to the price table: the price of one piece of each SKU.

use std::collections::{BTreeMap, BTreeSet};

use auto_impl::auto_impl;
use onewrite::Result;
use orderflow_events::{Money, Sku, Subject, Text, Time};

/// Price of a SKU in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Price of one piece.
    pub unit_price: Money,
    /// Number of its changes, from 1.
    pub revision: u64,
}

/// Price that is to stand in the table, with what is on record about it until the next.
#[derive(Clone, Copy, Debug)]
pub struct NewPrice<'a> {
    /// Price of one piece.
    pub unit_price: Money,
    /// Caller who has set it, as far as anybody knows.
    pub by: Option<&'a Text>,
    /// Time at which they did.
    pub at: Time,
}

/// Prices of the table for an order that is to be placed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quote {
    /// Price of each SKU that has one.
    pub prices: BTreeMap<Sku, Money>,
    /// True if the order has been placed before: its prices are frozen, and the table's no longer matter.
    pub is_placed: bool,
}

/// Prices by SKU.
#[auto_impl(&)]
pub trait PriceStore {
    /// The price of `sku` as of now or later.
    ///
    /// # Errors
    ///
    /// The table cannot be read, or the price is not understood.
    async fn get(&self, sku: &Sku) -> Result<Option<Listed>>;

    /// Makes `price` the price of `sku`, if that still has the revision `since`; 0 where it is to have had none. Answers whether
    /// it had.
    ///
    /// # Errors
    ///
    /// It is unknown whether the price was set.
    async fn set(&self, sku: &Sku, price: NewPrice<'_>, since: u64) -> Result<bool>;

    /// The prices of at most 50 SKUs, and whether there is a row of the order, read at once: as of now or later.
    ///
    /// # Errors
    ///
    /// The tables cannot be read, or a price is not understood.
    async fn quote(&self, skus: &BTreeSet<&Sku>, order: &Subject) -> Result<Quote>;
}

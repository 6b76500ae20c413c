//! Price table in memory.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;

use onewrite::Result;
use onewrite::port::Log;
use orderflow_events::{Sku, Subject};

use crate::port::{Listed, NewPrice, PriceStore, Quote};

/// Prices, beside the log that has the orders.
#[derive(Debug, Default)]
pub struct MemoryPrices<L> {
    listed: RefCell<BTreeMap<Sku, Listed>>,
    log: L,
}

impl<L> MemoryPrices<L> {
    /// No prices yet, for the orders of that log.
    pub const fn new(log: L) -> Self {
        Self { listed: RefCell::new(BTreeMap::new()), log }
    }
}

impl<L: Deref<Target: Log>> PriceStore for MemoryPrices<L> {
    async fn get(&self, sku: &Sku) -> Result<Option<Listed>> {
        Ok(self.listed.borrow().get(sku).copied())
    }

    async fn set(&self, sku: &Sku, price: NewPrice<'_>, since: u64) -> Result<bool> {
        let mut all = self.listed.borrow_mut();
        let is_current = all.get(sku).map_or(0, |listed| listed.revision) == since;
        if is_current {
            all.insert(sku.clone(), Listed { unit_price: price.unit_price, revision: since + 1 });
        }
        Ok(is_current)
    }

    async fn quote(&self, skus: &BTreeSet<&Sku>, order: &Subject) -> Result<Quote> {
        let is_placed = !self.log.read(order).await?.is_empty();
        let all = self.listed.borrow();
        let prices = skus.iter().filter_map(|sku| Some(((*sku).clone(), all.get(sku)?.unit_price))).collect();
        Ok(Quote { prices, is_placed })
    }
}

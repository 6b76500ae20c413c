//! Stocks in memory: the counters that the reservations in memory change.

use onewrite::memory::MemoryLog;
use onewrite::{Failure, Result};
use orderflow_events::{Sku, Text};

use crate::port::{AVAILABLE, Counted, RESERVED, REVISION, Revision, Stock, StockStore};

impl StockStore for MemoryLog {
    async fn get(&self, sku: &Sku) -> Result<Option<Stock>> {
        let counters = self.counters(sku.as_str());
        if counters.is_empty() {
            return Ok(None);
        }
        let counter = |name| {
            let value = counters.get(name).copied();
            value.ok_or_else(|| Failure::permanent(format!("a stock is not understood: it has no {name}")))
        };
        let revision = u64::try_from(counter(REVISION)?).unwrap_or(0);
        Ok(Some(Stock { available: counter(AVAILABLE)?, reserved: counter(RESERVED)?, revision }))
    }

    async fn count(&self, sku: &Sku, stock: Stock, since: Revision, _by: Option<&Text>) -> Result<Counted> {
        let counters = self.counters(sku.as_str());
        let is_current = match since {
            Revision::New => counters.is_empty(),
            Revision::Read(revision) => {
                counters.get(REVISION).is_some_and(|known| u64::try_from(*known) == Ok(revision))
            }
        };
        if !is_current {
            return Ok(Counted::Changed);
        }
        self.set_counter(sku.as_str(), AVAILABLE, stock.available);
        self.set_counter(sku.as_str(), RESERVED, stock.reserved);
        self.set_counter(sku.as_str(), REVISION, i64::try_from(stock.revision).unwrap_or(i64::MAX));
        Ok(Counted::Done)
    }
}

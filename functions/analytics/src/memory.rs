//! Counts in memory: those of a ledger in memory.

use std::collections::BTreeMap;

use onewrite::Result;
use onewrite::memory::MemoryLog;

use crate::port::{CountStore, Counted};

impl CountStore for MemoryLog {
    async fn partition(&self, partition: &str) -> Result<Vec<Counted>> {
        let mut items: BTreeMap<String, BTreeMap<String, i64>> = BTreeMap::new();
        for ((key, counter), value) in self.all_counters() {
            if let Some((of, sort)) = key.split_once('#')
                && of == partition
            {
                items.entry(sort.to_owned()).or_default().insert(counter.to_owned(), value);
            }
        }
        Ok(items.into_iter().map(|(sort, counters)| Counted { sort, counters }).collect())
    }

    async fn warm(&self) {}
}

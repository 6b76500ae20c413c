//! Entries and their sums: pure arithmetic.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};

use orderflow_events::{EventId, Sku};
use serde::{Deserialize, Serialize};

/// Orders that have reached a step.
pub(crate) const CREATED: &str = "created";
pub(crate) const RESERVED: &str = "reserved";
pub(crate) const PAID: &str = "paid";
pub(crate) const SHIPPED: &str = "shipped";
pub(crate) const CANCELLED: &str = "cancelled";
pub(crate) const REFUNDED: &str = "refunded";

/// Their totals, in minor units of the currency.
pub(crate) const CREATED_AMOUNT: &str = "createdAmount";
pub(crate) const RESERVED_AMOUNT: &str = "reservedAmount";
pub(crate) const PAID_AMOUNT: &str = "paidAmount";
pub(crate) const SHIPPED_AMOUNT: &str = "shippedAmount";
pub(crate) const CANCELLED_AMOUNT: &str = "cancelledAmount";
pub(crate) const REFUNDED_AMOUNT: &str = "refundedAmount";

/// Pieces that were set aside, and that were made available again.
pub(crate) const SET_ASIDE: &str = "setAside";
pub(crate) const RELEASED: &str = "released";

/// Counters by their names.
pub(crate) type Counters = BTreeMap<String, i64>;

/// Entry of the counts: all that one event adds to them. It has nobody in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Id of the event. Whatever is put down twice counts once.
    pub id: EventId,
    /// Currency of the amounts (ISO 4217).
    pub currency: String,
    /// Number that is added to each counter.
    pub counters: Counters,
    /// Goods that were paid for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sold: Vec<Goods>,
}

/// Goods of one SKU in an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Goods {
    /// The SKU.
    pub sku: Sku,
    /// Number of pieces.
    pub pieces: i64,
    /// Their price, in minor units of the order's currency.
    pub amount: i64,
}

/// Pieces of a SKU that were paid for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sold {
    /// Number of pieces.
    pub pieces: i64,
    /// Revenue, in minor units of the currency.
    pub amount: i64,
}

/// Counters of each currency.
pub(crate) type Steps = BTreeMap<String, Counters>;

/// Pieces and money of each SKU, in each currency.
pub(crate) type Skus = BTreeMap<String, BTreeMap<String, Sold>>;

/// Sums of entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Counters.
    pub steps: Steps,
    /// Goods that were paid for.
    pub skus: Skus,
}

impl Tally {
    /// Sums of these entries, each of which counts once, however often it is there.
    #[must_use]
    pub fn of<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Self {
        let (mut tally, mut known) = (Self::default(), HashSet::new());
        for entry in entries {
            if known.insert(&entry.id) {
                tally.add_entry(entry);
            }
        }
        tally
    }

    fn add_entry(&mut self, Entry { id: _, currency, counters, sold }: &Entry) {
        let steps = self.steps.entry(currency.clone()).or_default();
        for (name, value) in counters {
            *steps.entry(name.clone()).or_default() += value;
        }
        for Goods { sku, pieces, amount } in sold {
            let skus = self.skus.entry(currency.clone()).or_default();
            let sum = skus.entry(sku.to_string()).or_default();
            sum.pieces += pieces;
            sum.amount += amount;
        }
    }

    /// Keeps so many SKUs at the most, of all currencies together, of which the most pieces were sold; true if there were more.
    pub(crate) fn keep_best(&mut self, most: usize) -> bool {
        let of_all =
            self.skus.iter().flat_map(|(currency, skus)| skus.iter().map(move |(sku, sold)| (sold, currency, sku)));
        let mut of_all: Vec<(Reverse<i64>, String, String)> =
            of_all.map(|(sold, currency, sku)| (Reverse(sold.pieces), currency.clone(), sku.clone())).collect();
        if of_all.len() <= most {
            return false;
        }
        of_all.sort_unstable();
        for (_, currency, sku) in of_all.drain(most..) {
            if let Some(skus) = self.skus.get_mut(&currency) {
                skus.remove(&sku);
            }
        }
        self.skus.retain(|_, skus| !skus.is_empty());
        true
    }

    /// Adds the sums of other entries.
    pub fn add(&mut self, other: &Self) {
        for (currency, counters) in &other.steps {
            let steps = self.steps.entry(currency.clone()).or_default();
            for (name, value) in counters {
                *steps.entry(name.clone()).or_default() += value;
            }
        }
        for (currency, skus) in &other.skus {
            let sums = self.skus.entry(currency.clone()).or_default();
            for (sku, Sold { pieces, amount }) in skus {
                let sum = sums.entry(sku.clone()).or_default();
                sum.pieces += pieces;
                sum.amount += amount;
            }
        }
    }
}

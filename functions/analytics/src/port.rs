//! Port to the counts, and their keys.

use std::collections::BTreeMap;

use auto_impl::auto_impl;
use onewrite::Result;
use orderflow_events::{Subject, Time};

/// Number of items that each count is spread over, so that no item is changed by all orders of a moment. To count in more of them
/// is to read more; each takes some hundreds of orders a second.
pub(crate) const SHARDS: u32 = 4;

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

/// Pieces of a SKU that were paid for.
pub(crate) const SOLD: &str = "sold";

/// Counters of one item, by their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Sort key of the item.
    pub sort: String,
    /// Values of its counters.
    pub counters: BTreeMap<String, i64>,
}

/// Counts, which are changed by the service's ledger alone.
#[auto_impl(&)]
pub trait CountStore {
    /// Items of a partition, by their sort keys; of one that nothing was counted in, none.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    async fn partition(&self, partition: &str) -> Result<Vec<Counted>>;

    /// Opens the connection, so that the first request need not wait for it. Whether it works out shows soon enough.
    async fn warm(&self);
}

/// Span of time that is counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    /// Steps of orders by minute; a partition has an hour.
    Minute,
    /// Money by hour; a partition has a day.
    Hour,
    /// SKUs by hour; a partition has an hour.
    Sku,
}

impl Span {
    const fn name(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Sku => "sku",
        }
    }

    /// Length of the part of a time (RFC 3339, UTC) that a partition is named by.
    const fn len(self) -> usize {
        match self {
            Self::Minute | Self::Sku => "2026-11-22T09".len(),
            Self::Hour => "2026-11-22".len(),
        }
    }

    /// Partition of a time and a shard.
    pub(crate) fn partition(self, at: Time, shard: u32) -> String {
        format!("{} {} {shard}", self.name(), part(at, 0, self.len()))
    }

    /// Time that a sort key of a partition begins with.
    pub(crate) fn within(self, at: Time) -> String {
        match self {
            Self::Minute | Self::Hour => part(at, self.len() + 1, self.len() + 3),
            Self::Sku => String::new(),
        }
    }
}

fn part(at: Time, from: usize, to: usize) -> String {
    at.to_string().get(from..to).unwrap_or_default().to_owned()
}

/// Shard of an order. It follows from its id, so that counts are the same wherever they are made.
pub(crate) fn shard_of(order: &Subject) -> u32 {
    // FNV-1a: any spread will do, and it must never change.
    let hash =
        order.as_str().bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash % SHARDS
}

/// Key of a count: its partition, and the sort key after a `#`.
pub(crate) fn key(span: Span, at: Time, shard: u32, rest: &str) -> String {
    format!("{}#{} {rest}", span.partition(at, shard), span.within(at))
}

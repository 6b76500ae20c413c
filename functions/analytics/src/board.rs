//! The board: what was counted of late.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::try_join_all;
use onewrite::Result;
use orderflow_events::Time;
use serde::Serialize;

use crate::port::{
    CANCELLED, CANCELLED_AMOUNT, CREATED, CREATED_AMOUNT, CountStore, Counted, PAID, PAID_AMOUNT, REFUNDED,
    REFUNDED_AMOUNT, RELEASED, RESERVED, RESERVED_AMOUNT, SET_ASIDE, SHARDS, SHIPPED, SHIPPED_AMOUNT, SOLD, Span,
};

/// Minutes that the board looks back, the present one among them.
const MINUTES: u32 = 60;

/// Hours that it looks back for the revenue.
const HOURS: u32 = 24;

/// SKUs that it shows of each currency.
const TOP: usize = 10;

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

/// The board at a time.
///
/// # Errors
///
/// The counts cannot be read.
pub async fn board(counts: &impl CountStore, now: Time) -> Result<Board> {
    let (minutes, hours) = (times(now, MINUTE, MINUTES), times(now, HOUR, HOURS));
    let (steps, money, sold) = futures::try_join!(
        read(counts, Span::Minute, &minutes),
        read(counts, Span::Hour, &hours),
        read(counts, Span::Sku, &minutes),
    )?;
    let mut top: BTreeMap<(String, String), (i64, i64)> = BTreeMap::new();
    for (_, Counted { sort, counters }) in &sold {
        let mut parts = sort.split_whitespace();
        if let (Some(sku), Some(currency)) = (parts.next(), parts.next()) {
            let sum = top.entry((currency.to_owned(), sku.to_owned())).or_default();
            sum.0 += of(counters, SOLD);
            sum.1 += of(counters, PAID_AMOUNT);
        }
    }
    let mut skus: Vec<Sold> =
        top.into_iter().map(|((currency, sku), (pieces, amount))| Sold { sku, currency, pieces, amount }).collect();
    skus.sort_by(|one, other| (&one.currency, other.amount).cmp(&(&other.currency, one.amount)));
    let mut shown: BTreeMap<String, usize> = BTreeMap::new();
    skus.retain(|sold| {
        let count = shown.entry(sold.currency.clone()).or_default();
        *count += 1;
        *count <= TOP
    });
    Ok(Board {
        at: now,
        minutes: minutes.iter().flat_map(|at| tallies(Span::Minute, *at, &steps)).collect(),
        hours: hours.iter().flat_map(|at| tallies(Span::Hour, *at, &money)).collect(),
        skus,
    })
}

/// Items of each shard in the partitions of those times, each with its partition's name.
async fn read(counts: &impl CountStore, span: Span, times: &[Time]) -> Result<Vec<(String, Counted)>> {
    let mut partitions: Vec<String> =
        times.iter().flat_map(|at| (0..SHARDS).map(|shard| span.partition(*at, shard))).collect();
    partitions.sort_unstable();
    partitions.dedup();
    let read = partitions.iter().map(async |partition| {
        let items = counts.partition(partition).await?;
        Ok::<_, onewrite::Failure>(items.into_iter().map(|item| (partition.clone(), item)).collect::<Vec<_>>())
    });
    Ok(try_join_all(read).await?.into_iter().flatten().collect())
}

/// Times a step apart, the present one last.
fn times(now: Time, step: Duration, count: u32) -> Vec<Time> {
    let step_ms = i64::try_from(step.as_millis()).unwrap_or(i64::MAX);
    let present = now.as_millis().div_euclid(step_ms) * step_ms;
    (0..i64::from(count)).rev().map(|back| Time::from_millis(present - back * step_ms)).collect()
}

/// Tallies of one span of time, one for each currency: sums over all shards.
fn tallies(span: Span, at: Time, items: &[(String, Counted)]) -> Vec<Tally> {
    let partitions: Vec<String> = (0..SHARDS).map(|shard| span.partition(at, shard)).collect();
    let within = span.within(at);
    let mut sums: BTreeMap<String, BTreeMap<&str, i64>> = BTreeMap::new();
    for (partition, Counted { sort, counters }) in items {
        let Some((time, currency)) = sort.split_once(' ') else { continue };
        if time != within || !partitions.contains(partition) {
            continue;
        }
        let sum = sums.entry(currency.to_owned()).or_default();
        for (name, value) in counters {
            *sum.entry(name).or_default() += value;
        }
    }
    sums.into_iter().map(|(currency, counters)| Tally::of(at, currency, &counters)).collect()
}

fn of(counters: &BTreeMap<impl Ord + std::borrow::Borrow<str>, i64>, name: &str) -> i64 {
    counters.get(name).copied().unwrap_or_default()
}

/// Counts of the last hour by minute, of the last day by hour, and of this hour and the last by SKU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Board {
    /// Time of the answer.
    pub at: Time,
    /// Steps that orders have reached in each of the last 60 minutes, one entry for each currency; none of a minute without any.
    pub minutes: Vec<Tally>,
    /// Payments and refunds of each of the last 24 hours, likewise.
    pub hours: Vec<Tally>,
    /// SKUs that were paid for in this hour and the one before, what has brought most first: ten of each currency.
    pub skus: Vec<Sold>,
}

/// Orders that have reached a step within a span of time, and their totals in minor units of one currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    /// Begin of the span.
    pub at: Time,
    /// Currency of the orders (ISO 4217).
    pub currency: String,
    /// Orders that were placed.
    pub created: i64,
    /// Their totals.
    pub created_amount: i64,
    /// Orders whose goods were set aside.
    pub reserved: i64,
    /// Their totals.
    pub reserved_amount: i64,
    /// Orders that were paid.
    pub paid: i64,
    /// Their totals.
    pub paid_amount: i64,
    /// Orders that were shipped.
    pub shipped: i64,
    /// Their totals.
    pub shipped_amount: i64,
    /// Orders that were given up.
    pub cancelled: i64,
    /// Their totals.
    pub cancelled_amount: i64,
    /// Orders whose payment was given back.
    pub refunded: i64,
    /// Their totals.
    pub refunded_amount: i64,
    /// Pieces that were set aside.
    pub set_aside: i64,
    /// Pieces that were made available again.
    pub released: i64,
}

impl Tally {
    fn of(at: Time, currency: String, counters: &BTreeMap<&str, i64>) -> Self {
        let of = |name| of(counters, name);
        Self {
            at,
            currency,
            created: of(CREATED),
            created_amount: of(CREATED_AMOUNT),
            reserved: of(RESERVED),
            reserved_amount: of(RESERVED_AMOUNT),
            paid: of(PAID),
            paid_amount: of(PAID_AMOUNT),
            shipped: of(SHIPPED),
            shipped_amount: of(SHIPPED_AMOUNT),
            cancelled: of(CANCELLED),
            cancelled_amount: of(CANCELLED_AMOUNT),
            refunded: of(REFUNDED),
            refunded_amount: of(REFUNDED_AMOUNT),
            set_aside: of(SET_ASIDE),
            released: of(RELEASED),
        }
    }
}

/// Pieces of a SKU that were paid for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Sold {
    /// The SKU.
    pub sku: String,
    /// Currency of its price (ISO 4217).
    pub currency: String,
    /// Number of pieces.
    pub pieces: i64,
    /// Revenue, in minor units.
    pub amount: i64,
}

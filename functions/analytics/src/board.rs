//! The board: what was counted of late.

use std::collections::BTreeMap;
use std::time::Duration;

use onewrite::Result;
use orderflow_events::Time;
use serde::Serialize;

use crate::counts::{Counts, floor};
use crate::port::CountStore;
use crate::tally::{
    CANCELLED, CANCELLED_AMOUNT, CREATED, CREATED_AMOUNT, Counters, PAID, PAID_AMOUNT, REFUNDED, REFUNDED_AMOUNT,
    RELEASED, RESERVED, RESERVED_AMOUNT, SET_ASIDE, SHIPPED, SHIPPED_AMOUNT, Steps, Tally as Sums,
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
pub async fn board<S: CountStore>(counts: &Counts<S>, now: Time) -> Result<Board> {
    let (minutes, hours) = (times(now, MINUTE, MINUTES), times(now, HOUR, HOURS));
    let (first_hour, hour) = (hours.first().copied().unwrap_or(now), floor(now, HOUR));
    // All of the last hour, which the minutes begin in; and all of the present one.
    let last_hour = minutes.first().map_or(hour, |first| floor(*first, HOUR)).min(hour);
    let counted = counts.read(first_hour, hour.after(HOUR), last_hour).await?;
    let (mut by_hour, mut sold): (BTreeMap<Time, Sums>, Sums) = (BTreeMap::new(), Sums::default());
    for (minute, sums) in &counted {
        by_hour.entry(floor(*minute, HOUR)).or_default().add(sums);
        if *minute >= last_hour {
            sold.add(sums);
        }
    }
    let money = by_hour.into_iter().map(|(hour, sums)| (hour, of_money(sums.steps)));
    let steps = minutes.iter().filter_map(|minute| Some((*minute, counted.get(minute)?.steps.clone())));
    Ok(Board { at: now, minutes: tallies(steps), hours: tallies(money), skus: top(&sold) })
}

/// Times a step apart, the present one last.
fn times(now: Time, step: Duration, count: u32) -> Vec<Time> {
    let (present, step_ms) = (floor(now, step).as_millis(), i64::try_from(step.as_millis()).unwrap_or(i64::MAX));
    (0..i64::from(count)).rev().map(|back| Time::from_millis(present - back * step_ms)).collect()
}

/// Tallies of spans of time, one for each currency.
fn tallies(spans: impl Iterator<Item = (Time, Steps)>) -> Vec<Tally> {
    let of = |(at, steps): (Time, Steps)| {
        steps.into_iter().map(move |(currency, counters)| Tally::of(at, currency, &counters))
    };
    spans.flat_map(of).collect()
}

/// Payments and refunds alone.
fn of_money(mut steps: Steps) -> Steps {
    for counters in steps.values_mut() {
        counters.retain(|name, _| [PAID, PAID_AMOUNT, REFUNDED, REFUNDED_AMOUNT].contains(&name.as_str()));
    }
    steps.retain(|_, counters| !counters.is_empty());
    steps
}

/// SKUs that have brought most, in each currency.
fn top(sums: &Sums) -> Vec<Sold> {
    let of = |(currency, skus): (&String, &BTreeMap<String, crate::tally::Sold>)| {
        let sold = |(sku, sum): (&String, &crate::tally::Sold)| Sold {
            sku: sku.clone(),
            currency: currency.clone(),
            pieces: sum.pieces,
            amount: sum.amount,
        };
        let mut skus: Vec<Sold> = skus.iter().map(sold).collect();
        skus.sort_by_key(|sold| std::cmp::Reverse(sold.amount));
        skus.truncate(TOP);
        skus
    };
    sums.skus.iter().flat_map(of).collect()
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
    fn of(at: Time, currency: String, counters: &Counters) -> Self {
        let of = |name| counters.get(name).copied().unwrap_or_default();
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

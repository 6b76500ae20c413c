//! Prices and assumptions: `prices.json`, the one place that has them.

use std::collections::BTreeMap;

use serde::Deserialize;

/// `prices.json`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Prices {
    pub(crate) region: String,
    /// By the name of what is paid for.
    #[serde(rename = "prices")]
    by_name: BTreeMap<String, Price>,
    pub(crate) assumptions: Assumptions,
    pub(crate) goals: Goals,
}

/// List price without free tiers and discounts.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Price {
    pub(crate) usd: f64,
    /// Number of units for that money.
    pub(crate) per: f64,
    pub(crate) unit: String,
    /// Day on which the source was seen to say so. Without one the price is from memory, and the source where it would stand.
    pub(crate) seen: Option<String>,
    pub(crate) source: String,
}

/// Assumptions about what a run on an emulator cannot tell.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Assumptions {
    /// Time of a call to AWS.
    pub(crate) call_ms: f64,
    /// Time of a call that sends a message to a person.
    pub(crate) mail_ms: f64,
    /// Time of the processor for a record, on its share of one.
    pub(crate) record_ms: f64,
    /// Memory of a function.
    pub(crate) memory_mb: f64,
    /// Bytes that `CloudWatch` counts for each line besides its text (`PutLogEvents`).
    pub(crate) log_line_bytes: u64,
    /// Bytes that `DynamoDB` counts for each item that it stores besides its attributes.
    pub(crate) stored_item_bytes: u64,
    /// Receives that Lambda has open at an idle queue.
    pub(crate) pollers_of_a_queue: f64,
    /// Time of such a receive.
    pub(crate) poll_seconds: f64,
}

/// Most that a million shipped orders should cost without their mails, in USD.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Goals {
    pub(crate) quiet: f64,
    pub(crate) busy: f64,
}

impl Prices {
    pub(crate) fn read() -> Self {
        serde_json::from_str(include_str!("../prices.json")).expect("prices.json is a file of prices")
    }

    /// Price of so many units, in USD.
    pub(crate) fn of(&self, name: &str, quantity: f64) -> f64 {
        let price = self.by_name.get(name).unwrap_or_else(|| panic!("prices.json has no price of {name}"));
        quantity / price.per * price.usd
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &Price)> {
        self.by_name.iter().map(|(name, price)| (name.as_str(), price))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_is_for_a_number_of_units() {
        let prices = Prices::read();
        assert!((prices.of("publishes", 2_000_000.0) - 0.60).abs() < 1e-9);
        assert!((prices.of("mails", 1_000_000.0) - 100.0).abs() < 1e-9);
        assert!(prices.all().all(|(_, price)| price.source.starts_with("https://") && !price.unit.is_empty()));
    }
}

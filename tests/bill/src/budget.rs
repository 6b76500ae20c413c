//! Budgets of one shipped order: calls, bytes and units, never money.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Figures by name, of each function, of the topic, and of the tables.
pub(crate) type Figures = BTreeMap<String, BTreeMap<String, f64>>;

/// `budgets.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Budgets {
    /// By how much a budget of bytes may be exceeded: a time or an amount may have a digit more.
    bytes_tolerance_percent: f64,
    order: Figures,
}

impl Budgets {
    pub(crate) fn read() -> io::Result<Self> {
        Ok(serde_json::from_str(&fs::read_to_string(path())?)?)
    }

    /// Makes these figures the budgets.
    pub(crate) fn write(&self, order: &Figures) -> io::Result<()> {
        let rounded = |figures: &BTreeMap<String, f64>| -> BTreeMap<String, f64> {
            figures.iter().map(|(name, figure)| (name.clone(), (figure * 1_000.0).round() / 1_000.0)).collect()
        };
        let order = order.iter().map(|(part, figures)| (part.clone(), rounded(figures))).collect();
        fs::write(path(), serde_json::to_string_pretty(&Self { order, ..self.clone() })? + "\n")
    }

    /// Budgets that are exceeded, missing, or of nothing.
    pub(crate) fn faults(&self, order: &Figures) -> Vec<String> {
        let mut faults = Vec::new();
        for (part, figures) in order {
            for (name, figure) in figures {
                let Some(budget) = self.order.get(part).and_then(|budgets| budgets.get(name)) else {
                    faults.push(format!("{part}: {name} has no budget"));
                    continue;
                };
                let percent = if name.ends_with("Bytes") { self.bytes_tolerance_percent } else { 0.0 };
                if *figure > budget * (1.0 + percent / 100.0) + ROUNDING {
                    faults.push(format!("{part}: {figure:.3} {name}, its budget is {budget}"));
                }
            }
        }
        let idle = self.order.keys().filter(|part| !order.contains_key(*part));
        faults.extend(idle.map(|part| format!("{part}: has a budget, but no part in an order")));
        faults
    }
}

/// Budgets are written with three digits after the point.
const ROUNDING: f64 = 0.0005;

/// The median of each figure over orders that went their way alone: an event that was early, and came again, is one order's.
pub(crate) fn median(orders: &[Figures]) -> Figures {
    let mut all = BTreeMap::<(String, String), Vec<f64>>::new();
    for (part, figures) in orders.iter().flatten() {
        for (name, figure) in figures {
            all.entry((part.clone(), name.clone())).or_default().push(*figure);
        }
    }
    let mut medians = Figures::new();
    for ((part, name), mut figures) in all {
        figures.sort_by(f64::total_cmp);
        medians.entry(part).or_default().insert(name, figures[figures.len() / 2]);
    }
    medians
}

fn path() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/budgets.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(calls: f64, bytes: f64) -> Figures {
        let figures = BTreeMap::from([("calls".to_owned(), calls), ("sentBytes".to_owned(), bytes)]);
        BTreeMap::from([("payment".to_owned(), figures)])
    }

    #[test]
    fn each_figure_has_a_limit() {
        let budgets = Budgets { bytes_tolerance_percent: 2.0, order: figures(3.0, 1_000.0) };
        assert_eq!(budgets.faults(&figures(3.0, 1_020.0)), [""; 0]);
        assert_eq!(budgets.faults(&figures(2.0, 10.0)), [""; 0]);
        assert_eq!(budgets.faults(&figures(4.0, 1_000.0)), ["payment: 4.000 calls, its budget is 3"]);
        assert_eq!(budgets.faults(&figures(3.0, 1_021.0)), ["payment: 1021.000 sentBytes, its budget is 1000"]);
        assert_eq!(budgets.faults(&Figures::new()), ["payment: has a budget, but no part in an order"]);
        let other = BTreeMap::from([("other".to_owned(), BTreeMap::from([("calls".to_owned(), 1.0)]))]);
        assert!(budgets.faults(&other).contains(&"other: calls has no budget".to_owned()));
    }

    #[test]
    fn one_order_among_several_does_not_count() {
        let orders = [figures(3.0, 10.0), figures(9.0, 11.0), figures(3.0, 12.0)];
        assert_eq!(median(&orders), figures(3.0, 11.0));
    }
}

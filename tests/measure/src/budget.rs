//! Budgets: how much a function may ask of AWS and of the processor for one event. Times have none, for they depend on the
//! machine's mood.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::valgrind::Instructions;
use orderflow_tests::PerEvent;

/// `budgets.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Budgets {
    /// By how much a budget may be exceeded.
    tolerance_percent: Tolerance,
    /// The budget of each function by its name, and of each route of the APIs.
    functions: BTreeMap<String, Budget>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Tolerance {
    /// Of bytes: a time or an amount may have a digit more.
    bytes: f64,
    /// Of instructions: hash tables have random seeds, and the C library chooses its routines by the processor.
    instructions: f64,
}

/// Budget of one event, and of an init.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Budget {
    calls: f64,
    sent_bytes: f64,
    received_bytes: f64,
    read_units: f64,
    write_units: f64,
    /// Of release binaries for `x86_64`, in thousands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kilo_instructions: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    init_kilo_instructions: Option<f64>,
}

/// Measured figures of one function that has handled events.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured<'a> {
    pub(crate) name: &'a str,
    pub(crate) per_event: &'a PerEvent,
    /// Only where they compare with the budget: TLS, release, `x86_64`.
    pub(crate) instructions: Option<Instructions>,
}

/// Reason why there are no budgets.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BudgetError {
    /// The file cannot be read or written.
    #[error("cannot use {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
    /// It is not understood.
    #[error("{} is no file of budgets: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Place and reason.
        source: serde_json::Error,
    },
}

impl Budgets {
    /// The committed budgets.
    pub(crate) fn read() -> Result<Self, BudgetError> {
        let path = path();
        match fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text).map_err(|source| BudgetError::Unreadable { path, source }),
            Err(source) => Err(BudgetError::File { path, source }),
        }
    }

    /// Makes what was measured the budgets: all of them, or those of some functions. Instructions that were not counted stay
    /// as they are.
    pub(crate) fn replaced(&self, measured: &[Measured<'_>], all: bool) -> Self {
        let budget = |one: &Measured<'_>| {
            let old = self.functions.get(one.name);
            let kilo = |count: f64| (count / 1_000.0).round();
            Budget {
                calls: rounded(one.per_event.calls),
                sent_bytes: one.per_event.sent_bytes.ceil(),
                received_bytes: one.per_event.received_bytes.ceil(),
                read_units: rounded(one.per_event.read_units),
                write_units: rounded(one.per_event.write_units),
                kilo_instructions: one
                    .instructions
                    .and_then(|count| count.event.map(kilo))
                    .or_else(|| old.and_then(|old| old.kilo_instructions)),
                init_kilo_instructions: one
                    .instructions
                    .map(|count| kilo(count.init))
                    .or_else(|| old.and_then(|old| old.init_kilo_instructions)),
            }
        };
        let mut functions = if all { BTreeMap::new() } else { self.functions.clone() };
        functions.extend(measured.iter().map(|one| (one.name.to_owned(), budget(one))));
        Self { functions, ..self.clone() }
    }

    /// Commits them to the file.
    pub(crate) fn write(&self) -> Result<(), BudgetError> {
        let path = path();
        let text = serde_json::to_string_pretty(self).map(|text| text + "\n");
        let text = text.map_err(|source| BudgetError::Unreadable { path: path.clone(), source })?;
        fs::write(&path, text).map_err(|source| BudgetError::File { path, source })
    }

    /// Budgets that are exceeded or missing; with `all`, also those of no function.
    pub(crate) fn faults(&self, measured: &[Measured<'_>], all: bool) -> Vec<String> {
        let mut faults: Vec<String> = measured.iter().flat_map(|one| self.faults_of(one)).collect();
        if all {
            let is_measured = |name: &str| measured.iter().any(|one| one.name == name);
            let idle = self.functions.keys().filter(|name| !is_measured(name));
            faults.extend(idle.map(|name| format!("{name}: has a budget, but there is no such function")));
        }
        faults
    }

    fn faults_of(&self, measured: &Measured<'_>) -> Vec<String> {
        let Some(budget) = self.functions.get(measured.name) else {
            return vec![format!("{}: has no budget", measured.name)];
        };
        let (per_event, instructions) = (measured.per_event, measured.instructions);
        let Tolerance { bytes, instructions: of_instructions } = self.tolerance_percent;
        let kilo = |count: Option<f64>| count.map(|count| count / 1_000.0);
        let figures = [
            ("calls an event", Some(per_event.calls), Some(budget.calls), 0.0),
            ("bytes sent an event", Some(per_event.sent_bytes), Some(budget.sent_bytes), bytes),
            ("bytes received an event", Some(per_event.received_bytes), Some(budget.received_bytes), bytes),
            ("read units an event", Some(per_event.read_units), Some(budget.read_units), 0.0),
            ("write units an event", Some(per_event.write_units), Some(budget.write_units), 0.0),
            (
                "thousand instructions an event",
                kilo(instructions.and_then(|count| count.event)),
                budget.kilo_instructions,
                of_instructions,
            ),
            (
                "thousand instructions for its init",
                kilo(instructions.map(|count| count.init)),
                budget.init_kilo_instructions,
                of_instructions,
            ),
        ];
        let exceeded = figures.into_iter().filter_map(|(what, found, budget, tolerance)| {
            let (found, budget) = (found?, budget?);
            let most = budget * (1.0 + tolerance / 100.0) + ROUNDING;
            (found > most).then(|| format!("{}: {found:.3} {what}, its budget is {budget}", measured.name))
        });
        exceeded.collect()
    }
}

/// Budgets are written with three digits after the point.
const ROUNDING: f64 = 0.0005;

fn rounded(figure: f64) -> f64 {
    (figure * 1_000.0).round() / 1_000.0
}

fn path() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/budgets.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budgets() -> Budgets {
        let text = r#"{
            "tolerancePercent": {"bytes": 1, "instructions": 3},
            "functions": {
                "payment": {
                    "calls": 1.333, "sentBytes": 1000, "receivedBytes": 100, "readUnits": 1, "writeUnits": 1.5,
                    "kiloInstructions": 1500, "initKiloInstructions": 5000
                }
            }
        }"#;
        serde_json::from_str(text).unwrap()
    }

    fn per_event() -> PerEvent {
        PerEvent {
            calls: 4.0 / 3.0,
            sent_bytes: 1_000.0,
            received_bytes: 100.0,
            read_units: 1.0,
            write_units: 1.5,
            ..PerEvent::default()
        }
    }

    fn faults(per_event: &PerEvent, instructions: Option<Instructions>) -> Vec<String> {
        budgets().faults(&[Measured { name: "payment", per_event, instructions }], true)
    }

    #[test]
    fn what_keeps_to_its_budget_is_no_fault() {
        let most = Instructions { init: 5_149_000.0, event: Some(1_544_000.0) };
        assert_eq!(faults(&per_event(), None), [""; 0]);
        assert_eq!(faults(&PerEvent { sent_bytes: 1_009.0, ..per_event() }, Some(most)), [""; 0]);
    }

    #[test]
    fn each_figure_has_a_limit() {
        for (figures, expected) in [
            (PerEvent { calls: 1.35, ..per_event() }, "payment: 1.350 calls an event, its budget is 1.333"),
            (
                PerEvent { sent_bytes: 1_011.0, ..per_event() },
                "payment: 1011.000 bytes sent an event, its budget is 1000",
            ),
            (
                PerEvent { received_bytes: 102.0, ..per_event() },
                "payment: 102.000 bytes received an event, its budget is 100",
            ),
            (PerEvent { read_units: 1.1, ..per_event() }, "payment: 1.100 read units an event, its budget is 1"),
            (PerEvent { write_units: 2.0, ..per_event() }, "payment: 2.000 write units an event, its budget is 1.5"),
        ] {
            assert_eq!(faults(&figures, None), [expected]);
        }
        let event = Instructions { init: 5_000_000.0, event: Some(1_546_000.0) };
        assert_eq!(
            faults(&per_event(), Some(event)),
            ["payment: 1546.000 thousand instructions an event, its budget is 1500"]
        );
        let init = Instructions { init: 5_151_000.0, event: Some(1_500_000.0) };
        assert_eq!(
            faults(&per_event(), Some(init)),
            ["payment: 5151.000 thousand instructions for its init, its budget is 5000"]
        );
    }

    #[test]
    fn every_function_has_a_budget_and_every_budget_a_function() {
        let measured = Measured { name: "shipping", per_event: &per_event(), instructions: None };
        let no_budget = "shipping: has no budget";
        assert_eq!(budgets().faults(&[measured], false), [no_budget]);
        let no_function = "payment: has a budget, but there is no such function";
        assert_eq!(budgets().faults(&[measured], true), [no_budget, no_function]);
    }

    #[test]
    fn written_budgets_are_kept_to_by_what_they_were_made_of() {
        let per_event = PerEvent { calls: 2.0 / 3.0, sent_bytes: 70.4, ..per_event() };
        let measured = [Measured { name: "payment", per_event: &per_event, instructions: None }];
        let replaced = budgets().replaced(&measured, true);
        assert_eq!(replaced.faults(&measured, true), [""; 0]);
        assert_eq!(replaced.functions["payment"].calls.to_string(), "0.667");
        // What was not counted this time is not forgotten.
        assert_eq!(replaced.functions["payment"].kilo_instructions, Some(1_500.0));
    }

    #[test]
    fn the_committed_budgets_can_be_read() {
        assert!(!Budgets::read().unwrap().functions.is_empty());
    }
}

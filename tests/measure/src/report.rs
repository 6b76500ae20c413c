//! The tables, as Markdown that can be put into a document as it is.

use std::fmt::Write as _;

use serde::Serialize;

use crate::budget::Measured;
use crate::collector::Collector;
use crate::rounds::Spread;
use crate::valgrind::Instructions;
use orderflow_tests::{PerEvent, to_f64};

/// All figures of one run.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    pub(crate) processor: String,
    pub(crate) rounds: u32,
    pub(crate) latency_ms: u64,
    pub(crate) tls: bool,
    /// Version of valgrind; `None` if no instructions were counted.
    pub(crate) valgrind: Option<String>,
    /// Load of the machine in the last minute, at the beginning and at the end.
    pub(crate) load: [f64; 2],
    pub(crate) rows: Vec<Row>,
}

/// Figures of one function of one build.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) build: BuildKind,
    pub(crate) binary_bytes: u64,
    /// Of `bootstrap` alone in a zip file, deflated as well as it goes.
    pub(crate) zip_bytes: u64,
    pub(crate) init_ms: Spread,
    pub(crate) init_cpu_ms: Spread,
    pub(crate) resident_after_init_mb: Spread,
    /// Figures of its events; `None` of a function that was only started.
    #[serde(flatten)]
    pub(crate) handled: Option<Handled>,
    pub(crate) instructions: Option<Instructions>,
}

/// Figures of the events that a function has handled.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Handled {
    pub(crate) resident_after_events_mb: Spread,
    /// Events before the second look at the memory.
    pub(crate) events: u32,
    /// Time of the first invocation: ten messages, or one request.
    pub(crate) first_ms: Spread,
    /// Time of an invocation once the connections are open.
    pub(crate) later_ms: Spread,
    pub(crate) event_cpu_ms: Spread,
    pub(crate) per_event: PerEvent,
}

/// Origin of a binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum BuildKind {
    /// The bare function.
    Floor,
    /// The build that is measured.
    Now,
    /// The build that it is compared with.
    Before,
    /// The build that is measured, with a collector of its spans.
    Traced(Collector),
}

impl Row {
    fn label(&self) -> String {
        match self.build {
            BuildKind::Floor | BuildKind::Now => self.name.clone(),
            BuildKind::Before => format!("{} (before)", self.name),
            BuildKind::Traced(collector) => format!("{} (a {} collector)", self.name, collector.as_str()),
        }
    }

    /// A figure of its events, if it has handled any.
    fn of_events(&self, figure: impl FnOnce(&Handled) -> f64) -> Option<f64> {
        self.handled.as_ref().map(figure)
    }

    fn event_cpu_ms(&self) -> Option<f64> {
        self.of_events(|handled| handled.event_cpu_ms.median)
    }

    fn call_cpu_ms(&self) -> Option<f64> {
        self.of_events(|handled| handled.event_cpu_ms.median / handled.per_event.calls)
    }
}

impl Report {
    /// Functions that have a budget: as they are now, without those that were only started, of whose events nothing is known.
    pub(crate) fn measured(&self) -> Vec<Measured<'_>> {
        let compares = cfg!(target_arch = "x86_64") && self.tls;
        let now = self.rows.iter().filter(|row| row.build == BuildKind::Now);
        let measured = now.filter_map(|row| {
            let per_event = &row.handled.as_ref()?.per_event;
            Some(Measured { name: &row.name, per_event, instructions: row.instructions.filter(|_| compares) })
        });
        measured.collect()
    }

    /// The tables, and what one needs to know of them.
    pub(crate) fn tables(&self, is_debug: bool) -> String {
        let mut text = String::new();
        if !is_debug {
            let _ = writeln!(text, "{}\n{}", self.conditions(), self.times());
            if self.valgrind.is_some() {
                let _ = writeln!(text, "{}", self.instructions());
            }
        }
        text += &self.calls();
        if !is_debug && self.rows.iter().any(|row| row.build == BuildKind::Before) {
            let _ = write!(text, "\n{}", self.changes());
        }
        if !is_debug && self.rows.iter().any(|row| matches!(row.build, BuildKind::Traced(_))) {
            let _ = write!(text, "\n{}", self.traces());
        }
        text
    }

    fn conditions(&self) -> String {
        let transport = if self.tls { "TLS" } else { "no TLS" };
        let floor = self.floor().and_then(|floor| floor.handled.as_ref());
        let floor = floor.map_or(Spread::default(), |handled| handled.event_cpu_ms);
        let mut text = format!(
            "{}; {} rounds; {transport}; {} ms a call; load {:.1} at the beginning, {:.1} at the end. ",
            self.processor, self.rounds, self.latency_ms, self.load[0], self.load[1]
        );
        let _ = writeln!(
            text,
            "The floor's CPU time an event was from {:.3} to {:.3} ms: figures of other runs do not compare.",
            floor.least, floor.most
        );
        text
    }

    fn times(&self) -> String {
        let floor = self.floor();
        let rows = self.rows.iter().map(|row| {
            let resident_mb = row.of_events(|handled| handled.resident_after_events_mb.median);
            let range = row.handled.as_ref().map(|handled| handled.event_cpu_ms);
            vec![
                row.label(),
                megabytes(row.binary_bytes),
                megabytes(row.zip_bytes),
                format!("{:.1} ({:.1})", row.init_ms.median, row.init_cpu_ms.median),
                ratio(Some(row.init_ms.median), floor.map(|floor| floor.init_ms.median)),
                format!("{:.1} / {}", row.resident_after_init_mb.median, shown(resident_mb, tenths)),
                shown(row.of_events(|handled| handled.first_ms.median), tenths),
                shown(row.of_events(|handled| handled.later_ms.median), tenths),
                shown(row.event_cpu_ms(), |cpu_ms| format!("{cpu_ms:.3}")),
                shown(range, |range| format!("{:.3}–{:.3}", range.least, range.most)),
                ratio(row.event_cpu_ms(), floor.and_then(Row::event_cpu_ms)),
                ratio(row.call_cpu_ms(), floor.and_then(Row::call_cpu_ms)),
            ]
        });
        table(
            &[
                "function",
                "binary MB",
                "zip MB",
                "init ms (CPU)",
                "init × floor",
                "RSS MB init / end",
                "first ms",
                "later ms",
                "CPU ms/event",
                "range",
                "× floor",
                "a call × floor",
            ],
            rows,
        )
    }

    fn instructions(&self) -> String {
        let floor = self.floor().and_then(|floor| floor.instructions);
        let rows = self.rows.iter().filter_map(|row| {
            let count = row.instructions?;
            Some(vec![
                row.label(),
                thousands(count.init),
                ratio(Some(count.init), floor.map(|floor| floor.init)),
                shown(count.event, thousands),
                ratio(count.event, floor.and_then(|floor| floor.event)),
            ])
        });
        table(&["function", "init, k instructions", "× floor", "event, k instructions", "× floor"], rows)
    }

    fn calls(&self) -> String {
        let rows = self.rows.iter().filter_map(|row| {
            let one = &row.handled.as_ref()?.per_event;
            let kinds: Vec<String> =
                one.calls_by_kind.iter().map(|(kind, count)| format!("{kind} {}", short(*count))).collect();
            Some(vec![
                row.label(),
                short(one.calls),
                kinds.join(", "),
                format!("{:.0}", one.sent_bytes),
                format!("{:.0}", one.received_bytes),
                short(one.read_units),
                short(one.write_units),
            ])
        });
        table(&["an event of", "calls", "of which", "bytes sent", "received", "RRU", "WRU"], rows)
    }

    fn changes(&self) -> String {
        let now = self.rows.iter().filter(|row| row.build == BuildKind::Now);
        let rows = now.filter_map(|now| {
            let before = self.rows.iter().find(|row| row.build == BuildKind::Before && row.name == now.name)?;
            let change = |figure: &dyn Fn(&Row) -> Option<f64>| percent(figure(before), figure(now));
            let of_events = |figure: &dyn Fn(&Handled) -> f64| change(&|row| row.of_events(figure));
            let counted = |figure: &dyn Fn(Instructions) -> Option<f64>| {
                percent(before.instructions.and_then(figure), now.instructions.and_then(figure))
            };
            Some(vec![
                now.name.clone(),
                change(&|row| Some(to_f64(row.zip_bytes))),
                change(&|row| Some(row.init_ms.median)),
                of_events(&|handled| handled.resident_after_events_mb.median),
                of_events(&|handled| handled.event_cpu_ms.median),
                counted(&|count| Some(count.init)),
                counted(&|count| count.event),
                of_events(&|handled| handled.per_event.calls),
                of_events(&|handled| handled.per_event.sent_bytes),
                of_events(&|handled| handled.per_event.received_bytes),
                of_events(&|handled| handled.per_event.write_units),
            ])
        });
        table(
            &[
                "change in %",
                "zip",
                "init ms",
                "RSS end",
                "CPU/event",
                "init instr.",
                "event instr.",
                "calls",
                "sent",
                "received",
                "WRU",
            ],
            rows,
        )
    }

    /// Cost of being traced, beside the same function without a collector.
    fn traces(&self) -> String {
        let rows = self.rows.iter().filter_map(|row| {
            let BuildKind::Traced(_) = row.build else { return None };
            let off = self.rows.iter().find(|one| one.build == BuildKind::Now && one.name == row.name)?;
            let (on_handled, off_handled) = row.handled.as_ref().zip(off.handled.as_ref())?;
            let counted = |row: &Row| row.instructions.and_then(|count| count.event);
            let (on_later_ms, off_later_ms) = (on_handled.later_ms.median, off_handled.later_ms.median);
            let more = |on: Spread, off: Spread| format!("{:+.1}", on.median - off.median);
            Some(vec![
                row.label(),
                more(row.init_ms, off.init_ms),
                more(on_handled.resident_after_events_mb, off_handled.resident_after_events_mb),
                percent(off.event_cpu_ms(), row.event_cpu_ms()),
                percent(counted(off), counted(row)),
                percent(Some(off_later_ms), Some(on_later_ms)),
            ])
        });
        table(
            &["traced", "init, ms more", "RSS end, MB more", "CPU/event, %", "event instr., %", "answer after, %"],
            rows,
        )
    }

    /// The floor that does as much as a step of ours: one read, one write.
    fn floor(&self) -> Option<&Row> {
        self.rows.iter().rfind(|row| row.build == BuildKind::Floor)
    }
}

const NONE: &str = "–";

/// A figure as `write` writes it, and a dash for none: what was not measured must not look as if it cost nothing.
fn shown<T>(figure: Option<T>, write: impl FnOnce(T) -> String) -> String {
    figure.map_or_else(|| NONE.to_owned(), write)
}

fn ratio(figure: Option<f64>, floor: Option<f64>) -> String {
    let both = figure.zip(floor.filter(|floor| *floor > 0.0));
    shown(both, |(figure, floor)| format!("{:.2}", figure / floor))
}

fn percent(before: Option<f64>, now: Option<f64>) -> String {
    let both = before.filter(|before| *before > 0.0).zip(now);
    shown(both, |(before, now)| format!("{:+.1}", (now / before - 1.0) * 100.0))
}

pub(crate) fn tenths(figure: f64) -> String {
    format!("{figure:.1}")
}

fn megabytes(bytes: u64) -> String {
    format!("{:.2}", to_f64(bytes) / 1e6)
}

fn thousands(count: f64) -> String {
    format!("{:.0}", count / 1_000.0)
}

/// At most two digits after the point, and none that is 0.
pub(crate) fn short(figure: f64) -> String {
    let text = format!("{figure:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A table whose columns are as wide as they must be; all but the first are flush right.
pub(crate) fn table(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let rows: Vec<Vec<String>> = rows.collect();
    let width_of = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].chars().count(), 3]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width_of).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let cells = cells.zip(&widths).enumerate().map(|(column, (cell, width))| match column {
            0 => format!(" {cell:<width$} |"),
            _ => format!(" {cell:>width$} |"),
        });
        format!("|{}\n", cells.collect::<String>())
    };
    let mut text = line(&mut head.iter().copied());
    let rule = |(column, width): (usize, &usize)| match column {
        0 => format!("{}|", "-".repeat(width + 2)),
        _ => format!("{}:|", "-".repeat(width + 1)),
    };
    let _ = writeln!(text, "|{}", widths.iter().enumerate().map(rule).collect::<String>());
    for row in &rows {
        text += &line(&mut row.iter().map(String::as_str));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(median: f64) -> Spread {
        Spread { median, least: median, most: median }
    }

    fn row(name: &str, build: BuildKind, cpu_ms: f64, calls: f64) -> Row {
        let handled = Handled {
            resident_after_events_mb: spread(9.0),
            events: 500,
            first_ms: spread(12.0),
            later_ms: spread(3.0),
            event_cpu_ms: spread(cpu_ms),
            per_event: PerEvent { calls, ..PerEvent::default() },
        };
        let instructions = Instructions { init: 5e6, event: Some(cpu_ms * 1e6) };
        Row { handled: Some(handled), instructions: Some(instructions), ..started(name, build, 6.0) }
    }

    /// A function that no order comes to.
    fn started(name: &str, build: BuildKind, init_ms: f64) -> Row {
        Row {
            name: name.to_owned(),
            build,
            binary_bytes: 7_000_000,
            zip_bytes: 3_000_000,
            init_ms: spread(init_ms),
            init_cpu_ms: spread(5.0),
            resident_after_init_mb: spread(8.0),
            handled: None,
            instructions: Some(Instructions { init: 6e6, event: None }),
        }
    }

    fn report() -> Report {
        Report {
            processor: "a processor".to_owned(),
            rounds: 3,
            latency_ms: 0,
            tls: true,
            valgrind: Some("valgrind-3".to_owned()),
            load: [0.1, 0.2],
            rows: vec![
                row("floor: a put", BuildKind::Floor, 0.1, 1.0),
                row("floor: a query and a put", BuildKind::Floor, 0.2, 2.0),
                row("payment", BuildKind::Now, 0.6, 3.0),
                row("payment", BuildKind::Before, 0.8, 4.0),
            ],
        }
    }

    fn cells(text: &str, start: &str) -> Vec<String> {
        let line = text.lines().find(|line| line.starts_with(start)).unwrap();
        line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    }

    #[test]
    fn functions_are_compared_with_the_floor_by_event_and_by_call() {
        let cells = cells(&report().times(), "| payment ");
        assert_eq!(cells[8..], ["0.600", "0.600–0.600", "3.00", "2.00"]);
    }

    #[test]
    fn an_init_is_compared_with_the_floors() {
        let mut report = report();
        report.rows.push(started("jobs", BuildKind::Now, 7.5));
        let text = report.times();
        assert_eq!(cells(&text, "| function ")[4], "init × floor");
        assert_eq!(cells(&text, "| floor: a query ")[3..5], ["6.0 (5.0)", "1.00"]);
        assert_eq!(cells(&text, "| jobs ")[3..5], ["7.5 (5.0)", "1.25"]);
    }

    #[test]
    fn a_function_that_was_only_started_has_dashes_for_its_events() {
        let mut report = report();
        report.rows.push(started("jobs", BuildKind::Now, 7.5));
        report.rows.push(started("jobs", BuildKind::Before, 6.0));
        let times = cells(&report.times(), "| jobs ");
        assert_eq!(times[5..], ["8.0 / –", "–", "–", "–", "–", "–", "–"]);
        let instructions = cells(&report.instructions(), "| jobs ");
        assert_eq!(instructions[1..], ["6000", "1.20", "–", "–"]);
        let changes = cells(&report.changes(), "| jobs ");
        assert_eq!(changes[1..], ["+0.0", "+25.0", "–", "–", "+0.0", "–", "–", "–", "–", "–"]);
        assert!(!report.calls().contains("jobs"), "it has made no call for an event, which is no figure");
        let json = serde_json::to_value(&report).unwrap();
        let row = json["rows"].as_array().unwrap().iter().find(|row| row["name"] == "jobs").unwrap();
        for absent in ["events", "laterMs", "eventCpuMs", "perEvent", "residentAfterEventsMb"] {
            assert!(row.get(absent).is_none(), "{absent}: {row}");
        }
        assert_eq!(row["instructions"], serde_json::json!({"init": 6e6}));
        assert_eq!(json["rows"][2]["perEvent"]["calls"], 3.0);
    }

    #[test]
    fn only_what_has_handled_events_has_a_budget() {
        let mut report = report();
        report.rows.push(started("jobs", BuildKind::Now, 7.5));
        let names: Vec<&str> = report.measured().iter().map(|one| one.name).collect();
        assert_eq!(names, ["payment"]);
    }

    #[test]
    fn a_change_is_told_in_percent_of_what_was_before() {
        let cells = cells(&report().changes(), "| payment ");
        assert_eq!(cells[1..8], ["+0.0", "+0.0", "+0.0", "-25.0", "+0.0", "-25.0", "-25.0"]);
    }

    #[test]
    fn what_traces_cost_is_told_beside_the_same_function_without_a_collector() {
        let mut report = report();
        assert!(!report.tables(false).contains("| traced"));
        report.rows.push(row("payment", BuildKind::Traced(Collector::Slow), 0.66, 3.0));
        let text = report.tables(false);
        let cells = cells(&text, "| payment (a slow collector) | ");
        assert_eq!(cells.len(), 12, "it is in the table of times first");
        let last = text.lines().rfind(|line| line.starts_with("| payment (a slow collector)")).unwrap();
        let cells: Vec<&str> = last.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells[1..], ["+0.0", "+0.0", "+10.0", "+10.0", "+0.0"]);
    }

    #[test]
    fn a_debug_build_has_no_times() {
        let text = report().tables(true);
        assert!(text.contains("WRU") && !text.contains("ms"), "{text}");
    }

    #[test]
    fn figures_are_as_short_as_they_can_be() {
        assert_eq!([0.0, 1.0, 1.5, 2.333, 10.0].map(short), ["0", "1", "1.5", "2.33", "10"]);
    }
}

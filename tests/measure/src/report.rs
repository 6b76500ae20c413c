//! The tables, as Markdown that can be put into a document as it is.

use std::fmt::Write as _;

use serde::Serialize;

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
    pub(crate) resident_after_events_mb: Spread,
    /// Events before the second look at the memory.
    pub(crate) events: u32,
    /// Time of the first invocation: ten messages, or one request.
    pub(crate) first_ms: Spread,
    /// Time of an invocation once the connections are open.
    pub(crate) later_ms: Spread,
    pub(crate) event_cpu_ms: Spread,
    pub(crate) per_event: PerEvent,
    pub(crate) instructions: Option<Instructions>,
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

    fn call_cpu_ms(&self) -> f64 {
        self.event_cpu_ms.median / self.per_event.calls
    }
}

impl Report {
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
        let floor = self.floor().map_or(Spread::default(), |floor| floor.event_cpu_ms);
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
            vec![
                row.label(),
                megabytes(row.binary_bytes),
                megabytes(row.zip_bytes),
                format!("{:.1} ({:.1})", row.init_ms.median, row.init_cpu_ms.median),
                format!("{:.1} / {:.1}", row.resident_after_init_mb.median, row.resident_after_events_mb.median),
                format!("{:.1}", row.first_ms.median),
                format!("{:.1}", row.later_ms.median),
                format!("{:.3}", row.event_cpu_ms.median),
                format!("{:.3}–{:.3}", row.event_cpu_ms.least, row.event_cpu_ms.most),
                ratio(row.event_cpu_ms.median, floor.map(|floor| floor.event_cpu_ms.median)),
                ratio(row.call_cpu_ms(), floor.map(Row::call_cpu_ms)),
            ]
        });
        table(
            &[
                "function",
                "binary MB",
                "zip MB",
                "init ms (CPU)",
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
                ratio(count.init, floor.map(|floor| floor.init)),
                thousands(count.event),
                ratio(count.event, floor.map(|floor| floor.event)),
            ])
        });
        table(&["function", "init, k instructions", "× floor", "event, k instructions", "× floor"], rows)
    }

    fn calls(&self) -> String {
        let rows = self.rows.iter().map(|row| {
            let one = &row.per_event;
            let kinds: Vec<String> =
                one.calls_by_kind.iter().map(|(kind, count)| format!("{kind} {}", short(*count))).collect();
            vec![
                row.label(),
                short(one.calls),
                kinds.join(", "),
                format!("{:.0}", one.sent_bytes),
                format!("{:.0}", one.received_bytes),
                short(one.read_units),
                short(one.write_units),
            ]
        });
        table(&["an event of", "calls", "of which", "bytes sent", "received", "RRU", "WRU"], rows)
    }

    fn changes(&self) -> String {
        let now = self.rows.iter().filter(|row| row.build == BuildKind::Now);
        let rows = now.filter_map(|now| {
            let before = self.rows.iter().find(|row| row.build == BuildKind::Before && row.name == now.name)?;
            let instructions = now.instructions.zip(before.instructions);
            let change = |figure: &dyn Fn(&Row) -> f64| percent(figure(before), figure(now));
            let counted = |figure: &dyn Fn(Instructions) -> f64| {
                instructions.map_or_else(|| NONE.to_owned(), |(now, before)| percent(figure(before), figure(now)))
            };
            Some(vec![
                now.name.clone(),
                change(&|row| to_f64(row.zip_bytes)),
                change(&|row| row.init_ms.median),
                change(&|row| row.resident_after_events_mb.median),
                change(&|row| row.event_cpu_ms.median),
                counted(&|count| count.init),
                counted(&|count| count.event),
                change(&|row| row.per_event.calls),
                change(&|row| row.per_event.sent_bytes),
                change(&|row| row.per_event.received_bytes),
                change(&|row| row.per_event.write_units),
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
            let counted = row.instructions.zip(off.instructions);
            let more = |figure: &dyn Fn(&Row) -> f64| format!("{:+.1}", figure(row) - figure(off));
            Some(vec![
                row.label(),
                more(&|row| row.init_ms.median),
                more(&|row| row.resident_after_events_mb.median),
                percent(off.event_cpu_ms.median, row.event_cpu_ms.median),
                counted.map_or_else(|| NONE.to_owned(), |(on, off)| percent(off.event, on.event)),
                percent(off.later_ms.median, row.later_ms.median),
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

fn ratio(figure: f64, floor: Option<f64>) -> String {
    floor.filter(|floor| *floor > 0.0).map_or_else(|| NONE.to_owned(), |floor| format!("{:.2}", figure / floor))
}

fn percent(before: f64, now: f64) -> String {
    if before > 0.0 { format!("{:+.1}", (now / before - 1.0) * 100.0) } else { NONE.to_owned() }
}

fn megabytes(bytes: u64) -> String {
    format!("{:.2}", to_f64(bytes) / 1e6)
}

fn thousands(count: f64) -> String {
    format!("{:.0}", count / 1_000.0)
}

/// At most two digits after the point, and none that is 0.
fn short(figure: f64) -> String {
    let text = format!("{figure:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A table whose columns are as wide as they must be; all but the first are flush right.
fn table(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
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

    fn row(name: &str, build: BuildKind, cpu_ms: f64, calls: f64) -> Row {
        let spread = |median| Spread { median, least: median, most: median };
        Row {
            name: name.to_owned(),
            build,
            binary_bytes: 7_000_000,
            zip_bytes: 3_000_000,
            init_ms: spread(6.0),
            init_cpu_ms: spread(5.0),
            resident_after_init_mb: spread(8.0),
            resident_after_events_mb: spread(9.0),
            events: 500,
            first_ms: spread(12.0),
            later_ms: spread(3.0),
            event_cpu_ms: spread(cpu_ms),
            per_event: PerEvent { calls, ..PerEvent::default() },
            instructions: Some(Instructions { init: 5e6, event: cpu_ms * 1e6 }),
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
        assert_eq!(cells[7..], ["0.600", "0.600–0.600", "3.00", "2.00"]);
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
        assert_eq!(cells.len(), 11, "it is in the table of times first");
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

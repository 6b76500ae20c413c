//! Report of a run: a line while it goes on, and a table when it is over.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;

use crate::audit::{Rule, Violation};
use crate::customer::{CANCELLATION, WITHDRAWAL};
use crate::snapshot::Snapshot;
use crate::tally::{Kind, Tally};
use crate::timeline::timeline;

/// Pause between two lines where there is no terminal to overwrite it on.
const LINE_EVERY: Duration = Duration::from_secs(15);

/// Of so many violations the timelines are shown.
const MOST_TIMELINES: usize = 5;

/// The line that says how far it is.
pub(crate) struct Line {
    bar: ProgressBar,
    is_terminal: bool,
    begin: Instant,
    last: Option<Instant>,
}

impl Line {
    pub(crate) fn new() -> Self {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("  {spinner} {wide_msg}") {
            bar.set_style(style);
        }
        Self { bar, is_terminal: std::io::stderr().is_terminal(), begin: Instant::now(), last: None }
    }

    /// Shows that; on something else than a terminal, now and then.
    pub(crate) fn show(&mut self, text: &str) {
        let text = format!("{:>4} s  {text}", self.begin.elapsed().as_secs());
        if self.is_terminal {
            self.bar.set_message(text);
            self.bar.tick();
        } else if self.last.is_none_or(|last| last.elapsed() >= LINE_EVERY) {
            self.last = Some(Instant::now());
            anstream::eprintln!("  {text}");
        }
    }

    /// Says what begins now.
    pub(crate) fn say(&mut self, text: &str) {
        self.last = None;
        if self.is_terminal {
            self.bar.println(format!("  {text}"));
        } else {
            anstream::eprintln!("  {text}");
        }
    }

    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

/// Duration of each part.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Times {
    /// With faults.
    pub(crate) storm: Duration,
    /// From then on until all was quiet.
    pub(crate) calm: Duration,
}

/// The table at the end.
pub(crate) fn summary(tally: &Tally, calls: u64, times: Times, violations: &[Violation]) -> String {
    let mut text = String::new();
    for (title, kind) in [
        ("orders", Kind::Order),
        ("ends", Kind::End),
        ("kills", Kind::Kill),
        ("faults", Kind::Fault),
        ("duplicates", Kind::Duplicate),
        ("poison", Kind::Poison),
        ("rights", Kind::Right),
        ("dead letters", Kind::Letter),
        ("redrives", Kind::Redrive),
        ("told live", Kind::Told),
        ("cut sockets", Kind::Cut),
    ] {
        let total = if kind == Kind::Order { orders(tally) } else { tally.total(kind) };
        let _ = writeln!(text, "  {title:<14}{total:>9}");
        for (name, count) in tally.of(kind) {
            let _ = writeln!(text, "  {:<14}{count:>9}  {name}", "");
        }
    }
    let _ = writeln!(text, "  {:<14}{calls:>9}", "calls");
    let Times { storm, calm } = times;
    let _ = writeln!(
        text,
        "  {:<14}{:>7} s  under faults, then {} s until all was quiet",
        "time",
        storm.as_secs(),
        calm.as_secs()
    );
    let _ = writeln!(text, "  {:<14}{:>9}", "violations", violations.len());
    let mut rules = BTreeMap::<Rule, usize>::new();
    for violation in violations {
        *rules.entry(violation.rule).or_default() += 1;
    }
    for (rule, count) in rules {
        let _ = writeln!(text, "  {:<14}{count:>9}  {rule:?}", "");
    }
    text
}

/// Number of orders: a cancellation is none of its own.
pub(crate) fn orders(tally: &Tally) -> u64 {
    let is_order = |name: &str| ![CANCELLATION, WITHDRAWAL].contains(&name);
    tally.of(Kind::Order).iter().filter(|(name, _)| is_order(name)).map(|(_, count)| count).sum()
}

/// Violations, with the timelines of the orders concerned.
pub(crate) fn accusations(snapshot: &Snapshot, violations: &[Violation]) -> String {
    let mut text = String::new();
    for violation in violations {
        let _ = writeln!(text, "  {violation}");
    }
    let mut orders: Vec<&str> = violations.iter().filter_map(|violation| violation.order.as_deref()).collect();
    orders.dedup();
    for order in orders.iter().take(MOST_TIMELINES) {
        let _ = write!(text, "\n{}", timeline(snapshot, order));
    }
    text
}

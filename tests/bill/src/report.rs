//! The table: USD a million orders by line.

use std::fmt::Write as _;

use crate::prices::Prices;
use crate::usage::Usage;

const MILLION: f64 = 1e6;

const SECONDS_OF_A_MONTH: f64 = 730.0 * 3_600.0;

/// Titles of the columns that have goals.
pub(crate) const SHIPPED_QUIET: &str = "shipped, quiet";
pub(crate) const SHIPPED_BUSY: &str = "shipped, busy";

/// Orders of one kind placed in one way, and their usage.
pub(crate) struct Column {
    pub(crate) title: &'static str,
    pub(crate) usage: Usage,
}

/// All that is printed.
pub(crate) fn table(columns: &[Column], prices: &Prices, queues: u32) -> String {
    let mut text = format!("USD a million orders, {}, list prices (tests/bill/prices.json)\n\n", prices.region);
    money(&mut text, columns, prices);
    functions(&mut text, columns, "an order");
    let idle = idle(prices, f64::from(queues));
    let _ = writeln!(text, "\nidle: {idle:.2} a month, for the receives that Lambda has open at {queues} queues");
    for Column { title, usage } in columns.iter().filter(|column| column.title.ends_with("quiet")) {
        let gb = usage.kept_gb(&prices.assumptions) * MILLION;
        let (storage, recovery) = (prices.of("storage", gb), prices.of("recovery", gb));
        let _ = writeln!(
            text,
            "storage ({title}): {gb:.1} GB more with each million, {storage:.2} a month, and {recovery:.2} for point-in-time recovery"
        );
    }
    let _ = writeln!(text, "\nprices");
    for (name, price) in prices.all() {
        let seen = price.seen.as_deref().unwrap_or("not confirmed");
        let _ = writeln!(
            text,
            "  {name:<22}{:>14} for {:<8} {}; {seen}: {}",
            price.usd, price.per, price.unit, price.source
        );
    }
    text
}

/// All that is printed of deliveries.
pub(crate) fn deliveries(columns: &[Column], prices: &Prices) -> String {
    let mut text = format!("USD a million deliveries, {}, list prices (tests/bill/prices.json)\n\n", prices.region);
    row(&mut text, "", columns.iter().map(|column| column.title.to_owned()));
    lines(&mut text, columns, prices);
    row(&mut text, "sum", columns.iter().map(|column| format!("{:.2}", sum(&column.usage, prices))));
    functions(&mut text, columns, "a delivery");
    text
}

fn money(text: &mut String, columns: &[Column], prices: &Prices) {
    row(text, "", columns.iter().map(|column| column.title.to_owned()));
    lines(text, columns, prices);
    row(text, "without mail", columns.iter().map(|column| format!("{:.2}", sum(&column.usage, prices))));
    let mails = |usage: &Usage| prices.of("mails", usage.mails_an_order() * MILLION);
    let usages = || columns.iter().map(|column| &column.usage);
    row(
        text,
        "goal",
        columns.iter().map(|column| match column.title {
            SHIPPED_QUIET => format!("{:.2}", prices.goals.quiet),
            SHIPPED_BUSY => format!("{:.2}", prices.goals.busy),
            _ => String::new(),
        }),
    );
    row(text, "mails", usages().map(|usage| cell(usage.mails_an_order(), mails(usage))));
    row(text, "with mail", usages().map(|usage| format!("{:.2}", sum(usage, prices) + mails(usage))));
}

/// The lines of all that is paid for, but for mails.
fn lines(text: &mut String, columns: &[Column], prices: &Prices) {
    let all: Vec<_> = columns.iter().map(|column| column.usage.quantities(&prices.assumptions)).collect();
    for (line, (label, ..)) in all.first().into_iter().flatten().enumerate() {
        let cell = |(_, price, quantity): (&str, &str, f64)| cell(quantity, prices.of(price, quantity * MILLION));
        row(text, label, all.iter().map(|quantities| cell(quantities[line])));
    }
}

fn sum(usage: &Usage, prices: &Prices) -> f64 {
    let quantities = usage.quantities(&prices.assumptions);
    quantities.iter().map(|(_, price, quantity)| prices.of(price, quantity * MILLION)).sum()
}

/// Adds a line of the table.
fn row(text: &mut String, label: &str, cells: impl Iterator<Item = String>) {
    let _ = write!(text, "  {label:<30}");
    for cell in cells {
        let _ = write!(text, "{cell:>24}");
    }
    text.push('\n');
}

/// A quantity of an order, in gigabytes as bytes, and its price.
fn cell(quantity: f64, usd: f64) -> String {
    format!("{}{usd:>10.2}", quantity_text(quantity))
}

fn quantity_text(quantity: f64) -> String {
    if quantity > 0.0 && quantity < 0.000_1 { format!("{:.0} B", quantity * 1e9) } else { format!("{quantity:.3}") }
}

fn functions(text: &mut String, columns: &[Column], of_what: &str) {
    for Column { title, usage } in columns {
        let figures = usage.figures();
        let _ = writeln!(
            text,
            "\n{title}: {of_what}\n  {:<18}{:>12}{:>8}{:>8}{:>8}{:>8}{:>10}{:>10}{:>10}",
            "", "invocations", "batch", "calls", "reads", "writes", "sent B", "got B", "logs B"
        );
        for (name, function) in usage.functions.iter().filter(|(_, function)| function.invocations > 0) {
            let of = |figure: &str| figures[name][figure];
            let calls: Vec<String> = function
                .tally
                .per_event(u32::try_from(usage.orders).unwrap_or(u32::MAX))
                .calls_by_kind
                .iter()
                .map(|(kind, count)| format!("{count:.2} {kind}"))
                .collect();
            let _ = writeln!(
                text,
                "  {name:<18}{:>12.2}{:>8.1}{:>8.2}{:>8.2}{:>8.2}{:>10.0}{:>10.0}{:>10.0}  {}",
                of("invocations"),
                function.batch(),
                of("calls"),
                of("readUnits"),
                of("writeUnits"),
                of("sentBytes"),
                of("receivedBytes"),
                of("logBytes"),
                calls.join(", ")
            );
        }
    }
}

/// Receives at idle queues, a month.
fn idle(prices: &Prices, queues: f64) -> f64 {
    let of_a_poller = SECONDS_OF_A_MONTH / prices.assumptions.poll_seconds;
    prices.of("queue requests", queues * prices.assumptions.pollers_of_a_queue * of_a_poller)
}

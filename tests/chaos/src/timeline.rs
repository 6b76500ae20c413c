//! Timeline of one order, in the order in which it was put on record.

use std::fmt::Write as _;

use orderflow_events::{OrderId, PaymentId, ShipmentId, Time};

use crate::snapshot::{Row, Snapshot};

/// All that is on record about an order, as text.
pub(crate) fn timeline(snapshot: &Snapshot, order: &str) -> String {
    let mut lines = Vec::new();
    for (service, rows) in &snapshot.rows {
        for row in rows.iter().filter(|row| row.order == order) {
            lines.push((row.at.clone(), (*service).to_owned(), of_row(row)));
        }
    }
    if let Ok(id) = OrderId::new(order) {
        if let Some(charge) = snapshot.charges.get(PaymentId::of(&id).as_str()) {
            let verdict = charge.verdict.as_deref().unwrap_or("no verdict");
            lines.push((
                time(charge.charged_at),
                "(provider)".to_owned(),
                format!("{verdict}, {} charges", charge.charges),
            ));
            if charge.refund.is_some() {
                lines.push((time(charge.refunded_at), "(provider)".to_owned(), "refunded".to_owned()));
            }
        }
        if let Some(booking) = snapshot.bookings.get(ShipmentId::of(&id).as_str()) {
            lines.push((time(booking.booked_at), "(carrier)".to_owned(), format!("{} bookings", booking.bookings)));
            if booking.voided_at.is_some() {
                lines.push((time(booking.voided_at), "(carrier)".to_owned(), "voided".to_owned()));
            }
        }
    }
    for letter in &snapshot.letters {
        if let Some(fact) = letter.fact().filter(|fact| fact.subject == order) {
            let what = format!("{} {}: {}", fact.kind, letter.class, letter.reason);
            lines.push((letter.failed_at.clone(), format!("({} DLQ)", letter.service), what));
        }
    }
    lines.sort();
    let mut text = format!("{order}\n");
    for (at, who, what) in lines {
        let _ = writeln!(text, "  {at:<24}  {who:<18}  {what}");
    }
    let journal: Vec<&str> =
        snapshot.journal.iter().filter(|fact| fact.subject == order).map(|fact| fact.kind.as_str()).collect();
    let _ = writeln!(text, "  in the journal: {}", journal.join(", "));
    text
}

fn of_row(row: &Row) -> String {
    // The name of a change has no personal datum; the rest may.
    let change = row.change.as_object().and_then(|change| change.keys().next().cloned());
    let change = change.or_else(|| row.change.as_str().map(str::to_owned));
    let events: Vec<&str> = row.events.iter().map(|fact| fact.kind.as_str()).collect();
    let mut text = format!("{} ◄ {}", row.version, row.cause.kind);
    if let Some(change) = change {
        let _ = write!(text, ": {change}");
    }
    if !events.is_empty() {
        let _ = write!(text, " ► {}", events.join(", "));
    }
    if row.unfinished {
        text.push_str(" …");
    }
    text
}

fn time(millis: Option<i64>) -> String {
    millis.map(|millis| Time::from_millis(millis).to_string()).unwrap_or_default()
}

//! One order over all services: its steps with their delays, where it waits, and its letters.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::documents::{Order, Step, Waiting};
use crate::moment::{Moment, span};
use crate::show::letter::letters;
use crate::show::table::{NONE, table};
use crate::text::{bad, good, shown, strong};
use jiff::SignedDuration;

/// The order: in its first line whether it waits, then everything that is known.
pub(crate) fn order(order: &Order, now: Moment) -> String {
    let mut text = format!("{}  {}\n", strong(&shown(&order.id)), verdict(order));
    for waiting in &order.waiting {
        let _infallible = writeln!(text, "  {}", bad(&waits(waiting, now)));
    }
    if let Some(held) = &order.held {
        let _infallible = writeln!(text, "    score {}", held.score);
        for reason in &held.reasons {
            let _infallible = writeln!(text, "    {}", shown(&reason.detail));
        }
    }
    if !order.timeline.is_empty() {
        let _infallible = writeln!(text, "\n{}", steps(&order.timeline));
    }
    if !order.letters.is_empty() {
        let _infallible = writeln!(text, "\n{}", letters(&order.letters, now));
    }
    text
}

fn verdict(order: &Order) -> String {
    let is_open = |state: &str| matches!(state, "waiting" | "parkedAgain");
    let open = order.letters.iter().filter(|letter| is_open(&letter.state)).count();
    match (order.waiting.len(), open) {
        (0, 0) => good("waits for nothing"),
        (waiting, 0) => bad(&format!("waits in {waiting} {}", if waiting == 1 { "place" } else { "places" })),
        (_, letters) => {
            bad(&format!("stuck: {letters} {} waiting", if letters == 1 { "letter is" } else { "letters are" }))
        }
    }
}

fn waits(waiting: &Waiting, now: Moment) -> String {
    let what = waiting.event_type.as_ref().map_or_else(|| "an event".to_owned(), |kind| shown(kind));
    let mut text = if waiting.person {
        "waits for a person".to_owned()
    } else {
        format!("{} has not handled {what}", shown(&waiting.service))
    };
    if let Some(since) = waiting.since {
        let _infallible = write!(text, " for {}", span(now.since(since)));
    }
    if let Some(why) = &waiting.why {
        let _infallible = write!(text, ": {}", shown(why));
    }
    if let Some(receives) = waiting.receives {
        let _infallible = write!(text, " ({receives} {}", if receives == 1 { "attempt" } else { "attempts" });
        if let Some(next) = waiting.next_attempt {
            let left = next.since(now);
            let next = if left.is_positive() { format!("in {}", span(left)) } else { "due".to_owned() };
            let _infallible = write!(text, ", the next {next}");
        }
        text.push(')');
    }
    text
}

fn steps(timeline: &[Step]) -> String {
    // People think in types; an id is for those that have none on record.
    let types: BTreeMap<&str, &str> =
        timeline.iter().filter_map(|step| Some((step.event.as_deref()?, step.what.as_str()))).collect();
    let after = |step: &Step| {
        let cause = step.cause.as_deref();
        cause.map_or_else(|| NONE.to_owned(), |cause| shown(types.get(cause).unwrap_or(&cause)))
    };
    let mut before: Option<Moment> = None;
    let rows = timeline.iter().map(|step| {
        let delay = before.map_or_else(|| NONE.to_owned(), |before| format!("+{}", span(step.at.since(before))));
        before = Some(step.at);
        vec![
            step.at.to_string(),
            delay,
            shown(&step.service),
            shown(&step.what),
            step.waited_ms.map_or_else(|| NONE.to_owned(), |waited| span(SignedDuration::from_millis(waited))),
            after(step),
        ]
    });
    let rows: Vec<_> = rows.collect();
    table(&["TIME", "DELAY", "SERVICE", "WHAT", "TOOK", "AFTER"], &["DELAY", "TOOK"], rows)
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;
    use serde_json::{Value, json};

    use super::*;

    fn of(document: Value) -> String {
        let document: Order = serde_json::from_value(document).unwrap();
        strip_str(&order(&document, "2026-11-22T12:00:00Z".parse().unwrap())).to_string()
    }

    #[test]
    fn one_glance_tells_where_an_order_waits() {
        let letter = json!({ "id": "let_1", "service": "payment", "state": "waiting", "class": "exhausted", "reason": "503",
            "type": "InventoryReserved", "orderId": "ord_1", "failedAt": "2026-11-22T10:00:00Z", "receives": 20, "body": "{}" });
        let text = of(json!({
            "orderId": "ord_1",
            "timeline": [
                { "at": "2026-11-22T09:00:00.000Z", "service": "orders", "what": "OrderCreated", "event": "01", "cause": "x1" },
                { "at": "2026-11-22T09:00:00.420Z", "service": "inventory", "what": "InventoryReserved", "event": "02",
                  "cause": "01", "waitedMs": 390, "more": true },
            ],
            "waiting": [{ "service": "payment", "event": "019", "type": "InventoryReserved", "since": "2026-11-22T09:00:00.420Z", "why": "a letter",
                "receives": 7, "nextAttempt": "2026-11-22T12:02:00Z" }],
            "letters": [letter],
        }));
        assert_eq!(
            text,
            "ord_1  stuck: 1 letter is waiting
  payment has not handled InventoryReserved for 2 h 59 min: a letter (7 attempts, the next in 2 min)

TIME                       DELAY  SERVICE    WHAT                TOOK  AFTER
2026-11-22T09:00:00.000Z       -  orders     OrderCreated           -  x1
2026-11-22T09:00:00.420Z  +0.4 s  inventory  InventoryReserved  0.3 s  OrderCreated

LETTER  STATE    SERVICE  TYPE               ORDER  CLASS      FAILED          REASON
let_1   waiting  payment  InventoryReserved  ord_1  exhausted  2 h 00 min ago  503
"
        );
    }

    #[test]
    fn an_order_that_is_held_says_why_and_for_whom_it_waits() {
        let waiting = json!([{ "service": "screening", "type": "OrderFlagged", "since": "2026-11-22T11:00:00Z",
            "why": "it is flagged", "person": true }]);
        let held = json!({ "since": "2026-11-22T11:00:00Z", "score": 80, "reasons": [
            { "code": "a", "detail": "10 orders of this customer" }, { "code": "b", "detail": "1250.00 EUR" }] });
        assert_eq!(
            of(json!({ "orderId": "ord_1", "waiting": waiting, "held": held })),
            "ord_1  waits in 1 place\n  waits for a person for 1 h 00 min: it is flagged\n    score 80\n    \
             10 orders of this customer\n    1250.00 EUR\n"
        );
    }

    #[test]
    fn an_order_at_rest_says_so() {
        assert_eq!(
            of(json!({ "orderId": "ord_1", "timeline": [], "waiting": [], "letters": [] })),
            "ord_1  waits for nothing\n"
        );
        let waiting = json!([{ "service": "shipping" }, { "service": "orders", "type": "PaymentProcessed" }]);
        assert_eq!(
            of(json!({ "orderId": "ord_1", "waiting": waiting })),
            "ord_1  waits in 2 places\n  shipping has not handled an event\n  orders has not handled PaymentProcessed\n"
        );
    }
}

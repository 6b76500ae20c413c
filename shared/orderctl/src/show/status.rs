//! State of the whole stack on one screen.

use std::fmt::Write as _;

use jiff::SignedDuration;

use crate::documents::{Letters, Orders, Queue, Status};
use crate::moment::span;
use crate::show::table::{NONE, table};
use crate::text::{bad, good, shown};

/// The state: first what somebody has to do something about, then the queues and the relays.
pub(crate) fn status(status: &Status) -> String {
    let Letters { waiting, sent, handled, parked_again, dropped } = status.letters;
    let mut text = String::new();
    let _infallible = writeln!(
        text,
        "Letters  {}, {}, {sent} sent, {handled} handled, {dropped} dropped",
        alarm(waiting, "waiting"),
        alarm(parked_again, "parked again")
    );
    if let Some(Orders { open, late }) = status.orders {
        let _infallible = writeln!(text, "Orders   {open} open, {}", alarm(late, "late"));
    }
    if !status.queues.is_empty() {
        let age = |seconds| span(SignedDuration::from_secs(seconds));
        let row = |queue: &Queue| {
            let oldest = queue.oldest_seconds.map_or_else(|| NONE.to_owned(), age);
            vec![shown(&queue.service), queue.visible.to_string(), queue.hidden.to_string(), oldest]
        };
        let headers = ["QUEUE", "VISIBLE", "HIDDEN", "OLDEST"];
        // The age is not always told.
        let told = if status.queues.iter().any(|queue| queue.oldest_seconds.is_some()) { 4 } else { 3 };
        let rows = status.queues.iter().map(|queue| row(queue).into_iter().take(told).collect());
        let queues = table(&headers[..told], &headers[1..], rows);
        let _infallible = writeln!(text, "\n{queues}");
    }
    if !status.streams.is_empty() {
        let rows = status.streams.iter().map(|stream| vec![shown(&stream.service), stream.relay_letters.to_string()]);
        let _infallible = writeln!(text, "\n{}", table(&["RELAY", "LETTERS"], &["LETTERS"], rows));
    }
    text
}

fn alarm(count: u64, what: &str) -> String {
    let text = format!("{count} {what}");
    if count == 0 { good(&text) } else { bad(&text) }
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_stack_is_one_screen() {
        let document: Status = serde_json::from_value(json!({
            "queues": [
                { "service": "orders", "visible": 0, "hidden": 0, "oldestSeconds": null },
                { "service": "payment", "visible": 1200, "hidden": 40, "oldestSeconds": 4000 },
            ],
            "letters": { "waiting": 7, "sent": 1, "handled": 90, "parkedAgain": 0, "dropped": 2 },
            "orders": { "open": 30, "late": 3 },
            "streams": [{ "service": "orders", "relayLetters": 0 }],
        }))
        .unwrap();
        let ageless = Queue { oldest_seconds: None, ..document.queues[1].clone() };
        let ageless = status(&Status { queues: vec![ageless], ..document.clone() });
        assert!(ageless.contains("QUEUE    VISIBLE  HIDDEN\npayment     1200      40\n"), "{ageless}");
        let nothing_known = Status { orders: None, queues: vec![], streams: vec![], ..document.clone() };
        assert_eq!(status(&nothing_known).lines().count(), 1);
        assert_eq!(
            strip_str(&status(&document)).to_string(),
            "Letters  7 waiting, 0 parked again, 1 sent, 90 handled, 2 dropped
Orders   30 open, 3 late

QUEUE    VISIBLE  HIDDEN      OLDEST
orders         0       0           -
payment     1200      40  1 h 06 min

RELAY   LETTERS
orders        0
"
        );
    }
}

//! Attempts at an event that have failed so far, as the consumer's log tells of them. SQS tells its receive count only to who
//! receives a message.

use std::collections::HashMap;
use std::time::Duration;

use orderflow_events::Time;
use serde::Deserialize;

/// Last attempt at an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attempt {
    /// Number of times that the event was received, that of the attempt included.
    pub(crate) receives: u32,
    /// Reason why it failed.
    pub(crate) reason: String,
    /// Time at which the event comes again, where that is known.
    pub(crate) next_at: Option<Time>,
}

/// Line of a consumer's log, as far as it tells of an attempt.
#[derive(Deserialize)]
struct Line {
    timestamp: Time,
    reason: Option<String>,
    hidden_seconds: Option<u64>,
    span: Record,
}

/// Record that a line is about.
#[derive(Deserialize)]
struct Record {
    event_id: String,
    receive_count: u32,
}

/// The last attempt at each event, by its id, as lines in the order of their time tell of them.
pub(crate) fn last_attempts(lines: &[String]) -> HashMap<String, Attempt> {
    let mut last = HashMap::<String, Attempt>::new();
    for Line { timestamp, reason, hidden_seconds, span } in
        lines.iter().filter_map(|line| serde_json::from_str(line).ok())
    {
        let Record { event_id, receive_count: receives } = span;
        match (reason, hidden_seconds) {
            (Some(reason), _) => {
                last.insert(event_id, Attempt { receives, reason, next_at: None });
            }
            (None, Some(seconds)) => {
                if let Some(attempt) = last.get_mut(&event_id).filter(|attempt| attempt.receives == receives) {
                    attempt.next_at = Some(timestamp.after(Duration::from_secs(seconds)));
                }
            }
            (None, None) => {}
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_last_attempt_counts_and_comes_again_when_its_line_says_so() {
        let line = |second: u32, id: &str, receives: u32, fields: &[(&str, serde_json::Value)]| {
            let mut line = json!({
                "timestamp": format!("2026-11-01T00:00:{second:02}.123456Z"), "level": "WARN", "message": "…",
                "span": { "event_id": id, "event_type": "OrderCreated", "receive_count": receives, "subject": "ord_1" },
            });
            for (name, value) in fields {
                line[name] = value.clone();
            }
            line.to_string()
        };
        let (down, busy) = ([("reason", json!("down"))], [("reason", json!("busy"))]);
        let lines = [
            line(1, "a", 1, &down),
            line(1, "a", 1, &[("hidden_seconds", json!(5))]),
            "START RequestId: 1".to_owned(),
            line(2, "b", 1, &[("handled", json!("Changed"))]),
            line(7, "a", 2, &busy),
            line(8, "c", 3, &down),
            line(8, "c", 3, &[("hidden_seconds", json!(12))]),
            // Of an attempt that nobody has heard of.
            line(9, "d", 1, &[("hidden_seconds", json!(12))]),
        ];
        let at = |second: u32| Time::new(&format!("2026-11-01T00:00:{second:02}.123Z")).unwrap();
        let attempt = |receives, reason: &str, next_at| Attempt { receives, reason: reason.to_owned(), next_at };
        let expected = [("a", attempt(2, "busy", None)), ("c", attempt(3, "down", Some(at(20))))];
        assert_eq!(last_attempts(&lines), expected.map(|(id, attempt)| (id.to_owned(), attempt)).into());
    }
}

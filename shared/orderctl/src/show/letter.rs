//! Letters, their groups, and one letter's history.

use std::fmt::Write as _;

use crate::documents::{Entry, Groups, Letter, WholeLetter};
use crate::moment::{Moment, span};
use crate::show::diff::pretty;
use crate::show::table::{NONE, table};
use crate::text::{bad, faint, good, shown, strong};

/// Characters of a reason in a list.
const MAX_REASON: usize = 120;

/// Body of a letter that nobody can open any more.
pub(crate) const ERASED: &str =
    "erased: nobody can open it any more. The customer in it is erased, or it was nobody's and is old";

/// Letters in a table, as the API has ordered them: the oldest failure first.
pub(crate) fn letters(letters: &[Letter], now: Moment) -> String {
    let row = |letter: &Letter| {
        vec![
            shown(&letter.id),
            shown(&letter.state),
            shown(&letter.service),
            optional(letter.event_type.as_ref()),
            optional(letter.order_id.as_ref()),
            shown(&letter.class),
            ago(letter.failed_at, now),
            shorter(&letter.reason),
        ]
    };
    table(&["LETTER", "STATE", "SERVICE", "TYPE", "ORDER", "CLASS", "FAILED", "REASON"], &[], letters.iter().map(row))
}

/// Groups in a table, the largest first.
pub(crate) fn groups(groups: &Groups, now: Moment) -> String {
    if groups.groups.is_empty() {
        return "No letter is waiting.".to_owned();
    }
    let rows = groups.groups.iter().map(|group| {
        vec![
            group.count.to_string(),
            shown(&group.service),
            optional(group.event_type.as_ref()),
            shown(&group.class),
            ago(group.oldest, now),
            shown(&group.reason),
        ]
    });
    table(&["COUNT", "SERVICE", "TYPE", "CLASS", "OLDEST", "REASON"], &["COUNT"], rows)
}

/// A letter whole: what it is, all that has happened to it, and its body.
pub(crate) fn whole(letter: &WholeLetter, now: Moment) -> String {
    let WholeLetter { letter: brief, body, erased, readable_until, function, source_queue, attributes, history } =
        letter;
    let mut text = format!("{}  {}\n", strong(&shown(&brief.id)), state(&brief.state));
    let function = if function.is_empty() { NONE } else { function };
    for (name, value) in [
        ("service", shown(&brief.service)),
        ("type", optional(brief.event_type.as_ref())),
        ("order", optional(brief.order_id.as_ref())),
        ("class", shown(&brief.class)),
        ("reason", shown(&brief.reason)),
        ("failed", format!("{} ({})", brief.failed_at, ago(brief.failed_at, now))),
        ("receives", brief.receives.to_string()),
        ("function", shown(function)),
        ("queue", shown(source_queue)),
    ] {
        line(&mut text, name, &value);
    }
    if let Some(until) = readable_until {
        line(&mut text, "readable", &format!("until {until} at least: nobody can tell whose it is"));
    }
    for (name, value) in attributes {
        line(&mut text, "attribute", &format!("{} = {}", shown(name), shown(value)));
    }
    text += "\nHistory\n";
    text += &timeline(history);
    text += "\nBody\n";
    if *erased {
        let _infallible = writeln!(text, "  {ERASED}");
        return text;
    }
    for part in pretty(body).lines() {
        let _infallible = writeln!(text, "  {}", shown(part));
    }
    text
}

/// Entries of a history, the first at the top, with the time between them.
pub(crate) fn timeline(history: &[Entry]) -> String {
    let mut text = String::new();
    let mut before: Option<Moment> = None;
    for entry in history {
        if let Some(before) = before {
            let _infallible = writeln!(text, "  │ {}", faint(&format!("{} later", span(entry.at.since(before)))));
        }
        before = Some(entry.at);
        let what = format!("{:<11}", shown(&entry.what));
        let _infallible = write!(text, "  ● {}  {what}  by {}", entry.at, shown(&entry.by));
        if let Some(why) = &entry.why {
            let _infallible = write!(text, ": {}", shown(why));
        }
        text.push('\n');
    }
    text
}

/// Somebody else's changes of a letter since it was read.
pub(crate) fn overtaken(read: &[Entry], now: &WholeLetter) -> String {
    let id = shown(&now.letter.id);
    match now.history.get(read.len()..) {
        Some(news) if !news.is_empty() => {
            format!(
                "somebody was faster with {id}, which is {} now:\n{}",
                shown(&now.letter.state),
                timeline(news).trim_end()
            )
        }
        _ => format!("{id} has changed meanwhile, and is {} now", shown(&now.letter.state)),
    }
}

fn line(text: &mut String, name: &str, value: &str) {
    let _infallible = writeln!(text, "  {name:<9}  {value}");
}

/// A state in the colour of what there is to do.
pub(crate) fn state(state: &str) -> String {
    match state {
        "waiting" | "parkedAgain" => bad(state),
        "handled" => good(state),
        other => shown(other),
    }
}

fn ago(at: Moment, now: Moment) -> String {
    format!("{} ago", span(now.since(at)))
}

fn optional(text: Option<&String>) -> String {
    text.map_or_else(|| NONE.to_owned(), |text| shown(text))
}

fn shorter(reason: &str) -> String {
    let mut short: String = reason.chars().take(MAX_REASON).collect();
    if short.len() < reason.len() {
        short.push('…');
    }
    shown(&short)
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;
    use serde_json::json;

    use super::*;

    fn at(text: &str) -> Moment {
        text.parse().unwrap()
    }

    fn document() -> serde_json::Value {
        json!({
            "id": "let_1", "service": "payment", "state": "parkedAgain", "class": "exhausted", "reason": "503\u{1b}[2J",
            "type": "InventoryReserved", "orderId": "ord_1", "failedAt": "2026-11-22T09:00:00.000Z", "receives": 20,
            "body": "{\"type\":\"InventoryReserved\"}", "function": "payment", "sourceQueue": "arn:aws:sqs:x:1:payment-dlq",
            "attributes": { "trace": "1" }, "earlier": {},
            "history": [
                { "at": "2026-11-22T09:00:00.000Z", "by": "payment", "what": "parked", "why": "503" },
                { "at": "2026-11-22T10:05:00.000Z", "by": "ada", "what": "sent", "why": "red_1" },
                { "at": "2026-11-22T10:05:01.500Z", "by": "payment", "what": "parkedAgain" },
            ],
        })
    }

    #[test]
    fn letters_are_a_table_in_which_nothing_of_a_stranger_is_obeyed() {
        let letter: Letter = serde_json::from_value(document()).unwrap();
        let nothing_known = Letter { event_type: None, order_id: None, reason: "r".repeat(121), ..letter.clone() };
        let text = letters(&[letter, nothing_known], at("2026-11-22T12:05:00Z"));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[0],
            "LETTER  STATE        SERVICE  TYPE               ORDER  CLASS      FAILED          REASON"
        );
        assert_eq!(
            lines[1],
            "let_1   parkedAgain  payment  InventoryReserved  ord_1  exhausted  3 h 05 min ago  503\\u{1b}[2J"
        );
        assert!(lines[2].contains("payment  -                  -  "), "{}", lines[2]);
        assert!(lines[2].ends_with("rr…"), "{}", lines[2]);
    }

    #[test]
    fn groups_are_a_table_and_none_is_said_so() {
        let group = json!({ "service": "payment", "class": "exhausted", "reason": "… answers …", "count": 12, "oldest": "2026-11-22T09:00:00Z" });
        let some: Groups = serde_json::from_value(json!({ "groups": [group] })).unwrap();
        assert_eq!(
            groups(&some, at("2026-11-22T09:12:00Z")),
            "COUNT  SERVICE  TYPE  CLASS      OLDEST      REASON\n   12  payment  -     exhausted  12 min ago  … answers …"
        );
        assert_eq!(groups(&Groups { groups: vec![] }, at("2026-11-22T09:12:00Z")), "No letter is waiting.");
    }

    #[test]
    fn a_letter_that_nobody_can_open_says_so() {
        let mut erased = document();
        (erased["body"], erased["erased"]) = (json!(""), json!(true));
        let letter: WholeLetter = serde_json::from_value(erased).unwrap();
        let text = whole(&letter, at("2026-11-22T12:05:00Z"));
        assert!(text.ends_with(&format!("\nBody\n  {ERASED}\n")), "{text}");
    }

    #[test]
    fn a_letter_of_nobody_knows_whom_says_how_long_it_can_be_read() {
        let mut unowned = document();
        unowned["readableUntil"] = json!("2027-02-20T09:00:00.000Z");
        let letter: WholeLetter = serde_json::from_value(unowned).unwrap();
        let text = whole(&letter, at("2026-11-22T12:05:00Z"));
        assert!(text.contains("\n  readable   until 2027-02-20T09:00:00.000Z at least: "), "{text}");
    }

    #[test]
    fn a_letter_is_drawn_with_its_history() {
        let letter: WholeLetter = serde_json::from_value(document()).unwrap();
        let text = whole(&letter, at("2026-11-22T12:05:00Z"));
        assert_eq!(
            strip_str(&text).to_string(),
            "let_1  parkedAgain
  service    payment
  type       InventoryReserved
  order      ord_1
  class      exhausted
  reason     503\\u{1b}[2J
  failed     2026-11-22T09:00:00.000Z (3 h 05 min ago)
  receives   20
  function   payment
  queue      arn:aws:sqs:x:1:payment-dlq
  attribute  trace = 1

History
  ● 2026-11-22T09:00:00.000Z  parked       by payment: 503
  │ 1 h 05 min later
  ● 2026-11-22T10:05:00.000Z  sent         by ada: red_1
  │ 1.5 s later
  ● 2026-11-22T10:05:01.500Z  parkedAgain  by payment

Body
  {
    \"type\": \"InventoryReserved\"
  }
"
        );
    }

    #[test]
    fn who_was_overtaken_is_told_by_whom() {
        let letter: WholeLetter = serde_json::from_value(document()).unwrap();
        assert_eq!(
            overtaken(&letter.history[..2], &letter),
            "somebody was faster with let_1, which is parkedAgain now:\n  ● 2026-11-22T10:05:01.500Z  parkedAgain  by payment"
        );
        assert_eq!(overtaken(&letter.history, &letter), "let_1 has changed meanwhile, and is parkedAgain now");
    }
}

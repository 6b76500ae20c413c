use serde_json::json;

use super::*;

const EVERY: Duration = Duration::from_mins(15);

fn at(minutes: i64) -> Time {
    Time::from_millis(minutes * 60_000)
}

fn one(id: &str) -> Match {
    Match::of(&json!({ "id": id, "type": "OrderFlagged", "time": "2026-01-01T00:00:00.000Z", "subject": "ord_1" }))
}

fn found(ids: &[&str]) -> Found {
    Found { matches: ids.iter().map(|id| one(id)).collect(), more: 0 }
}

/// A state: how many were told, when the last, what waits, and what is being told.
fn state(told: u64, told_at: Option<i64>, waiting: &[&str], telling: Option<&[&str]>) -> State {
    State {
        cursor: "1".to_owned(),
        told,
        told_at: told_at.map(at),
        waiting: found(waiting),
        telling: telling.map(found),
    }
}

#[test]
fn a_digest_is_due_when_something_waits_and_the_last_is_long_ago() {
    for (given, now, then) in [
        // Nothing waits.
        (state(0, None, &[], None), 0, state(0, None, &[], None)),
        (state(3, Some(0), &[], None), 99, state(3, Some(0), &[], None)),
        // The first need not wait.
        (state(0, None, &["a"], None), 0, state(0, None, &[], Some(&["a"]))),
        // The others wait for as long as the rule says, and no longer.
        (state(3, Some(0), &["a"], None), 14, state(3, Some(0), &["a"], None)),
        (state(3, Some(0), &["a", "b"], None), 15, state(3, Some(0), &[], Some(&["a", "b"]))),
        // A clock that has gone back only lets it wait.
        (state(3, Some(60), &["a"], None), 0, state(3, Some(60), &["a"], None)),
        // What is being told is not added to.
        (state(3, Some(0), &["b"], Some(&["a"])), 99, state(3, Some(0), &["b"], Some(&["a"]))),
    ] {
        assert_eq!(given.clone().due(EVERY, at(now)), then, "{given:?} at {now}");
    }
}

#[test]
fn what_is_told_is_told_once() {
    assert_eq!(state(3, Some(0), &["b"], Some(&["a"])).told(at(20)), state(4, Some(20), &["b"], None));
    assert_eq!(state(4, Some(20), &["b"], None).told(at(30)), state(4, Some(20), &["b"], None));
}

#[test]
fn what_matches_waits_in_its_order_and_many_are_counted() {
    let gathered = State::begun("0").found("1".to_owned(), [one("a")]).found("2".to_owned(), [one("b")]);
    assert_eq!((gathered.waiting, gathered.cursor.as_str()), (found(&["a", "b"]), "2"));
    let many = State::begun("0").found("1".to_owned(), (0..SHOWN + 7).map(|_| one("a")));
    assert_eq!((many.waiting.matches.len(), many.waiting.more), (SHOWN, 7));
    assert_eq!(many.waiting.count(), SHOWN as u64 + 7);
}

#[test]
fn a_match_says_ids_and_an_amount_and_nobody() {
    let event = json!({
        "id": "1", "type": "OrderCreated", "time": "2026-01-01T00:00:00.000Z", "subject": "ord_1", "source": "orderflow/orders",
        "data": { "total": { "amount": 60_000, "currency": "EUR" }, "customer": { "id": "cus_ada" }, "personal": "sealed" },
    });
    let text = serde_json::to_string(&Match::of(&event)).unwrap();
    assert!(text.contains("60000"), "{text}");
    assert!(!text.contains("ada") && !text.contains("sealed"), "{text}");
    let paid = json!({ "data": { "amount": { "amount": 5, "currency": "EUR" } } });
    assert_eq!(Match::of(&paid).amount.map(|money| money.amount()), Some(5));
    assert_eq!(Match::of(&json!({ "data": { "amount": "much" } })).amount, None);
}

#[test]
fn a_rule_is_another_with_another_pattern_or_address() {
    let rule = |kind: &str, to: &str, every: u64| {
        parse::<Rule>(&json!({ "match": { "type": [kind] }, "to": to, "every": every })).unwrap().key()
    };
    let known = rule("OrderFlagged", "staff@shop.example", 15);
    assert_eq!(known, rule("OrderFlagged", "staff@shop.example", 60));
    assert_ne!(known, rule("OrderCreated", "staff@shop.example", 15));
    assert_ne!(known, rule("OrderFlagged", "night@shop.example", 15));
}

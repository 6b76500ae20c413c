//! Notices to the staff: their rules here, and what must have been told once nothing is left to do.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::FutureExt;
use onewrite::memory::VirtualTime;
use onewrite::port::Clock;
use orderflow_events::parse;
use orderflow_notices::{NoticeStore, Notices, Rule, State};
use orderflow_notification::Mail;
use serde_json::{Value, json};
use simulator::Violation;

use crate::outside::{FEED_SHARDS, Outside};

/// Longer than any run takes, by its own clock.
const A_YEAR: Duration = Duration::from_hours(365 * 24);

/// Binary that tells them.
pub const FUNCTION: &str = "notices";

/// Time that one run of the notices may take.
pub const TIMEOUT: Duration = Duration::from_mins(1);

/// Rules of the staff: of each order at most one event matches each of them.
///
/// # Panics
///
/// One of them is none.
#[must_use]
pub fn rules() -> Vec<Rule> {
    let rules = [
        json!({ "match": { "type": ["OrderCancelled"] }, "to": "staff@shop.example", "every": 1 }),
        json!({
            "match": { "type": ["PaymentProcessed"], "data": { "amount": { "amount": [{ "numeric": [">", 2_000] }] } } },
            "to": "sales@shop.example", "every": 60,
        }),
    ];
    rules.iter().map(|rule| parse(rule).unwrap_or_else(|faults| panic!("{faults}"))).collect()
}

/// Begins the rules, before anything has happened.
pub fn begin(outside: &Outside) {
    for rule in rules() {
        let _ = outside.notices.write(&rule.key(), 0, &State::begun("0")).now_or_never();
    }
}

/// Each event that matches a rule is in one digest of it, and in no other; a digest that was sent twice says the same twice.
///
/// # Errors
///
/// The first event or digest of which that is not so.
pub fn check(outside: &Outside) -> Result<(), Violation> {
    let has_begun = |rule: &Rule| outside.notices.read(&rule.key()).now_or_never().is_some_and(|read| read != Ok(None));
    if !rules().iter().all(has_begun) {
        return Ok(());
    }
    // What is left is told by runs to which nothing happens, whatever the others took.
    let time = VirtualTime::new(0);
    for _ in 0..3 {
        time.pass(A_YEAR);
        let feed = (&*outside.feed, FEED_SHARDS, &*outside.journal);
        let notices = Notices::new(feed, &*outside.notices, &*outside.digest_leases, &*outside.digests, &time, rules());
        let run = notices.run(time.now().after(TIMEOUT)).now_or_never();
        if run != Some(Ok(())) {
            return Err(Violation::new(format!("the notices do not come to an end: {run:?}")));
        }
    }
    rules().iter().try_for_each(|rule| check_rule(outside, rule))
}

fn check_rule(outside: &Outside, rule: &Rule) -> Result<(), Violation> {
    let entries = outside.journal.entries();
    let events = entries.iter().filter_map(|entry| serde_json::from_str::<Value>(&entry.text).ok());
    let events: Vec<Value> = events.filter(|event| rule.matching.matches(event)).collect();
    let mut digests: BTreeMap<String, Mail> = BTreeMap::new();
    for (_, mail) in outside.digests.sent().into_iter().filter(|(to, _)| *to == rule.to) {
        if let Some(other) = digests.insert(mail.subject.clone(), mail.clone())
            && other != mail
        {
            return Err(Violation::new(format!("{} was told in two ways", mail.subject)));
        }
    }
    // "Notice 7: 3 events".
    let count = |subject: &str| subject.split(' ').nth(2).and_then(|count| count.parse::<usize>().ok()).unwrap_or(0);
    let told: usize = digests.keys().map(|subject| count(subject)).sum();
    if told != events.len() {
        return Err(Violation::new(format!("the staff is told of {told} events, and {} match", events.len())));
    }
    if digests.values().any(|mail| mail.text.contains(" more\n")) {
        return Ok(());
    }
    for event in events {
        let [kind, order] = ["type", "subject"].map(|name| event[name].as_str().unwrap_or_default());
        let line = format!("  {kind}  {order}");
        let is_in =
            |mail: &&Mail| mail.text.lines().any(|one| one.ends_with(&line) || one.contains(&format!("{line}  ")));
        let times = digests.values().filter(is_in).count();
        if times != 1 {
            return Err(Violation::of(order, format!("{kind} is in {times} digests")));
        }
    }
    Ok(())
}

//! Guarantees of the toolkit that hold once nothing is left to do.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::guarantees::Violation;
use crate::head::Head;
use crate::model::queue::Message;
use crate::model::topic::{POISON, StandardTopic};
use crate::observer::Rest;
use crate::operator::is_permanent;
use crate::stack::{Service, Stack};

/// Checks all of them, and the observer's own.
pub(crate) fn check(stack: &Stack) -> Result<(), Violation> {
    let run = &stack.run;
    check_queues(stack)?;
    let letters = letters(stack)?;
    run.guarantees.check_published()?;
    let (tables, events) = (stack.tables(), run.guarantees.events());
    run.observer.at_rest(&Rest { tables: &tables, letters: &letters, events: &events })?;
    check_again(stack)
}

/// No message is left anywhere but among the dead letters, and no row that was not published.
fn check_queues(stack: &Stack) -> Result<(), Violation> {
    for Service { name, queue, undeliverable, .. } in stack.services() {
        if queue.count() > 0 {
            return Err(Violation::new(format!("{} messages are left in the queue of {name}", queue.count())));
        }
        if undeliverable.count() > 0 {
            return Err(Violation::new(format!("{name} has undeliverable messages")));
        }
    }
    if !stack.streams_are_empty() {
        return Err(Violation::new("a stream has records left"));
    }
    if !stack.relay_letters().letters().is_empty() {
        return Err(Violation::new("a relay has dead letters"));
    }
    Ok(())
}

/// By subject, the services that have a letter of it. What is a letter still can never be handled, and all that nobody
/// can read is one.
fn letters(stack: &Stack) -> Result<BTreeMap<String, BTreeSet<&'static str>>, Violation> {
    let mut by_subject: BTreeMap<String, BTreeSet<&'static str>> = BTreeMap::new();
    let mut poison = BTreeSet::new();
    for Service { name, dead_letters, .. } in stack.services() {
        for Message { subject, attributes, .. } in
            dead_letters.look().iter().map(permanent).collect::<Result<Vec<_>, _>>()?
        {
            // A letter may be parked twice: when the answer was lost, or two attempts overlapped.
            match attributes.get(POISON) {
                Some(number) => drop(poison.insert(format!("{number:?}"))),
                None => drop(by_subject.entry(subject.to_string()).or_default().insert(name)),
            }
        }
    }
    let sent: u64 = stack.topics().iter().map(|topic| topic.poisoned()).sum();
    if poison.len() as u64 != sent {
        let what = format!("{sent} messages that nobody can read were sent, and {} are dead letters", poison.len());
        return Err(Violation::new(what));
    }
    Ok(by_subject)
}

fn permanent(letter: &Message) -> Result<&Message, Violation> {
    if is_permanent(letter) {
        return Ok(letter);
    }
    Err(Violation::of(&letter.subject, format!("a letter cannot be redriven: {:?}", letter.attributes)))
}

/// One subject of so many is asked whether anything is left to do: that takes as long as all that was done before.
const ASKED: usize = 8;

/// Nothing is left to do: every event is delivered once more to everyone, and changes nothing. An event that was
/// acknowledged without being handled would now be.
fn check_again(stack: &Stack) -> Result<(), Violation> {
    let (run, before) = (&stack.run, footprint(stack));
    for topic in stack.topics() {
        deliver_again(&topic);
    }
    run.executor.run(|| run.is_violated());
    let after = footprint(stack);
    if before == after {
        return Ok(());
    }
    let changed: Vec<_> = before.iter().zip(&after).filter(|(before, after)| before != after).collect();
    Err(Violation::new(format!("events that come again change something: {changed:?}")))
}

fn deliver_again(topic: &StandardTopic) {
    let (published, subscriptions) = (topic.published(), topic.subscriptions());
    let subjects: BTreeSet<&Rc<str>> = published.iter().map(|(subject, _)| subject).collect();
    let asked: BTreeSet<&Rc<str>> = subjects.into_iter().step_by(ASKED).collect();
    for (subject, text) in published.iter().filter(|(subject, _)| asked.contains(subject)) {
        let head = Head::of(text);
        for subscription in subscriptions.iter().filter(|subscription| subscription.wants(&head.event_type)) {
            subscription.queue.send(Message::new(Rc::clone(subject), Rc::clone(text)));
        }
    }
}

/// Number of all that an event can change.
fn footprint(stack: &Stack) -> Vec<(&'static str, u64)> {
    let tables = stack.tables().into_iter().map(|(name, table)| (name, table.len() as u64));
    let events = ("events", stack.run.guarantees.events_count());
    tables.chain([events]).chain(stack.run.observer.footprint()).collect()
}

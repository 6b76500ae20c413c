//! Guarantees of the toolkit that hold once nothing is left to do.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use envelope::Subject;
use onewrite::{Answers, Failure, Inquiry};

use crate::guarantees::Violation;
use crate::head::Head;
use crate::model::queue::Message;
use crate::model::topic::{POISON, StandardTopic};
use crate::observer::Rest;
use crate::operator::is_permanent;
use crate::run::Run;
use crate::service::{Inspected, Service};
use crate::stack::Stack;

/// By subject, the services that have a letter of it.
type Letters = BTreeMap<String, BTreeSet<&'static str>>;

const A_DAY: Duration = Duration::from_hours(24);

/// Checks all of them, and the observer's own.
pub(crate) fn check(stack: &Stack) -> Result<(), Violation> {
    let run = &stack.run;
    check_queues(stack)?;
    let letters = letters(stack)?;
    run.guarantees.check_published()?;
    let (tables, events) = (stack.tables(), run.guarantees.events());
    run.observer.at_rest(&Rest { tables: &tables, letters: &letters, events: &events, now: run.executor.now() })?;
    check_outlooks(stack, &letters)?;
    check_again(stack)
}

/// Every consumer says of every event that nothing is left to be done, and of every subject that the world outside is as its
/// records have it, unless there is a letter of the subject that tells why not.
fn check_outlooks(stack: &Stack, letters: &Letters) -> Result<(), Violation> {
    let run = &stack.run;
    for topic in stack.topics() {
        let (published, subscriptions) = (topic.published(), topic.subscriptions());
        let asked = asked(&published);
        for Service { name, queue, consumer, .. } in stack.services() {
            let Some(subscription) = subscriptions.iter().find(|one| Rc::ptr_eq(&one.queue, queue)) else { continue };
            let has_letter = |subject: &str| letters.get(subject).is_some_and(|services| services.contains(name));
            let events: Vec<&(Rc<str>, Rc<str>)> = published
                .iter()
                .filter(|(subject, text)| {
                    asked.contains(subject) && !has_letter(subject) && subscription.wants(&Head::of(text).event_type)
                })
                .collect();
            let subjects = asked.iter().filter(|subject| !has_letter(subject));
            let inquiry = Inquiry {
                events: events.iter().map(|(_, text)| text.to_string()).collect(),
                subjects: subjects.filter_map(|subject| Subject::new(subject.to_string()).ok()).collect(),
                quiet_since: Some(run.executor.now()),
            };
            let answers = inspect(run, consumer, inquiry.clone())
                .map_err(|failure| Violation::new(format!("{name} does not answer: {failure}")))?;
            for ((subject, text), outlook) in events.into_iter().zip(&answers.events) {
                if !outlook.is_settled() {
                    return Err(Violation::of(subject, format!("{name} says {outlook:?} of {text}")));
                }
            }
            for (subject, discrepancies) in inquiry.subjects.iter().zip(&answers.subjects) {
                if let [first, ..] = &discrepancies[..] {
                    return Err(Violation::of(subject.as_str(), format!("{name} says: {}", first.detail)));
                }
            }
        }
    }
    Ok(())
}

fn inspect(run: &Rc<Run>, consumer: &Rc<dyn Inspected>, inquiry: Inquiry) -> onewrite::Result<Answers> {
    let answer = Rc::new(RefCell::new(None));
    let (asked, answered, deadline) = (Rc::clone(consumer), Rc::clone(&answer), run.executor.now().after(A_DAY));
    run.spawn(async move {
        let answers = asked.inspect(inquiry, deadline).await;
        answered.replace(Some(answers));
    });
    run.executor.run(|| run.is_violated());
    answer.take().unwrap_or_else(|| Err(Failure::transient("it was never done")))
}

/// No message is left anywhere but among the dead letters, and no row that was not published.
fn check_queues(stack: &Stack) -> Result<(), Violation> {
    for Service { name, queue, dead_letters, undeliverable, .. } in stack.services() {
        if queue.count() > 0 {
            return Err(Violation::new(format!("{} messages are left in the queue of {name}", queue.count())));
        }
        if undeliverable.count() > 0 {
            return Err(Violation::new(format!("{name} has undeliverable messages")));
        }
        if stack.operator().merges_copies() && dead_letters.count() > 0 {
            return Err(Violation::new(format!("{name} has dead letters that nobody has collected")));
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
fn letters(stack: &Stack) -> Result<Letters, Violation> {
    let mut by_subject = Letters::new();
    let mut poison = BTreeSet::new();
    let operator = stack.operator();
    for (service, letter) in operator.letters(stack.services()) {
        let Message { subject, attributes, body, .. } = permanent(service, &letter)?;
        // A letter may be parked twice: when the answer was lost, or two attempts overlapped.
        match attributes.get(POISON) {
            Some(_) if operator.merges_copies() => drop(poison.insert((service, body.to_string()))),
            Some(number) => drop(poison.insert((service, format!("{number:?}")))),
            None => drop(by_subject.entry(subject.to_string()).or_default().insert(service)),
        }
    }
    let sent = poison_sent(stack, operator.merges_copies());
    if poison.len() != sent {
        let what = format!("{sent} messages that nobody can read were sent, and {} are dead letters", poison.len());
        return Err(Violation::new(what));
    }
    Ok(by_subject)
}

/// Number of messages that nobody can read; of those that are copies of each other one.
fn poison_sent(stack: &Stack, merges_copies: bool) -> usize {
    let sent: Vec<(&str, Rc<str>)> = stack.topics().iter().flat_map(|topic| topic.poison_sent()).collect();
    if merges_copies { sent.into_iter().collect::<BTreeSet<_>>().len() } else { sent.len() }
}

fn permanent<'a>(service: &str, letter: &'a Message) -> Result<&'a Message, Violation> {
    if is_permanent(letter) {
        return Ok(letter);
    }
    let what = format!("a letter of {service} cannot be redriven: {:?}", letter.attributes);
    Err(Violation::of(&letter.subject, what))
}

/// One subject of so many is asked whether anything is left to do: that takes as long as all that was done before.
const ASKED: usize = 8;

/// Nothing is left to do: every event is delivered once more to everyone, and changes nothing. An event that was
/// acknowledged without being handled would now be.
fn check_again(stack: &Stack) -> Result<(), Violation> {
    let (run, before) = (&stack.run, footprint(stack));
    run.last_appended.take();
    for topic in stack.topics() {
        deliver_again(&topic);
    }
    run.executor.run(|| run.is_violated());
    let after = footprint(stack);
    if before == after {
        return Ok(());
    }
    let changed: Vec<_> = before.iter().zip(&after).filter(|(before, after)| before != after).collect();
    let what = format!("events that come again change something: {changed:?}");
    Err(run
        .last_appended
        .take()
        .map_or_else(|| Violation::new(&what), |subject| Violation::of(subject.as_str(), &what)))
}

/// Subjects that are asked about.
fn asked(published: &[(Rc<str>, Rc<str>)]) -> BTreeSet<&Rc<str>> {
    let subjects: BTreeSet<&Rc<str>> = published.iter().map(|(subject, _)| subject).collect();
    subjects.into_iter().step_by(ASKED).collect()
}

fn deliver_again(topic: &StandardTopic) {
    let (published, subscriptions) = (topic.published(), topic.subscriptions());
    let asked = asked(&published);
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

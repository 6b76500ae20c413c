//! Truth of what is on record of dead letters, once nothing is left to do.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::time::Duration;

use futures::FutureExt;
use onewrite::{Attribute, FoundLetter, Inquiry, Outlook};
use orderflow_operations::{Kept, Letter, LetterId, LetterStore, MemoryOperations, State};
use simulator::model::queue::Message;
use simulator::{Run, Violation};

use crate::operations::ports::{Known, Surroundings};

/// Messages that the collectors were handed, by the letter that it becomes.
type Seen = HashMap<LetterId, FoundLetter>;

const A_DAY: Duration = Duration::from_hours(24);

/// Dead letters that nobody has handled, and that are not under way, each with its class as its consumer would have told it. What somebody has dropped can never
/// be handled.
pub(super) fn open(store: &MemoryOperations, around: &Surroundings, seen: &Seen) -> Vec<(&'static str, Message)> {
    let letters = store.letters();
    let open = letters.iter().filter(|letter| !matches!(letter.state, State::Handled | State::Sent));
    open.filter_map(|letter| Some((name_of(letter, around)?, message_of(letter, store, seen)))).collect()
}

fn name_of(letter: &Letter, around: &Surroundings) -> Option<&'static str> {
    around.services.iter().map(|known| known.name).find(|name| *name == letter.service)
}

fn message_of(letter: &Letter, store: &MemoryOperations, seen: &Seen) -> Message {
    let kept = store.message(&letter.id, &letter.message).now_or_never().and_then(Result::ok).flatten();
    let (body, mut attributes) = match (kept, seen.get(&letter.id)) {
        (Some(Kept::Clear(message)), _) => (message.body, message.attributes),
        (_, Some(found)) => (found.body.clone(), found.attributes.clone()),
        (Some(Kept::Sealed { .. }) | None, None) => Default::default(),
    };
    let class = if letter.state == State::Dropped { "permanent" } else { letter.class.as_str() };
    attributes.insert("failure-class".to_owned(), Attribute::Text("String".to_owned(), class.to_owned()));
    let subject = letter.glimpse.subject.as_deref().unwrap_or_default();
    Message { attributes: Rc::new(attributes), ..Message::new(Rc::from(subject), Rc::from(body)) }
}

/// Every letter's state is what its service says.
///
/// # Errors
///
/// The first of which it is not.
pub(super) fn check(
    run: &Rc<Run>,
    store: &MemoryOperations,
    around: &Surroundings,
    seen: &Seen,
) -> Result<(), Violation> {
    let mut by_service = BTreeMap::<&str, Vec<Letter>>::new();
    for letter in store.letters() {
        let sent = letter.history.iter().filter(|entry| entry.what == "sent").count();
        if sent != letter.sends as usize {
            return Err(of(&letter, format!("was sent {sent} times by its history, and {} by itself", letter.sends)));
        }
        let Some(name) = name_of(&letter, around) else { return Err(of(&letter, "is of no service")) };
        by_service.entry(name).or_default().push(letter);
    }
    for known in &around.services {
        let letters = by_service.remove(known.name).unwrap_or_default();
        let bodies = letters.iter().map(|letter| message_of(letter, store, seen).body.to_string()).collect();
        for (letter, outlook) in letters.iter().zip(outlooks(run, known, bodies)?) {
            agree(letter, &outlook)?;
        }
    }
    Ok(())
}

fn of(letter: &Letter, what: impl AsRef<str>) -> Violation {
    let what = format!("the letter {} of {} {}", letter.id, letter.service, what.as_ref());
    match &letter.glimpse.subject {
        Some(subject) => Violation::of(subject, what),
        None => Violation::new(what),
    }
}

fn agree(letter: &Letter, outlook: &Outlook) -> Result<(), Violation> {
    let is_settled = outlook.is_settled();
    match letter.state {
        State::Handled if !is_settled => {
            Err(of(letter, format!("is told as handled, and its service says {outlook:?}")))
        }
        State::Sent if is_settled => Err(of(letter, format!("is told as sent, and its service says {outlook:?}"))),
        State::Sent => Err(of(letter, format!("was sent back and has gone, and its service says {outlook:?}"))),
        State::Handled | State::Waiting | State::ParkedAgain | State::Dropped => Ok(()),
    }
}

/// Outlook of each event, as its consumer tells it.
fn outlooks(run: &Rc<Run>, known: &Known, events: Vec<String>) -> Result<Vec<Outlook>, Violation> {
    if events.is_empty() {
        return Ok(Vec::new());
    }
    let (consumer, answer) = (Rc::clone(&known.consumer), Rc::new(RefCell::new(None)));
    let (into, deadline) = (Rc::clone(&answer), run.executor.now().after(A_DAY));
    run.spawn(async move {
        let answers = consumer.inspect(Inquiry { events, ..Inquiry::default() }, deadline).await;
        *into.borrow_mut() = answers.ok();
    });
    run.executor.run(|| run.is_violated());
    let answers = answer.take().ok_or_else(|| Violation::new(format!("{} does not answer", known.name)))?;
    Ok(answers.events)
}

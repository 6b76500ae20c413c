//! Questions to consumers, in portions that an invocation takes.

use onewrite::{Answers, Inquiry, Outlook, Result};

use crate::port::Consumers;

/// Events or subjects of one inquiry: each costs its service a read, and its function has ten seconds.
const AT_ONCE: usize = 25;

/// Bytes of one inquiry: Lambda takes 6 MB, and an event may have 200 KB.
const MAX_BYTES: usize = 2_000_000;

/// Outlook of each event at that consumer; unknown where its function fails.
pub(crate) async fn outlooks(consumers: &impl Consumers, function: &str, events: &[&str]) -> Result<Vec<Outlook>> {
    let mut outlooks = Vec::new();
    let mut rest = events;
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = rest.iter().take_while(|event| {
            bytes += event.len();
            bytes <= MAX_BYTES
        });
        let count = fits.count().clamp(1, AT_ONCE);
        let (some, others) = rest.split_at(count);
        let inquiry = Inquiry { events: some.iter().map(|event| (*event).to_owned()).collect(), ..Inquiry::default() };
        outlooks.extend(answered(consumers, function, &inquiry).await?.events);
        rest = others;
    }
    Ok(outlooks)
}

/// Answers to an inquiry, one for each of its questions; unknown, or nothing, where the function fails.
pub(crate) async fn answered(consumers: &impl Consumers, function: &str, inquiry: &Inquiry) -> Result<Answers> {
    let mut answers = consumers.inspect(function, inquiry).await?.unwrap_or_default();
    answers.events.resize(inquiry.events.len(), Outlook::Unknown);
    answers.subjects.resize(inquiry.subjects.len(), Vec::new());
    Ok(answers)
}

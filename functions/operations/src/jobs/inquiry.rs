//! Questions to consumers, in portions that an invocation takes.

use onewrite::{Answers, Inquiry, Outlook, Result};

use crate::port::Consumers;

/// Events or subjects of one inquiry: each costs its service a read, and its function has ten seconds.
const AT_ONCE: usize = 25;

/// Bytes of one inquiry: Lambda takes 6 MB, and an event may have 200 KB.
const MAX_BYTES: usize = 2_000_000;

/// Outlook of each event at that consumer; unknown where its function fails.
pub(crate) async fn outlooks(consumers: &impl Consumers, function: &str, events: &[&str]) -> Result<Vec<Outlook>> {
    let told = told(consumers, function, events, 1).await?;
    Ok(told.into_iter().map(|outlook| outlook.unwrap_or(Outlook::Unknown)).collect())
}

/// Outlook of each event at that consumer; none where its function has failed at each of so many attempts.
pub(crate) async fn told(
    consumers: &impl Consumers,
    function: &str,
    events: &[&str],
    attempts: u32,
) -> Result<Vec<Option<Outlook>>> {
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
        let Some(answers) = answered(consumers, function, &inquiry, attempts).await? else {
            // Who does not answer may take ten seconds for that, each time: one is enough.
            outlooks.resize(events.len(), None);
            break;
        };
        outlooks.extend(answers.events.into_iter().map(Some));
        rest = others;
    }
    Ok(outlooks)
}

/// Answers to an inquiry, one for each of its questions; none where the function has failed at each of so many attempts.
pub(crate) async fn answered(
    consumers: &impl Consumers,
    function: &str,
    inquiry: &Inquiry,
    attempts: u32,
) -> Result<Option<Answers>> {
    for _ in 0..attempts {
        if let Some(mut answers) = consumers.inspect(function, inquiry).await? {
            answers.events.resize(inquiry.events.len(), Outlook::Unknown);
            answers.subjects.resize(inquiry.subjects.len(), Vec::new());
            return Ok(Some(answers));
        }
    }
    Ok(None)
}

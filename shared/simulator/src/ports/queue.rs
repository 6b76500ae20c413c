//! Queue of a consumer and its dead-letter queue.

use std::rc::Rc;

use onewrite::memory::MemoryQueue;
use onewrite::port::{DeadLetters, Visibility};
use onewrite::{DeadLetter, Failure, Result};

use crate::caller::Caller;
use crate::head::Head;
use crate::model::queue::{MAX_BATCH, Message, Receipt, StandardQueue};
use crate::run::count;

/// Queue and dead-letter queue of a consumer: what it asks for happens at once.
#[derive(Clone)]
pub struct Queues {
    /// Queue that the messages come from.
    pub queue: Rc<StandardQueue>,
    /// Queue of those that cannot be handled.
    pub dead_letters: Rc<StandardQueue>,
}

impl Visibility for Queues {
    async fn set(&self, changes: &[(String, u32)]) -> Result<()> {
        if changes.len() > MAX_BATCH {
            return Err(Failure::permanent("TooManyEntriesInBatchRequest"));
        }
        let set = |(receipt, seconds): &(String, u32)| {
            Receipt::parse(receipt).is_some_and(|receipt| self.queue.change_visibility(receipt, *seconds))
        };
        let refused = changes.iter().filter(|change| !set(change)).count();
        if refused == 0 { Ok(()) } else { Err(Failure::transient(format!("{refused} messages are not in flight"))) }
    }
}

impl DeadLetters for Queues {
    async fn park(&self, letter: &DeadLetter) -> Result<()> {
        let message = Message::new(Rc::from(&*Head::of(&letter.body).subject), Rc::from(letter.body.as_str()));
        self.dead_letters.send(Message { attributes: Rc::new(letter.attributes.clone()), ..message });
        Ok(())
    }
}

/// Queues of a consumer, as a caller may touch them.
#[derive(Clone)]
pub struct QueuePort {
    /// The caller.
    pub caller: Caller,
    /// The queues.
    pub queues: Queues,
}

impl Visibility for QueuePort {
    async fn set(&self, changes: &[(String, u32)]) -> Result<()> {
        let (queues, changes) = (self.queues.clone(), changes.to_vec());
        self.caller.ask("queue", "set visibility", move || async move { queues.set(&changes).await }).await
    }
}

impl DeadLetters for QueuePort {
    async fn park(&self, letter: &DeadLetter) -> Result<()> {
        let (caller, queues, letter) = (self.caller.clone(), self.queues.clone(), letter.clone());
        let effect = move || async move {
            if caller.run.trace.is_on() {
                let (event, reason) = (Head::of(&letter.body), letter.attributes.get("failure-reason"));
                caller.tell_of(&event.subject.clone(), || format!("parks {}: {reason:?}", event.described()));
            }
            count(&caller.run.tally.letters);
            queues.park(&letter).await
        };
        self.caller.ask("queue", "park", effect).await
    }
}

/// Dead letters of a relay.
#[derive(Clone)]
pub struct RelayLetters {
    /// The caller.
    pub caller: Caller,
    /// The letters.
    pub letters: Rc<MemoryQueue>,
}

impl DeadLetters for RelayLetters {
    async fn park(&self, letter: &DeadLetter) -> Result<()> {
        let (letters, letter) = (Rc::clone(&self.letters), letter.clone());
        self.caller.ask("queue", "park", move || async move { letters.park(&letter).await }).await
    }
}

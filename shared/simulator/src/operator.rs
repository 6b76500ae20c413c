//! Operator: sends dead letters back.

use onewrite::Attribute;

use crate::caller::Caller;
use crate::model::queue::{Message, StandardQueue};
use crate::run::count;
use crate::stack::{Service, Stack};

/// Sends letters of all services back to their queues, where they arrive after so long. Answers how many there were.
pub(crate) fn redrive(stack: &Stack, delay_ms: u64, which: fn(&Message) -> bool) -> usize {
    let send_back = |service: &Service| {
        [&service.dead_letters, &service.undeliverable]
            .map(|letters| send_back(stack, service, letters, delay_ms, which))
    };
    stack.services().iter().flat_map(send_back).sum()
}

fn send_back(
    stack: &Stack,
    service: &Service,
    letters: &StandardQueue,
    delay_ms: u64,
    which: fn(&Message) -> bool,
) -> usize {
    let operator = Caller::outside(&stack.run, "operator");
    let (sent, kept): (Vec<_>, Vec<_>) = letters.drain().into_iter().partition(which);
    for letter in kept {
        letters.send(letter);
    }
    let number = sent.len();
    for letter in sent {
        count(&stack.run.tally.redrives);
        operator.tell_of(&letter.subject, || format!("redrives a letter of {}", service.name));
        service.queue.send_late(letter, delay_ms);
    }
    number
}

/// True if a letter says that it can never be handled.
pub(crate) fn is_permanent(letter: &Message) -> bool {
    match letter.attributes.get("failure-class") {
        Some(Attribute::Text(_, class)) => class == "permanent",
        _ => false,
    }
}

//! Operator: sends dead letters back.

use std::collections::HashSet;
use std::rc::Rc;

use onewrite::Attribute;

use crate::caller::Caller;
use crate::model::queue::{Message, StandardQueue};
use crate::model::topic::POISON;
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
    let sent = distinct(sent);
    let number = sent.len();
    for letter in sent {
        count(&stack.run.tally.redrives);
        operator.tell_of(&letter.subject, || format!("redrives a letter of {}", service.name));
        service.queue.send_late(letter, delay_ms);
    }
    number
}

/// Letters without the copies of one message.
///
/// A message is parked once more at each of its receives for as long as the answers of the dead-letter queue are lost. If
/// all of its copies were sent back, each would be parked as often again, and the next time there would be its square.
fn distinct(letters: Vec<Message>) -> Vec<Message> {
    let mut known = HashSet::new();
    let mut is_first = |Message { body, attributes, .. }: &Message| {
        known.insert((Rc::clone(body), attributes.get(POISON).map(|number| format!("{number:?}"))))
    };
    letters.into_iter().filter(|letter| is_first(letter)).collect()
}

/// True if a letter says that it can never be handled.
pub(crate) fn is_permanent(letter: &Message) -> bool {
    match letter.attributes.get("failure-class") {
        Some(Attribute::Text(_, class)) => class == "permanent",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(body: &str, poison: Option<&str>) -> Message {
        let attributes =
            poison.map(|number| (POISON.to_owned(), Attribute::Text("Number".to_owned(), number.to_owned())));
        Message { attributes: attributes.into_iter().collect(), ..Message::new(Rc::from("s"), Rc::from(body)) }
    }

    #[test]
    fn a_message_that_was_parked_again_and_again_is_sent_back_once() {
        let letters = vec![letter("a", None), letter("a", None), letter("b", None), letter("a", None)];
        let bodies: Vec<_> = distinct(letters).into_iter().map(|letter| letter.body.to_string()).collect();
        assert_eq!(bodies, ["a", "b"]);
    }

    #[test]
    fn messages_nobody_can_read_are_told_apart_by_their_number() {
        let letters = vec![letter("{", Some("1")), letter("{", Some("2")), letter("{", Some("1"))];
        assert_eq!(distinct(letters).len(), 2);
    }
}

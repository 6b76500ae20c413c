//! Operator: looks after dead letters.

use std::collections::HashSet;
use std::rc::Rc;

use onewrite::Attribute;

use crate::caller::Caller;
use crate::model::queue::{Message, StandardQueue};
use crate::model::topic::POISON;
use crate::run::{Run, count};
use crate::service::Service;

/// Letters that an operator sends back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// All of them, whatever they say, while everything is under way.
    All,
    /// Those that do not say that they can never be handled.
    Curable,
}

/// Operator: whoever looks after the dead letters of a stack.
///
/// Where there is no other, letters lie in their queues and are sent back from there. A service of the application's own may
/// take them out and keep them.
pub trait Operator {
    /// Sends letters of all services back, after so many milliseconds, or begins to. Answers how many there are to be sent, and
    /// of how many that were sent it is not known yet what has become.
    fn redrive(self: Rc<Self>, services: &[Service], delay_ms: u64, which: Which) -> usize;

    /// Dead letters that there are, by service, each with the attributes that its consumer has given it. All that were sent back
    /// and handled are none any more.
    fn letters(&self, services: &[Service]) -> Vec<(&'static str, Message)>;

    /// True if copies of one message are one letter.
    fn merges_copies(&self) -> bool;
}

/// Operator who finds letters in their queues, and sends them back from there.
pub(crate) struct ByHand {
    run: Rc<Run>,
}

impl ByHand {
    /// An operator in that run.
    pub(crate) fn new(run: &Rc<Run>) -> Self {
        Self { run: Rc::clone(run) }
    }
}

impl Operator for ByHand {
    fn redrive(self: Rc<Self>, services: &[Service], delay_ms: u64, which: Which) -> usize {
        let send_back = |service: &Service| {
            [&service.dead_letters, &service.undeliverable]
                .map(|letters| send_back(&self.run, service, letters, delay_ms, which))
        };
        services.iter().flat_map(send_back).sum()
    }

    fn letters(&self, services: &[Service]) -> Vec<(&'static str, Message)> {
        let of = |service: &Service| {
            let name = service.name;
            service.dead_letters.look().into_iter().map(move |letter| (name, letter))
        };
        services.iter().flat_map(of).collect()
    }

    fn merges_copies(&self) -> bool {
        false
    }
}

fn send_back(run: &Rc<Run>, service: &Service, letters: &StandardQueue, delay_ms: u64, which: Which) -> usize {
    let operator = Caller::outside(run, "operator");
    let is_sent = |letter: &Message| which == Which::All || !is_permanent(letter);
    let (sent, kept): (Vec<_>, Vec<_>) = letters.drain().into_iter().partition(is_sent);
    for letter in kept {
        letters.send(letter);
    }
    let sent = distinct(sent);
    let number = sent.len();
    for letter in sent {
        count(&run.tally.redrives);
        operator.tell_of(&letter.subject, || format!("redrives a letter of {}", service.name));
        service.queue.send_late(Message { sent_at: None, ..letter }, delay_ms);
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
        Message { attributes: Rc::new(attributes.into_iter().collect()), ..Message::new(Rc::from("s"), Rc::from(body)) }
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

//! Standard queue of SQS.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::future::poll_fn;
use std::mem;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use envelope::Time;
use futures::future::{Either, select};
use onewrite::Attribute;

use crate::faults::FaultKind;
use crate::run::Run;

/// SQS changes the visibility of, and hands out, so many messages at once (its quota).
pub const MAX_BATCH: usize = 10;

/// Standard queue: every message at least once, in any order.
///
/// Of the messages that are visible any may be handed out next. One that is handed out is invisible until its visibility
/// timeout has passed, and then comes again; SQS may hand it out in between, too. A receipt handle that is not the last
/// of its message may still count, or no longer: SQS promises neither.
pub struct StandardQueue {
    /// Its name.
    pub name: String,
    run: Rc<Run>,
    visibility_timeout: Duration,
    redrive: Option<Redrive>,
    state: RefCell<State>,
    changes: Cell<u64>,
    reader: RefCell<Option<Waker>>,
}

/// Redrive policy: where a queue moves what was received too often.
#[derive(Clone)]
pub struct Redrive {
    /// The dead-letter queue.
    pub to: Rc<StandardQueue>,
    /// Number of times that a message may be received.
    pub max_receive_count: u32,
}

#[derive(Default)]
struct State {
    messages: HashMap<u64, Stored>,
    /// Ids of the messages that can be handed out now.
    visible: Vec<u64>,
    /// Moments, in milliseconds since 1970, at which messages can be seen again, by the turn in which they were hidden.
    returns: BinaryHeap<Reverse<(i64, u64, u64)>>,
    ids: u64,
    turns: u64,
}

struct Stored {
    message: Message,
    /// The turn in which it was hidden last; none while it is visible.
    hidden: Option<u64>,
}

/// Message.
#[derive(Clone, Debug)]
pub struct Message {
    /// SQS's id of it. One that is moved to another queue gets a new one.
    pub id: u64,
    /// Its body.
    pub body: Rc<str>,
    /// Its attributes, which its copies share.
    pub attributes: Rc<BTreeMap<String, Attribute>>,
    /// Subject of the event in the body, for the trace: the functions are shown the body alone.
    pub subject: Rc<str>,
    /// Number of times that it was handed out.
    pub receives: u32,
    /// Time at which it was sent; none before. One that SQS moves to another queue keeps it.
    pub sent_at: Option<Time>,
}

/// Receipt handle: a message, and which of its receives it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    id: u64,
    receive: u32,
}

impl Receipt {
    /// Text in which a function gets it.
    #[must_use]
    pub fn to_text(self) -> String {
        format!("{}-{}", self.id, self.receive)
    }

    /// Receipt handle of a text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (id, receive) = text.split_once('-')?;
        Some(Self { id: id.parse().ok()?, receive: receive.parse().ok()? })
    }
}

impl Message {
    /// Message that is to be sent: SQS will give it an id.
    #[must_use]
    pub fn new(subject: Rc<str>, body: Rc<str>) -> Self {
        Self { id: 0, body, attributes: Rc::default(), subject, receives: 0, sent_at: None }
    }

    /// Receipt handle of the last time that it was handed out.
    #[must_use]
    pub const fn receipt(&self) -> Receipt {
        Receipt { id: self.id, receive: self.receives }
    }
}

impl StandardQueue {
    /// Empty queue.
    #[must_use]
    pub fn new(run: &Rc<Run>, name: impl Into<String>, visibility_timeout: Duration, redrive: Option<Redrive>) -> Self {
        Self {
            name: name.into(),
            run: Rc::clone(run),
            visibility_timeout,
            redrive,
            state: RefCell::default(),
            changes: Cell::new(0),
            reader: RefCell::new(None),
        }
    }

    /// Sends a message.
    pub fn send(&self, message: Message) {
        self.send_late(message, 0);
    }

    /// Sends a message that arrives after so many milliseconds.
    pub fn send_late(&self, message: Message, delay_ms: u64) {
        let mut state = self.state.borrow_mut();
        state.ids += 1;
        let (id, sent_at) = (state.ids, message.sent_at.or_else(|| Some(self.run.executor.now())));
        state.messages.insert(id, Stored { message: Message { id, receives: 0, sent_at, ..message }, hidden: None });
        if delay_ms == 0 {
            state.visible.push(id);
        } else {
            state.hide(id, self.run.executor.millis().saturating_add_unsigned(delay_ms));
        }
        drop(state);
        self.wake();
    }

    /// Hands out a batch of up to `most` messages, as soon as there is one, and those that come within `window` after it.
    pub async fn receive_batch(&self, most: usize, window: Duration) -> Vec<Message> {
        let mut batch = self.receive(most).await;
        if window.is_zero() {
            return batch;
        }
        let mut window_ends = pin!(self.run.executor.sleep(window));
        while batch.len() < most {
            match select(pin!(self.receive(most - batch.len())), window_ends.as_mut()).await {
                Either::Left((more, _)) => batch.extend(more),
                Either::Right(_) => break,
            }
        }
        batch
    }

    /// Hands out up to `most` messages, as soon as there are any.
    pub async fn receive(&self, most: usize) -> Vec<Message> {
        loop {
            let messages = self.try_receive(most);
            if !messages.is_empty() {
                return messages;
            }
            let seen = self.changes.get();
            let news = poll_fn(|context| {
                if self.changes.get() != seen {
                    return Poll::Ready(());
                }
                self.reader.replace(Some(context.waker().clone()));
                Poll::Pending
            });
            match self.next_return() {
                Some(wait) => {
                    let _either = select(pin!(news), pin!(self.run.executor.sleep(wait))).await;
                }
                None => news.await,
            }
        }
    }

    /// Hands out up to `most` messages that are visible now, any of them.
    pub fn try_receive(&self, most: usize) -> Vec<Message> {
        let (now, faults) = (self.run.executor.millis(), &self.run.faults);
        let until = now.saturating_add(i64::try_from(self.visibility_timeout.as_millis()).unwrap_or(i64::MAX));
        let mut state = self.state.borrow_mut();
        state.bring_back(now);
        let (mut handed_out, mut dead, mut doubled) = (Vec::new(), Vec::new(), Vec::new());
        while handed_out.len() < most && !state.visible.is_empty() {
            let any = usize::try_from(faults.below(state.visible.len() as u64)).unwrap_or(0);
            let id = state.visible.swap_remove(any);
            let Some(Stored { message, .. }) = state.messages.get_mut(&id) else { continue };
            message.receives += 1;
            if self.redrive.as_ref().is_some_and(|redrive| message.receives > redrive.max_receive_count) {
                dead.extend(state.messages.remove(&id).map(|stored| stored.message));
                continue;
            }
            handed_out.push(message.clone());
            if faults.strikes(FaultKind::Doubled) {
                doubled.push(id);
            } else {
                state.hide(id, until);
            }
        }
        state.visible.append(&mut doubled);
        drop(state);
        if let Some(redrive) = &self.redrive {
            for message in dead {
                redrive.to.send(message);
            }
        }
        handed_out
    }

    /// Deletes a message, and answers whether it did.
    pub fn delete(&self, receipt: Receipt) -> bool {
        let mut state = self.state.borrow_mut();
        if !self.counts(&state, receipt) {
            return false;
        }
        state.visible.retain(|id| *id != receipt.id);
        state.messages.remove(&receipt.id);
        true
    }

    /// Lets a message be seen again after so many seconds, and answers whether it is so: one that is not in flight is
    /// left as it is.
    pub fn change_visibility(&self, receipt: Receipt, seconds: u32) -> bool {
        let mut state = self.state.borrow_mut();
        state.bring_back(self.run.executor.millis());
        if !self.counts(&state, receipt) || state.visible.contains(&receipt.id) {
            return false;
        }
        state.hide(receipt.id, self.run.executor.millis() + i64::from(seconds) * 1_000);
        drop(state);
        self.wake();
        true
    }

    /// Takes all messages out, whatever became of them: to look at them, or to send them elsewhere.
    pub fn drain(&self) -> Vec<Message> {
        let mut state = self.state.borrow_mut();
        let ids = state.ids;
        let State { messages, .. } = mem::replace(&mut *state, State { ids, ..State::default() });
        in_order(messages.into_values().map(|stored| stored.message).collect())
    }

    /// All messages, as they are, in the order in which they were sent.
    pub fn look(&self) -> Vec<Message> {
        let state = self.state.borrow();
        in_order(state.messages.values().map(|stored| stored.message.clone()).collect())
    }

    /// Number of messages, handed out or not.
    pub fn count(&self) -> usize {
        self.state.borrow().messages.len()
    }

    /// Number of messages in flight: handed out, and neither deleted nor visible again. SQS lets it be 120,000.
    pub fn in_flight(&self) -> usize {
        let mut state = self.state.borrow_mut();
        state.bring_back(self.run.executor.millis());
        state.messages.values().filter(|stored| stored.hidden.is_some()).count()
    }

    /// True if a receipt handle stands for a message that is there: the last one always, an earlier one at times.
    fn counts(&self, state: &State, receipt: Receipt) -> bool {
        let stored = state.messages.get(&receipt.id);
        stored.is_some_and(|stored| stored.message.receives == receipt.receive || self.run.faults.below(2) == 0)
    }

    /// Time until the next message can be seen again.
    fn next_return(&self) -> Option<Duration> {
        let state = self.state.borrow();
        let Reverse((due, ..)) = state.returns.peek()?;
        Some(Duration::from_millis(u64::try_from(due - self.run.executor.millis()).unwrap_or(0)))
    }

    fn wake(&self) {
        self.changes.set(self.changes.get() + 1);
        if let Some(waker) = self.reader.borrow_mut().take() {
            waker.wake();
        }
    }
}

/// Messages in the order in which they were sent.
fn in_order(mut messages: Vec<Message>) -> Vec<Message> {
    messages.sort_unstable_by_key(|message| message.id);
    messages
}

impl State {
    /// Lets a message be seen again at that moment, and not before.
    fn hide(&mut self, id: u64, until: i64) {
        self.turns += 1;
        if let Some(stored) = self.messages.get_mut(&id) {
            stored.hidden = Some(self.turns);
            self.returns.push(Reverse((until, self.turns, id)));
        }
    }

    /// Lets those messages be seen again that are due.
    fn bring_back(&mut self, now: i64) {
        while let Some(Reverse((due, turn, id))) = self.returns.peek().copied()
            && due <= now
        {
            self.returns.pop();
            if let Some(stored) = self.messages.get_mut(&id)
                && stored.hidden == Some(turn)
            {
                stored.hidden = None;
                self.visible.push(id);
            }
        }
    }
}

/// Behaviour that an emulator does not show, so that the suite of both cannot ask for it.
#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::faults::{FaultKinds, Faults};
    use crate::trace::Trace;

    const MINUTE: Duration = Duration::from_mins(1);

    fn send(queue: &StandardQueue, bodies: &[&str]) {
        for body in bodies {
            queue.send(Message::new(Rc::from(""), Rc::from(*body)));
        }
    }

    fn bodies(messages: &[Message]) -> Vec<&str> {
        messages.iter().map(|message| &*message.body).collect()
    }

    fn wait(run: &Rc<Run>, seconds: u64) {
        run.executor.spawn(run.executor.sleep(Duration::from_secs(seconds)));
        run.executor.run(|| false);
    }

    #[test]
    fn messages_come_in_any_order() {
        let queue = StandardQueue::new(&Run::calm(), "queue", MINUTE, None);
        let orders = (0..200).map(|_| {
            send(&queue, &["1", "2", "3"]);
            let received = queue.try_receive(MAX_BATCH);
            for message in &received {
                assert!(queue.delete(message.receipt()));
            }
            bodies(&received).concat()
        });
        assert_eq!(orders.collect::<HashSet<_>>().len(), 6);
        assert_eq!(queue.count(), 0);
    }

    #[test]
    fn a_message_may_be_handed_out_twice_at_once() {
        let faults = Faults::new(1, FaultKinds::NONE.with(FaultKind::Doubled), Some(1_000), u64::MAX);
        let run = Run::new(1, faults, None, Trace::default(), Rc::new(()));
        let queue = StandardQueue::new(&run, "queue", MINUTE, None);
        let twice = (0..100).filter(|_| {
            send(&queue, &["1"]);
            let (first, second) = (queue.try_receive(MAX_BATCH), queue.try_receive(MAX_BATCH));
            assert_eq!((first.len(), first[0].receives), (1, 1), "never twice in one batch");
            assert!(second.iter().all(|message| message.receives == 2));
            queue.drain();
            !second.is_empty()
        });
        assert!((20..80).contains(&twice.count()));
    }

    #[test]
    fn an_earlier_receipt_counts_at_times() {
        let run = Run::calm();
        let queue = StandardQueue::new(&run, "queue", MINUTE, None);
        let deleted = (0..100).filter(|_| {
            send(&queue, &["1"]);
            let first = queue.try_receive(MAX_BATCH);
            wait(&run, 60);
            let second = queue.try_receive(MAX_BATCH);
            let deleted = queue.delete(first[0].receipt());
            assert_eq!(queue.delete(second[0].receipt()), !deleted, "the last one always does");
            deleted
        });
        assert!((20..80).contains(&deleted.count()));
    }

    #[test]
    fn a_message_that_is_visible_again_cannot_be_hidden() {
        let run = Run::calm();
        let queue = StandardQueue::new(&run, "queue", MINUTE, None);
        send(&queue, &["1"]);
        let receipt = queue.try_receive(MAX_BATCH)[0].receipt();
        assert!(queue.change_visibility(receipt, 5));
        wait(&run, 5);
        assert!(!queue.change_visibility(receipt, 5));
        assert_eq!(queue.try_receive(MAX_BATCH).len(), 1);
    }

    #[test]
    fn a_batch_waits_for_its_window_or_until_it_is_full() {
        for (window, most, expected) in [(0, 10, &["1"][..]), (3, 10, &["1", "2", "3"]), (9, 2, &["1", "2"])] {
            let run = Run::calm();
            let queue = Rc::new(StandardQueue::new(&run, "queue", MINUTE, None));
            for (second, body) in (0..).zip(["1", "2", "3", "4"]) {
                queue.send_late(Message::new(Rc::from(""), Rc::from(body)), 1 + second * 1_400);
            }
            let (batch, reader, begin) = (Rc::new(RefCell::new(Vec::new())), Rc::clone(&queue), run.executor.now());
            let (received, ends) = (Rc::clone(&batch), Rc::clone(&run.executor));
            run.spawn(async move {
                *received.borrow_mut() = reader.receive_batch(most, Duration::from_secs(window)).await;
                assert!(begin.until(ends.now()) <= Duration::from_secs(window) + Duration::from_millis(1));
            });
            run.executor.run(|| false);
            assert_eq!(bodies(&batch.borrow()), expected, "{window} s");
        }
    }
}

//! A FIFO queue of SQS.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, VecDeque};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use futures::future::select;
use onewrite::port::{DeadLetters, Visibility};
use onewrite::{Attribute, DeadLetter, Failure, Result};
use orderflow_events::Time;

use crate::executor::Executor;

/// For how long SQS knows a deduplication id again (its documented interval).
const DEDUPLICATION_INTERVAL: Duration = Duration::from_mins(5);

/// SQS changes the visibility of, and hands out, so many messages at once (its quota).
pub const MAX_BATCH: usize = 10;

/// A FIFO queue with high throughput, as those of the stack are: deduplicated in each group.
///
/// As in SQS, a group of which a message is in flight hands out no other, and neither does one of which a message has
/// been put back with a delay: not until all that were handed out are visible again. A receipt handle counts until its
/// message is visible again.
pub struct FifoQueue {
    /// Its name.
    pub name: String,
    executor: Rc<Executor>,
    visibility: Duration,
    redrive: Option<Redrive>,
    state: RefCell<State>,
    numbers: Cell<u64>,
    changes: Cell<u64>,
    reader: RefCell<Option<Waker>>,
}

/// Where a queue moves what was received too often.
#[derive(Clone)]
pub struct Redrive {
    /// The dead-letter queue.
    pub to: Rc<FifoQueue>,
    /// How often a message may be received.
    pub max_receive_count: u32,
}

/// A queue and its dead-letter queue, as their consumer may touch them: what it asks for happens at once.
#[derive(Clone)]
pub struct Queues {
    /// Where the messages come from.
    pub queue: Rc<FifoQueue>,
    /// Where those go that cannot be handled.
    pub dead_letters: Rc<FifoQueue>,
}

impl Visibility for Queues {
    async fn set(&self, changes: &[(String, u32)]) -> Result<()> {
        if changes.len() > MAX_BATCH {
            return Err(Failure::permanent("TooManyEntriesInBatchRequest"));
        }
        let set = |(receipt, seconds): &(String, u32)| {
            receipt.parse().is_ok_and(|receipt| self.queue.change_visibility(receipt, *seconds))
        };
        let refused = changes.iter().filter(|change| !set(change)).count();
        if refused == 0 { Ok(()) } else { Err(Failure::transient(format!("{refused} messages are not in flight"))) }
    }
}

impl DeadLetters for Queues {
    async fn park(&self, letter: &DeadLetter) -> Result<()> {
        let (Some(group), Some(deduplication)) = (&letter.group, &letter.deduplication) else {
            return Err(Failure::permanent("MissingParameter"));
        };
        self.dead_letters.send(group, Rc::from(letter.body.as_str()), letter.attributes.clone(), deduplication);
        Ok(())
    }
}

#[derive(Default)]
struct State {
    groups: HashMap<Rc<str>, Group>,
    /// The groups that may have something to hand out, in the order in which they are asked.
    ready: VecDeque<Rc<str>>,
    /// When which group may have something to hand out again.
    returns: BinaryHeap<Reverse<(Time, Rc<str>)>>,
    receipts: HashMap<u64, Rc<str>>,
    /// Deduplication ids by group, and when they were last used.
    recent: HashMap<(Rc<str>, String), Time>,
    count: usize,
}

#[derive(Default)]
struct Group {
    messages: VecDeque<Message>,
    is_ready: bool,
}

/// A message.
#[derive(Clone, Debug)]
pub struct Message {
    /// SQS's id of it. One that is moved to another queue gets a new one.
    pub id: u64,
    /// Its body.
    pub body: Rc<str>,
    /// Its attributes.
    pub attributes: BTreeMap<String, Attribute>,
    /// Its group.
    pub group: Rc<str>,
    /// The id under which it was sent once.
    pub deduplication: String,
    /// How often it was handed out.
    pub receives: u32,
    /// The receipt handle of the last time.
    pub receipt: u64,
    visible_at: Time,
}

impl FifoQueue {
    /// An empty queue.
    pub fn new(
        executor: &Rc<Executor>,
        name: impl Into<String>,
        visibility: Duration,
        redrive: Option<Redrive>,
    ) -> Self {
        Self {
            name: name.into(),
            executor: Rc::clone(executor),
            visibility,
            redrive,
            state: RefCell::default(),
            numbers: Cell::new(0),
            changes: Cell::new(0),
            reader: RefCell::new(None),
        }
    }

    /// Sends a message; one that is sent again within five minutes, under the same deduplication id in its group, is
    /// taken for the same. Answers whether it is a new one.
    pub fn send(
        &self,
        group: &str,
        body: Rc<str>,
        attributes: BTreeMap<String, Attribute>,
        deduplication: &str,
    ) -> bool {
        let (now, mut state) = (self.executor.now(), self.state.borrow_mut());
        let group: Rc<str> =
            state.groups.get_key_value(group).map_or_else(|| Rc::from(group), |(key, _)| Rc::clone(key));
        let known = state.recent.insert((Rc::clone(&group), deduplication.to_owned()), now);
        if let Some(at) = known.filter(|at| at.until(now) < DEDUPLICATION_INTERVAL) {
            state.recent.insert((group, deduplication.to_owned()), at);
            return false;
        }
        let message = Message {
            id: self.number(),
            body,
            attributes,
            group: Rc::clone(&group),
            deduplication: deduplication.to_owned(),
            receives: 0,
            receipt: 0,
            visible_at: now,
        };
        state.count += 1;
        state.groups.entry(Rc::clone(&group)).or_default().messages.push_back(message);
        self.refresh(&mut state, &group);
        drop(state);
        self.wake();
        true
    }

    /// Lets the last message of a group overtake all others of it that were not handed out.
    pub fn overtake(&self, group: &str) {
        let mut state = self.state.borrow_mut();
        if let Some(Group { messages, .. }) = state.groups.get_mut(group) {
            let waiting = messages.iter().position(|message| message.receives == 0);
            if let (Some(waiting), Some(last)) = (waiting, messages.pop_back()) {
                messages.insert(waiting, last);
            }
        }
    }

    /// Hands out up to `most` messages, of as few groups as possible, as soon as there are any.
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
                Some(due) => {
                    let wait = self.executor.sleep(self.executor.now().until(due));
                    select(pin!(news), pin!(wait)).await;
                }
                None => news.await,
            }
        }
    }

    /// Hands out up to `most` messages that are visible now.
    pub fn try_receive(&self, most: usize) -> Vec<Message> {
        let (now, mut state) = (self.executor.now(), self.state.borrow_mut());
        while state.returns.peek().is_some_and(|Reverse((due, _))| *due <= now) {
            let Some(Reverse((_, group))) = state.returns.pop() else { break };
            self.refresh(&mut state, &group);
        }
        let (mut handed_out, mut dead) = (Vec::new(), Vec::new());
        let until = now.after(self.visibility);
        while handed_out.len() < most {
            let Some(group) = state.ready.pop_front() else { break };
            let Some(entry) = state.groups.get_mut(&group) else { continue };
            if !std::mem::take(&mut entry.is_ready) {
                continue;
            }
            let messages = &mut entry.messages;
            let mut index = 0;
            let before = handed_out.len();
            while index < messages.len() && handed_out.len() < most {
                let message = &mut messages[index];
                message.receives += 1;
                if let Some(redrive) = &self.redrive
                    && message.receives > redrive.max_receive_count
                {
                    dead.extend(messages.remove(index));
                    continue;
                }
                message.receipt = self.number();
                message.visible_at = until;
                handed_out.push(message.clone());
                index += 1;
            }
            for message in &handed_out[before..] {
                state.receipts.insert(message.receipt, Rc::clone(&group));
            }
            if handed_out.len() > before {
                state.returns.push(Reverse((until, group)));
            } else {
                self.refresh(&mut state, &group);
            }
        }
        state.count -= dead.len();
        drop(state);
        if let Some(redrive) = &self.redrive {
            for message in dead {
                redrive.to.send(&message.group, message.body, message.attributes, &format!("moved {}", message.id));
            }
        }
        handed_out
    }

    /// Deletes a message by its receipt handle, and answers whether it did: a receipt that is no longer the last, or has
    /// run out, deletes nothing.
    pub fn delete(&self, receipt: u64) -> bool {
        let (now, mut state) = (self.executor.now(), self.state.borrow_mut());
        let Some(group) = state.receipts.remove(&receipt) else { return false };
        let Some(Group { messages, .. }) = state.groups.get_mut(&group) else { return false };
        let found = messages.iter().position(|message| message.receipt == receipt && message.visible_at > now);
        let Some(index) = found else { return false };
        messages.remove(index);
        state.count -= 1;
        self.refresh(&mut state, &group);
        drop(state);
        self.wake();
        true
    }

    /// Lets a message be seen again after so many seconds, by its receipt handle, and answers whether it is so: a receipt
    /// that is no longer the last, or has run out, changes nothing.
    pub fn change_visibility(&self, receipt: u64, seconds: u32) -> bool {
        let (now, mut state) = (self.executor.now(), self.state.borrow_mut());
        let Some(group) = state.receipts.get(&receipt).cloned() else { return false };
        let Some(Group { messages, .. }) = state.groups.get_mut(&group) else { return false };
        let found = messages.iter_mut().find(|message| message.receipt == receipt && message.visible_at > now);
        let Some(message) = found else { return false };
        message.visible_at = now.after(Duration::from_secs(seconds.into()));
        if message.visible_at <= now {
            state.receipts.remove(&receipt);
        }
        self.refresh(&mut state, &group);
        drop(state);
        self.wake();
        true
    }

    /// Takes all messages out, whatever became of them, in the order of their groups: to look at them, or to send them
    /// elsewhere.
    pub fn drain(&self) -> Vec<Message> {
        let mut state = self.state.borrow_mut();
        let mut messages: Vec<Message> = state.groups.drain().flat_map(|(_, group)| group.messages).collect();
        state.count = 0;
        messages.sort_by_key(|message| message.id);
        messages
    }

    /// Puts a message back that was taken out, as it is.
    pub fn keep(&self, message: Message) {
        self.send(&message.group.clone(), message.body, message.attributes, &format!("kept {}", message.id));
    }

    /// All messages, as they are.
    pub fn look(&self) -> Vec<Message> {
        let state = self.state.borrow();
        let mut messages: Vec<Message> =
            state.groups.values().flat_map(|group| group.messages.iter().cloned()).collect();
        messages.sort_by_key(|message| message.id);
        messages
    }

    /// How many messages there are, handed out or not.
    pub fn count(&self) -> usize {
        self.state.borrow().count
    }

    fn number(&self) -> u64 {
        let number = self.numbers.get() + 1;
        self.numbers.set(number);
        number
    }

    fn next_return(&self) -> Option<Time> {
        self.state.borrow().returns.peek().map(|Reverse((due, _))| *due)
    }

    fn wake(&self) {
        self.changes.set(self.changes.get() + 1);
        if let Some(waker) = self.reader.borrow_mut().take() {
            waker.wake();
        }
    }

    /// Notes whether a group has something to hand out, or when it will.
    fn refresh(&self, state: &mut State, name: &Rc<str>) {
        let Some(group) = state.groups.get_mut(name) else { return };
        let Some(free_at) = group.messages.iter().map(|message| message.visible_at).max() else {
            state.groups.remove(name);
            return;
        };
        if free_at > self.executor.now() {
            group.is_ready = false;
            state.returns.push(Reverse((free_at, Rc::clone(name))));
        } else if !std::mem::replace(&mut group.is_ready, true) {
            state.ready.push_back(Rc::clone(name));
        }
    }
}

/// Where an emulator is kinder than SQS, so that the suite of both cannot ask for it.
#[cfg(test)]
mod tests {
    use super::*;

    fn received(queue: &FifoQueue) -> Vec<u64> {
        queue.try_receive(MAX_BATCH).into_iter().map(|message| message.receipt).collect()
    }

    #[test]
    fn a_receipt_that_was_used_up_changes_nothing() {
        let executor = Rc::new(Executor::default());
        let queue = FifoQueue::new(&executor, "queue", Duration::from_secs(30), None);
        queue.send("a", Rc::from("1"), BTreeMap::new(), "1");
        let first = received(&queue)[0];
        assert!(queue.change_visibility(first, 0));
        assert!(!queue.delete(first) && !queue.change_visibility(first, 5), "it is visible again");
        let second = received(&queue)[0];
        assert!(!queue.delete(first) && queue.count() == 1, "it is somebody else's now");
        assert!(queue.delete(second) && queue.count() == 0);
    }

    #[test]
    fn a_deduplication_id_is_known_for_five_minutes_even_when_its_message_is_gone() {
        let executor = Rc::new(Executor::default());
        let queue = FifoQueue::new(&executor, "queue", Duration::from_secs(30), None);
        for (after, is_new) in [(0, true), (299, false), (1, true), (299, false)] {
            executor.spawn(executor.sleep(Duration::from_secs(after)));
            executor.run(|| false);
            assert_eq!(queue.send("a", Rc::from("1"), BTreeMap::new(), "1"), is_new, "{after} s later");
            queue.drain();
        }
    }
}

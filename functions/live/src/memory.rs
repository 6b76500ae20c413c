//! Watches and sockets in memory.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use onewrite::memory::Paced;
use onewrite::{Failure, FailureKind, Result};
use orderflow_events::Time;
use serde_json::Value;

use crate::domain::{Ahead, FeedEvent, Right, Update};
use crate::port::{Added, Connection, Feed, Found, MAX_SUBSCRIPTIONS, PAGE, Page, Sent, Sockets, Watch, Watches};

/// Watches in memory.
#[derive(Debug, Default)]
pub struct MemoryWatches {
    connections: RefCell<BTreeMap<String, Open>>,
    watches: RefCell<BTreeMap<String, Watch>>,
    /// Places of the watches of each topic, by its key.
    topics: RefCell<BTreeMap<String, BTreeSet<String>>>,
    broken: RefCell<BTreeSet<String>>,
    /// Releases that are still to fail, and how.
    failing_releases: Cell<Option<(u32, FailureKind)>>,
    failing_holds: Cell<Option<(u32, FailureKind)>>,
}

/// A connection itself.
#[derive(Debug)]
struct Open {
    right: Right,
    /// Subscriptions that the client has ended before they were added.
    ended: BTreeSet<String>,
}

impl MemoryWatches {
    /// Number of what is kept: connections, and subscriptions.
    #[must_use]
    pub fn len(&self) -> usize {
        self.connections.borrow().len() + self.watches.borrow().len()
    }

    /// Tells that nothing is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl MemoryWatches {
    /// From now on a subscription is not understood.
    pub fn damage(&self, connection: &str, subscription: &str) {
        self.broken.borrow_mut().insert(place(connection, subscription));
    }

    /// The item of a connection is lost, and its subscriptions are not.
    pub fn lose_connection(&self, connection: &str) {
        self.connections.borrow_mut().remove(connection);
    }

    /// The next so many holds are not done, and fail in that way.
    pub fn fail_holds(&self, times: u32, kind: FailureKind) {
        self.failing_holds.set(Some((times, kind)));
    }

    /// The next so many releases are not done, and fail in that way.
    pub fn fail_releases(&self, times: u32, kind: FailureKind) {
        self.failing_releases.set(Some((times, kind)));
    }

    fn of_connection(&self, connection: &str) -> BTreeMap<String, String> {
        let (watches, begin) = (self.watches.borrow(), place(connection, ""));
        let own = watches.range(begin.clone()..).take_while(|(place, _)| place.starts_with(&begin));
        own.map(|(_, watch)| (watch.subscription.clone(), watch.topic.key())).collect()
    }

    /// Removes a watch; answers whether it was there.
    fn take(&self, place: &str) -> bool {
        let taken = self.watches.borrow_mut().remove(place);
        let Some(watch) = taken else { return false };
        self.topics.borrow_mut().entry(watch.topic.key()).or_default().remove(place)
    }
}

/// Fails as often as it is to.
fn fail(failing: &Cell<Option<(u32, FailureKind)>>) -> Result<()> {
    let Some((times, kind)) = failing.get().filter(|(times, _)| *times > 0) else { return Ok(()) };
    failing.set(Some((times - 1, kind)));
    Err(Failure::new(kind, "not done"))
}

fn place(connection: &str, subscription: &str) -> String {
    format!("{connection}#{subscription}")
}

fn key(watch: &Watch) -> String {
    place(&watch.connection, &watch.subscription)
}

impl Watches for MemoryWatches {
    async fn open(&self, connection: &str, right: &Right, _: Time) -> Result<bool> {
        let mut connections = self.connections.borrow_mut();
        if connections.contains_key(connection) {
            return Ok(false);
        }
        connections.insert(connection.to_owned(), Open { right: right.clone(), ended: BTreeSet::new() });
        Ok(true)
    }

    async fn connection(&self, connection: &str) -> Result<Option<Connection>> {
        let connections = self.connections.borrow();
        let Some(Open { right, .. }) = connections.get(connection) else { return Ok(None) };
        Ok(Some(Connection { right: right.clone(), subscriptions: self.of_connection(connection) }))
    }

    async fn watching(&self, connection: &str, key: &str) -> Result<Vec<String>> {
        if !self.connections.borrow().contains_key(connection) {
            return Ok(Vec::new());
        }
        let own = self.of_connection(connection).into_iter().filter(|(_, topic)| topic == key);
        Ok(own.map(|(subscription, _)| subscription).collect())
    }

    async fn add(&self, watch: &Watch, _: Time) -> Result<Added> {
        if self.topics.borrow().get(&watch.topic.key()).map_or(0, BTreeSet::len) >= watch.topic.most() {
            return Ok(Added::TopicFull);
        }
        let mut connections = self.connections.borrow_mut();
        let Some(open) = connections.get_mut(&watch.connection) else { return Ok(Added::Closed) };
        if self.watches.borrow().contains_key(&key(watch)) {
            return Ok(Added::Taken);
        }
        if open.ended.remove(&watch.subscription) {
            return Ok(Added::Ended);
        }
        if self.of_connection(&watch.connection).len() >= MAX_SUBSCRIPTIONS {
            return Ok(Added::ConnectionFull);
        }
        self.watches.borrow_mut().insert(key(watch), watch.clone());
        self.topics.borrow_mut().entry(watch.topic.key()).or_default().insert(key(watch));
        Ok(Added::Done)
    }

    async fn page(&self, key: &str, after: Option<&str>) -> Result<Page> {
        let after = after.map_or(Bound::Unbounded, Bound::Excluded);
        let (watches, topics) = (self.watches.borrow(), self.topics.borrow());
        let mut page = Page::default();
        let Some(places) = topics.get(key) else { return Ok(page) };
        let mut of_topic =
            places.range::<str, _>((after, Bound::Unbounded)).filter_map(|place| watches.get_key_value(place));
        for (place, watch) in of_topic.by_ref().take(PAGE) {
            page.next = Some(place.clone());
            page.found.push(if self.broken.borrow().contains(place) {
                Found::Broken(watch.connection.clone())
            } else {
                Found::Watch(watch.clone())
            });
        }
        page.next = page.next.filter(|_| of_topic.next().is_some());
        Ok(page)
    }

    async fn get(&self, key: &str, connection: &str, subscription: &str) -> Result<Option<Watch>> {
        let watches = self.watches.borrow();
        let found = watches.get(&place(connection, subscription));
        Ok(found.filter(|watch| watch.topic.key() == key).cloned())
    }

    async fn hold(&self, watch: &Watch, holder: &str) -> Result<bool> {
        fail(&self.failing_holds)?;
        let mut watches = self.watches.borrow_mut();
        let is_free = |known: &&mut Watch| {
            known.turn == watch.turn && known.holder.as_deref().is_none_or(|other| other == holder)
        };
        let free = watches.get_mut(&key(watch)).filter(is_free);
        Ok(free.map(|known| known.holder = Some(holder.to_owned())).is_some())
    }

    async fn release(&self, watch: &Watch, holder: &str, position: &str) -> Result<bool> {
        fail(&self.failing_releases)?;
        let mut watches = self.watches.borrow_mut();
        let held = watches.get_mut(&key(watch)).filter(|known| known.holder.as_deref() == Some(holder));
        let release = |known: &mut Watch| {
            (known.holder, known.position, known.turn) = (None, position.to_owned(), holder.to_owned());
        };
        Ok(held.map(release).is_some())
    }

    async fn remove(&self, connection: &str, subscription: &str) -> Result<()> {
        self.take(&place(connection, subscription));
        Ok(())
    }

    async fn end(&self, connection: &str, subscription: &str) -> Result<()> {
        if self.take(&place(connection, subscription)) {
            return Ok(());
        }
        let mut connections = self.connections.borrow_mut();
        let Some(open) = connections.get_mut(connection) else { return Ok(()) };
        if open.ended.len() >= MAX_SUBSCRIPTIONS {
            return Err(Failure::permanent("a client has ended too many subscriptions that never were"));
        }
        open.ended.insert(subscription.to_owned());
        Ok(())
    }

    async fn forget(&self, watch: &Watch) -> Result<()> {
        self.take(&key(watch));
        Ok(())
    }

    async fn close(&self, connection: &str) -> Result<()> {
        if self.connections.borrow_mut().remove(connection).is_some() {
            for subscription in self.of_connection(connection).keys() {
                self.take(&place(connection, subscription));
            }
        }
        Ok(())
    }
}

/// Feed in memory: its cursors count.
#[derive(Debug, Default)]
pub struct MemoryFeed {
    events: RefCell<Vec<Value>>,
}

impl MemoryFeed {
    /// Something has happened.
    pub fn add(&self, event: Value) {
        self.events.borrow_mut().push(event);
    }
}

impl Feed for MemoryFeed {
    async fn after(&self, position: &str, pattern: Option<&Value>, most: usize) -> Result<Ahead> {
        let begun: usize = position.parse().unwrap_or_default();
        let pattern = crate::feed::pattern(pattern)?;
        let events = self.events.borrow();
        let looked_at: Vec<(usize, &Value)> = events.iter().enumerate().skip(begun).take(most).collect();
        let updates = looked_at.iter().filter(|(_, event)| pattern.as_ref().is_none_or(|it| it.matches(event)));
        let updates = updates.map(|(index, event)| {
            Update::Event(FeedEvent { cursor: (index + 1).to_string(), event: (*event).clone() })
        });
        Ok(Ahead { updates: updates.collect(), position: looked_at.last().map(|(index, _)| (index + 1).to_string()) })
    }

    async fn end(&self) -> Result<String> {
        Ok(self.events.borrow().len().to_string())
    }
}

impl<T: Feed> Feed for Paced<'_, T> {
    async fn after(&self, position: &str, pattern: Option<&Value>, most: usize) -> Result<Ahead> {
        self.pace.call("after", self.port.after(position, pattern, most), timed_out).await
    }

    async fn end(&self) -> Result<String> {
        self.pace.call("end", self.port.end(), timed_out).await
    }
}

/// Sockets in memory.
#[derive(Debug, Default)]
pub struct MemorySockets {
    open: RefCell<BTreeSet<String>>,
    /// Texts by their connections.
    sent: RefCell<BTreeMap<String, Vec<String>>>,
}

impl MemorySockets {
    /// A client connects.
    pub fn connect(&self, connection: &str) {
        self.open.borrow_mut().insert(connection.to_owned());
    }

    /// A client is gone, and nobody notices yet.
    pub fn lose(&self, connection: &str) {
        self.open.borrow_mut().remove(connection);
    }

    /// True of a connection that is there.
    #[must_use]
    pub fn is_open(&self, connection: &str) -> bool {
        self.open.borrow().contains(connection)
    }

    /// Texts that have come to a connection, in their sequence.
    #[must_use]
    pub fn received(&self, connection: &str) -> Vec<String> {
        self.sent.borrow().get(connection).cloned().unwrap_or_default()
    }
}

impl Sockets for MemorySockets {
    async fn send(&self, connection: &str, text: &str) -> Result<Sent> {
        if !self.is_open(connection) {
            return Ok(Sent::Gone);
        }
        self.sent.borrow_mut().entry(connection.to_owned()).or_default().push(text.to_owned());
        Ok(Sent::Done)
    }

    async fn close(&self, connection: &str) -> Result<()> {
        self.lose(connection);
        Ok(())
    }
}

fn timed_out() -> Failure {
    Failure::transient("timed out")
}

impl<T: Watches> Watches for Paced<'_, T> {
    async fn open(&self, connection: &str, right: &Right, expires: Time) -> Result<bool> {
        self.pace.call("open", self.port.open(connection, right, expires), timed_out).await
    }

    async fn connection(&self, connection: &str) -> Result<Option<Connection>> {
        self.pace.call("connection", self.port.connection(connection), timed_out).await
    }

    async fn watching(&self, connection: &str, key: &str) -> Result<Vec<String>> {
        self.pace.call("watching", self.port.watching(connection, key), timed_out).await
    }

    async fn add(&self, watch: &Watch, expires: Time) -> Result<Added> {
        self.pace.call("add", self.port.add(watch, expires), timed_out).await
    }

    async fn page(&self, key: &str, after: Option<&str>) -> Result<Page> {
        self.pace.call("page", self.port.page(key, after), timed_out).await
    }

    async fn get(&self, key: &str, connection: &str, subscription: &str) -> Result<Option<Watch>> {
        self.pace.call("get", self.port.get(key, connection, subscription), timed_out).await
    }

    async fn hold(&self, watch: &Watch, holder: &str) -> Result<bool> {
        self.pace.call("hold", self.port.hold(watch, holder), timed_out).await
    }

    async fn release(&self, watch: &Watch, holder: &str, position: &str) -> Result<bool> {
        self.pace.call("release", self.port.release(watch, holder, position), timed_out).await
    }

    async fn remove(&self, connection: &str, subscription: &str) -> Result<()> {
        self.pace.call("remove", self.port.remove(connection, subscription), timed_out).await
    }

    async fn end(&self, connection: &str, subscription: &str) -> Result<()> {
        self.pace.call("complete", self.port.end(connection, subscription), timed_out).await
    }

    async fn forget(&self, watch: &Watch) -> Result<()> {
        self.pace.call("forget", self.port.forget(watch), timed_out).await
    }

    async fn close(&self, connection: &str) -> Result<()> {
        self.pace.call("close", self.port.close(connection), timed_out).await
    }
}

impl<T: Sockets> Sockets for Paced<'_, T> {
    async fn send(&self, connection: &str, text: &str) -> Result<Sent> {
        self.pace.call("send", self.port.send(connection, text), timed_out).await
    }

    async fn close(&self, connection: &str) -> Result<()> {
        self.pace.call("disconnect", self.port.close(connection), timed_out).await
    }
}

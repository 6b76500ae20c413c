//! Sending of updates: each once and in order, whoever dies at it.
//!
//! ```text
//!   read what is due ──► hold the subscription ──► send, one after the other ──► release it, with the number of the last
//!                                │
//!      somebody holds it ────────┘  wait a moment; what is held then is of one who has died: close the connection
//! ```
//!
//! To send is no part of any transaction: of what an attempt has sent that has died, or whose answer was lost, nobody here knows
//! whether it has arrived. The client knows. So its connection is closed, and it comes back with the number of the last update
//! that it has. There is no clock in this: who is taken for dead and is not, finds its connection closed.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::time::Duration;

use futures::lock::Mutex;
use futures::{StreamExt, TryStreamExt, stream};
use onewrite::port::{Clock, Log, Random};
use onewrite::{Failure, Ledger, Result};
use orderflow_events::{OrderId, Subject};
use orderflow_orders::Orders;
use serde_json::Value;
use tracing::{info, warn};

use crate::domain::{Ahead, BoardUpdate, OrderUpdate, Refusal, Topic, Update, ahead_of, board_ahead, updates_of};
use crate::port::{Boards, Feed, Found, Page, Sent, Sockets, Watch, Watches};
use crate::protocol::ToClient;
use crate::schema::{self, Schema};

/// Subscriptions that one attempt is at work on at once.
const AT_WORK: usize = 100;

/// Looks at a subscription that somebody holds, and the pauses between them: together 3 s, and more than it takes to send.
const LOOKS: u32 = 30;
const PAUSE: Duration = Duration::from_millis(100);

/// Attempts to send to a connection that has too much to do, and the pauses between them.
const ATTEMPTS: u32 = 4;

/// Most updates that are sent while a subscription is held once, so that nobody waits in vain for whom sends for long.
const AT_ONCE: usize = 20;

/// The largest message to a client, in bytes: that of API Gateway.
const MAX_TEXT_BYTES: usize = 128 * 1024;

/// Most times that one attempt goes on with a subscription.
const MAX_TURNS: u32 = 100;

/// Most times that one attempt sends to a subscription, or looks at what does not match. What is left then, a long past of all
/// events, the next page of the feed goes on with: the position is kept.
const MAX_STRETCHES: u32 = 10;

/// Facts that the subscriptions to a topic are told of, as far as they are read once for all of them.
#[derive(Debug)]
pub(crate) enum Facts {
    /// Updates of an order.
    Order(Vec<OrderUpdate>),
    /// The feed.
    Events(Reads),
    /// The board.
    Board(Box<BoardUpdate>),
}

/// Reads of the feed, by where they begin and what is to match: most subscriptions are at the same place. A read that is kept is not
/// repeated: of what comes later another attempt hears, which waits for whom it finds sending. Who wants one that another is at waits
/// for it, and who wants a different one does not.
pub(crate) type Reads = Mutex<BTreeMap<(String, Option<String>), Rc<Mutex<Option<Ahead>>>>>;

/// Most reads that are kept.
const MAX_READS: usize = 64;

/// Failure to advance a subscription.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// It could not be held, so that nothing was sent.
    Before(Failure),
    /// Something may have been sent.
    At(Failure),
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self::At(failure)
    }
}

impl From<Stopped> for Failure {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Before(failure) | Stopped::At(failure) => failure,
        }
    }
}

/// Place in the pages of a topic.
enum Place {
    /// At a page that is there.
    At(Page),
    /// After that place, where the next begins.
    After(String),
    /// After the last.
    End,
}

/// Sends the updates of orders, and the events of all, to those who watch them.
pub struct Push<L, W, S, C, F, B> {
    ledger: Ledger<L, W>,
    feed: F,
    board: B,
    watches: S,
    sockets: C,
    schema: Schema,
}

impl<L: Log, W: Clock + Random, S: Watches, C: Sockets, F: Feed, B: Boards> Push<L, W, S, C, F, B> {
    /// Sends what the ledger of the orders, the feed and the board say to the watches, by those sockets.
    pub fn new(ledger: Ledger<L, W>, feed: F, board: B, watches: S, sockets: C) -> Self {
        Self { ledger, feed, board, watches, sockets, schema: schema::build() }
    }

    pub(crate) const fn feed(&self) -> &F {
        &self.feed
    }

    pub(crate) fn world(&self) -> &W {
        self.ledger.world()
    }

    pub(crate) const fn watches(&self) -> &S {
        &self.watches
    }

    pub(crate) const fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Opens the connection to the tables, so that the first invocation need not wait for it.
    pub async fn warm(&self) {
        self.ledger.warm().await;
    }

    /// Updates of an order, none that was on record before missing.
    pub(crate) async fn updates(&self, order: &OrderId) -> Result<Vec<OrderUpdate>> {
        Ok(updates_of(self.ledger.states::<Orders>(&Subject::from(order)).await?))
    }

    /// Tells those who watch these orders what they have not been told. Where nobody does, it is one look for each order.
    ///
    /// # Errors
    ///
    /// Somebody may not have been told. It does no harm to try again.
    pub async fn tell(&self, orders: impl IntoIterator<Item = OrderId>) -> Result<()> {
        let mut failed = None;
        for order in orders {
            failed = failed.or(self.tell_topic(&Topic::Order(order)).await.err());
        }
        failed.map_or(Ok(()), Err)
    }

    /// Tells those who watch the board that there is another, if there is.
    ///
    /// # Errors
    ///
    /// Somebody may not have been told. It does no harm to try again.
    pub async fn tell_board(&self) -> Result<()> {
        self.tell_topic(&Topic::Board).await
    }

    /// Tells one subscription to the board that there is another, if there is. It is looked at before its facts are.
    ///
    /// # Errors
    ///
    /// Its client may not have been told. It does no harm to try again.
    pub(crate) async fn tell_board_of(&self, connection: &str, subscription: &str) -> Result<()> {
        let Some(watch) = self.watches.get(&Topic::Board.key(), connection, subscription).await? else {
            return Ok(());
        };
        let facts = self.facts(&Topic::Board).await?;
        self.advance_or_close(watch, &facts).await
    }

    /// Facts of a topic, as they are now.
    pub(crate) async fn facts(&self, topic: &Topic) -> Result<Facts> {
        Ok(match topic {
            Topic::Order(order) => Facts::Order(self.updates(order).await?),
            Topic::Events(_) => Facts::Events(Reads::default()),
            Topic::Board => Facts::Board(Box::new(self.board.board(self.world().now()).await?)),
        })
    }

    /// Facts of a topic for a subscription that was looked at after the last were read, if they may not be older than what it was told:
    /// of two boards nobody can tell which is the later one.
    async fn newer(&self, topic: &Topic) -> Result<Option<Facts>> {
        match topic {
            Topic::Order(_) | Topic::Events(_) => Ok(None),
            Topic::Board => self.facts(topic).await.map(Some),
        }
    }

    async fn tell_topic(&self, topic: &Topic) -> Result<()> {
        let key = &topic.key();
        let first = self.watches.page(key, None).await?;
        if first.found.is_empty() {
            return Ok(());
        }
        let facts = Rc::new(self.facts(topic).await?);
        // Page by page, of which each is read before its facts.
        let pages = stream::try_unfold((Place::At(first), facts), |(place, facts)| async move {
            let (page, facts) = match place {
                Place::At(page) => (page, facts),
                Place::After(place) => {
                    let page = self.watches.page(key, Some(&place)).await?;
                    (page, self.newer(topic).await?.map_or(facts, Rc::new))
                }
                Place::End => return Ok(None),
            };
            let found: Vec<_> =
                page.found.into_iter().map(|found| Ok::<_, Failure>((found, Rc::clone(&facts)))).collect();
            Ok::<_, Failure>(Some((stream::iter(found), (page.next.map_or(Place::End, Place::After), facts))))
        });
        let told = pages.try_flatten().map(async |found| match found? {
            (Found::Watch(watch), facts) => self.advance_or_close(watch, &facts).await,
            (Found::Broken(connection), _) => {
                warn!("a subscription is not understood: its connection is closed");
                self.close(&connection).await
            }
        });
        let failed = told.buffer_unordered(AT_WORK).filter_map(async |told| told.err());
        failed.fold(Ok(()), async |first, failure| first.and(Err(failure))).await
    }

    /// Tells those who watch the events of all orders what they have not been told.
    ///
    /// # Errors
    ///
    /// Somebody may not have been told. It does no harm to try again.
    pub async fn tell_events(&self) -> Result<()> {
        self.tell_topic(&Topic::Events(None)).await
    }

    /// Updates that a subscription is to be told next, of the facts of its topic.
    async fn ahead(&self, watch: &Watch, facts: &Facts) -> Result<Result<Ahead, Refusal>> {
        let now = self.world().now();
        Ok(match (&watch.topic, facts) {
            (Topic::Order(_), Facts::Order(updates)) => {
                watch.right.of(updates, now).map(|()| ahead_of(updates, &watch.position, AT_ONCE))
            }
            (Topic::Events(pattern), Facts::Events(reads)) => match watch.right.of_events(now) {
                Ok(()) => Ok(self.feed_after(&watch.position, pattern.as_ref(), reads).await?),
                Err(refusal) => Err(refusal),
            },
            (Topic::Board, Facts::Board(board)) => {
                watch.right.of_board(now).map(|()| board_ahead(board, &watch.position))
            }
            (Topic::Order(_) | Topic::Events(_) | Topic::Board, _) => {
                return Err(Failure::permanent("a subscription is under the key of another topic"));
            }
        })
    }

    pub(crate) async fn feed_after(&self, position: &str, pattern: Option<&Value>, reads: &Reads) -> Result<Ahead> {
        let key = (position.to_owned(), pattern.map(Value::to_string));
        let read = {
            let mut reads = reads.lock().await;
            if reads.len() >= MAX_READS && !reads.contains_key(&key) {
                // Whoever is furthest behind.
                reads.pop_first();
            }
            Rc::clone(reads.entry(key).or_default())
        };
        let mut read = read.lock().await;
        if let Some(ahead) = &*read {
            return Ok(ahead.clone());
        }
        let ahead = self.feed.after(position, pattern, AT_ONCE).await?;
        *read = Some(ahead.clone());
        Ok(ahead)
    }

    /// Advances a subscription, and closes its connection where that fails: one client that does not read, or one subscription that
    /// is not understood any more, must not hold up all others. The client comes back with what it has. Where the table has too much to
    /// do, nothing was sent: then it is tried again.
    async fn advance_or_close(&self, watch: Watch, facts: &Facts) -> Result<()> {
        let connection = watch.connection.clone();
        match self.advance(watch, facts).await {
            Ok(()) => Ok(()),
            Err(Stopped::Before(failure)) if failure.kind().is_retryable() => Err(failure),
            Err(Stopped::Before(failure) | Stopped::At(failure)) => {
                warn!(reason = failure.reason(), "a subscription does not go on: its connection is closed");
                self.close(&connection).await
            }
        }
    }

    /// Sends what the subscription has not been sent of the facts of its topic.
    ///
    /// # Errors
    ///
    /// It is unknown whether it was, unless the failure says so.
    pub(crate) async fn advance(&self, mut watch: Watch, facts: &Facts) -> Result<(), Stopped> {
        let (mut stretches, mut newer) = (0, None);
        for _ in 0..MAX_TURNS {
            if stretches == MAX_STRETCHES {
                return Ok(());
            }
            let ahead = self.ahead(&watch, newer.as_ref().unwrap_or(facts)).await?;
            if ahead.as_ref().is_ok_and(|ahead| ahead.position.is_none()) {
                return Ok(());
            }
            let holder = self.name();
            if watch.holder.is_none() && self.watches.hold(&watch, &holder).await.map_err(Stopped::Before)? {
                let Ahead { updates, position: Some(position) } = (match ahead {
                    Ok(ahead) => ahead,
                    Err(refusal) => return Ok(self.refuse(&watch, &refusal).await?),
                }) else {
                    return Ok(());
                };
                let Some(sent) = self.send_all(&watch, &updates, position).await? else { return Ok(()) };
                let is_released = self.watches.release(&watch, &holder, &sent).await?;
                if !is_released {
                    // It is no more; or it is released, and the answer was lost.
                    let Some(next) = self.next(&watch).await? else { return Ok(()) };
                    newer = self.newer(&next.topic).await?.or(newer);
                    watch = next;
                    continue;
                }
                if sent == watch.position {
                    return Err(Failure::transient("a connection has too much to do").into());
                }
                watch.position = sent;
                stretches += 1;
                continue;
            }
            match self.next(&watch).await? {
                Some(next) => {
                    newer = self.newer(&next.topic).await?.or(newer);
                    watch = next;
                }
                None => return Ok(()),
            }
        }
        Err(Failure::transient("a subscription does not come to an end").into())
    }

    /// Sends updates one after the other; the position after the last that was sent, `position` after all, or none where the
    /// connection is no more. What is not known to have been sent closes it.
    async fn send_all(&self, watch: &Watch, updates: &[Update], position: String) -> Result<Option<String>> {
        let mut last = watch.position.clone();
        for update in updates {
            let response = self.schema.next(&watch.request, update).await;
            let text = ToClient::Next { id: &watch.subscription, payload: response }.text();
            if text.len() > MAX_TEXT_BYTES {
                self.refuse(watch, &Refusal::TooLarge(MAX_TEXT_BYTES)).await?;
                return Ok(None);
            }
            match self.send(&watch.connection, &text).await {
                Ok(Sent::Done) => last = update.position(),
                Ok(Sent::Busy) => return Ok(Some(last)),
                Ok(Sent::Gone) => {
                    self.watches.close(&watch.connection).await?;
                    self.watches.forget(watch).await?;
                    return Ok(None);
                }
                Err(failure) => {
                    warn!(reason = failure.reason(), "it is unknown whether an update was sent");
                    self.close(&watch.connection).await?;
                    return Ok(None);
                }
            }
        }
        Ok(Some(position))
    }

    pub(crate) async fn send(&self, connection: &str, text: &str) -> Result<Sent> {
        for attempt in 1.. {
            match self.sockets.send(connection, text).await? {
                Sent::Busy if attempt < ATTEMPTS => self.world().sleep(PAUSE * attempt).await,
                sent => return Ok(sent),
            }
        }
        Ok(Sent::Busy)
    }

    /// The subscription once whoever holds it has released it; none if there is none any more. Who does not release it has died:
    /// then the connection is closed.
    async fn next(&self, watch: &Watch) -> Result<Option<Watch>> {
        let Watch { topic, connection, subscription, .. } = watch;
        let mut held: HashMap<Option<String>, u32> = HashMap::new();
        loop {
            let Some(next) = self.watches.get(&topic.key(), connection, subscription).await? else { return Ok(None) };
            let looks = held.entry(next.holder.clone()).or_default();
            *looks += 1;
            match &next.holder {
                None => return Ok(Some(next)),
                Some(_) if *looks < LOOKS => self.world().sleep(PAUSE).await,
                Some(_) => {
                    info!("a subscription is held by one who has died");
                    self.close(connection).await?;
                    self.watches.forget(&next).await?;
                    return Ok(None);
                }
            }
        }
    }

    /// Closes a connection: first the socket, for what was sent before nobody knows, then what is kept of it.
    pub(crate) async fn close(&self, connection: &str) -> Result<()> {
        self.sockets.close(connection).await?;
        self.watches.close(connection).await
    }

    /// Ends a subscription that is held: it is told why, and then removed, so that nobody waits for what never comes. Whoever dies in
    /// between holds it.
    async fn refuse(&self, watch: &Watch, refusal: &Refusal) -> Result<()> {
        let payload = schema::refused(refusal);
        let text = ToClient::Error { id: &watch.subscription, payload }.text();
        match self.send(&watch.connection, &text).await {
            Ok(Sent::Done) => self.watches.remove(&watch.connection, &watch.subscription).await,
            Ok(Sent::Gone | Sent::Busy) | Err(_) => self.close(&watch.connection).await,
        }
    }

    fn name(&self) -> String {
        let mut drawn = [0; 10];
        self.world().fill(&mut drawn);
        data_encoding::BASE64URL_NOPAD.encode(&drawn)
    }
}

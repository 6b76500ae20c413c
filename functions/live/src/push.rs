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
//!
//! To release can be repeated: only who holds a subscription releases it, and once. So where the table has too much to do it is
//! tried again before the connection is closed.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::time::Duration;

use futures::channel::oneshot::{Receiver, Sender, channel};
use futures::future::{Shared, try_join_all};
use futures::lock::Mutex;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use onewrite::port::{Clock, Log, Random};
use onewrite::{Failure, FailureKind, Ledger, Result};
use orderflow_events::{OrderId, Subject, Time};
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

/// Time after which no further try of a hold or a release begins, which is shorter than what is left of a function's time (see [`GOES_ON_FOR`]). Whoever holds a
/// subscription for longer may be taken for dead, which costs a connection; no update is sent twice for it.
const INSISTS_FOR: Duration = Duration::from_secs(2);

/// Most updates that are sent while a subscription is held once, so that nobody waits in vain for whom sends for long.
const AT_ONCE: usize = 20;

/// The largest message to a client, in bytes: that of API Gateway.
const MAX_TEXT_BYTES: usize = 128 * 1024;

/// Most times that one attempt goes on with a subscription.
const MAX_TURNS: u32 = 100;

/// Most times that a subscription is sent to, or is looked for what matches, before all others of its topic are looked at again: so
/// nobody waits for one that has a long past of all events.
const MAX_STRETCHES: u32 = 10;

/// Time after which an attempt begins nothing more with a subscription that has a long past, nor with more of those who watch a topic: a
/// stream tries again then, and a client comes back. Half of the time that a function has, for what it has begun.
pub const GOES_ON_FOR: Duration = Duration::from_secs(14);

/// Pause before letters are counted once more: their index comes after their table, as a rule within a second.
const INDEX_LAG: Duration = Duration::from_secs(2);

/// Facts that the subscriptions to a topic are told of, as far as they are read once for all of them.
#[derive(Debug)]
pub(crate) enum Facts {
    /// Updates of an order.
    Order(Vec<OrderUpdate>),
    /// The feed.
    Events(Reads),
    /// The board.
    Board(BoardReads),
}

impl Facts {
    /// Moment of a look at subscriptions that was just answered.
    pub(crate) fn looked(&self) -> Moment {
        match self {
            Self::Order(_) | Self::Events(_) => Moment::default(),
            Self::Board(reads) => reads.moment(),
        }
    }
}

/// Place of a look or of a read among those of an attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

/// Reads of the board. Of two boards nobody can tell which is the later one, so a subscription is told of a read alone that began after
/// it was looked at: such a board is not older than the one that it has. One read is under way at a time, and all who wait for it have the
/// next one together, if they need another.
#[derive(Debug, Default)]
pub(crate) struct BoardReads {
    latest: Cell<Moment>,
    last: RefCell<Option<(Moment, Result<Rc<BoardUpdate>>)>>,
    /// End of the read that is under way.
    end: RefCell<Option<Shared<Receiver<()>>>>,
}

impl BoardReads {
    /// The next moment.
    fn moment(&self) -> Moment {
        let Moment(latest) = self.latest.get();
        self.latest.set(Moment(latest + 1));
        self.latest.get()
    }

    /// The board of a read that began after that look.
    fn known_after(&self, looked: Moment) -> Option<Result<Rc<BoardUpdate>>> {
        let last = self.last.borrow();
        last.as_ref().filter(|(begun, _)| *begun > looked).map(|(_, board)| board.clone())
    }

    /// End of the read that is under way, if there is one.
    fn under_way(&self) -> Option<Shared<Receiver<()>>> {
        self.end.borrow().clone().filter(|end| end.peek().is_none())
    }
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
    /// It is not held: what was sent is on record.
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

/// Result of telling a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// Nobody watches it.
    Nobody,
    /// Somebody has to be told more.
    Part,
    /// All were told all.
    All,
}

/// A subscription that was held by another.
enum Next {
    /// Nobody holds it any more.
    Free(Watch),
    /// It was held by one after the other, who sends for long.
    Busy(Watch),
    /// It is no more.
    Gone,
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
        self.tell_topic(&Topic::Board).await.map(drop)
    }

    /// Tells those who watch the board of letters. They are counted in an index that comes after its table, so they are counted twice,
    /// with a pause between the two, if anybody watches.
    ///
    /// # Errors
    ///
    /// Somebody may not have been told. It does no harm to try again.
    pub async fn tell_letters(&self) -> Result<()> {
        if self.tell_topic(&Topic::Board).await? {
            self.world().sleep(INDEX_LAG).await;
            self.tell_topic(&Topic::Board).await?;
        }
        Ok(())
    }

    /// Tells the subscriptions of a connection to the board that there is another, if there is. All are looked at before that is read.
    ///
    /// # Errors
    ///
    /// Its client may not have been told. It does no harm to try again.
    pub(crate) async fn tell_board_to(&self, connection: &str) -> Result<()> {
        let key = &Topic::Board.key();
        let subscriptions = self.watches.watching(connection, key).await?;
        let watches = subscriptions.iter().map(|subscription| self.watches.get(key, connection, subscription));
        let watches = try_join_all(watches).await?;
        let facts = self.facts(&Topic::Board).await?;
        let looked = facts.looked();
        for watch in watches.into_iter().flatten() {
            self.advance_or_close(watch, &facts, looked).await?;
        }
        Ok(())
    }

    /// Tells a subscription that has begun what has happened before it. A client whose past is too long for one attempt comes back for
    /// the rest: its connection is closed.
    ///
    /// # Errors
    ///
    /// It is unknown what was sent.
    pub(crate) async fn tell_past(&self, watch: Watch) -> Result<()> {
        let begun_at = self.world().now();
        let mut behind = Some(watch);
        while let Some(watch) = behind {
            if begun_at.until(self.world().now()) >= GOES_ON_FOR {
                info!("a client has a long past: it comes back for the rest");
                return self.close(&watch.connection).await;
            }
            let facts = self.facts(&watch.topic).await?;
            behind = self.advance(watch, &facts, facts.looked()).await?;
        }
        Ok(())
    }

    /// Facts of a topic: as they are now, or to be read once they are needed.
    pub(crate) async fn facts(&self, topic: &Topic) -> Result<Facts> {
        Ok(match topic {
            Topic::Order(order) => Facts::Order(self.updates(order).await?),
            Topic::Events(_) => Facts::Events(Reads::default()),
            Topic::Board => Facts::Board(BoardReads::default()),
        })
    }

    /// The board, by a read that began after that look.
    async fn board_after(&self, looked: Moment, reads: &BoardReads) -> Result<Rc<BoardUpdate>> {
        let ended = loop {
            if let Some(known) = reads.known_after(looked) {
                return known;
            }
            let Some(end) = reads.under_way() else {
                let (ended, end) = channel();
                *reads.end.borrow_mut() = Some(end.shared());
                break ended;
            };
            // However it ends: then there is a board, or another has to read.
            let _ = end.await;
        };
        let begun = reads.moment();
        let board = self.board.board(self.world().now()).await.map(Rc::new);
        *reads.last.borrow_mut() = Some((begun, board.clone()));
        drop::<Sender<()>>(ended);
        board
    }

    /// Tells those who watch a topic all that they have not been told; answers whether anybody does.
    async fn tell_topic(&self, topic: &Topic) -> Result<bool> {
        let begun_at = self.world().now();
        loop {
            match self.tell_once(topic, begun_at).await? {
                Told::Nobody => return Ok(false),
                Told::All => return Ok(true),
                Told::Part if begun_at.until(self.world().now()) < GOES_ON_FOR => {}
                Told::Part => return Err(Failure::transient("somebody who watches has a long past, and is told more")),
            }
        }
    }

    /// Tells those who watch a topic, each a stretch, by an attempt that began at that time. Of more than it has the time for the next tells
    /// those who are left: whom this has told costs that no call.
    async fn tell_once(&self, topic: &Topic, begun_at: Time) -> Result<Told> {
        let key = &topic.key();
        let first = self.watches.page(key, None).await?;
        if first.found.is_empty() {
            return Ok(Told::Nobody);
        }
        let facts = &self.facts(topic).await?;
        // Page by page, each with the moment at which it was looked at.
        let pages = stream::try_unfold(Place::At(first), |place| async move {
            let page = match place {
                Place::At(page) => page,
                Place::After(_) if begun_at.until(self.world().now()) >= GOES_ON_FOR => {
                    return Err(Failure::transient("more watch a topic than are told in the time of an attempt"));
                }
                Place::After(place) => self.watches.page(key, Some(&place)).await?,
                Place::End => return Ok(None),
            };
            let looked = facts.looked();
            let found: Vec<_> = page.found.into_iter().map(|found| Ok::<_, Failure>((found, looked))).collect();
            Ok::<_, Failure>(Some((stream::iter(found), page.next.map_or(Place::End, Place::After))))
        });
        let told = pages.try_flatten().map(async |found| match found? {
            (Found::Watch(watch), looked) => self.advance_or_close(watch, facts, looked).await,
            (Found::Broken(connection), _) => {
                warn!("a subscription is not understood: its connection is closed");
                self.close(&connection).await.map(|()| Told::All)
            }
        });
        let all = told.buffer_unordered(AT_WORK).fold(Ok(Told::All), async |all, told| match (all, told) {
            (Err(failure), _) | (Ok(_), Err(failure)) => Err(failure),
            (Ok(Told::Part), Ok(_)) => Ok(Told::Part),
            (Ok(Told::Nobody | Told::All), Ok(told)) => Ok(told),
        });
        all.await
    }

    /// Tells those who watch the events of all orders what they have not been told.
    ///
    /// # Errors
    ///
    /// Somebody may not have been told. It does no harm to try again.
    pub async fn tell_events(&self) -> Result<()> {
        self.tell_topic(&Topic::Events(None)).await.map(drop)
    }

    /// Updates that a subscription is to be told next, of the facts of its topic.
    async fn ahead(&self, watch: &Watch, facts: &Facts, looked: Moment) -> Result<Result<Ahead, Refusal>> {
        let now = self.world().now();
        Ok(match (&watch.topic, facts) {
            (Topic::Order(_), Facts::Order(updates)) => {
                watch.right.of(updates, now).map(|()| ahead_of(updates, &watch.position, AT_ONCE))
            }
            (Topic::Events(pattern), Facts::Events(reads)) => match watch.right.of_events(now) {
                Ok(()) => Ok(self.feed_after(&watch.position, pattern.as_ref(), reads).await?),
                Err(refusal) => Err(refusal),
            },
            (Topic::Board, Facts::Board(reads)) => match watch.right.of_board(now) {
                Ok(()) => Ok(board_ahead(&*self.board_after(looked, reads).await?, &watch.position)),
                Err(refusal) => Err(refusal),
            },
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
    async fn advance_or_close(&self, watch: Watch, facts: &Facts, looked: Moment) -> Result<Told> {
        let connection = watch.connection.clone();
        match self.advance(watch, facts, looked).await {
            Ok(behind) => Ok(behind.map_or(Told::All, |_| Told::Part)),
            Err(Stopped::Before(failure)) if failure.kind().is_retryable() => Err(failure),
            Err(Stopped::Before(failure) | Stopped::At(failure)) => {
                warn!(reason = failure.reason(), "a subscription does not go on: its connection is closed");
                self.close(&connection).await.map(|()| Told::All)
            }
        }
    }

    /// Sends what the subscription has not been sent of the facts of its topic, which was looked at at that moment; answers it as it is
    /// then, if there may be more.
    ///
    /// # Errors
    ///
    /// It is unknown whether it was, unless the failure says so.
    pub(crate) async fn advance(
        &self,
        mut watch: Watch,
        facts: &Facts,
        mut looked: Moment,
    ) -> Result<Option<Watch>, Stopped> {
        let mut stretches = 0;
        // For all that is held here one after the other, so that a table without an end to its troubles does not take each time anew.
        let (mut spare_holds, mut spare_releases) = (ATTEMPTS - 1, ATTEMPTS - 1);
        for _ in 0..MAX_TURNS {
            if stretches == MAX_STRETCHES {
                return Ok(Some(watch));
            }
            let ahead = self.ahead(&watch, facts, looked).await.map_err(Stopped::Before)?;
            if ahead.as_ref().is_ok_and(|ahead| ahead.position.is_none()) {
                return Ok(None);
            }
            let holder = self.name();
            let hold = async || self.watches.hold(&watch, &holder).await;
            if watch.holder.is_none() && self.insist(&mut spare_holds, hold).await.map_err(Stopped::Before)? {
                let Ahead { updates, position: Some(position) } = (match ahead {
                    Ok(ahead) => ahead,
                    Err(refusal) => return Ok(self.refuse(&watch, &refusal).await.map(|()| None)?),
                }) else {
                    return Ok(None);
                };
                let Some(sent) = self.send_all(&watch, &updates, position).await? else { return Ok(None) };
                // Where it is not released it is no more; or it is released, and the answer was lost.
                let release = async || self.watches.release(&watch, &holder, &sent).await;
                if self.insist(&mut spare_releases, release).await? {
                    if sent == watch.position {
                        return Err(Failure::transient("a connection has too much to do").into());
                    }
                    (watch.position, watch.turn) = (sent, holder);
                    stretches += 1;
                    continue;
                }
            }
            watch = match self.next(&watch).await.map_err(Stopped::Before)? {
                Next::Free(next) => next,
                Next::Busy(next) => return Ok(Some(next)),
                Next::Gone => return Ok(None),
            };
            looked = facts.looked();
        }
        Err(Failure::transient("a subscription does not come to an end").into())
    }

    /// Holds or releases a subscription; answers whether that was done. Where it fails in passing it is tried again, as often as `spare`
    /// says, which counts down: it does no harm where it was done and the answer was lost. To hold by the same name is to hold once, and
    /// once it is released nobody has that name any more.
    async fn insist(&self, spare: &mut u32, call: impl AsyncFn() -> Result<bool>) -> Result<bool> {
        let begun_at = self.world().now();
        loop {
            match call().await {
                Err(failure)
                    if *spare > 0
                        && passes_in_a_moment(failure.kind())
                        && begun_at.until(self.world().now()) < INSISTS_FOR =>
                {
                    warn!(reason = failure.reason(), "a subscription could not be held or released: it is tried again");
                    let most = PAUSE * (ATTEMPTS - *spare);
                    *spare -= 1;
                    // At random, for a hundred may be at it at once.
                    let pause_ms = self.world().below(u64::try_from(most.as_millis()).unwrap_or_default());
                    self.world().sleep(Duration::from_millis(pause_ms)).await;
                }
                answered => return answered,
            }
        }
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

    /// The subscription once whoever holds it has released it. Who does not release it has died: then the connection is closed.
    async fn next(&self, watch: &Watch) -> Result<Next> {
        let Watch { topic, connection, subscription, .. } = watch;
        let mut held: HashMap<Option<String>, u32> = HashMap::new();
        for looks in 1.. {
            let Some(next) = self.watches.get(&topic.key(), connection, subscription).await? else { break };
            let of_holder = held.entry(next.holder.clone()).or_default();
            *of_holder += 1;
            match &next.holder {
                None => return Ok(Next::Free(next)),
                Some(_) if *of_holder >= LOOKS => {
                    info!("a subscription is held by one who has died");
                    self.close(connection).await?;
                    self.watches.forget(&next).await?;
                    break;
                }
                Some(_) if looks >= LOOKS => return Ok(Next::Busy(next)),
                Some(_) => self.world().sleep(PAUSE).await,
            }
        }
        Ok(Next::Gone)
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

    /// A name that nobody else has.
    pub(crate) fn name(&self) -> String {
        let mut drawn = [0; 10];
        self.world().fill(&mut drawn);
        data_encoding::BASE64URL_NOPAD.encode(&drawn)
    }
}

/// True of a failure that may be over a moment later.
const fn passes_in_a_moment(kind: FailureKind) -> bool {
    match kind {
        FailureKind::Transient | FailureKind::Unavailable | FailureKind::Deferred => true,
        FailureKind::Misconfigured | FailureKind::Permanent => false,
    }
}

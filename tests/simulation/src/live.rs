//! Those who watch: the functions of live, the sockets, and clients that come back with the last update that they have.

mod clients;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures::{FutureExt, StreamExt};
use onewrite::access::{Access, NoKeySets};
use onewrite::feed::{FeedLog, RecordKey};
use onewrite::link::NoLinkKeys;
use onewrite::memory::MemoryLog;
use onewrite::{Ledger, Result};
use orderflow_analytics::{CountStore, Key, MemoryCounts};
use orderflow_events::{OrderId, Time};
use orderflow_journal::Events;
use orderflow_live::{
    Added, BoardUpdate, Boards, Connection, Event, JournalFeed, MemoryWatches, Page, Push, Right, Routes, Sent,
    ShopBoard, Sockets, Watch, Watches,
};
use orderflow_operations::MemoryOperations;
use serde_json::{Value, json};
use simulator::model::source::invoke;
use simulator::ports::Table;
use simulator::{Caller, Run, Stack, Violation};

use crate::invariants_at_rest::known;
use crate::live::clients::{Client, Listed, numbers};
use crate::names::ORDERS;
use crate::outside::FEED_SHARDS;
use crate::ports::{FeedTable, JournalTable, Port};
use crate::safeguards::WATCH_HOLD;
use crate::shop::{Onlookers, Shop};
use crate::template::template;

/// Binary of the routes.
pub const ROUTES: &str = "live";
/// Binary of the reader of the orders' stream.
pub const PUSH: &str = "live-push";

/// Clients that watch each order.
const CLIENTS: usize = 2;

/// Most times that a client loses its connection by itself.
const MAX_CUTS: u32 = 3;

/// First pauses of a client before it comes back, and of the stream before it tries again, in milliseconds, at the most. They double with
/// each time that this was in vain, up to nine times: what is away may be so for days.
const COMES_BACK_MS: u64 = 1_000;
const RETRY_MS: u64 = 5_000;
const MAX_DOUBLINGS: u32 = 9;

/// Longest pause before a stream tells of a row, in milliseconds; and that of the counts, which waits for more of them.
const STREAM_MS: u64 = 300;
const COUNTS_MS: u64 = 5_000;

/// Time after which API Gateway closes a connection, whatever goes on in it, and after which one in which nothing is said.
const LIFETIME: Duration = Duration::from_hours(2);
const IDLE: Duration = Duration::from_mins(10);

/// Pause between two pings of a client that sends any.
const PING_MS: u64 = 5 * 60 * 1_000;

/// The largest message to a client, in bytes.
const MAX_TEXT_BYTES: usize = 128 * 1024;

/// Limits of API Gateway that are held in a run.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections that are opened within a second. Of AWS it is 500.
    pub opened_per_second: u32,
    /// Time of the run for which connections come to their end by their age or by silence. They would for ever, and so would the run.
    pub ends_for: Duration,
}

impl Limits {
    /// None that such a run could reach.
    pub const FAR: Self = Self { opened_per_second: 500, ends_for: Duration::ZERO };
}

/// Those who watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Each order is watched.
    Orders,
    /// Besides, the events of all orders are, all of them and some, and the board.
    Everything,
}

impl Audience {
    /// Those of a run of that seed: of every other run all.
    #[must_use]
    pub const fn of(seed: u64) -> Self {
        if seed.is_multiple_of(2) { Self::Everything } else { Self::Orders }
    }
}

/// Fates of those who watch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    /// Updates of orders that were told.
    pub updates: u64,
    /// Events that were told, to each who wants them.
    pub events: u64,
    /// Boards that were told.
    pub boards: u64,
    /// Times that a client has come back.
    pub returns: u64,
    /// Connections that had become too old.
    pub too_old: u64,
    /// Connections that were silent for too long.
    pub silent: u64,
    /// Connections that were not opened, for there were too many at once.
    pub refused: u64,
}

/// Sends by live's functions.
type Pushes = Push<Table, Caller, WatchTable, SocketPort, Feed, BoardPort>;

/// Answers to the routes.
type LiveRoutes = Routes<Table, Caller, WatchTable, SocketPort, Feed, BoardPort, NoKeySets, NoLinkKeys>;

/// The feed of the journal.
type Feed = JournalFeed<FeedTable, JournalTable>;

/// Live, and all who watch.
pub struct Live {
    stack: Rc<Stack>,
    shop: Rc<Shop>,
    gateway: Rc<Gateway>,
    push: Rc<Pushes>,
    routes: Rc<LiveRoutes>,
    /// Clients of each order.
    clients: RefCell<BTreeMap<OrderId, Vec<Rc<Client>>>>,
    /// Clients of what is of all orders, if there are any.
    of_all: Vec<Rc<Client>>,
    /// Tells that the stream of the feed is about to tell, and that of the counts.
    is_feed_due: Cell<bool>,
    is_count_due: Cell<bool>,
    counted: Rc<Counted>,
    watched: Rc<Cell<Watched>>,
    connections: Cell<u64>,
}

/// Topic of what is of all orders.
#[derive(Clone, Copy)]
enum OfAll {
    /// The events.
    Events,
    /// The board.
    Board,
}

/// Boards that were read.
#[derive(Default)]
struct Counted {
    /// Times that something was counted.
    times: Cell<u64>,
    /// Numbers of the boards that were read since the last time, from beginning to end.
    boards: RefCell<Vec<Value>>,
}

/// API Gateway.
struct Gateway {
    run: Rc<Run>,
    limits: Limits,
    sockets: RefCell<BTreeMap<String, Socket>>,
    /// The present second, and how many connections were opened in it.
    opened: Cell<(i64, u32)>,
    begun_at_ms: i64,
    watched: Rc<Cell<Watched>>,
}

/// Connection, with the way to its client.
struct Socket {
    way: UnboundedSender<String>,
    /// Time at which something was said last, by whichever side.
    said_at_ms: Cell<i64>,
}

impl Gateway {
    fn note(&self, note: impl FnOnce(&mut Watched)) {
        note_in(&self.watched, note);
    }

    /// Opens a connection, unless there were too many within this second.
    fn connect(self: &Rc<Self>, connection: &str) -> Option<UnboundedReceiver<String>> {
        let now = self.run.executor.millis();
        let (second, opened) = self.opened.get();
        let opened = if second == now / 1_000 { opened } else { 0 };
        if opened >= self.limits.opened_per_second {
            self.note(|watched| watched.refused += 1);
            return None;
        }
        self.opened.set((now / 1_000, opened + 1));
        let (way, receiver) = unbounded();
        self.sockets.borrow_mut().insert(connection.to_owned(), Socket { way, said_at_ms: Cell::new(now) });
        if self.is_limited() {
            let (gateway, connection) = (Rc::clone(self), connection.to_owned());
            self.run.spawn(async move { gateway.end(&connection).await });
        }
        Some(receiver)
    }

    fn is_limited(&self) -> bool {
        self.run.executor.millis() - self.begun_at_ms < millis(self.limits.ends_for)
    }

    /// Closes a connection that is too old, or in which nothing was said for too long.
    async fn end(&self, connection: &str) {
        let old_at_ms = self.run.executor.millis() + millis(LIFETIME);
        loop {
            let Some(said_at_ms) = self.sockets.borrow().get(connection).map(|socket| socket.said_at_ms.get()) else {
                return;
            };
            let (now, silent_at_ms) = (self.run.executor.millis(), said_at_ms + millis(IDLE));
            if now >= old_at_ms || now >= silent_at_ms {
                let is_too_old = now >= old_at_ms;
                self.note(|watched| *if is_too_old { &mut watched.too_old } else { &mut watched.silent } += 1);
                return self.close(connection);
            }
            self.run.sleep_ms(u64::try_from(old_at_ms.min(silent_at_ms) - now).unwrap_or_default()).await;
        }
    }

    fn close(&self, connection: &str) {
        self.sockets.borrow_mut().remove(connection);
    }

    /// Notes that something was said; answers whether there is such a connection.
    fn hear(&self, connection: &str) -> bool {
        let sockets = self.sockets.borrow();
        let socket = sockets.get(connection);
        socket.inspect(|socket| socket.said_at_ms.set(self.run.executor.millis())).is_some()
    }

    fn send(&self, connection: &str, text: &str) -> Sent {
        if text.len() > MAX_TEXT_BYTES {
            self.run.check(Err(Violation::of(connection, format!("a message has {} bytes", text.len()))));
        }
        if !self.hear(connection) {
            return Sent::Gone;
        }
        let sockets = self.sockets.borrow();
        let sent = sockets.get(connection).map(|socket| socket.way.unbounded_send(text.to_owned()));
        if sent.is_some_and(|sent| sent.is_ok()) { Sent::Done } else { Sent::Gone }
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn note_in(watched: &Cell<Watched>, note: impl FnOnce(&mut Watched)) {
    let mut noted = watched.get();
    note(&mut noted);
    watched.set(noted);
}

impl Live {
    /// Live on that stack of that shop, behind a gateway with those limits, and those who watch.
    #[must_use]
    pub fn start(stack: &Rc<Stack>, shop: &Rc<Shop>, audience: Audience, limits: Limits) -> Rc<Self> {
        let (watches, noted) = (Rc::<MemoryWatches>::default(), Rc::<Cell<Watched>>::default());
        let counted = Rc::<Counted>::default();
        let gateway = Rc::new(Gateway {
            run: Rc::clone(&stack.run),
            limits,
            sockets: RefCell::default(),
            opened: Cell::default(),
            begun_at_ms: stack.run.executor.millis(),
            watched: Rc::clone(&noted),
        });
        let push = |function| {
            let caller = Caller::new(&stack.run, function);
            let port = || Port { caller: caller.clone(), shop: Rc::clone(shop) };
            let ledger = Ledger::new(stack.table(ORDERS, &caller), caller.clone());
            let feed = JournalFeed::new(FeedTable(port()), FEED_SHARDS, JournalTable(port()));
            let counts = CalmCounts { run: Rc::clone(&stack.run), counts: Rc::clone(&shop.outside.counts) };
            let board = Rc::new(ShopBoard::new(counts, MemoryOperations::default()));
            let board = BoardPort { caller: caller.clone(), board, counted: Rc::clone(&counted) };
            let sockets = SocketPort { caller: caller.clone(), gateway: Rc::clone(&gateway) };
            let watches = WatchTable { caller: caller.clone(), watches: Rc::clone(&watches) };
            Push::new(ledger, feed, board, watches, sockets)
        };
        let of_all = match audience {
            Audience::Orders => Vec::new(),
            Audience::Everything => Client::of_all().map(Rc::new).into(),
        };
        let live = Rc::new(Self {
            stack: Rc::clone(stack),
            shop: Rc::clone(shop),
            push: Rc::new(push(PUSH)),
            routes: Rc::new(Routes::new(push(ROUTES), Access::open(), None)),
            gateway,
            clients: RefCell::default(),
            of_all,
            is_feed_due: Cell::new(false),
            is_count_due: Cell::new(false),
            counted,
            watched: noted,
            connections: Cell::new(0),
        });
        for client in &live.of_all {
            let (live, client) = (Rc::clone(&live), Rc::clone(client));
            stack.run.spawn(async move { live.watch(&client, false).await });
        }
        live
    }

    fn run(&self) -> &Rc<Run> {
        &self.stack.run
    }

    /// Fates of those who watch.
    #[must_use]
    pub fn watched(&self) -> Watched {
        self.watched.get()
    }

    /// Number of times that a stream tells of something: at least once; of two at the same time.
    fn copies(&self) -> u32 {
        if self.run().faults.below(8) == 0 { 2 } else { 1 }
    }

    /// Pauses for that long at the most, or longer after so many times in vain.
    async fn pause(&self, first_ms: u64, times_in_vain: u32) {
        let longest_ms = first_ms << times_in_vain.min(MAX_DOUBLINGS);
        self.run().sleep_ms(1 + self.run().faults.below(longest_ms)).await;
    }

    async fn deliver(&self, order: OrderId) {
        for times_in_vain in 0.. {
            self.run().sleep_ms(1 + self.run().faults.below(STREAM_MS)).await;
            let (push, order) = (Rc::clone(&self.push), order.clone());
            let told = invoke(self.run(), template().timeout(PUSH), async move { push.tell([order]).await }).await;
            if told.is_some_and(|told| told.is_ok()) {
                return;
            }
            self.pause(RETRY_MS, times_in_vain).await;
        }
    }

    fn is_due(&self, topic: OfAll) -> &Cell<bool> {
        match topic {
            OfAll::Events => &self.is_feed_due,
            OfAll::Board => &self.is_count_due,
        }
    }

    /// Something has changed that those who watch a topic of all orders are told of. The stream tells of it, with all that changes until
    /// then.
    fn changed(self: &Rc<Self>, topic: OfAll) {
        if self.of_all.is_empty() || self.is_due(topic).replace(true) {
            return;
        }
        for _ in 0..self.copies() {
            let live = Rc::clone(self);
            self.run().spawn(async move { live.deliver_of_all(topic).await });
        }
    }

    async fn deliver_of_all(&self, topic: OfAll) {
        let window_ms = match topic {
            OfAll::Events => STREAM_MS,
            OfAll::Board => COUNTS_MS,
        };
        for times_in_vain in 0.. {
            self.run().sleep_ms(1 + self.run().faults.below(window_ms)).await;
            // Of what changes from here on the stream tells once more.
            self.is_due(topic).set(false);
            let push = Rc::clone(&self.push);
            let telling = async move {
                match topic {
                    OfAll::Events => Box::pin(push.tell_events()).await,
                    OfAll::Board => Box::pin(push.tell_board()).await,
                }
            };
            let told = invoke(self.run(), template().timeout(PUSH), telling).await;
            if told.is_some_and(|told| told.is_ok()) {
                return;
            }
            self.pause(RETRY_MS, times_in_vain).await;
        }
    }

    /// One more client watches an order. The first of an order sends pings.
    fn join(self: &Rc<Self>, order: &OrderId) {
        let client = Rc::new(Client::of_order(order.clone()));
        let mut clients = self.clients.borrow_mut();
        let of_order = clients.entry(order.clone()).or_default();
        of_order.push(Rc::clone(&client));
        let has_pings = of_order.len() == 1;
        let live = Rc::clone(self);
        self.run().spawn(async move { live.watch(&client, has_pings).await });
    }

    /// Sends pings for as long as connections come to their end by silence.
    async fn ping(self: &Rc<Self>, connection: &str) {
        while self.gateway.is_limited() {
            self.run().sleep_ms(PING_MS).await;
            if !self.gateway.hear(connection) {
                return;
            }
            self.say(connection, "MESSAGE", &json!({ "type": "ping" }));
        }
    }

    /// A client, which comes back for ever.
    async fn watch(self: &Rc<Self>, client: &Client, has_pings: bool) {
        let run = Rc::clone(self.run());
        let (mut cuts, mut times_in_vain) = (0, 0);
        loop {
            self.pause(COMES_BACK_MS, times_in_vain).await;
            let number = self.connections.get();
            self.connections.set(number + 1);
            let connection = format!("connection-{number}");
            let Some(mut texts) = self.gateway.connect(&connection) else { continue };
            if has_pings && self.gateway.is_limited() {
                let (live, connection) = (Rc::clone(self), connection.clone());
                run.spawn(async move { live.ping(&connection).await });
            }
            self.say(&connection, "MESSAGE", &json!({ "type": "connection_init" }));
            while let Some(text) = texts.next().await {
                let message: Value = serde_json::from_str(&text).unwrap_or_default();
                match message["type"].as_str() {
                    Some("connection_ack") => {
                        let subscribe = json!({ "type": "subscribe", "id": "1", "payload": client.request() });
                        self.say(&connection, "MESSAGE", &subscribe);
                    }
                    Some("next") => {
                        times_in_vain = 0;
                        run.check(client.hear(&message["payload"]["data"]));
                        note_in(&self.watched, |watched| {
                            *match client {
                                Client::Order(..) => &mut watched.updates,
                                Client::Events(_) => &mut watched.events,
                                Client::Board(_) => &mut watched.boards,
                            } += 1;
                        });
                    }
                    Some("pong") => {}
                    // A client that subscribes before the first row is read begins again.
                    _ => {
                        times_in_vain += 1;
                        self.gateway.close(&connection);
                    }
                }
                if cuts < MAX_CUTS && run.faults.below(6) == 0 {
                    cuts += 1;
                    self.gateway.close(&connection);
                }
            }
            note_in(&self.watched, |watched| watched.returns += 1);
            self.say(&connection, "DISCONNECT", &Value::Null);
        }
    }

    /// A client says something, or is gone. Where the function dies at it, the gateway says something in return that is not of the
    /// protocol.
    fn say(self: &Rc<Self>, connection: &str, kind: &str, body: &Value) {
        self.gateway.hear(connection);
        let event = json!({
            "requestContext": { "connectionId": connection, "eventType": kind }, "body": body.to_string(),
        });
        let Ok(event) = serde_json::from_value::<Event>(event) else { return };
        let routes = Rc::clone(&self.routes);
        let (live, connection) = (Rc::clone(self), connection.to_owned());
        self.run().spawn(async move {
            let answering = async move { routes.answer(&event).await.is_ok() };
            if invoke(live.run(), template().timeout(ROUTES), answering).await != Some(true) {
                let _ = live.gateway.send(&connection, r#"{"message":"Internal server error"}"#);
            }
        });
    }

    /// Events of each shard of the feed.
    fn feed(&self) -> Vec<Vec<Listed>> {
        let outside = &self.shop.outside;
        let listed = |shard| -> Vec<Listed> {
            let pages = outside.feed.after(shard, 0, u16::MAX).now_or_never().and_then(Result::ok).unwrap_or_default();
            let keys: Vec<RecordKey> = pages.into_iter().flat_map(|(_, page)| page.records).collect();
            let texts = outside.journal.texts(&keys).now_or_never().and_then(Result::ok).unwrap_or_default();
            let events = texts.into_iter().flatten().filter_map(|text| serde_json::from_str::<Value>(&text).ok());
            events.map(|event| Listed::of(&event)).collect()
        };
        (0..FEED_SHARDS).map(listed).collect()
    }
}

impl Onlookers for Live {
    fn row(self: Rc<Self>, order: &OrderId) {
        let clients = self.clients.borrow().get(order).map_or(0, Vec::len);
        for _ in clients..CLIENTS {
            self.join(order);
        }
        for _ in 0..self.copies() {
            let (live, order) = (Rc::clone(&self), order.clone());
            self.run().spawn(async move { live.deliver(order).await });
        }
    }

    fn page(self: Rc<Self>) {
        self.changed(OfAll::Events);
    }

    fn counted(self: Rc<Self>) {
        self.counted.times.set(self.counted.times.get() + 1);
        self.counted.boards.borrow_mut().clear();
        self.changed(OfAll::Board);
    }

    fn check(&self, orders: &MemoryLog) -> Result<(), Violation> {
        for (order, clients) in &*self.clients.borrow() {
            let updates = known(orders, order).map_or(0, |known| known.timeline.len());
            clients.iter().try_for_each(|client| client.check_updates(updates))?;
        }
        let (feed, boards) = (self.feed(), self.counted.boards.borrow());
        self.of_all.iter().try_for_each(|client| client.check_of_all(&feed, &boards))
    }
}

/// The board: orders and money. Letters are none, for nobody collects them where somebody watches.
struct BoardPort {
    caller: Caller,
    board: Rc<ShopBoard<CalmCounts, MemoryOperations>>,
    counted: Rc<Counted>,
}

/// Counts of which each read takes its time, and succeeds. A board is some hundred of them, each of which the SDK tries again: a read of the
/// whole fails as often as any other call.
#[derive(Clone)]
struct CalmCounts {
    run: Rc<Run>,
    counts: Rc<MemoryCounts>,
}

impl CountStore for CalmCounts {
    async fn get(&self, key: &Key) -> Result<Option<String>> {
        self.run.sleep_ms(1 + self.run.faults.below(8)).await;
        self.counts.get(key).await
    }

    async fn range(&self, partition: &str, from: &str, to: &str) -> Result<Vec<(String, String)>> {
        self.run.sleep_ms(1 + self.run.faults.below(8)).await;
        self.counts.range(partition, from, to).await
    }

    async fn put(&self, key: &Key, text: &str) -> Result<()> {
        self.counts.put(key, text).await
    }

    async fn replace(&self, key: &Key, before: Option<&str>, text: &str) -> Result<bool> {
        self.counts.replace(key, before, text).await
    }

    async fn warm(&self) {}
}

impl Boards for BoardPort {
    async fn board(&self, now: Time) -> Result<BoardUpdate> {
        let begun = self.counted.times.get();
        let board = Rc::clone(&self.board);
        let update = self.caller.ask("table", "read board", move || async move { board.board(now).await }).await?;
        if self.counted.times.get() == begun {
            let board = serde_json::to_value(&update.board).unwrap_or_default();
            self.counted.boards.borrow_mut().push(numbers(&board));
        }
        Ok(update)
    }
}

/// Table of who watches.
#[derive(Clone)]
struct WatchTable {
    caller: Caller,
    watches: Rc<MemoryWatches>,
}

impl WatchTable {
    async fn ask<T: 'static, F: Future<Output = Result<T>> + 'static>(
        &self,
        name: &'static str,
        effect: impl FnOnce(Rc<MemoryWatches>) -> F + 'static,
    ) -> Result<T> {
        let watches = Rc::clone(&self.watches);
        self.caller.ask("table", name, move || effect(watches)).await
    }
}

impl Watches for WatchTable {
    async fn open(&self, connection: &str, right: &Right, expires: Time) -> Result<bool> {
        let (connection, right) = (connection.to_owned(), right.clone());
        self.ask("open connection", move |watches| async move { watches.open(&connection, &right, expires).await })
            .await
    }

    async fn connection(&self, connection: &str) -> Result<Option<Connection>> {
        let connection = connection.to_owned();
        self.ask("get connection", move |watches| async move { watches.connection(&connection).await }).await
    }

    async fn watching(&self, connection: &str, key: &str) -> Result<Vec<String>> {
        let [connection, key] = [connection, key].map(ToOwned::to_owned);
        self.ask("get watching", move |watches| async move { watches.watching(&connection, &key).await }).await
    }

    async fn add(&self, watch: &Watch, expires: Time) -> Result<Added> {
        let watch = watch.clone();
        self.ask("add watch", move |watches| async move { watches.add(&watch, expires).await }).await
    }

    async fn page(&self, key: &str, after: Option<&str>) -> Result<Page> {
        let (key, after) = (key.to_owned(), after.map(ToOwned::to_owned));
        self.ask("page of watches", move |watches| async move { watches.page(&key, after.as_deref()).await }).await
    }

    async fn get(&self, key: &str, connection: &str, subscription: &str) -> Result<Option<Watch>> {
        let [key, connection, subscription] = [key, connection, subscription].map(ToOwned::to_owned);
        self.ask("get watch", move |watches| async move { watches.get(&key, &connection, &subscription).await }).await
    }

    async fn hold(&self, watch: &Watch, holder: &str) -> Result<bool> {
        let (watch, holder, is_taken) = (watch.clone(), holder.to_owned(), self.caller.run.lacks(WATCH_HOLD));
        let effect = move |watches: Rc<MemoryWatches>| async move {
            if is_taken {
                take(&watches, &watch).await?;
            }
            watches.hold(&watch, &holder).await
        };
        self.ask("hold watch", effect).await
    }

    async fn release(&self, watch: &Watch, holder: &str, position: &str) -> Result<bool> {
        let (watch, holder, position) = (watch.clone(), holder.to_owned(), position.to_owned());
        let effect = move |watches: Rc<MemoryWatches>| async move { watches.release(&watch, &holder, &position).await };
        self.ask("release watch", effect).await
    }

    async fn remove(&self, connection: &str, subscription: &str) -> Result<()> {
        let [connection, subscription] = [connection, subscription].map(ToOwned::to_owned);
        self.ask("remove watch", move |watches| async move { watches.remove(&connection, &subscription).await }).await
    }

    async fn end(&self, connection: &str, subscription: &str) -> Result<()> {
        let [connection, subscription] = [connection, subscription].map(ToOwned::to_owned);
        self.ask("end watch", move |watches| async move { watches.end(&connection, &subscription).await }).await
    }

    async fn forget(&self, watch: &Watch) -> Result<()> {
        let watch = watch.clone();
        self.ask("forget watch", move |watches| async move { watches.forget(&watch).await }).await
    }

    async fn close(&self, connection: &str) -> Result<()> {
        let connection = connection.to_owned();
        self.ask("close watches", move |watches| async move { Watches::close(&*watches, &connection).await }).await
    }
}

/// Takes a subscription from whoever holds it.
async fn take(watches: &MemoryWatches, watch: &Watch) -> Result<()> {
    let known = watches.get(&watch.topic.key(), &watch.connection, &watch.subscription).await?;
    if let Some(known) = known
        && let Some(other) = &known.holder
    {
        watches.release(&known, other, &known.position).await?;
    }
    Ok(())
}

/// Sockets of the gateway.
#[derive(Clone)]
struct SocketPort {
    caller: Caller,
    gateway: Rc<Gateway>,
}

impl Sockets for SocketPort {
    async fn send(&self, connection: &str, text: &str) -> Result<Sent> {
        let (gateway, connection, text) = (Rc::clone(&self.gateway), connection.to_owned(), text.to_owned());
        let effect = move || async move { Ok(gateway.send(&connection, &text)) };
        self.caller.ask("sockets", "send to socket", effect).await
    }

    async fn close(&self, connection: &str) -> Result<()> {
        let (gateway, connection) = (Rc::clone(&self.gateway), connection.to_owned());
        let effect = move || async move {
            gateway.close(&connection);
            Ok(())
        };
        self.caller.ask("sockets", "close socket", effect).await
    }
}

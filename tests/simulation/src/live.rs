//! Those who watch orders: the functions of live, the sockets, and clients that come back with the last update that they have.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use futures::StreamExt;
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use onewrite::access::{Access, NoKeySets};
use onewrite::link::NoLinkKeys;
use onewrite::memory::MemoryLog;
use onewrite::{Ledger, Result};
use orderflow_analytics::MemoryCounts;
use orderflow_events::{OrderId, Time};
use orderflow_live::{
    Added, Connection, Event, MemoryFeed, MemoryWatches, Page, Push, Right, Routes, Sent, ShopBoard, Sockets, Watch,
    Watches,
};
use orderflow_operations::MemoryOperations;
use serde_json::{Value, json};
use simulator::model::source::invoke;
use simulator::ports::Table;
use simulator::{Caller, Run, Stack, Violation};

use crate::invariants_at_rest::known;
use crate::names::ORDERS;
use crate::template::template;

/// Binary of the routes.
pub const ROUTES: &str = "live";
/// Binary of the reader of the orders' stream.
pub const PUSH: &str = "live-push";

/// Clients that watch each order.
const CLIENTS: usize = 2;

/// Most times that a client loses its connection by itself.
const MAX_CUTS: u32 = 3;

/// Pauses of a client before it comes back, and of the stream before it tries again, in milliseconds, at the most.
const COMES_BACK_MS: u64 = 1_000;
const RETRY_MS: u64 = 5_000;

const QUERY: &str = "subscription ($id: ID!, $after: Int) { order(id: $id, after: $after) { sequence } }";

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

/// Fates of those who watch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watched {
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
type Pushes = Push<Table, Caller, WatchTable, SocketPort, MemoryFeed, Board>;

/// The board, which nobody watches.
type Board = ShopBoard<MemoryCounts, MemoryOperations>;

/// Answers to the routes.
type LiveRoutes = Routes<Table, Caller, WatchTable, SocketPort, MemoryFeed, Board, NoKeySets, NoLinkKeys>;

/// Live, and all who watch.
pub struct Live {
    stack: Rc<Stack>,
    gateway: Rc<Gateway>,
    push: Rc<Pushes>,
    routes: Rc<LiveRoutes>,
    /// Updates that each client of an order has.
    clients: RefCell<BTreeMap<OrderId, Vec<Rc<Cell<u32>>>>>,
    watched: Rc<Cell<Watched>>,
    connections: Cell<u64>,
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
    /// Live on that stack, behind a gateway with those limits.
    #[must_use]
    pub fn start(stack: &Rc<Stack>, limits: Limits) -> Rc<Self> {
        let (watches, noted) = (Rc::<MemoryWatches>::default(), Rc::<Cell<Watched>>::default());
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
            let ledger = Ledger::new(stack.table(ORDERS, &caller), caller.clone());
            let sockets = SocketPort { caller: caller.clone(), gateway: Rc::clone(&gateway) };
            let watches = WatchTable { caller, watches: Rc::clone(&watches) };
            let board = Board::new(MemoryCounts::default(), MemoryOperations::default());
            Push::new(ledger, MemoryFeed::default(), board, watches, sockets)
        };
        Rc::new(Self {
            stack: Rc::clone(stack),
            push: Rc::new(push(PUSH)),
            routes: Rc::new(Routes::new(push(ROUTES), Access::open(), None)),
            gateway,
            clients: RefCell::default(),
            watched: noted,
            connections: Cell::new(0),
        })
    }

    fn run(&self) -> &Rc<Run> {
        &self.stack.run
    }

    /// Fates of those who watch.
    #[must_use]
    pub fn watched(&self) -> Watched {
        self.watched.get()
    }

    /// A row of an order is on record. The stream delivers it, at least once; of two rows at the same time.
    pub fn row(self: &Rc<Self>, order: &OrderId) {
        let clients = self.clients.borrow().get(order).map_or(0, Vec::len);
        for _ in clients..CLIENTS {
            self.join(order);
        }
        let copies = if self.run().faults.below(8) == 0 { 2 } else { 1 };
        for _ in 0..copies {
            let (live, order) = (Rc::clone(self), order.clone());
            self.run().spawn(async move { live.deliver(order).await });
        }
    }

    async fn deliver(&self, order: OrderId) {
        loop {
            self.run().sleep_ms(1 + self.run().faults.below(300)).await;
            let (push, order) = (Rc::clone(&self.push), order.clone());
            let told = invoke(self.run(), template().timeout(PUSH), async move { push.tell([order]).await }).await;
            if told.is_some_and(|told| told.is_ok()) {
                return;
            }
            self.run().sleep_ms(1 + self.run().faults.below(RETRY_MS)).await;
        }
    }

    /// One more client watches an order. The first of an order sends pings.
    fn join(self: &Rc<Self>, order: &OrderId) {
        let latest = Rc::<Cell<u32>>::default();
        let mut clients = self.clients.borrow_mut();
        let of_order = clients.entry(order.clone()).or_default();
        of_order.push(Rc::clone(&latest));
        let has_pings = of_order.len() == 1;
        let (live, order) = (Rc::clone(self), order.clone());
        self.run().spawn(async move { live.watch(&order, &latest, has_pings).await });
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
    async fn watch(self: &Rc<Self>, order: &OrderId, latest: &Cell<u32>, has_pings: bool) {
        let run = Rc::clone(self.run());
        let mut cuts = 0;
        loop {
            run.sleep_ms(1 + run.faults.below(COMES_BACK_MS)).await;
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
                        let payload = json!({ "query": QUERY, "variables": { "id": order, "after": latest.get() } });
                        self.say(
                            &connection,
                            "MESSAGE",
                            &json!({ "type": "subscribe", "id": "1", "payload": payload }),
                        );
                    }
                    Some("next") => {
                        let sequence = &message["payload"]["data"]["order"]["sequence"];
                        if *sequence != json!(latest.get() + 1) {
                            let what = format!("a client that has {} updates is told the {sequence}th", latest.get());
                            run.check(Err(Violation::of(order.as_str(), what)));
                        }
                        latest.set(latest.get() + 1);
                    }
                    Some("pong") => {}
                    // A client that subscribes before the first row is read begins again.
                    _ => self.gateway.close(&connection),
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

    /// Checks that each client has all updates of its order, once nothing is left to do.
    ///
    /// # Errors
    ///
    /// A client that has less, or more.
    pub fn check(&self, orders: &MemoryLog) -> std::result::Result<(), Violation> {
        for (order, clients) in &*self.clients.borrow() {
            let updates = known(orders, order).map_or(0, |known| known.timeline.len());
            for latest in clients.iter().map(|latest| latest.get()) {
                if latest as usize != updates {
                    let what = format!("a client has {latest} updates of {updates}");
                    return Err(Violation::of(order.as_str(), what));
                }
            }
        }
        Ok(())
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
        let (watch, holder) = (watch.clone(), holder.to_owned());
        self.ask("hold watch", move |watches| async move { watches.hold(&watch, &holder).await }).await
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

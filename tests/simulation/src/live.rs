//! Those who watch orders: the functions of live, the sockets, and clients that come back with the last update that they have.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

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
    /// Times that a client has come back.
    returns: Cell<u64>,
    connections: Cell<u64>,
}

/// API Gateway: connections, each with the way to its client.
#[derive(Default)]
struct Gateway(RefCell<BTreeMap<String, UnboundedSender<String>>>);

impl Gateway {
    fn connect(&self, connection: &str) -> UnboundedReceiver<String> {
        let (sender, receiver) = unbounded();
        self.0.borrow_mut().insert(connection.to_owned(), sender);
        receiver
    }

    fn close(&self, connection: &str) {
        self.0.borrow_mut().remove(connection);
    }

    fn send(&self, connection: &str, text: &str) -> Sent {
        let connections = self.0.borrow();
        let sent = connections.get(connection).map(|way| way.unbounded_send(text.to_owned()));
        if sent.is_some_and(|sent| sent.is_ok()) { Sent::Done } else { Sent::Gone }
    }
}

impl Live {
    /// Live on that stack.
    #[must_use]
    pub fn start(stack: &Rc<Stack>) -> Rc<Self> {
        let (watches, gateway) = (Rc::<MemoryWatches>::default(), Rc::<Gateway>::default());
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
            returns: Cell::new(0),
            connections: Cell::new(0),
        })
    }

    fn run(&self) -> &Rc<Run> {
        &self.stack.run
    }

    /// Number of times that a client has come back.
    #[must_use]
    pub fn returns(&self) -> u64 {
        self.returns.get()
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

    /// One more client watches an order.
    fn join(self: &Rc<Self>, order: &OrderId) {
        let latest = Rc::<Cell<u32>>::default();
        self.clients.borrow_mut().entry(order.clone()).or_default().push(Rc::clone(&latest));
        let (live, order) = (Rc::clone(self), order.clone());
        self.run().spawn(async move { live.watch(&order, &latest).await });
    }

    /// A client, which comes back for ever.
    async fn watch(self: &Rc<Self>, order: &OrderId, latest: &Cell<u32>) {
        let run = Rc::clone(self.run());
        let mut cuts = 0;
        loop {
            run.sleep_ms(1 + run.faults.below(COMES_BACK_MS)).await;
            let number = self.connections.get();
            self.connections.set(number + 1);
            let connection = format!("connection-{number}");
            let mut texts = self.gateway.connect(&connection);
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
                    // A client that subscribes before the first row is read begins again.
                    _ => self.gateway.close(&connection),
                }
                if cuts < MAX_CUTS && run.faults.below(6) == 0 {
                    cuts += 1;
                    self.gateway.close(&connection);
                }
            }
            self.returns.set(self.returns.get() + 1);
            self.say(&connection, "DISCONNECT", &Value::Null);
        }
    }

    /// A client says something, or is gone. Where the function dies at it, the gateway says something in return that is not of the
    /// protocol.
    fn say(self: &Rc<Self>, connection: &str, kind: &str, body: &Value) {
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

//! Fault injector: it kills functions, takes services down, and sends what nobody asked for.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use fastrand::Rng;
use orderflow_local::{Event, EventStream};
use orderflow_tests::{FunctionProcess, SERVICES, Service, Shop, queues};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::call::Trouble;
use crate::fault_mix::{Fault, FaultMix, Outage};
use crate::plan::pick;
use crate::poison::{Poison, STRANGE, stranger};
use crate::tally::{Kind, Tally};

/// Messages that it sends for each order or event, on average.
const POISON_PER_ORDER: f64 = 0.1;
const STRANGERS_PER_ORDER: f64 = 0.02;
const UNPUBLISHABLE_ROWS_PER_ORDER: f64 = 0.005;
const DUPLICATES_PER_EVENT: f64 = 0.1;
const MOVES_PER_EVENT: f64 = 0.02;

/// A message comes again after so long at the most.
const LATEST_DUPLICATE_MS: u64 = 20_000;

/// Pause between two outages, and the share of long ones.
const OUTAGE_EVERY: Duration = Duration::from_secs(12);
const LONG_OUTAGE_OF: u32 = 5;

/// Long enough for the last receive of what is tried again and again meanwhile.
const LONG_OUTAGE: Duration = Duration::from_secs(45);

/// Injects faults until it is stopped.
pub(crate) struct FaultInjector {
    shop: Rc<Shop>,
    fault_mix: Rc<FaultMix>,
    tally: Rc<Tally>,
    rng: RefCell<Rng>,
    /// The process group whose functions it kills.
    emulator: u32,
    /// Tables of the stack, each of which has its outages.
    tables: Vec<String>,
    is_done: Cell<bool>,
    sent: RefCell<Sent>,
}

/// Messages and rows that the fault injector has sent, and that must be found somewhere.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sent {
    pub(crate) poison: Vec<Poison>,
    /// Events that only the journal keeps.
    pub(crate) strangers: Vec<Value>,
    /// The keys of rows that the relay can never publish.
    pub(crate) rows: Vec<String>,
}

/// Services with a relay.
fn speakers() -> impl Iterator<Item = &'static orderflow_registry::Service> {
    orderflow_registry::SERVICES.iter().filter(|service| !service.sends().is_empty())
}

impl FaultInjector {
    pub(crate) async fn new(
        shop: Rc<Shop>,
        fault_mix: Rc<FaultMix>,
        tally: Rc<Tally>,
        rng: Rng,
        emulator: u32,
    ) -> Self {
        let (is_done, sent) = (Cell::new(false), RefCell::default());
        let mut tables = shop.tables("").await;
        tables.sort();
        Self { shop, fault_mix, tally, rng: RefCell::new(rng), emulator, tables, is_done, sent }
    }

    /// It begins nothing new from now on.
    pub(crate) fn stop(&self) {
        self.is_done.set(true);
        self.fault_mix.calm();
    }

    pub(crate) fn sent(&self) -> Sent {
        self.sent.borrow().clone()
    }

    fn chance(&self, probability: f64) -> bool {
        self.rng.borrow_mut().f64() < probability
    }

    fn draw<T>(&self, draw: impl FnOnce(&mut Rng) -> T) -> T {
        draw(&mut self.rng.borrow_mut())
    }

    /// Waits for about so long, or until it is done.
    async fn wait(&self, about: Duration) {
        let until = Instant::now() + about.mul_f64(self.draw(Rng::f64) * 2.0);
        while !self.is_done.get() && Instant::now() < until {
            sleep(Duration::from_millis(100).min(until - Instant::now())).await;
        }
    }

    /// Kills one function after the other, whatever it is doing.
    pub(crate) async fn kill(&self, every: Duration) {
        loop {
            self.wait(every).await;
            if self.is_done.get() {
                return;
            }
            let processes = FunctionProcess::of_group(self.emulator);
            // A function that has many processes is not killed more often for that.
            let functions: BTreeSet<&str> = processes.iter().map(|process| process.function.as_str()).collect();
            let function = self.draw(|rng| rng.choice(functions));
            let process = processes.iter().find(|process| Some(process.function.as_str()) == function);
            if let Some(process) = process.filter(|process| process.kill()) {
                self.tally.count_function(Kind::Kill, &process.function);
            }
        }
    }

    /// Takes one service or table down after the other.
    pub(crate) async fn take_down(&self) {
        for number in 1.. {
            self.wait(OUTAGE_EVERY).await;
            if self.is_done.get() {
                return;
            }
            let faults = [
                (3, Fault::Refused(Trouble::Throttled)),
                (2, Fault::Refused(Trouble::Broken)),
                (2, Fault::NotDelivered),
                (3, Fault::AnswerLost),
            ];
            let (victim, is_long) = (self.victim(), number % LONG_OUTAGE_OF == 1);
            let (fault, seconds) = self.draw(|rng| (*pick(rng, &faults), rng.u64(1..6)));
            let duration = if is_long { LONG_OUTAGE } else { Duration::from_secs(seconds) };
            self.fault_mix.begin(Outage { victim, fault, share: 0.9, until: Instant::now() + duration });
            self.tally.count(Kind::Fault, if is_long { "long outage" } else { "outage" });
            if is_long {
                self.wait(LONG_OUTAGE).await;
            }
        }
    }

    /// Victim of an outage.
    fn victim(&self) -> String {
        let (index, is_relay) = self.draw(|rng| (rng.usize(..self.tables.len() + 2), rng.bool()));
        match self.tables.get(index) {
            Some(table) => table.clone(),
            None if is_relay => "PublishBatch".to_owned(),
            None => "SendEmail".to_owned(),
        }
    }

    /// Sends poison to every queue, and has every relay meet a row that it can never publish.
    pub(crate) async fn poison_all(&self) {
        for service in queues() {
            self.send_poison(Poison::of_every_service(service)).await;
        }
        for service in speakers() {
            self.put_unpublishable(service.id, service.name).await;
        }
    }

    async fn send_poison(&self, poison: Poison) {
        self.shop.send(poison.service, &poison.body).await;
        self.tally.count(Kind::Poison, poison.service);
        self.sent.borrow_mut().poison.push(poison);
    }

    async fn put_unpublishable(&self, service: Service, about: &str) {
        let key = format!("unpublishable-{about}");
        self.shop.put_row(service, &json!({ "pk": key, "sk": 1, "events": "no events at all" })).await;
        self.tally.count(Kind::Poison, "Relay");
        self.sent.borrow_mut().rows.push(key);
    }

    /// Sends poison and the like about an order that was just placed.
    pub(crate) async fn poison(&self, order: &str) {
        if self.is_done.get() {
            return;
        }
        if self.chance(POISON_PER_ORDER) {
            self.send_poison(self.draw(|rng| Poison::draw(rng, order))).await;
        }
        if self.chance(STRANGERS_PER_ORDER) {
            let event = stranger(order);
            self.shop.publish_fact(&event).await;
            self.sent.borrow_mut().strangers.push(event);
        }
        if self.chance(UNPUBLISHABLE_ROWS_PER_ORDER) {
            let speakers: Vec<_> = speakers().collect();
            self.put_unpublishable(speakers[self.draw(|rng| rng.usize(..speakers.len()))].id, order).await;
        }
    }

    /// Listens to the topic, and sends some of what it hears once more, and some behind what came later.
    pub(crate) async fn repeat(self: Rc<Self>, events: EventStream) {
        let mut echoes = tokio::task::JoinSet::new();
        while !self.is_done.get() {
            for event in events.next(Duration::from_secs(1)).await.expect("the topic is heard") {
                // What no service knows would be poison in its queue, and is not counted as such.
                if self.chance(DUPLICATES_PER_EVENT) && event.kind != STRANGE {
                    echoes.spawn_local(Rc::clone(&self).echo(event));
                }
                if self.chance(MOVES_PER_EVENT) {
                    let service = self.draw(|rng| SERVICES[rng.usize(..SERVICES.len())]);
                    if self.shop.move_back(service).await {
                        self.tally.count(Kind::Duplicate, "moved behind later ones");
                    }
                }
            }
            while let Some(echo) = echoes.try_join_next() {
                echo.expect("it is sent again");
            }
        }
        // What was to come later does not come any more.
        echoes.abort_all();
        while echoes.join_next().await.is_some() {}
        events.close().await.expect("the topic is left");
    }

    async fn echo(self: Rc<Self>, event: Event) {
        sleep(Duration::from_millis(self.draw(|rng| rng.u64(..LATEST_DUPLICATE_MS)))).await;
        let service = self.draw(|rng| SERVICES[rng.usize(..SERVICES.len())]);
        let form = self.draw(|rng| rng.u8(..10));
        // Whoever abandons this in the middle has sent a duplicate that is not counted.
        match form {
            0 => {
                let envelope = json!({ "Type": "Notification", "TopicArn": "t", "Message": event.text });
                self.tally.count(Kind::Duplicate, "in an SNS envelope");
                self.shop.send(service, &envelope.to_string()).await;
            }
            // The topic knows the event by its id. By its text, as here, it does not.
            1 | 2 => {
                self.tally.count(Kind::Duplicate, "published again");
                self.shop.publish_fact_text(&event.subject, &event.text).await;
            }
            _ => {
                self.tally.count(Kind::Duplicate, "in the queue");
                self.shop.send(service, &event.text).await;
            }
        }
    }
}

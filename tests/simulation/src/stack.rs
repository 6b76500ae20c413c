//! The whole system: every function, as its `main` puts it together, on the models.

use std::rc::Rc;
use std::time::Duration;

use aws_lambda_events::dynamodb::Event as StreamEvent;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use futures::channel::oneshot;
use futures::future::{Either, LocalBoxFuture, select};
use lambda_http::{Body, Request, Response};
use onewrite::config::QueueSettings;
use onewrite::external::simulated::MemoryRegister;
use onewrite::memory::{MemoryLeases, MemoryLog, MemoryQueue};
use onewrite::port::{Clock, DeadLetters, Random, Visibility};
use onewrite::{Batch, Decider, Effects, Handle, Ledger, NoEffects, Process, Result};
use orderflow_events::{EventType, Time};
use orderflow_inventory::{AVAILABLE, Inventory, InventoryApi, RESERVED, REVISION, Stock};
use orderflow_journal::{Journal, MemoryJournal};
use orderflow_notification::{Messenger, Notification};
use orderflow_orders::{Orders, OrdersApi};
use orderflow_payment::{Payment, ProviderEffects};
use orderflow_relay::{Relay, Topic};
use orderflow_screening::{MemorySightings, Screening, SightingEffects};
use orderflow_shipping::{CarrierEffects, Shipping};

use crate::audit::Service;
use crate::faults::Kind;
use crate::model::queue::{FifoQueue, Queues, Redrive};
use crate::model::source::{Consumer, Function, StreamConsumer, serve, serve_stream};
use crate::model::stream::Stream;
use crate::model::topic::{FifoTopic, Subscription};
use crate::ports::{
    CarrierPort, JournalTable, LeaseTable, Post, Provider, QueuePort, RelayLetters, SightingsTable, Table, TopicPort,
};
use crate::sabotage::Sabotage;
use crate::world::{Site, World};

/// What the template says: how long a message is invisible, an invocation may take, and how often a message is received.
const VISIBILITY: Duration = Duration::from_mins(1);
const TIMEOUT: Duration = Duration::from_secs(10);
const RELAY_TIMEOUT: Duration = Duration::from_mins(1);
const MAX_RECEIVE_COUNT: u32 = 12;

/// How often a message is received where the queues are impatient.
const FEW_RECEIVES: u32 = 3;
const MAX_BACKOFF_SECONDS: u32 = 900;

/// The whole system.
pub struct Stack {
    /// The run.
    pub world: Rc<World>,
    /// Orders over HTTP.
    pub orders_api: Rc<OrdersApi<Table, Site>>,
    /// Stock over HTTP.
    pub inventory_api: Rc<InventoryApi<Table, Site>>,
    /// The topic.
    pub topic: Rc<FifoTopic>,
    /// Each consumer's queues.
    pub lines: Vec<Line>,
    /// The streams.
    pub streams: Vec<Rc<Stream>>,
    /// The tables.
    pub tables: Tables,
    /// The dead letters of the relay.
    pub relay_letters: Rc<MemoryQueue>,
}

/// A consumer's queues.
pub struct Line {
    /// Its name.
    pub name: &'static str,
    /// Where its messages come from.
    pub queue: Rc<FifoQueue>,
    /// Where those go that cannot be handled.
    pub dead_letters: Rc<FifoQueue>,
    /// Where those go that cannot be delivered.
    pub undeliverable: Rc<FifoQueue>,
}

/// What is stored.
#[derive(Default)]
pub struct Tables {
    /// The orders.
    pub orders: Rc<MemoryLog>,
    /// The reservations and the stock.
    pub inventory: Rc<MemoryLog>,
    /// The payments.
    pub payment: Rc<MemoryLog>,
    /// The shipments.
    pub shipping: Rc<MemoryLog>,
    /// The verdicts of screening.
    pub screening: Rc<MemoryLog>,
    /// Whom to tell.
    pub notification: Rc<MemoryLog>,
    /// The leases of messages.
    pub leases: Rc<MemoryLeases>,
    /// All events.
    pub journal: Rc<MemoryJournal>,
    /// What screening has seen.
    pub sightings: Rc<MemorySightings>,
    /// The provider's register.
    pub books: Rc<MemoryRegister>,
    /// The carrier's register.
    pub register: Rc<MemoryRegister>,
}

struct Consuming<H, Q, W>(Batch<H, Q, W>);

impl<H: Handle, Q: Visibility + DeadLetters, W: Clock + Random> Consumer for Consuming<H, Q, W> {
    fn run(&self, event: SqsEvent, deadline: Time) -> LocalBoxFuture<'_, SqsBatchResponse> {
        Box::pin(self.0.run(event, deadline))
    }
}

struct Relaying<T, D, W>(Relay<T, D, W>);

impl<T: Topic, D: DeadLetters, W: Clock + Random> StreamConsumer for Relaying<T, D, W> {
    fn run(&self, event: StreamEvent, deadline: Time) -> LocalBoxFuture<'_, Result<()>> {
        Box::pin(self.0.run(event, deadline))
    }
}

/// The queues of one consumer while the stack is being put together.
struct Draft {
    name: &'static str,
    max_receive_count: u32,
    queue: Rc<FifoQueue>,
    dead_letters: Rc<FifoQueue>,
    undeliverable: Rc<FifoQueue>,
    filter: Option<Vec<EventType>>,
}

impl Stack {
    /// Puts the system together and starts it.
    pub fn start(world: &Rc<World>) -> Rc<Self> {
        let tables = Tables::default();
        let streams: Vec<Rc<Stream>> = (0..5).map(|_| Rc::default()).collect();
        let queues = [
            Draft::new(world, "orders", Some(Orders::CONSUMES)),
            Draft::new(world, "inventory", Some(Inventory::CONSUMES)),
            Draft::new(world, "payment", Some(Payment::CONSUMES)),
            Draft::new(world, "shipping", Some(Shipping::CONSUMES)),
            Draft::new(world, "screening", Some(Screening::CONSUMES)),
            Draft::new(world, "notification", Some(Notification::CONSUMES)),
            Draft::new(world, "journal", None),
        ];
        let subscriptions = queues.iter().map(Draft::subscription).collect();
        let topic = Rc::new(FifoTopic::new(world, subscriptions));
        let table = |site: &Site, service, log: &Rc<MemoryLog>, stream: Option<usize>| Table {
            site: site.clone(),
            service,
            log: Rc::clone(log),
            stream: stream.map(|index| Rc::clone(&streams[index])),
        };
        let [orders, inventory, payment, shipping, screening, notification, journal] = queues;
        let lines = vec![
            {
                let site = Site::new(world, orders.name);
                let table = table(&site, Service::Orders, &tables.orders, Some(0));
                orders.line::<Orders, _>(&site, table, NoEffects, 4)
            },
            {
                let site = Site::new(world, inventory.name);
                let table = table(&site, Service::Inventory, &tables.inventory, Some(1));
                inventory.line::<Inventory, _>(&site, table, NoEffects, 2)
            },
            {
                let site = Site::new(world, payment.name);
                let provider = Provider { site: site.clone(), books: Rc::clone(&tables.books) };
                let table = table(&site, Service::Payment, &tables.payment, Some(2));
                payment.line::<Payment, _>(&site, table, ProviderEffects::new(provider), 4)
            },
            {
                let site = Site::new(world, shipping.name);
                let carrier = CarrierPort {
                    site: site.clone(),
                    register: Rc::clone(&tables.register),
                    provider: Provider { site: site.clone(), books: Rc::clone(&tables.books) },
                };
                let table = table(&site, Service::Shipping, &tables.shipping, Some(3));
                shipping.line::<Shipping, _>(&site, table, CarrierEffects::new(carrier), 4)
            },
            {
                let site = Site::new(world, screening.name);
                let sightings = SightingsTable { site: site.clone(), sightings: Rc::clone(&tables.sightings) };
                let table = table(&site, Service::Screening, &tables.screening, Some(4));
                screening.line::<Screening, _>(&site, table, SightingEffects::new(sightings), 4)
            },
            {
                let site = Site::new(world, notification.name);
                let leases = LeaseTable { site: site.clone(), leases: Rc::clone(&tables.leases) };
                let messenger = Messenger::new(Post(site.clone()), Post(site.clone()), leases, site.clone());
                let table = table(&site, Service::Notification, &tables.notification, None);
                notification.line::<Notification, _>(&site, table, messenger, 4)
            },
            {
                let site = Site::new(world, journal.name);
                let store = JournalTable { site: site.clone(), journal: Rc::clone(&tables.journal) };
                let handler = Journal::new(store, site.clone());
                journal.serve(&site, handler, 4)
            },
        ];
        let relay_letters = Rc::new(MemoryQueue::default());
        for stream in &streams {
            let site = Site::new(world, "relay");
            let letters = RelayLetters { site: site.clone(), letters: Rc::clone(&relay_letters) };
            let topic = TopicPort { site: site.clone(), topic: Rc::clone(&topic) };
            let relay: Rc<dyn StreamConsumer> = Rc::new(Relaying(Relay::new(topic, letters, site.clone(), "relay")));
            let function = Rc::new(Function { site, timeout: RELAY_TIMEOUT, concurrency: 1 });
            for shard in stream.shards() {
                world.spawn(serve_stream(Rc::clone(&function), Rc::clone(shard), Rc::clone(&relay)));
            }
        }
        let site = Site::new(world, "orders-api");
        let orders = table(&site, Service::Orders, &tables.orders, Some(0));
        let orders_api = Rc::new(OrdersApi::new(Ledger::new(orders, site.clone())));
        let site = Site::new(world, "inventory-api");
        let stock = table(&site, Service::Inventory, &tables.inventory, None);
        let inventory_api = Rc::new(InventoryApi::new(stock, site));
        let world = Rc::clone(world);
        Rc::new(Self { world, orders_api, inventory_api, topic, lines, streams, tables, relay_letters })
    }

    /// A customer, as one who does something.
    #[must_use]
    pub fn customer(&self) -> Site {
        Site::outside(&self.world, "customer")
    }

    /// The operator, as one who does something.
    #[must_use]
    pub fn operator(&self) -> Site {
        Site::outside(&self.world, "operator")
    }

    /// Fills a shelf before all begins.
    pub fn stock(&self, sku: &str, pieces: i64) {
        for (counter, value) in [(AVAILABLE, pieces), (RESERVED, 0), (REVISION, 1)] {
            self.tables.inventory.set_counter(sku, counter, value);
        }
        if let Ok(sku) = sku.parse() {
            let stock = Stock { available: pieces, reserved: 0, revision: 1 };
            self.world.audit.counted(&self.tables.inventory, &sku, stock);
        }
    }

    /// Sends a request to the orders API, and answers what comes back: nothing, where the function dies or takes too long.
    pub async fn ask_orders(&self, request: Request) -> Option<Response<Body>> {
        let api = Rc::clone(&self.orders_api);
        self.ask(async move { api.answer(&request).await }).await
    }

    /// The same with the inventory API.
    pub async fn ask_inventory(&self, request: Request) -> Option<Response<Body>> {
        let api = Rc::clone(&self.inventory_api);
        self.ask(async move { api.answer(&request).await }).await
    }

    async fn ask(&self, work: impl Future<Output = Response<Body>> + 'static) -> Option<Response<Body>> {
        let (done, answer) = oneshot::channel();
        let time_up = self.world.executor.sleep(TIMEOUT);
        self.world.spawn(async move {
            if let Either::Left((response, _)) = select(Box::pin(work), time_up).await {
                let _ = done.send(response);
            }
        });
        answer.await.ok()
    }
}

impl Draft {
    fn new(world: &Rc<World>, name: &'static str, consumes: Option<&[EventType]>) -> Self {
        let queue = |what: &str, redrive| {
            Rc::new(FifoQueue::new(&world.executor, format!("{name}{what}"), VISIBILITY, redrive))
        };
        let dead_letters = queue(" letters", None);
        let max_receive_count = if world.faults.strikes(Kind::Impatient) { FEW_RECEIVES } else { MAX_RECEIVE_COUNT };
        let redrive = Redrive { to: Rc::clone(&dead_letters), max_receive_count };
        let mut filter = consumes.map(<[EventType]>::to_vec);
        if name == "payment" && world.lacks(Sabotage::Compensation) {
            filter = filter.map(|types| types.into_iter().filter(|kind| *kind != EventType::OrderCancelled).collect());
        }
        let (queue, undeliverable) = (queue("", Some(redrive)), queue(" undeliverable", None));
        Self { name, max_receive_count, queue, dead_letters, undeliverable, filter }
    }

    fn subscription(&self) -> Subscription {
        let (queue, undeliverable) = (Rc::clone(&self.queue), Rc::clone(&self.undeliverable));
        Subscription { queue, filter: self.filter.clone(), undeliverable }
    }

    fn line<D: Decider + 'static, E: Effects<D> + 'static>(
        self,
        site: &Site,
        table: Table,
        effects: E,
        concurrency: u32,
    ) -> Line {
        let process = Process::<D, _, _, _>::new(Ledger::new(table, site.clone()), effects);
        self.serve(site, process, concurrency)
    }

    fn serve(self, site: &Site, handler: impl Handle + 'static, concurrency: u32) -> Line {
        let Self { name, max_receive_count, queue, dead_letters, undeliverable, filter: _ } = self;
        let queues = Queues { queue: Rc::clone(&queue), dead_letters: Rc::clone(&dead_letters) };
        let port = QueuePort { site: site.clone(), queues };
        let settings = QueueSettings {
            queue_url: name.to_owned(),
            dead_letter_queue_url: format!("{name}-dlq"),
            max_receive_count,
            max_backoff_seconds: MAX_BACKOFF_SECONDS,
            function: name.to_owned(),
        };
        let consumer: Rc<dyn Consumer> = Rc::new(Consuming(Batch::new(handler, port, site.clone(), settings)));
        let function = Rc::new(Function { site: site.clone(), timeout: TIMEOUT, concurrency });
        site.world.spawn(serve(function, Rc::clone(&queue), consumer));
        Line { name, queue, dead_letters, undeliverable }
    }
}

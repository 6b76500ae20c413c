//! Stack: services on the models, each put together as its `main` does it.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::rc::Rc;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use envelope::{Contract, Event, EventType, Heard, Source, Time};
use futures::future::LocalBoxFuture;
use onewrite::config::QueueSettings;
use onewrite::memory::{MemoryLog, MemoryQueue};
use onewrite::port::{Clock, DeadLetters, Random, Visibility};
use onewrite::relay::{Record, Relay, Topic};
use onewrite::telemetry::{Observation, Observe, observed_by};
use onewrite::{Answers, Batch, Decider, Effects, Handle, Inquiry, Ledger, NoEffects, Process, Result};

use crate::caller::Caller;
use crate::faults::FaultKind;
use crate::model::queue::{Redrive, StandardQueue};
use crate::model::source::{Consumer, StreamConsumer, serve, serve_stream};
use crate::model::stream::Stream;
use crate::model::topic::{FifoTopic, StandardTopic, Subscription};
use crate::operator::{ByHand, Operator};
use crate::ports::{QueuePort, Queues, RelayLetters, Table, TopicPort};
use crate::run::Run;
use crate::service::{Inspected, Service};
use crate::settings::{RelaySettings, Settings};

/// Name of every relay, as a caller.
const RELAY: &str = "relay";

/// Services that run: their queues, tables and relays, and the topic between them.
pub struct Stack {
    /// The run.
    pub run: Rc<Run>,
    /// The topic of all facts.
    pub topic: Rc<FifoTopic>,
    services: Vec<Service>,
    intakes: Vec<Rc<StandardTopic>>,
    /// By service, its table and the stream of that.
    tables: BTreeMap<&'static str, (Rc<MemoryLog>, Option<Rc<Stream>>)>,
    /// By service, its relay.
    relays: BTreeMap<&'static str, Rc<dyn StreamConsumer>>,
    relay_letters: Rc<MemoryQueue>,
    operator: Rc<dyn Operator>,
}

impl Stack {
    /// Stack without services.
    #[must_use]
    pub fn builder(run: &Rc<Run>) -> Builder {
        let topic = Rc::new(FifoTopic::new(run));
        let stack = Self {
            run: Rc::clone(run),
            topic,
            services: Vec::new(),
            intakes: Vec::new(),
            tables: BTreeMap::new(),
            relays: BTreeMap::new(),
            relay_letters: Rc::default(),
            operator: Rc::new(ByHand::new(run)),
        };
        Builder { stack, settings: Box::new(|_| Settings::default()) }
    }

    /// Services.
    #[must_use]
    pub fn services(&self) -> &[Service] {
        &self.services
    }

    /// Subscriptions of all topics: that of all facts, and those of intakes.
    #[must_use]
    pub fn topics(&self) -> Vec<Rc<StandardTopic>> {
        [&self.topic.fanout].into_iter().chain(&self.intakes).map(Rc::clone).collect()
    }

    /// Tables by service.
    #[must_use]
    pub fn tables(&self) -> BTreeMap<&'static str, Rc<MemoryLog>> {
        self.tables.iter().map(|(service, (log, _))| (*service, Rc::clone(log))).collect()
    }

    /// Table of a service, as another function may touch it, such as its API.
    ///
    /// # Panics
    ///
    /// There is no such service, or none that has a table.
    #[must_use]
    pub fn table(&self, service: &'static str, caller: &Caller) -> Table {
        let found = self.tables.get(service).unwrap_or_else(|| panic!("there is no service {service} with a table"));
        let (log, stream) = found.clone();
        Table { caller: caller.clone(), service, log, stream }
    }

    /// Publishes an event of somebody who is not simulated, after so many milliseconds.
    pub fn publish_after<P: Contract>(&self, delay_ms: u64, event: &Event<P>) {
        let (run, topic) = (Rc::clone(&self.run), Rc::clone(&self.topic));
        let (subject, id) = (event.context.subject.to_string(), event.context.id.to_string());
        let text = serde_json::to_string(event).unwrap_or_default();
        self.run.spawn(async move {
            run.sleep_ms(delay_ms).await;
            topic.publish_one(&subject, &id, &text);
        });
    }

    /// Relay of a service, as an event source invokes it; none where it publishes nothing.
    #[must_use]
    pub fn relay(&self, service: &str) -> Option<Rc<dyn StreamConsumer>> {
        self.relays.get(service).cloned()
    }

    /// Operator.
    #[must_use]
    pub fn operator(&self) -> &Rc<dyn Operator> {
        &self.operator
    }

    /// Letters of the relays.
    #[must_use]
    pub fn relay_letters(&self) -> &MemoryQueue {
        &self.relay_letters
    }

    /// True if no stream has anything left to deliver.
    #[must_use]
    pub fn streams_are_empty(&self) -> bool {
        let mut streams = self.tables.values().filter_map(|(_, stream)| stream.as_ref());
        streams.all(|stream| stream.shards().iter().all(|shard| shard.is_empty()))
    }
}

/// Stack that is being put together. Each service runs from when it is added.
pub struct Builder {
    stack: Stack,
    settings: Box<dyn Fn(&str) -> Settings>,
}

impl Builder {
    /// Takes the settings of the services that are added from now on from a function of their names, such as one that
    /// reads a template; else they are [`Settings::default`].
    #[must_use]
    pub fn settings(self, settings: impl Fn(&str) -> Settings + 'static) -> Self {
        Self { settings: Box::new(settings), ..self }
    }

    /// Adds a service without effects.
    #[must_use]
    pub fn service<D: Decider<Effect = Infallible> + 'static>(self, name: &'static str) -> Self {
        self.service_with::<D, _>(name, |_| NoEffects)
    }

    /// Adds a service whose effects are made for a caller of its name.
    #[must_use]
    pub fn service_with<D, E>(mut self, name: &'static str, effects: impl FnOnce(&Caller) -> E) -> Self
    where
        D: Decider + 'static,
        E: Effects<D> + 'static,
    {
        let run = Rc::clone(&self.stack.run);
        let (caller, settings) = (Caller::new(&run, name), (self.settings)(name));
        let log = Rc::new(MemoryLog::default());
        let (stream, relay) = settings.relay.map(|relay| self.relay(name, D::SOURCE, relay)).unzip();
        self.stack.relays.extend(relay.map(|relay| (name, relay)));
        let table = Table { caller: caller.clone(), service: name, log: Rc::clone(&log), stream: stream.clone() };
        let process = Process::<D, _, _, _>::new(Ledger::new(table, caller.clone()), effects(&caller));
        let topic = Rc::clone(&self.stack.topic.fanout);
        self.add(&topic, caller, settings, Some(types_of::<D::Heard>()), process);
        self.stack.tables.insert(name, (log, stream));
        self
    }

    /// Adds a consumer that is no service of a decider. It gets the events of those types; all where there is no list.
    #[must_use]
    pub fn consumer<H: Handle + 'static>(
        mut self,
        name: &'static str,
        types: Option<Vec<&'static str>>,
        handler: impl FnOnce(&Caller) -> H,
    ) -> Self {
        let (caller, settings) = (Caller::new(&self.stack.run, name), (self.settings)(name));
        let (handler, topic) = (handler(&caller), Rc::clone(&self.stack.topic.fanout));
        self.add(&topic, caller, settings, types, handler);
        self
    }

    /// Adds an intake: a consumer of a topic of its own, to which others publish. It may work on another service's table.
    #[must_use]
    pub fn intake<H: Handle + 'static>(
        mut self,
        name: &'static str,
        topic: &Rc<StandardTopic>,
        handler: impl FnOnce(&Caller, &Stack) -> H,
    ) -> Self {
        let (caller, settings) = (Caller::new(&self.stack.run, name), (self.settings)(name));
        let handler = handler(&caller, &self.stack);
        self.add(topic, caller, settings, None, handler);
        self.stack.intakes.push(Rc::clone(topic));
        self
    }

    /// Has an operator look after the dead letters of the services that were added; else they are sent back by hand.
    #[must_use]
    pub fn operator(mut self, operator: impl FnOnce(&Stack) -> Rc<dyn Operator>) -> Self {
        self.stack.operator = operator(&self.stack);
        self
    }

    /// Stack with all services that were added.
    #[must_use]
    pub fn start(self) -> Rc<Stack> {
        Rc::new(self.stack)
    }

    /// Adds a stream, and the relay that publishes what it carries.
    fn relay(
        &self,
        service: &'static str,
        source: Source,
        settings: RelaySettings,
    ) -> (Rc<Stream>, Rc<dyn StreamConsumer>) {
        let (run, stream) = (&self.stack.run, Rc::new(Stream::default()));
        let caller = Caller::new(run, RELAY);
        let letters = RelayLetters { caller: caller.clone(), letters: Rc::clone(&self.stack.relay_letters) };
        let topic = TopicPort { caller: caller.clone(), topic: Rc::clone(&self.stack.topic) };
        let relay = Relay::new(source, topic, letters, caller.clone(), RELAY);
        let relay: Rc<dyn StreamConsumer> = Rc::new(Relaying(relay, Observed::new(run, service)));
        for shard in stream.shards() {
            run.spawn(serve_stream(caller.clone(), settings, Rc::clone(shard), Rc::clone(&relay)));
        }
        (stream, relay)
    }

    fn add(
        &mut self,
        topic: &StandardTopic,
        caller: Caller,
        settings: Settings,
        filter: Option<Vec<&'static str>>,
        handler: impl Handle + 'static,
    ) {
        let (run, name) = (Rc::clone(&self.stack.run), caller.name);
        let settings = if run.faults.strikes(FaultKind::Impatient) { settings.impatient() } else { settings };
        let queue = |what: &str, redrive| {
            Rc::new(StandardQueue::new(&run, format!("{name}{what}"), settings.visibility_timeout, redrive))
        };
        let (dead_letters, undeliverable) = (queue(" letters", None), queue(" undeliverable", None));
        let redrive = Redrive { to: Rc::clone(&dead_letters), max_receive_count: settings.redrive_max_receive_count };
        let queue = queue("", Some(redrive));
        let (service, service_undeliverable) = (Rc::clone(&queue), Rc::clone(&undeliverable));
        topic.subscribe(Subscription { service: name, queue: service, filter, undeliverable });
        let queues = Queues { queue: Rc::clone(&queue), dead_letters: Rc::clone(&dead_letters) };
        let port = QueuePort { caller: caller.clone(), queues };
        let batch = Batch::new(handler, port, caller.clone(), queue_settings(name, settings));
        let consumer = Rc::new(Consuming(batch, Observed::new(&run, name)));
        run.spawn(serve(caller, settings, Rc::clone(&queue), Rc::clone(&consumer) as Rc<dyn Consumer>));
        self.stack.services.push(Service { name, queue, dead_letters, undeliverable: service_undeliverable, consumer });
    }
}

/// Types that a consumer hears, as its subscription's filter policy lists them.
#[must_use]
pub fn types_of<H: Heard>() -> Vec<&'static str> {
    H::TYPES.iter().map(|event_type| event_type.as_str()).collect()
}

fn queue_settings(name: &str, settings: Settings) -> QueueSettings {
    QueueSettings {
        queue_url: name.to_owned(),
        dead_letter_queue_url: format!("{name}-dlq"),
        max_receive_count: settings.max_receive_count,
        max_backoff_seconds: settings.max_backoff_seconds,
        function: name.to_owned(),
    }
}

/// Observations of a service's function: for the tally, and for whoever is simulated.
struct Observed {
    run: Rc<Run>,
    service: &'static str,
    is_warm: Cell<bool>,
}

impl Observe for Observed {
    fn observe(&self, event_type: Option<&str>, observation: &Observation<'_>) {
        self.run.tally.observe(event_type, observation);
        self.run.observer.observed(self.service, event_type, observation);
    }
}

impl Observed {
    fn new(run: &Rc<Run>, service: &'static str) -> Rc<Self> {
        Rc::new(Self { run: Rc::clone(run), service, is_warm: Cell::default() })
    }

    /// Does the work of one invocation.
    async fn invocation<T>(self: &Rc<Self>, work: impl Future<Output = T>) -> T {
        let cold_start = !self.is_warm.replace(true);
        let answer = observed_by(Rc::clone(self) as _, work).await;
        self.observe(None, &Observation::Ended { cold_start });
        answer
    }
}

struct Consuming<H, Q, W>(Batch<H, Q, W>, Rc<Observed>);

impl<H: Handle, Q: Visibility + DeadLetters, W: Clock + Random> Consumer for Consuming<H, Q, W> {
    fn run(&self, event: SqsEvent, deadline: Time) -> LocalBoxFuture<'_, SqsBatchResponse> {
        Box::pin(self.1.invocation(self.0.run(event, deadline)))
    }
}

impl<H: Handle, Q: Visibility + DeadLetters, W: Clock + Random> Inspected for Consuming<H, Q, W> {
    fn inspect(&self, inquiry: Inquiry, deadline: Time) -> LocalBoxFuture<'_, Result<Answers>> {
        Box::pin(async move { self.0.inspect(&inquiry, deadline).await })
    }
}

struct Relaying<T, D, W>(Relay<T, D, W>, Rc<Observed>);

impl<T: Topic, D: DeadLetters, W: Clock + Random> StreamConsumer for Relaying<T, D, W> {
    fn run(&self, records: Vec<Record>, deadline: Time) -> LocalBoxFuture<'_, Result<()>> {
        Box::pin(self.1.invocation(self.0.run(records, deadline)))
    }
}

//! Service for operators, in the place of somebody who sends dead letters back by hand: collectors at every queue of dead letters,
//! the API, the jobs that a clock strikes for, and the operator who asks for them.

pub mod collecting;
mod index;
pub mod ports;
mod truth;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use fastrand::Rng;
use lambda_http::Request;
use lambda_http::http::{HeaderValue, Method, header};
use onewrite::FoundLetter;
use onewrite::access::Access;
use onewrite::memory::MemoryKeys;
use onewrite::personal::KeyRing;
use orderflow_events::Time;
use orderflow_operations::{
    Class, Collector, Destination, Finding, Jobs, Letter, LetterId, MemoryOperations, OperationsApi, Post, Service,
    State, TableType,
};
use serde_json::{Value, json};
use simulator::model::queue::{Message, StandardQueue};
use simulator::model::source::{Consumer, invoke, serve};
use simulator::ports::KeyTable;
use simulator::{Caller, Operator, Run, Stack, Violation, Which};

use crate::names::{INTAKE, JOURNAL, ORDERS};
use crate::operations::collecting::Collecting;
use crate::operations::index::JournalIndex;
use crate::operations::ports::{Known, LettersTable, OwnLetters, StackPort, Surroundings};
use crate::outside::Outside;
use crate::requests::{MAX_ATTEMPTS, read, request};
use crate::template::{COLLECTOR, template};

/// Binary of the API.
pub const API: &str = "operations-api";

/// Binary of the jobs.
pub const JOBS: &str = "jobs";

/// Letters that the table answers at once.
const PAGE: usize = 100;

/// Strikes of the clock for one thing: each minute for somewhat more than an hour, as the template has it, and later on, when
/// nobody waits for anything but what takes hours, each half an hour, which is no other than a clock whose function dies in
/// between.
const STRIKES_EACH_MINUTE: u32 = 65;
const STRIKES: u32 = STRIKES_EACH_MINUTE + 60;

/// Longest pause between two attempts to ask the API. An operator who waits for hours, while thousands of calls fail, would come after
/// the time in which customers are told at all.
const MAX_PAUSE_MS: u64 = 600_000;

/// Pause before all records are compared, longer than what a comparison leaves alone.
const QUIET_FOR_MS: u64 = 20 * 60_000;

/// Age from which an order is late.
const LATE_AFTER: Duration = Duration::from_mins(15);

/// Manner of the operator who uses the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// They send back whatever is a dead letter, and drop, replay and heal in between.
    Busy,
    /// They do what they are told to, and nothing else.
    Told,
}

/// Service for operators.
pub struct Operations {
    run: Rc<Run>,
    /// Letters and jobs.
    pub store: Rc<MemoryOperations>,
    around: Rc<Surroundings>,
    api: Rc<OperationsApi<LettersTable, KeyTable, StackPort, Caller>>,
    keys: Rc<MemoryKeys>,
    collectors: Vec<(Rc<StandardQueue>, Rc<Collecting>)>,
    manner: Manner,
    begun_at: Time,
    is_striking: Cell<bool>,
    rng: RefCell<Rng>,
}

impl Operations {
    /// Starts the service for a stack: the collectors serve its queues from now on.
    #[must_use]
    pub fn start(stack: &Stack, outside: &Outside, manner: Manner) -> Rc<Self> {
        let run = Rc::clone(&stack.run);
        let store = Rc::new(MemoryOperations::in_pages_of(PAGE));
        let collectors = stack
            .services()
            .iter()
            .map(|service| (Rc::clone(&service.dead_letters), collect(&run, &store, &outside.keys, service)));
        let around = Rc::new(Surroundings { services: directory(stack), journal: JournalIndex::of(&outside.journal) });
        let caller = Caller::new(&run, API);
        let (letters, port) = ports(&caller, &store, &around);
        Rc::new(Self {
            collectors: collectors.collect(),
            api: Rc::new(OperationsApi::new(
                letters,
                ring(&caller, &outside.keys),
                port,
                caller,
                Access::open(),
                LATE_AFTER,
            )),
            // Whatever clock the API has, that is before all that has happened.
            keys: Rc::clone(&outside.keys),
            begun_at: Time::from_millis(run.executor.millis() - 600_000),
            manner,
            is_striking: Cell::new(false),
            rng: RefCell::new(Rng::with_seed(run.faults.below(u64::MAX))),
            around,
            store,
            run,
        })
    }

    /// Messages that the collectors were handed, by the letter that it becomes.
    fn seen(&self) -> HashMap<LetterId, FoundLetter> {
        let seen = self.collectors.iter().map(|(_, collector)| collector.seen.borrow().clone());
        seen.flatten().collect()
    }

    /// Number of letters on record.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.store.letters().len() as u64
    }

    /// Checks what is on record once nothing is left to do: each letter's fate is told as its service tells it, and a comparison of
    /// all records finds nothing but what a letter tells of. Answers how much it finds of that.
    ///
    /// # Errors
    ///
    /// The first invariant that does not hold.
    pub fn check(self: &Rc<Self>) -> Result<u64, Violation> {
        if let Some((_, left)) = self.collectors.iter().find(|(_, collector)| collector.own_letters.queue.count() > 0) {
            return Err(Violation::new(format!("letters of {} are not on record", left.service)));
        }
        truth::check(&self.run, &self.store, &self.around, &self.seen())?;
        let open = truth::open(&self.store, &self.around, &self.seen());
        let findings = self.reconciled(false);
        let has_letter = |finding: &&Finding| open.iter().any(|(_, letter)| *letter.subject == *finding.order_id);
        match findings.iter().find(|finding| !has_letter(finding)) {
            Some(Finding { kind, order_id, detail, service, .. }) => {
                let what = format!("a false alarm: {kind} of {service:?}, {detail}");
                Err(Violation::of(order_id, what))
            }
            None => Ok(findings.len() as u64),
        }
    }

    /// The run.
    #[must_use]
    pub const fn run(&self) -> &Rc<Run> {
        &self.run
    }

    /// Time before all that has happened.
    #[must_use]
    pub const fn begun_at(&self) -> Time {
        self.begun_at
    }

    /// Revision of a letter, 0 where there is none.
    #[must_use]
    pub fn revision_of(&self, letter: &str) -> u64 {
        self.store.revision_of(letter)
    }

    /// Asks the API for something until it answers with anything but that it failed.
    pub async fn ask(&self, method: &Method, path: &str, tag: &str, body: &Value) -> (u16, Value) {
        let mut pause_ms = 3_000;
        loop {
            let request = tagged(request(method, path, body.to_string(), None), tag);
            let api = Rc::clone(&self.api);
            let answer = invoke(&self.run, template().timeout(API), async move { api.answer(&request).await });
            match answer.await.map(read) {
                Some((500.., _)) | None => {
                    let pause_ms = self.below(pause_ms) + 100;
                    self.run.sleep_ms(pause_ms).await;
                }
                Some(answer) => return answer,
            }
            pause_ms = (pause_ms * 2).min(MAX_PAUSE_MS);
        }
    }

    /// Asks for a job, and lets the clock strike for it. Answers its id.
    pub async fn begin(self: &Rc<Self>, path: &str, body: &Value) -> String {
        let (status, answer) = self.ask(&Method::POST, path, "*", body).await;
        if status != 202 {
            self.run.check(Err(Violation::new(format!("{path} was answered with {status}: {answer}"))));
        }
        self.strike();
        answer["id"].as_str().unwrap_or_default().to_owned()
    }

    /// Lets the clock strike for as long as there is something to do.
    pub fn strike(self: &Rc<Self>) {
        if self.is_striking.replace(true) {
            return;
        }
        let operations = Rc::clone(self);
        self.run.spawn(async move {
            for strike in 0..STRIKES {
                if !operations.has_work() {
                    break;
                }
                operations.run.spawn(operations.run_jobs());
                let minutes = if strike < STRIKES_EACH_MINUTE { 1 } else { 30 };
                operations.run.sleep_ms(minutes * 60_000).await;
            }
            operations.is_striking.set(false);
        });
    }

    /// Lets the jobs run once.
    fn run_jobs(&self) -> impl Future<Output = ()> + 'static {
        let caller = Caller::new(&self.run, JOBS);
        let (letters, port) = ports(&caller, &self.store, &self.around);
        let (run, timeout, keys) = (Rc::clone(&self.run), template().timeout(JOBS), ring(&caller, &self.keys));
        let deadline = onewrite::port::Clock::now(&caller).after(timeout);
        async move {
            let jobs = Jobs::new(letters, keys, port, caller);
            // What fails is on record, and comes with the next strike.
            let _ = Box::pin(invoke(&run, timeout, async move { Box::pin(jobs.run(deadline)).await })).await;
        }
    }

    /// True while a job is at work, or it is not known of a letter what has become of it.
    fn has_work(&self) -> bool {
        self.store.has_active_jobs() || self.store.letters().iter().any(|letter| letter.state == State::Sent)
    }

    /// Puts back into their queues what the collectors could not put on record, as the runbook has it done.
    fn put_back(&self) -> usize {
        let mut count = 0;
        for (dead_letters, collector) in &self.collectors {
            for letter in collector.own_letters.queue.drain() {
                count += 1;
                dead_letters.send(letter);
            }
        }
        count
    }

    /// Compares all records once nothing is left to do. Answers what is found.
    #[must_use]
    pub fn reconciled(self: &Rc<Self>, heal: bool) -> Vec<Finding> {
        let (operations, found) = (Rc::clone(self), Rc::new(RefCell::new(None)));
        let into = Rc::clone(&found);
        self.run.spawn(async move { *into.borrow_mut() = Some(operations.reconcile(heal).await) });
        self.run.executor.run(|| self.run.is_violated());
        found.take().unwrap_or_default()
    }

    async fn reconcile(self: &Rc<Self>, heal: bool) -> Vec<Finding> {
        // What is younger is under way, and a topic does not take again what it took just now.
        self.run.sleep_ms(QUIET_FOR_MS).await;
        let body = json!({ "heal": heal, "from": self.begun_at });
        let id = self.begin("/operations/reconciliations", &body).await;
        for _ in 0..MAX_ATTEMPTS * 10 {
            let (_, told) =
                self.ask(&Method::GET, &format!("/operations/reconciliations/{id}"), "*", &Value::Null).await;
            if told["state"] != "running" {
                return serde_json::from_value(told["findings"].clone()).unwrap_or_default();
            }
            self.strike();
            self.run.sleep_ms(60_000).await;
        }
        self.run.check(Err(Violation::new("a reconciliation has no end")));
        Vec::new()
    }

    /// Sends all open letters of each service back, or those of these classes.
    async fn send_back(self: &Rc<Self>, classes: &[Option<&str>], ramp: bool) {
        for Known { service, .. } in &self.around.services {
            let is_open = |letter: &Letter| letter.state.is_open() && letter.service == service.name;
            if !self.store.letters().iter().any(is_open) {
                continue;
            }
            for class in classes {
                let mut body = json!({ "service": service.name, "ramp": ramp });
                if let Some(class) = class {
                    body["class"] = json!(class);
                }
                self.begin("/operations/redrives", &body).await;
            }
        }
    }

    /// Deeds of an operator in a hurry, beside the redrive: a letter is dropped, events are replayed, and what seems lost is healed
    /// while it is under way.
    async fn meddle(self: &Rc<Self>) {
        if self.below(2) == 0 {
            self.drop_poison().await;
        }
        let hearing: Vec<&Known> = self.around.services.iter().filter(|known| known.service.hears_facts()).collect();
        if self.below(3) == 0 {
            let any = hearing[usize::try_from(self.below(hearing.len() as u64)).unwrap_or(0)];
            let body = json!({ "service": any.service.name, "from": self.begun_at });
            self.begin("/operations/replays", &body).await;
        }
        if self.below(3) == 0 {
            let body = json!({ "heal": true, "from": self.begun_at, "olderThanSeconds": 0 });
            self.begin("/operations/reconciliations", &body).await;
        }
    }

    /// Drops the first letter that nobody can read, if there is one.
    async fn drop_poison(&self) {
        let (_, page) = self.ask(&Method::GET, "/operations/letters", "*", &Value::Null).await;
        let is_poison = |letter: &&Value| {
            letter["class"] == "permanent" && letter["orderId"].is_null() && letter["state"] == "waiting"
        };
        let letters = page["letters"].as_array().cloned().unwrap_or_default();
        let Some(letter) = letters.iter().find(is_poison) else { return };
        let path = format!("/operations/letters/{}", letter["id"].as_str().unwrap_or_default());
        let (status, answer) = self.ask(&Method::DELETE, &path, "*", &json!({ "why": "nobody can read it" })).await;
        // Somebody may have sent it back meanwhile.
        if !matches!(status, 200 | 409) {
            self.run.check(Err(Violation::new(format!("a letter is not dropped: {status}, {answer}"))));
        }
    }

    fn below(&self, bound: u64) -> u64 {
        self.rng.borrow_mut().u64(0..bound.max(1))
    }
}

impl Operator for Operations {
    fn redrive(self: Rc<Self>, _: &[simulator::Service], delay_ms: u64, which: Which) -> usize {
        let is_sent = |letter: &&Letter| match which {
            Which::All => letter.state.is_open(),
            Which::Curable => letter.state.is_open() && letter.class != Class::Permanent,
        };
        let letters = self.store.letters();
        let sent = letters.iter().filter(|letter| letter.state == State::Sent).count();
        let number = letters.iter().filter(is_sent).count() + sent + self.put_back();
        if self.manner == Manner::Told {
            self.strike();
        } else if number > 0 || which == Which::All {
            let operations = Rc::clone(&self);
            self.run.spawn(async move {
                operations.run.sleep_ms(delay_ms).await;
                match which {
                    Which::All => {
                        let ramp = operations.below(2) == 0;
                        operations.send_back(&[None], ramp).await;
                        operations.meddle().await;
                    }
                    Which::Curable => operations.send_back(&[Some("exhausted"), Some("none")], false).await,
                }
                operations.strike();
            });
        }
        number
    }

    fn letters(&self, _: &[simulator::Service]) -> Vec<(&'static str, Message)> {
        truth::open(&self.store, &self.around, &self.seen())
    }

    fn merges_copies(&self) -> bool {
        true
    }
}

/// Keys of persons, as a function has them.
fn ring(caller: &Caller, keys: &Rc<MemoryKeys>) -> KeyRing<KeyTable, Caller> {
    KeyRing::new(KeyTable { caller: caller.clone(), keys: Rc::clone(keys) }, caller.clone())
}

/// Ports of a function of the operations.
fn ports(caller: &Caller, store: &Rc<MemoryOperations>, around: &Rc<Surroundings>) -> (LettersTable, StackPort) {
    let letters = LettersTable { caller: caller.clone(), store: Rc::clone(store) };
    (letters, StackPort { caller: caller.clone(), around: Rc::clone(around) })
}

/// Starts the collector of a service's dead letters.
fn collect(
    run: &Rc<Run>,
    store: &Rc<MemoryOperations>,
    keys: &Rc<MemoryKeys>,
    service: &simulator::Service,
) -> Rc<Collecting> {
    let (caller, settings) = (Caller::new(run, COLLECTOR), template().collector());
    let name = service.name;
    let queue = StandardQueue::new(run, format!("{name} letters of letters"), settings.visibility_timeout, None);
    let own_letters = OwnLetters { caller: caller.clone(), queue: Rc::new(queue) };
    let letters = LettersTable { caller: caller.clone(), store: Rc::clone(store) };
    let destination = Destination {
        queue_url: name.to_owned(),
        function: name.to_owned(),
        is_journal: name == JOURNAL,
        is_door: name == INTAKE,
    };
    let post = Post {
        service: name.to_owned(),
        destination,
        undeliverable_queue_arn: service.undeliverable.name.clone(),
        relay_dlq_arn: None,
        function: COLLECTOR.to_owned(),
    };
    let collecting = Rc::new(Collecting {
        service: name,
        run: Rc::clone(run),
        store: Rc::clone(store),
        collector: Collector::new(letters, ring(&caller, keys), own_letters.clone(), caller.clone(), post),
        seen: RefCell::default(),
        own_letters,
    });
    for queue in [&service.dead_letters, &service.undeliverable] {
        let consumer = Rc::clone(&collecting) as Rc<dyn Consumer>;
        run.spawn(serve(caller.clone(), settings, Rc::clone(queue), consumer));
    }
    collecting
}

/// Services as the directory has them.
fn directory(stack: &Stack) -> Vec<Known> {
    let (tables, subscriptions) = (stack.tables(), stack.topic.fanout.subscriptions());
    let known = |service: &simulator::Service| {
        let name = service.name;
        let (log, relay) = (tables.get(name).cloned(), stack.relay(name));
        let filter = subscriptions.iter().find(|one| one.service == name).and_then(|one| one.filter.clone());
        let table_type = match (name, &log, &relay) {
            (JOURNAL, ..) => TableType::Journal,
            (_, Some(_), Some(_)) => TableType::Outbox,
            (_, Some(_), None) => TableType::Ledger,
            (_, None, _) => TableType::None,
        };
        let entry = Service {
            name: name.to_owned(),
            source: format!("orderflow/{name}"),
            function: name.to_owned(),
            queue_url: name.to_owned(),
            log_group: name.to_owned(),
            table: (table_type != TableType::None).then(|| name.to_owned()),
            table_type,
            has_open_index: name == ORDERS,
            relay: relay.as_ref().map(|_| name.to_owned()),
            event_types: filter.unwrap_or_default().into_iter().map(str::to_owned).collect(),
        };
        let (queue, consumer) = (Rc::clone(&service.queue), Rc::clone(&service.consumer));
        Known { name, service: entry, queue, consumer, relay, log }
    };
    stack.services().iter().map(known).collect()
}

/// The same request, of what has that `ETag`.
fn tagged(mut request: Request, tag: &str) -> Request {
    if let Ok(tag) = HeaderValue::from_str(tag) {
        request.headers_mut().insert(header::IF_MATCH, tag);
    }
    request
}

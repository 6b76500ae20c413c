//! One run: the storm, the quiet after it, and the audit.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

use fastrand::Rng;
use orderflow_events::Time;
use orderflow_local::{Endpoint, EventStream, Options, PortChoice, Profile, Progress, Reply, Stack};
use orderflow_tests::{Emulator, Proxy, Shop, collector, free_port, queues};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::audit::{Asked, Rule, Violation, audit};
use crate::cli::Arguments;
use crate::customer::{Customer, Means};
use crate::fault_injector::FaultInjector;
use crate::fault_mix::FaultMix;
use crate::leftovers::{self, Looks, audit_leftovers};
use crate::operator::Operator;
use crate::order::{End, ends};
use crate::plan::{self, Plan};
use crate::proxy::Sabotage;
use crate::report::{self, Line, Times};
use crate::snapshot::{Fact, Letter, Snapshot, shelves};
use crate::tally::{Kind, Tally};
use crate::watchers::{Shards, Watchers, audit_board, audit_told};

/// Customers wait while there are so many messages in all queues together.
const MOST_WAITING: u64 = 400;

/// It is quiet when all queues are empty and no function has called anything for so long. The relay pauses for up to five
/// seconds before it tries again.
const QUIET: Duration = Duration::from_secs(7);

/// Pause between an operator's looks for dead letters that are worth another try.
const MOST_ROUNDS: u32 = 20;

/// So many orders always meet some of each kind of fault.
const ENOUGH_FOR_SOME: usize = 100;

/// So many orders are watched, which are spread over the run.
const MOST_WATCHED: usize = 40;

/// So many orders have every function make each of its calls.
const ENOUGH_FOR_EVERYTHING: usize = 500;

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Outcome of a run.
pub(crate) struct Outcome {
    /// For people.
    pub(crate) text: String,
    pub(crate) is_good: bool,
}

/// A run under way.
struct Run {
    stack: Stack,
    shop: Rc<Shop>,
    proxy: Rc<Proxy>,
    sabotage: Rc<Sabotage>,
    tally: Rc<Tally>,
    line: RefCell<Line>,
    stock_table: String,
    /// SKUs of which at some moment more was promised than there was.
    seen: RefCell<BTreeSet<String>>,
    begun_at: Instant,
    operator: Operator,
    /// None where there is nothing to watch with.
    watchers: Option<Rc<Watchers>>,
    arguments: Arguments,
}

/// Does all of it.
///
/// # Errors
///
/// If the stack does not come up.
pub(crate) async fn run(arguments: Arguments) -> Result<Outcome, orderflow_local::Error> {
    let home = tempfile::tempdir()?;
    let mut rng = Rng::with_seed(arguments.seed);
    let (fault_mix, tally) = (Rc::new(FaultMix::new(rng.fork())), Rc::new(Tally::default()));
    let port = free_port()?;
    let sabotage = Rc::new(Sabotage::new(Rc::clone(&fault_mix), Rc::clone(&tally)));
    let proxy = Proxy::open(port, Rc::clone(&sabotage)).await;
    let mut options = Options {
        port: PortChoice::Given(port),
        detour: Some(Endpoint::local(proxy.port())),
        profile: if arguments.debug { Profile::Debug } else { Profile::Release },
        progress: Progress::Shown,
        ..Options::apart(home.path())
    };
    let spans = collector().endpoint();
    let parameters = [("PricingProducers", plan::PRICING_PRODUCER), ("HoldFlagged", "yes"), ("OtlpEndpoint", &spans)];
    options.parameters.extend(parameters.map(|(name, value)| (name.to_owned(), value.to_owned())));
    // What is sent to connections goes by the proxy, too.
    let connections = format!("http://127.0.0.1:{}/_aws/execute-api", proxy.port());
    options.parameters.insert("ConnectionsUrl".to_owned(), connections);
    let stack = Box::pin(Stack::up(&options)).await?;
    let emulator = stack.emulator_pid().expect("an emulator of our own");
    proxy.knows_those_of(emulator);
    let shop = Rc::new(Shop::on(&stack, &Emulator::of(&stack).await));
    let injector =
        FaultInjector::new(Rc::clone(&shop), Rc::clone(&fault_mix), Rc::clone(&tally), rng.fork(), emulator).await;
    let injector = Rc::new(injector);
    let run = Run {
        stack,
        stock_table: shop.tables("StockTable").await.pop().unwrap_or_default(),
        operator: Operator::new(Rc::clone(&shop)),
        watchers: Watchers::start(&shop).map(Rc::new),
        shop,
        proxy,
        sabotage,
        tally,
        line: RefCell::new(Line::new()),
        seen: RefCell::default(),
        begun_at: Instant::now(),
        arguments: arguments.clone(),
    };
    let shelves = run.prepare().await;
    if !cfg!(target_os = "linux") {
        run.say("functions are found by /proc: on this system none is killed");
    }
    if run.watchers.is_none() {
        run.say("nobody watches: ORDERFLOW_NODE_MODULES names no packages to do it with");
    }
    fault_mix.set(arguments.faults);
    let begin = Instant::now();
    let customers = run.run_under_faults(&injector, rng).await;
    let storm = begin.elapsed();
    let begin = Instant::now();
    let letters = run.settle().await;
    let times = Times { storm, calm: begin.elapsed() };
    let asked = Asked { customers, injected: injector.sent(), shelves };
    let outcome = run.judge(letters, &asked, times).await;
    if !outcome.is_good {
        // The emulator's log has what the functions wrote.
        let log = std::env::temp_dir().join(format!("orderflow-chaos-{}.log", arguments.seed));
        std::fs::copy(run.stack.log(), &log)?;
        anstream::eprintln!("  the functions' log is kept in {}", log.display());
    }
    run.stack.down();
    Ok(outcome)
}

/// Time that is so long after the beginning of 1970.
fn time_at(elapsed: Duration) -> Time {
    Time::from_millis(i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX))
}

impl Run {
    fn say(&self, text: &str) {
        self.line.borrow_mut().say(text);
    }

    /// Fills the shelves, and lists the prices of the goods, of those too that are on none.
    async fn prepare(&self) -> BTreeMap<String, i64> {
        for service in queues() {
            self.shop.hide_received(service, self.arguments.visibility_seconds).await;
        }
        let shelves = plan::shelves(self.arguments.orders.get());
        for (sku, pieces) in &shelves {
            self.shop.stock(sku, pieces.unsigned_abs()).await;
        }
        for sku in shelves.keys().map(String::as_str).chain([plan::ABSENT]) {
            self.shop.price(sku, plan::LIST_PRICE.into()).await;
        }
        shelves
    }

    /// Places all orders while faults are injected, until every customer is done.
    async fn run_under_faults(&self, injector: &Rc<FaultInjector>, mut rng: Rng) -> Vec<Customer> {
        self.say(&format!("{} orders under faults, seed {}", self.arguments.orders, self.arguments.seed));
        let mut injections = self.inject_faults(injector).await;
        let means = Means::new(Rc::clone(&self.shop), Rc::clone(&self.tally), rng.fork());
        let customers = self.start_customers(injector, &Rc::new(means), &mut rng).await;
        let customers = self.join(customers, injector).await;
        injector.stop();
        if let Some(watchers) = &self.watchers {
            watchers.calm().await;
        }
        while let Some(injection) = injections.join_next().await {
            injection.expect("the injector comes to an end");
        }
        customers
    }

    /// Starts the fault injector, which goes on until it is stopped.
    async fn inject_faults(&self, injector: &Rc<FaultInjector>) -> JoinSet<()> {
        let events = EventStream::open(&self.stack.sdk_config(), self.stack.outputs()).await;
        let (killer, downer) = (Rc::clone(injector), Rc::clone(injector));
        let kills_every = Duration::from_secs_f64(60.0 / self.arguments.kills_per_minute.max(0.001));
        let mut injections = JoinSet::new();
        injector.poison_all().await;
        injections.spawn_local(async move { killer.kill(kills_every).await });
        injections.spawn_local(async move { downer.take_down().await });
        injections.spawn_local(Rc::clone(injector).repeat(events.expect("the topic is heard")));
        injections
    }

    /// Starts the customers, one after the other, as fast as the shop can take them.
    async fn start_customers(
        &self,
        injector: &Rc<FaultInjector>,
        means: &Rc<Means>,
        rng: &mut Rng,
    ) -> JoinSet<Customer> {
        let mut customers = JoinSet::new();
        let pause = Duration::from_secs_f64(1.0 / self.arguments.rate.max(0.01));
        let mut next_look = Instant::now();
        let watched_of = self.arguments.orders.get().div_ceil(MOST_WATCHED);
        for number in 0..self.arguments.orders.get() {
            let (mut customer, means) = (Customer::new(Plan::draw(rng, number)), Rc::clone(means));
            let injector = Rc::clone(injector);
            let watchers = self.watchers.clone().filter(|_| number.is_multiple_of(watched_of));
            customers.spawn_local(async move {
                customer.order(&means).await;
                if let Some(order) = customer.order_ids.first() {
                    if let Some(watchers) = watchers {
                        watchers.watch(order).await;
                    }
                    injector.poison(order).await;
                }
                customer.follow(&means).await;
                customer
            });
            sleep(pause).await;
            if number == self.arguments.orders.get() / 2 {
                self.operate().await;
            }
            while next_look <= Instant::now() {
                next_look = Instant::now() + LOOK_EVERY;
                if self.look("").await > MOST_WAITING {
                    sleep(LOOK_EVERY).await;
                    next_look = Instant::now();
                }
            }
        }
        customers
    }

    /// Operates in a hurry, in the middle of the storm: what is a letter so far is sent back, and whatever seems to be lost is
    /// published and sent once more; a letter is mended, another dropped, and all is replayed to one service. The jobs meet the
    /// same faults as everybody else.
    async fn operate(&self) {
        self.redrive().await;
        let what = json!({ "heal": true, "olderThanSeconds": 15 });
        self.shop.start_job("/operations/reconciliations", &what).await;
        self.operator.operate(&self.after_begin(Duration::ZERO)).await;
    }

    /// A time of the run.
    fn after_begin(&self, passed: Duration) -> String {
        let begun_at = UNIX_EPOCH.elapsed().unwrap_or_default().saturating_sub(self.begun_at.elapsed());
        time_at(begun_at + passed).to_string()
    }

    /// Joins all customers.
    async fn join(&self, mut customers: JoinSet<Customer>, injector: &FaultInjector) -> Vec<Customer> {
        // Some insist for minutes: not on a shop that has faults for ever.
        let enough = Instant::now() + Duration::from_mins(2);
        let mut heard = Vec::new();
        while !customers.is_empty() {
            tokio::select! {
                Some(customer) = customers.join_next() => heard.push(customer.expect("a customer comes to an end")),
                () = sleep(LOOK_EVERY) => {
                    self.look("").await;
                    if Instant::now() > enough {
                        injector.stop();
                    }
                }
            }
        }
        heard
    }

    /// Looks at the queues and the shelves. Answers how many messages wait.
    async fn look(&self, about: &str) -> u64 {
        let mut waiting = 0;
        for service in queues() {
            waiting += self.shop.waiting(self.shop.queue(service)).await + self.shop.letters(service).await;
        }
        for (sku, stock) in shelves(&self.shop, &self.stock_table).await {
            let is_broken = stock.available < 0 || stock.reserved < 0;
            if is_broken && self.seen.borrow_mut().insert(sku.clone()) {
                self.line.borrow_mut().say(&format!("{sku} has {stock:?}"));
            }
        }
        let tally = &self.tally;
        self.line.borrow_mut().show(&format!(
            "{} orders, {} kills, {} faults, {} duplicates, {} poison, {} redrives, {waiting} messages waiting{about}",
            report::orders(tally),
            tally.total(Kind::Kill),
            tally.total(Kind::Fault),
            tally.total(Kind::Duplicate),
            tally.total(Kind::Poison),
            tally.total(Kind::Redrive),
        ));
        waiting
    }

    /// Waits for quiet, and has sent back what a passing cause has killed, until nothing is left to send back. Answers the
    /// letters that stay.
    async fn settle(&self) -> Vec<Letter> {
        self.say("no more faults: waiting for quiet");
        for _ in 0..MOST_ROUNDS {
            self.quiet().await;
            if self.redrive().await == 0 {
                break;
            }
        }
        let mut kept = self.operator.dealt_with();
        for service in queues() {
            for letter in self.shop.open_letters(service).await {
                let service = if letter.is_row() { "Relay" } else { service };
                self.tally.count(Kind::Letter, format!("{service}, permanent"));
                kept.push(Letter::of(service, &letter));
            }
        }
        kept
    }

    async fn quiet(&self) {
        let give_up = Instant::now() + Duration::from_secs(60 * self.arguments.patience_minutes);
        let mut since = Instant::now();
        let mut calls = self.proxy.calls();
        while since.elapsed() < QUIET && Instant::now() < give_up {
            sleep(LOOK_EVERY).await;
            let waiting = self.look(", after the storm").await;
            let now = self.proxy.calls();
            if waiting > 0 || now != calls {
                (since, calls) = (Instant::now(), now);
            }
        }
    }

    /// As an operator does: has those dead letters sent back that had bad luck. Answers how many.
    async fn redrive(&self) -> usize {
        let mut sent = 0;
        for service in queues() {
            let letters = self.shop.open_letters(service).await;
            let unlucky: Vec<_> = letters.iter().filter(|letter| letter.field("class") != "permanent").collect();
            for letter in &unlucky {
                self.tally.count(Kind::Letter, format!("{service}, {}", letter.field("class")));
                self.tally.count(Kind::Redrive, service);
            }
            let ids: Vec<&str> = unlucky.iter().map(|letter| letter.id()).collect();
            if !ids.is_empty() {
                self.shop.start_redrive(&json!({ "letters": ids })).await;
            }
            sent += ids.len();
        }
        sent
    }

    /// As an operator does: looks whether anything has got lost of what was said in the last part of the storm, and at one
    /// order. There is nothing to find: what has a letter tells of itself.
    async fn reconcile(&self, snapshot: &Snapshot, storm: Duration) -> Vec<Violation> {
        let path = "/operations/reconciliations";
        let from = self.after_begin(storm * 4 / 5);
        let id = self.shop.start_job(path, &json!({ "from": from, "olderThanSeconds": 0 })).await;
        let give_up = Instant::now() + Duration::from_secs(60 * self.arguments.patience_minutes);
        let told = loop {
            let told = self.shop.operations(Method::GET, &format!("{path}/{id}"), None, 200).await;
            if told["state"] != "running" || Instant::now() > give_up {
                break told;
            }
            self.shop.run_jobs().await;
            sleep(LOOK_EVERY).await;
        };
        self.shop.run_clock("OpenOrdersFunctionName").await;
        self.say(&format!("a reconciliation has looked at {} rows and events", told["checked"]));
        let found = |detail: String, order: Option<&str>| Violation {
            rule: Rule::FoundByReconciliation,
            order: order.map(str::to_owned),
            detail,
        };
        let findings = told["findings"].as_array().into_iter().flatten();
        let mut violations: Vec<Violation> =
            findings.map(|finding| found(finding.to_string(), finding["orderId"].as_str())).collect();
        if told["state"] != "done" || told["checked"] == 0 {
            violations.push(found(format!("it has not ended, or looked at nothing: {told}"), None));
        }
        if let Some(order) = snapshot.journal.first().map(|fact| &fact.subject) {
            self.shop.operations(Method::GET, &format!("/operations/orders/{order}"), None, 200).await;
            self.shop.operations(Method::GET, &format!("/operations/journal?from={from}"), None, 200).await;
        }
        // What is on record is in the feed, once.
        let (feed, _) = self.shop.feed_after(String::new(), 500, &Value::Null).await;
        let feed: Vec<String> = feed.into_iter().map(|event| Fact::from(event).key()).collect();
        let mut shards = Shards::new();
        for event in &feed {
            let shard = snapshot.shards.get(event).map_or("none", String::as_str);
            shards.entry(shard.to_owned()).or_default().push(event.clone());
        }
        violations.extend(self.query(snapshot.journal.first().map_or("none", |fact| &fact.subject)).await);
        violations.extend(self.look_at_watchers(&shards).await);
        let mut listed = feed;
        listed.sort_unstable();
        let kept: BTreeSet<String> = snapshot.journal.iter().map(Fact::key).collect();
        if !listed.iter().eq(&kept) {
            violations
                .push(found(format!("the feed has {} events, and the journal {}", listed.len(), kept.len()), None));
        }
        violations
    }

    /// Asks by GraphQL, all that there is to ask for.
    async fn query(&self, order: &str) -> Option<Violation> {
        let query =
            format!("{{ order(id: \"{order}\") {{ id }} orders {{ nodes {{ id }} }} stock(sku: \"none\") {{ sku }} }}");
        let asked = self.shop.api.request(Method::POST, "/graphql").json(&json!({ "query": query }));
        let answer = Reply::to(asked).await.expect("an answer");
        let is_right = answer.status == 200 && answer.body["errors"].is_null();
        let detail = format!("GraphQL has answered {}: {}", answer.status, answer.body);
        (!is_right).then_some(Violation { rule: Rule::WrongAnswer, order: None, detail })
    }

    /// Looks whether all who watch were told what they should have been, by an order's own account and the feed's.
    async fn look_at_watchers(&self, feed: &Shards) -> Vec<Violation> {
        let Some(watchers) = &self.watchers else { return Vec::new() };
        // The audit has called for things itself, and letters have come and gone by it.
        self.quiet().await;
        let counts = self.shop.operations(Method::GET, "/operations/board", None, 200).await;
        let status = self.shop.operations(Method::GET, "/operations/status", None, 200).await;
        let connected = leftovers::rows(&self.shop).await;
        let told = match watchers.told().await {
            Ok(told) => told,
            Err(detail) => return vec![Violation { rule: Rule::ToldWrongly, order: None, detail }],
        };
        let mut updates = BTreeMap::new();
        for order in told.orders.keys() {
            let reply = self.shop.api.order(order).await.expect("an answer");
            updates.insert(order.clone(), reply.body["timeline"].as_array().map_or(0, Vec::len));
        }
        let of_orders: usize = told.orders.values().map(Vec::len).sum();
        for (name, count) in
            [("of orders", of_orders as u64), ("of all", told.events.len() as u64), ("of the board", told.boards)]
        {
            self.tally.add(Kind::Told, name, count);
        }
        self.tally.add(Kind::Cut, "of whoever watches", told.cuts);
        self.say(&format!(
            "{} orders were watched by {} connections, of which {} were cut",
            told.orders.len(),
            told.connections,
            told.cuts
        ));
        let mut violations = audit_told(&told, &updates, feed);
        violations.extend(audit_board(&told.board, &counts, &status));
        violations.extend(self.look_at_leftovers(connected, told.sockets()).await);
        violations
    }

    /// Looks at what is left of those who have watched, of whom so many were connected until now and had those rows. Then something
    /// happens of which nobody is there to be told any more.
    async fn look_at_leftovers(&self, connected: Vec<leftovers::Row>, closed: usize) -> Vec<Violation> {
        self.quiet().await;
        let gone = leftovers::rows(&self.shop).await;
        let mut order = orderflow_tests::order(plan::ABSENT, 1, "pm_card_visa");
        // At the price of the table.
        order["lines"][0]["unitPrice"].take();
        self.shop.order(&order).await;
        self.quiet().await;
        let looks = Looks { connected, gone, told: leftovers::rows(&self.shop).await };
        let rows = [&looks.connected, &looks.gone, &looks.told].map(Vec::len);
        self.say(&format!("{rows:?} rows of who watches: connected, gone, and had anybody been told"));
        audit_leftovers(&looks, closed, time_at(UNIX_EPOCH.elapsed().unwrap_or_default()))
    }

    /// Properties that the run does not show.
    fn untested(&self) -> Vec<String> {
        let mut untested = Vec::new();
        if let Some(unread) = self.proxy.unread() {
            untested.push(format!("the proxy does not understand {unread}: such calls never failed"));
        }
        if self.arguments.orders.get() >= ENOUGH_FOR_SOME {
            let Arguments { faults, kills_per_minute, .. } = self.arguments;
            let has_processes = cfg!(target_os = "linux");
            for (kind, is_expected) in [
                (Kind::Kill, kills_per_minute >= 1.0 && has_processes),
                (Kind::Fault, faults > 0.0),
                (Kind::Duplicate, true),
                (Kind::Poison, true),
                (Kind::Right, has_processes),
                (Kind::Told, self.watchers.is_some()),
                (Kind::Cut, self.watchers.is_some()),
            ] {
                if is_expected && self.tally.total(kind) == 0 {
                    untested.push(format!("there was no {kind:?}"));
                }
            }
            let told = self.tally.of(Kind::Told).into_iter();
            untested.extend(told.filter(|(_, count)| *count == 0).map(|(name, _)| format!("nothing {name} was told")));
        }
        if collector().spans().is_empty() {
            untested.push("there was no span".to_owned());
        }
        untested
    }

    async fn judge(&self, letters: Vec<Letter>, asked: &Asked, times: Times) -> Outcome {
        self.say("all is quiet: the audit");
        let snapshot = Snapshot::read(&self.shop, letters).await;
        let mut violations = audit(&snapshot, asked);
        let patience = Duration::from_secs(60 * self.arguments.patience_minutes);
        let is_expected = self.arguments.orders.get() >= ENOUGH_FOR_SOME;
        violations.extend(self.operator.audit(patience, is_expected).await);
        violations.extend(self.reconcile(&snapshot, times.storm).await);
        violations.extend(self.seen.take().into_iter().map(|sku| Violation {
            rule: Rule::Oversold,
            order: None,
            detail: format!("more of {sku} was promised at some moment than there was"),
        }));
        violations.extend(self.sabotage.not_allowed().into_iter().map(|detail| Violation {
            rule: Rule::NotAllowed,
            order: None,
            detail,
        }));
        if self.arguments.orders.get() >= ENOUGH_FOR_EVERYTHING && cfg!(target_os = "linux") {
            violations.extend(self.sabotage.unused_rights(self.watchers.is_some()).into_iter().map(|right| {
                Violation { rule: Rule::NeverUsed, order: None, detail: format!("{right}, and no call has needed it") }
            }));
        }
        violations.extend(self.untested().into_iter().map(|detail| Violation {
            rule: Rule::NotTested,
            order: None,
            detail,
        }));
        for end in ends(&snapshot) {
            let name = match end {
                End::Open => "open, with a dead letter".to_owned(),
                End::Shipped => "shipped".to_owned(),
                End::Cancelled(reason) => format!("cancelled: {reason}"),
            };
            self.tally.count(Kind::End, name);
        }
        self.line.borrow().clear();
        let summary = report::summary(&self.tally, self.proxy.calls(), times, &violations);
        let accusations = report::accusations(&snapshot, &violations);
        let text = format!("\n{summary}\n{accusations}");
        Outcome { text, is_good: violations.is_empty() }
    }
}

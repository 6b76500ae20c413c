//! Feeds of the functions, made by running them: orders are placed at the API, and what each service commits
//! goes by its relay and the filters of the subscriptions to the others, until nothing is left.

use std::collections::BTreeMap;
use std::rc::Rc;

use bytes::Bytes;
use serde_json::Value;

use crate::aws::{Aws, Tables};
use crate::payload::{self, HttpRequest};
use crate::process::{Launch, Process, ProcessError};
use crate::shopping;
use crate::stack::{Function, Stack, Trigger};

/// Orders of a group. They go through each function in batches, one of each order.
pub(crate) const GROUP: usize = 10;

/// One function, or one route of one, with all that it is to do.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    /// Name of the binary, with the route where it has several.
    pub(crate) name: String,
    /// The tables before the first invocation.
    pub(crate) tables: Tables,
    /// Invocations by group of orders, in the order in which they happened. All groups are alike. Without any the function is
    /// only started.
    pub(crate) groups: Rc<[Vec<Invocation>]>,
}

impl Subject {
    /// A function that no order comes to: all tables are empty, and there is nothing to do.
    pub(crate) fn without_events(function: &Function, stack: &Stack) -> Self {
        subject(function.binary.clone(), &Tables::new(stack.tables.clone()), Vec::new())
    }

    /// Tells whether there is anything to do.
    pub(crate) fn has_events(&self) -> bool {
        !self.groups.is_empty()
    }
}

/// One invocation.
#[derive(Clone, Debug)]
pub(crate) struct Invocation {
    pub(crate) payload: Bytes,
    /// Messages, rows or requests in it.
    pub(crate) events: u32,
}

/// Reason why there is nothing to feed the functions with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FeedError {
    /// A function does not do its part.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The template has no function of that binary.
    #[error("the template has no function whose binary is {0}")]
    Absent(&'static str),
    /// The answer to an order has no id of it.
    #[error("an order was answered without its id: {0}")]
    NoOrder(String),
    /// A function has made a call that it does not make if all is well.
    #[error("{name} is not well: {fault}")]
    Unwell {
        /// Name of the function.
        name: String,
        /// Its call.
        fault: String,
    },
    /// A function has been invoked for some groups of orders only.
    #[error("{name} was invoked for {found} groups of orders, not for {expected}")]
    Unfed {
        /// Name of the function.
        name: String,
        /// Groups of orders it was invoked for.
        found: usize,
        /// Groups of orders that there were.
        expected: usize,
    },
}

type Result<T> = std::result::Result<T, FeedError>;

/// Recipe by which a function of the stack is started.
pub(crate) type Starter<'a> = &'a dyn Fn(&Function) -> Launch;

/// Places so many groups of orders, and answers with what each function had to do for them.
pub(crate) async fn record(
    stack: &Stack,
    aws: &Aws,
    start: Starter<'_>,
    groups: usize,
) -> Result<Vec<(Subject, Launch)>> {
    let mut shop = Shop { stack, aws, start, processes: BTreeMap::new(), inboxes: BTreeMap::new(), round: 0 };
    aws.restore(Tables::new(stack.tables.clone()));
    shop.fill_shelves().await?;
    let stocked = aws.tables();
    let orders = shop.place(groups * GROUP).await?;
    let placed = aws.tables();
    shop.hand_on(&orders).await?;
    let done = aws.tables();
    let inboxes = std::mem::take(&mut shop.inboxes);
    shop.stop().await;

    let mut subjects = Vec::new();
    for (function, tables, requests) in routes(stack, &orders, [&stocked, &placed, &done])? {
        let [first, ..] = &requests[..] else { continue };
        let name = format!("{} {} {}", function.binary, first.method, first.route);
        let requests: Vec<Invocation> =
            requests.iter().map(|request| Invocation { payload: request.payload(), events: 1 }).collect();
        let groups = requests.chunks(GROUP).map(<[_]>::to_vec).collect();
        subjects.push((subject(name, tables, groups), start(function)));
    }
    for function in one_of_each_binary(stack, &inboxes) {
        let inbox = &inboxes[&function.id];
        subjects.push((subject(function.binary.clone(), &placed, inbox.groups()), start(function)));
    }
    for function in at_the_intake(stack) {
        let Trigger::Queue(queue) = &function.trigger else { continue };
        let messages = (0..groups * GROUP).map(|number| {
            let event = shopping::foreign_order(number);
            payload::message(queue, number, &event, &event.to_string())
        });
        let messages: Vec<Value> = messages.collect();
        let groups = messages.chunks(GROUP).map(|records| vec![Invocation::of(records)]).collect();
        subjects.push((subject(function.binary.clone(), &stocked, groups), start(function)));
    }
    for (subject, _) in &subjects {
        if subject.groups.len() != groups {
            let (name, found) = (subject.name.clone(), subject.groups.len());
            return Err(FeedError::Unfed { name, found, expected: groups });
        }
    }
    Ok(subjects)
}

fn subject(name: String, tables: &Tables, groups: Vec<Vec<Invocation>>) -> Subject {
    Subject { name, tables: tables.clone(), groups: groups.into() }
}

impl Invocation {
    fn of(records: &[Value]) -> Self {
        Self { payload: payload::batch(records), events: u32::try_from(records.len()).unwrap_or(u32::MAX) }
    }
}

/// Checks that a function has made no call that is a fault.
pub(crate) fn expect_no_fault(aws: &Aws, name: &str) -> Result<()> {
    let fault = aws.take_faults().into_iter().next();
    fault.map_or(Ok(()), |fault| Err(FeedError::Unwell { name: name.to_owned(), fault }))
}

/// Functions that no order has come to, as those on a schedule. Of those that share a binary, the first.
pub(crate) fn idle<'a>(stack: &'a Stack, fed: &[(Subject, Launch)]) -> Vec<&'a Function> {
    let is_fed = |binary: &str| fed.iter().any(|(subject, _)| subject.name.split(' ').next() == Some(binary));
    let mut idle = Vec::<&Function>::new();
    for function in &stack.functions {
        if !is_fed(&function.binary) && idle.iter().all(|one| one.binary != function.binary) {
            idle.push(function);
        }
    }
    idle
}

/// Starts a function that no order comes to, to see whether it can be measured.
pub(crate) async fn expect_start(aws: &Aws, subject: &Subject, launch: &Launch) -> Result<()> {
    aws.restore(subject.tables.clone());
    Process::start(launch).await?.stop().await;
    expect_no_fault(aws, &subject.name)
}

/// Functions that have been invoked by a queue or a stream. Of those that share a binary, the one with most to do.
fn one_of_each_binary<'a>(stack: &'a Stack, inboxes: &BTreeMap<String, Inbox>) -> Vec<&'a Function> {
    let received = |function: &Function| inboxes.get(&function.id).map_or(0, |inbox| inbox.records.len());
    let mut chosen = BTreeMap::<&str, &Function>::new();
    for function in stack.functions.iter().filter(|function| received(function) > 0) {
        let best = chosen.entry(&function.binary).or_insert(function);
        if received(function) > received(best) {
            *best = function;
        }
    }
    stack
        .functions
        .iter()
        .filter(|function| chosen.get(&*function.binary).is_some_and(|one| one.id == function.id))
        .collect()
}

/// Functions that hear only what comes from outside: their queues are subscribed to topics that no relay publishes to.
fn at_the_intake(stack: &Stack) -> impl Iterator<Item = &Function> {
    let is_published = |arn: &String| stack.functions.iter().any(|function| function.variables.get(TOPIC) == Some(arn));
    stack.functions.iter().filter(move |function| {
        let Trigger::Queue(queue) = &function.trigger else { return false };
        let mut topics = stack.subscriptions.iter().filter(|one| one.queue_arn == *queue).map(|one| &one.topic_arn);
        topics.next().is_some_and(|topic| !is_published(topic)) && topics.all(|topic| !is_published(topic))
    })
}

/// The variable that tells a relay where it publishes.
const TOPIC: &str = "TOPIC_ARN";

/// Records that a function has received.
#[derive(Clone, Default)]
struct Inbox {
    records: Vec<Received>,
}

/// One of them. Records are handed on together if they are alike in all but the order.
#[derive(Clone)]
struct Received {
    group: usize,
    round: usize,
    kind: String,
    record: Value,
}

impl Inbox {
    /// Invocations by group, each with records of one round and one kind.
    fn groups(&self) -> Vec<Vec<Invocation>> {
        let mut batches = BTreeMap::<_, Vec<Value>>::new();
        for received in &self.records {
            let key = (received.group, received.round, received.kind.as_str());
            batches.entry(key).or_default().push(received.record.clone());
        }
        let mut groups = BTreeMap::<_, Vec<Invocation>>::new();
        for ((group, ..), records) in batches {
            groups.entry(group).or_default().extend(records.chunks(GROUP).map(Invocation::of));
        }
        groups.into_values().collect()
    }

    /// Invocations of that round.
    fn of_round(&self, round: usize) -> Vec<Invocation> {
        let records = self.records.iter().filter(|received| received.round == round).cloned().collect();
        Self { records }.groups().into_iter().flatten().collect()
    }
}

/// The functions at work on the orders.
struct Shop<'a> {
    stack: &'a Stack,
    aws: &'a Aws,
    start: Starter<'a>,
    processes: BTreeMap<String, Process>,
    inboxes: BTreeMap<String, Inbox>,
    round: usize,
}

impl<'a> Shop<'a> {
    async fn fill_shelves(&mut self) -> Result<()> {
        let function = named(self.stack, INVENTORY_API)?;
        for sku in shopping::skus() {
            self.invoke(function, &shopping::fill_shelf(sku).payload()).await?;
        }
        Ok(())
    }

    /// Places orders; their ids.
    async fn place(&mut self, orders: usize) -> Result<Vec<String>> {
        let function = named(self.stack, ORDERS_API)?;
        let mut ids = Vec::with_capacity(orders);
        for number in 0..orders {
            let answer = self.invoke(function, &shopping::place(number).payload()).await?;
            let body = serde_json::from_slice::<Value>(&answer).unwrap_or_default();
            let body = body["body"].as_str().and_then(|body| serde_json::from_str::<Value>(body).ok());
            let id = body.as_ref().and_then(|body| Some(body["orderId"].as_str()?.to_owned()));
            ids.push(id.ok_or_else(|| FeedError::NoOrder(String::from_utf8_lossy(&answer).into_owned()))?);
        }
        Ok(ids)
    }

    /// Hands on what was committed, and what comes of that, until nothing is left.
    async fn hand_on(&mut self, orders: &[String]) -> Result<()> {
        let group_of: BTreeMap<&str, usize> =
            orders.iter().enumerate().map(|(number, id)| (id.as_str(), number / GROUP)).collect();
        loop {
            let changes = self.aws.take_changes();
            if changes.is_empty() {
                return Ok(());
            }
            self.round += 1;
            for change in &changes {
                let record = payload::stream_record(change, self.count());
                let subject = change.keys.values().next().and_then(|key| key["S"].as_str()).unwrap_or_default();
                let Some(group) = group_of.get(subject) else { continue };
                for function in &self.stack.functions {
                    if function.hears(&change.table, &record) {
                        self.receive(function, *group, change.table.clone(), record.clone());
                    }
                }
            }
            self.work(|trigger| matches!(trigger, Trigger::Streams { .. })).await?;
            for message in self.aws.take_messages() {
                let body: Value = serde_json::from_str(&message.body).unwrap_or_default();
                let Some(group) = body["subject"].as_str().and_then(|subject| group_of.get(subject)) else { continue };
                for function in self.stack.subscribers(&message.topic_arn, &body) {
                    let Trigger::Queue(queue) = &function.trigger else { continue };
                    let record = payload::message(queue, self.count(), &body, &message.body);
                    self.receive(function, *group, body["type"].to_string(), record);
                }
            }
            self.work(|trigger| matches!(trigger, Trigger::Queue(_))).await?;
        }
    }

    fn count(&self) -> usize {
        self.inboxes.values().map(|inbox| inbox.records.len()).sum()
    }

    fn receive(&mut self, function: &Function, group: usize, kind: String, record: Value) {
        let received = Received { group, round: self.round, kind, record };
        self.inboxes.entry(function.id.clone()).or_default().records.push(received);
    }

    /// Invokes the functions with that trigger for what they have received in this round.
    async fn work(&mut self, is_meant: impl Fn(&Trigger) -> bool) -> Result<()> {
        let functions = self.stack.functions.iter().filter(|function| is_meant(&function.trigger));
        for function in functions {
            let invocations = self.inboxes.get(&function.id).map(|inbox| inbox.of_round(self.round));
            for invocation in invocations.unwrap_or_default() {
                self.invoke(function, &invocation.payload).await?;
            }
        }
        Ok(())
    }

    async fn invoke(&mut self, function: &'a Function, payload: &Bytes) -> Result<Bytes> {
        if !self.processes.contains_key(&function.id) {
            let process = Process::start(&(self.start)(function)).await?;
            self.processes.insert(function.id.clone(), process);
        }
        let process = self.processes.get_mut(&function.id).ok_or(FeedError::Absent("started"))?;
        let answer = process.invoke(payload).await?;
        expect_no_fault(self.aws, &function.binary)?;
        Ok(answer.body)
    }

    async fn stop(self) {
        for process in self.processes.into_values() {
            process.stop().await;
        }
    }
}

const ORDERS_API: &str = "orders-api";
const INVENTORY_API: &str = "inventory-api";

/// The function of that binary.
pub(crate) fn named<'a>(stack: &'a Stack, binary: &'static str) -> Result<&'a Function> {
    stack.functions.iter().find(|function| function.binary == binary).ok_or(FeedError::Absent(binary))
}

/// The routes that are measured: the function, the tables before, and one request for each order.
fn routes<'a>(
    stack: &'a Stack,
    orders: &[String],
    [stocked, placed, done]: [&'a Tables; 3],
) -> Result<Vec<(&'a Function, &'a Tables, Vec<HttpRequest>)>> {
    let (orders_api, inventory_api) = (named(stack, ORDERS_API)?, named(stack, INVENTORY_API)?);
    let each = |request: &dyn Fn(usize, &String) -> HttpRequest| -> Vec<HttpRequest> {
        orders.iter().enumerate().map(|(number, order)| request(number, order)).collect()
    };
    Ok(vec![
        (orders_api, stocked, each(&|number, _| shopping::place(number))),
        (orders_api, done, each(&|_, order| HttpRequest::new("GET", "/orders/{orderId}", order))),
        (orders_api, placed, each(&|_, order| HttpRequest::new("POST", "/orders/{orderId}/cancel", order))),
        (inventory_api, done, each(&|number, _| HttpRequest::new("GET", shopping::STOCK, shopping::sku(number)))),
        (inventory_api, done, each(&|number, _| shopping::fill_shelf(shopping::sku(number)))),
    ])
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use serde_json::json;

    use super::*;
    use crate::affinity::Cores;

    fn inbox(received: &[(usize, usize, &str)]) -> Inbox {
        let record = |number, &(group, round, kind): &(usize, usize, &str)| Received {
            group,
            round,
            kind: kind.to_owned(),
            record: json!(number),
        };
        Inbox { records: received.iter().enumerate().map(|(number, one)| record(number, one)).collect() }
    }

    fn batches(invocations: &[Invocation]) -> Vec<(u32, Value)> {
        invocations.iter().map(|one| (one.events, serde_json::from_slice(&one.payload).unwrap())).collect()
    }

    #[test]
    fn a_group_is_handed_on_in_the_order_in_which_it_came_about() {
        // The first group's payment is published before the second group's creation.
        let inbox =
            inbox(&[(0, 1, "Created"), (0, 1, "Created"), (0, 2, "Paid"), (1, 1, "Created"), (0, 1, "Flagged")]);
        let groups: Vec<_> = inbox.groups().iter().map(|group| batches(group)).collect();
        let batch = |records: &[usize]| (u32::try_from(records.len()).unwrap(), json!({"Records": records}));
        assert_eq!(groups, [vec![batch(&[0, 1]), batch(&[4]), batch(&[2])], vec![batch(&[3])]]);
        assert_eq!(batches(&inbox.of_round(2)), [batch(&[2])]);
    }

    #[test]
    fn of_the_functions_that_no_order_comes_to_each_binary_is_started() {
        let function = |(id, binary): (&str, &str)| Function {
            id: id.to_owned(),
            binary: binary.to_owned(),
            variables: BTreeMap::new(),
            trigger: Trigger::Other,
        };
        let functions = [
            ("OrdersRelay", "relay"),
            ("PaymentRelay", "relay"),
            ("OrdersApi", "orders-api"),
            ("Orders", "orders"),
            ("OrdersLetters", "letters"),
            ("PaymentLetters", "letters"),
        ];
        let functions = functions.map(function).into();
        let stack = Stack { functions, subscriptions: Vec::new(), tables: BTreeMap::new() };
        let launch = Launch {
            wrapper: Vec::new(),
            binary: PathBuf::new(),
            variables: BTreeMap::new(),
            endpoint: String::new(),
            log: None,
            cores: Cores::shared(),
        };
        let fed = ["relay", "orders-api POST /orders"].map(|name| {
            let groups = vec![vec![Invocation::of(&[])]];
            (subject(name.to_owned(), &Tables::default(), groups), launch.clone())
        });
        assert!(fed.iter().all(|(subject, _)| subject.has_events()));
        let idle = idle(&stack, &fed);
        let ids: Vec<&str> = idle.iter().map(|function| function.id.as_str()).collect();
        assert_eq!(ids, ["Orders", "OrdersLetters"]);
        let letters = Subject::without_events(idle[1], &stack);
        assert_eq!(letters.name, "letters");
        assert!(!letters.has_events());
    }

    #[test]
    fn a_batch_has_at_most_ten_records() {
        let groups = inbox(&[(0, 1, "Created"); 12]).groups();
        let events: Vec<u32> = groups[0].iter().map(|invocation| invocation.events).collect();
        assert_eq!(events, [10, 2]);
    }
}

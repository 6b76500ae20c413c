//! Load in virtual time: more than a neighbour takes. Each function is a process of its own, which knows of the others nothing.

#![expect(clippy::expect_used, reason = "all of it is tests")]

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use futures::FutureExt;
use futures::future::LocalBoxFuture;
use onewrite::config::QueueSettings;
use onewrite::memory::{MemoryKeys, MemoryLeases, MemoryLog};
use onewrite::personal::{Key, KeyRing, Keys as _, seal};
use onewrite::port::Clock as _;
use onewrite::{Batch, Delivery, Event, Failure, Handle, Ledger, On, Process, consumes};
use orderflow_events::sample::{self, event, order};
use orderflow_events::{Email, InventoryReserved, OrderId, Payload, Person, StockLine, Time};
use orderflow_notification::{Countries, Mail, MailError, Mailer, MemorySms, Messenger, Notification, Pacing};
use simulator::model::queue::{Message, Redrive, StandardQueue};
use simulator::model::source::{Consumer, serve};
use simulator::ports::{KeyTable, LeaseTable, Queues, Table};
use simulator::{Caller, Run, Settings};

consumes!(enum Reserved in Payload { InventoryReserved });

/// Batch of one function.
type Function<H> = Batch<H, Queues, Caller>;

/// Queue, and the functions at work on it.
struct Load {
    run: Rc<Run>,
    settings: Settings,
    queues: Queues,
    most_receives: Rc<Cell<u32>>,
    most_in_flight: Rc<Cell<usize>>,
}

/// Functions of one consumer, each with its own state; those that are idle.
struct Functions<H> {
    idle: RefCell<Vec<Rc<Function<H>>>>,
    most_receives: Rc<Cell<u32>>,
}

impl<H: Handle> Consumer for Functions<H> {
    fn run(&self, event: SqsEvent, deadline: Time) -> LocalBoxFuture<'_, SqsBatchResponse> {
        for record in &event.records {
            let receives = record.attributes["ApproximateReceiveCount"].parse().expect("a number");
            self.most_receives.set(self.most_receives.get().max(receives));
        }
        Box::pin(async move {
            let function = self.idle.borrow_mut().pop().expect("as many as may be at work at once");
            let response = function.run(event, deadline).await;
            self.idle.borrow_mut().push(function);
            response
        })
    }
}

impl Load {
    fn new(maximum_concurrency: u32) -> Self {
        let run = Run::calm();
        let settings = Settings { maximum_concurrency, ..Settings::default() };
        let queue = |redrive| Rc::new(StandardQueue::new(&run, "queue", settings.visibility_timeout, redrive));
        let dead_letters = queue(None);
        let redrive = Redrive { to: Rc::clone(&dead_letters), max_receive_count: settings.redrive_max_receive_count };
        let queues = Queues { queue: queue(Some(redrive)), dead_letters };
        Self { run, settings, queues, most_receives: Rc::default(), most_in_flight: Rc::default() }
    }

    fn caller(&self) -> Caller {
        Caller::outside(&self.run, "function")
    }

    /// Starts the functions, and looks at the queue once a minute.
    fn start<H: Handle + 'static>(&self, handler: impl Fn() -> H) {
        let function = |_| {
            let settings = QueueSettings {
                queue_url: String::new(),
                dead_letter_queue_url: String::new(),
                max_receive_count: self.settings.max_receive_count,
                max_backoff_seconds: self.settings.max_backoff_seconds,
                function: String::new(),
            };
            Rc::new(Batch::new(handler(), self.queues.clone(), self.caller(), settings))
        };
        let idle = RefCell::new((0..self.settings.maximum_concurrency).map(function).collect());
        let functions = Functions { idle, most_receives: Rc::clone(&self.most_receives) };
        self.run.spawn(serve(self.caller(), self.settings, Rc::clone(&self.queues.queue), Rc::new(functions)));
        let (run, queue, most) = (Rc::clone(&self.run), Rc::clone(&self.queues.queue), Rc::clone(&self.most_in_flight));
        self.run.spawn(async move {
            loop {
                most.set(most.get().max(queue.in_flight()));
                run.sleep_ms(60_000).await;
            }
        });
    }

    fn pass(&self, duration: Duration) {
        let end = self.run.executor.now().after(duration);
        self.run.executor.run(|| self.run.executor.now() >= end);
    }

    /// Lets time pass, in hours, until nothing is left in the queue.
    fn hours_until_empty(&self, most: u64) -> u64 {
        (0..most).take_while(|_| self.queues.queue.count() > 0).map(|_| self.pass(Duration::from_hours(1))).count()
            as u64
    }
}

fn id(number: usize) -> OrderId {
    OrderId::new(format!("ord_{number}")).expect("an id")
}

fn message(payload: impl Into<Payload>) -> Message {
    let event = event(payload);
    let body = serde_json::to_string(&event).expect("JSON");
    Message::new(Rc::from(event.context.subject.as_str()), Rc::from(body))
}

fn created(number: usize) -> Message {
    let mut order = order(id(number).as_str());
    let email = Email::new(format!("c{number}@example.com")).expect("an address");
    let sealed = seal(&Person { email, ..sample::person() }, &key(), [0; 12]).expect("a person");
    order.details.personal = sealed.into();
    message(order)
}

/// Key of the customer.
fn key() -> Key {
    Key::new(sample::KEY_NAME.parse().expect("a name"), sample::KEY).expect("a key")
}

fn reserved(number: usize) -> Message {
    let line = StockLine { sku: "A-1".parse().expect("a SKU"), quantity: 1 };
    message(InventoryReserved { order_id: id(number), lines: vec![line] })
}

// ── Mails ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/// SES with a rate and a quota, which counts the last 24 hours at any moment.
struct Account {
    per_second: usize,
    per_day: usize,
    sent: RefCell<VecDeque<Time>>,
    mails: RefCell<HashMap<Email, u32>>,
    refused: Cell<u32>,
}

#[derive(Clone)]
struct Ses(Rc<Account>, Caller);

impl Mailer for Ses {
    async fn send(&self, recipient: &Email, _: &Mail) -> Result<(), MailError> {
        let Self(account, caller) = self;
        caller.sleep(Duration::from_millis(50)).await;
        let now = caller.now();
        let mut sent = account.sent.borrow_mut();
        while sent.front().is_some_and(|first| first.until(now) >= Duration::from_hours(24)) {
            sent.pop_front();
        }
        if sent.len() >= account.per_day {
            return Err(MailError::QuotaUsedUp);
        }
        let this_second = sent.iter().rev().take_while(|time| time.until(now) < Duration::from_secs(1));
        if this_second.count() >= account.per_second {
            account.refused.set(account.refused.get() + 1);
            return Err(MailError::TooFast);
        }
        sent.push_back(now);
        *account.mails.borrow_mut().entry(recipient.clone()).or_default() += 1;
        Ok(())
    }
}

/// Sends `mails` by an account, at the pace that the functions are told, and answers the hours that it takes.
fn send(mails: usize, pace: u32, per_second: usize, per_day: usize) -> (Load, Rc<Account>, u64) {
    let load = Load::new(2);
    let account = Rc::new(Account {
        per_second,
        per_day,
        sent: RefCell::default(),
        mails: RefCell::default(),
        refused: Cell::default(),
    });
    let (log, leases) = (Rc::new(MemoryLog::default()), Rc::new(MemoryLeases::default()));
    let keys = Rc::new(MemoryKeys::default());
    keys.find_or_create("cus_1", &key(), Time::from_millis(0)).now_or_never().expect("at once").expect("a key");
    let sms: &'static MemorySms = Box::leak(Box::default());
    load.start(|| {
        let caller = load.caller();
        let table = Table { caller: caller.clone(), service: "notification", log: Rc::clone(&log), stream: None };
        let leases = LeaseTable { caller: caller.clone(), leases: Rc::clone(&leases) };
        let ses = Ses(Rc::clone(&account), caller.clone());
        let pacing = Pacing::new(pace, load.settings.maximum_concurrency);
        let keys = KeyRing::new(KeyTable { caller: caller.clone(), keys: Rc::clone(&keys) }, caller.clone());
        let messenger = Messenger::new(ses, pacing, sms, Countries::default(), leases, keys, caller.clone());
        Process::<Notification, _, _, _>::new(Ledger::new(table, caller), messenger)
    });
    (0..mails).for_each(|number| load.queues.queue.send(created(number)));
    load.pass(Duration::from_mins(10));
    (0..mails).for_each(|number| load.queues.queue.send(reserved(number)));
    let hours = load.hours_until_empty(24 * 14);
    (load, account, hours)
}

#[track_caller]
fn assert_each_was_sent_once(load: &Load, account: &Account, mails: usize) {
    let sent = account.mails.borrow();
    assert_eq!((sent.len(), sent.values().max()), (mails, Some(&1)), "every mail is sent, and none twice");
    assert_eq!((load.queues.queue.count(), load.queues.dead_letters.count()), (0, 0));
    assert!(load.most_receives.get() < load.settings.max_receive_count, "{} receives", load.most_receives.get());
}

#[test]
fn more_mails_than_a_quota_of_a_day_are_all_sent_once_in_the_end() {
    let (load, account, hours) = send(2_000, 5, 5, 800);
    println!(
        "{hours} h, {} receives at the most, refused for the rate: {}",
        load.most_receives.get(),
        account.refused.get()
    );
    assert_each_was_sent_once(&load, &account, 2_000);
    assert!((48..72).contains(&hours), "{hours} h");
}

#[test]
fn mails_leave_at_the_rate_of_the_account_however_many_there_are() {
    for (pace, per_second, least_refused) in [(1, 1, 0), (14, 14, 0), (14, 1, 100)] {
        let mails = 1_000;
        let (load, account, hours) = send(mails, pace, per_second, usize::MAX);
        println!(
            "{pace}/s of {per_second}/s: {hours} h, {} receives at the most, refused for the rate: {}",
            load.most_receives.get(),
            account.refused.get()
        );
        assert_each_was_sent_once(&load, &account, mails);
        assert!(hours <= 1 && account.refused.get() >= least_refused);
    }
}

// ── Outage ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const OUTAGE: Duration = Duration::from_hours(2);

/// Messages that come in a second: several times as many as the functions take while they hold.
const PER_SECOND: u64 = 4;

#[test]
fn a_neighbour_that_is_down_slows_its_source_and_is_noticed_to_be_back() {
    let load = Load::new(4);
    let end = load.run.executor.now().after(OUTAGE);
    let (done, calls) = (Rc::new(Cell::new(0_u64)), Rc::new(Cell::new(0_u64)));
    let leases = Rc::new(MemoryLeases::default());
    load.start(|| {
        let (caller, done, calls) = (load.caller(), Rc::clone(&done), Rc::clone(&calls));
        let leases = LeaseTable { caller: caller.clone(), leases: Rc::clone(&leases) };
        On::new("charge", leases, caller.clone(), async move |_: &Event<Reserved>, _: &Delivery<'_>| {
            calls.set(calls.get() + 1);
            caller.sleep(Duration::from_millis(50)).await;
            if caller.now() < end {
                return Err(Failure::unavailable("down"));
            }
            done.set(done.get() + 1);
            Ok(())
        })
    });
    let queue = Rc::clone(&load.queues.queue);
    let (run, messages) = (Rc::clone(&load.run), PER_SECOND * OUTAGE.as_secs());
    load.run.spawn(async move {
        for number in 0..messages {
            queue.send(reserved(usize::try_from(number).expect("a number")));
            run.sleep_ms(1_000 / PER_SECOND).await;
        }
    });
    load.pass(OUTAGE);
    println!(
        "during the outage: {} in flight and {} receives at the most, {} calls for {messages} messages",
        load.most_in_flight.get(),
        load.most_receives.get(),
        calls.get()
    );
    // Ten messages of each function in every invocation of 9 s, each hidden for 15 min at the most.
    assert!(load.most_in_flight.get() < 4 * 10 * 900 / 9, "{} in flight", load.most_in_flight.get());
    assert!(load.most_receives.get() < load.settings.max_receive_count, "{} receives", load.most_receives.get());
    let minutes = (1..120).find(|_| {
        load.pass(Duration::from_mins(1));
        done.get() == messages
    });
    println!("all done {minutes:?} min after it");
    assert_eq!((load.queues.dead_letters.count(), load.queues.queue.count()), (0, 0));
    // The longest back-off, and the time for what has waited.
    assert!(minutes.is_some_and(|minutes| minutes <= 17), "{minutes:?}");
}

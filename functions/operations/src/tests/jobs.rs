//! Replays and reconciliations: what they send, find and heal, and crashes at every call of a port.

use onewrite::Discrepancy;

use super::*;
use crate::jobs::reconciliation::Reconciliation;
use crate::jobs::replay::Replay;
use crate::letter_id_of;
use crate::service::TableType;

const TABLES: [(&str, TableType, &[&str]); 3] = [
    ("journal", TableType::Journal, &[]),
    ("orders", TableType::Outbox, &["PaymentProcessed"]),
    ("payment", TableType::Outbox, &["OrderCreated"]),
];

pub(crate) fn service(name: &str, table_type: TableType, event_types: &[&str]) -> Service {
    Service {
        name: name.to_owned(),
        source: format!("orderflow/{name}"),
        function: format!("{name}-function"),
        queue_url: format!("{name}-queue"),
        log_group: format!("{name}-log"),
        table: Some(format!("{name}-table")),
        table_type,
        has_open_index: name == "orders",
        relay: (table_type == TableType::Outbox).then(|| format!("{name}-relay")),
        event_types: event_types.iter().map(|name| (*name).to_owned()).collect(),
    }
}

fn event(source: &str, id: &str, event_type: &str, subject: &str) -> String {
    let source = format!("orderflow/{source}");
    json!({ "id": id, "source": source, "type": event_type, "subject": subject, "time": "2026-11-01T00:00:00Z" })
        .to_string()
}

impl Stack {
    /// A stack with services, and nothing that has happened.
    fn with_services() -> Self {
        let stack = Self::new();
        // Before now there is time.
        stack.world.pass(Duration::from_hours(100));
        for (name, table_type, event_types) in TABLES {
            stack.ports.add_service(service(name, table_type, event_types));
        }
        stack
    }

    /// An event of a service: its row, and its entry in the journal.
    fn say(&self, source: &str, id: &str, event_type: &str, subject: &str, version: u32) {
        self.row(source, subject, version, &[&event(source, id, event_type, subject)]);
        self.record(&event(source, id, event_type, subject));
    }

    fn record(&self, text: &str) {
        self.ports.record(Recorded { at: self.world.now(), text: text.to_owned() });
        let Glimpse { source, id, .. } = Glimpse::of(text);
        let (source, id) = (source.unwrap(), id.unwrap());
        self.ports.set_outlook("journal-function", &source, &id, Outlook::Handled { row: None });
    }

    fn row(&self, service: &str, subject: &str, version: u32, events: &[&str]) {
        let (at, image) = (self.world.now(), json!({ "pk": { "S": subject } }));
        let events = events.iter().map(|event| (*event).to_owned()).collect();
        let row = OutboxRow { subject: subject.to_owned(), version, at, events, image };
        self.ports.add_row(&format!("{service}-table"), row);
    }

    /// A consumer has handled an event.
    fn handled(&self, consumer: &str, source: &str, id: &str) {
        let (function, source) = (format!("{consumer}-function"), format!("orderflow/{source}"));
        self.ports.set_outlook(&function, &source, id, Outlook::Handled { row: Some(1) });
    }

    /// Orders that were created, paid and handled, an hour ago.
    fn with_orders(count: u32) -> Self {
        let stack = Self::with_services();
        for order in 0..count {
            let subject = format!("ord_{order}");
            stack.say("orders", &format!("created{order}"), "OrderCreated", &subject, 1);
            stack.handled("payment", "orders", &format!("created{order}"));
            stack.say("payment", &format!("paid{order}"), "PaymentProcessed", &subject, 1);
            stack.handled("orders", "payment", &format!("paid{order}"));
            stack.record(&event("shipping", &format!("shipped{order}"), "ShipmentCreated", &subject));
            stack.world.pass(Duration::from_secs(40));
        }
        stack.world.pass(Duration::from_hours(2));
        stack
    }

    /// A time before all that has happened.
    fn since(&self) -> String {
        Time::from_millis(self.world.now().as_millis() - 5 * 3_600_000).to_string()
    }

    fn start(&self, path: &str, body: &Value) -> String {
        let (status, taken) = self.ask("POST", path, "*", body);
        assert_eq!(status, 202, "{taken}");
        taken["id"].as_str().unwrap().to_owned()
    }

    fn replay_told(&self, id: &str) -> Replay {
        block_on(self.ports.job(id)).unwrap().unwrap()
    }

    fn reconciled(&self, body: &Value) -> Reconciliation {
        let id = self.start("/operations/reconciliations", body);
        self.minutes();
        block_on(self.ports.job(&id)).unwrap().unwrap()
    }

    /// Lets the job run for some minutes.
    fn minutes(&self) {
        for _ in 0..3 {
            self.world.pass(Duration::from_mins(1));
            self.run(&Pace::of(u32::MAX)).unwrap().unwrap();
        }
    }

    /// Lets a consumer handle all that was sent to its queue.
    fn consume(&self, consumer: &str) {
        for (queue, message) in self.ports.sent() {
            if queue == format!("{consumer}-queue") {
                let Glimpse { source, id, .. } = Glimpse::of(&message.body);
                let function = format!("{consumer}-function");
                self.ports.set_outlook(&function, &source.unwrap(), &id.unwrap(), Outlook::Handled { row: Some(1) });
            }
        }
    }
}

fn kinds(job: &Reconciliation) -> Vec<(&str, &str, bool)> {
    job.findings.iter().map(|finding| (finding.kind.as_str(), finding.order_id.as_str(), finding.healed)).collect()
}

#[test]
fn a_replay_sends_what_its_consumer_has_not_handled_and_tells_what_became_of_it() {
    let stack = Stack::with_orders(7);
    for lost in [1, 4, 5] {
        stack.ports.set_outlook("payment-function", "orderflow/orders", &format!("created{lost}"), Outlook::Due);
    }
    stack.ports.set_outlook(
        "payment-function",
        "orderflow/orders",
        "created6",
        Outlook::Refused { reason: "no".to_owned() },
    );
    let from = stack.since();
    let body = json!({ "service": "payment", "from": from });
    let (status, counted) =
        stack.ask("POST", "/operations/replays", "*", &json!({ "service": "payment", "from": from, "dryRun": true }));
    assert_eq!((status.as_u16(), &counted["total"]), (200, &json!(7)));
    let id = stack.start("/operations/replays", &body);
    stack.minutes();
    let told = stack.replay_told(&id);
    assert_eq!((told.head.progress, told.total, told.sent, told.refused), (Progress::Running, 7, 3, 1), "{told:?}");
    let sent: Vec<_> = stack
        .ports
        .sent()
        .into_iter()
        .map(|(queue, message)| (queue, Glimpse::of(&message.body).id.unwrap()))
        .collect();
    assert_eq!(sent.len(), 3, "{sent:?}");
    assert!(
        ["created1", "created4", "created5"]
            .iter()
            .all(|id| sent.contains(&("payment-queue".to_owned(), (*id).to_owned())))
    );
    // One of them fails, and is a letter; the others are handled.
    stack.consume("payment");
    let parked = event("orders", "created4", "OrderCreated", "ord_4");
    stack.ports.set_outlook("payment-function", "orderflow/orders", "created4", Outlook::Due);
    let mut arrival = stack.arrival(Message { body: parked.clone(), attributes: BTreeMap::new() }, None);
    arrival.service = "payment".to_owned();
    block_on(stack.collect(&arrival, &Pace::of(u32::MAX))).unwrap();
    assert_eq!(arrival.letter_id(), letter_id_of("payment", &parked));
    stack.minutes();
    let told = stack.replay_told(&id);
    assert_eq!(
        (told.head.progress, told.handled, told.parked_again, told.left()),
        (Progress::Done, 5, 1, 0),
        "{told:?}"
    );
    // Once more: there is nothing to send but what has failed.
    let again = stack.start("/operations/replays", &body);
    stack.minutes();
    assert_eq!(stack.replay_told(&again).sent, 1);
}

#[test]
fn a_replay_of_one_order_or_one_type_sends_no_other() {
    let stack = Stack::with_orders(3);
    for order in 0..3 {
        stack.ports.set_outlook("payment-function", "orderflow/orders", &format!("created{order}"), Outlook::Due);
    }
    let id = stack.start("/operations/replays", &json!({ "service": "payment", "order": "ord_1" }));
    stack.minutes();
    assert_eq!((stack.replay_told(&id).total, stack.ports.sent().len()), (1, 1));
    let other = json!({ "service": "payment", "from": stack.since(), "type": "PaymentProcessed" });
    let id = stack.start("/operations/replays", &other);
    stack.minutes();
    let told = stack.replay_told(&id);
    assert_eq!((told.head.progress, told.total), (Progress::Done, 0), "payment does not consume it");
    for (body, pointer) in [
        (json!({ "service": "nobody", "order": "ord_1" }), "/service"),
        (json!({ "service": "payment" }), "/from"),
        (json!({ "service": "payment", "from": "yesterday" }), "/from"),
        (json!({ "service": "payment", "order": "ord_1", "ratePerSecond": 0 }), "/ratePerSecond"),
        (json!({ "service": "payment", "order": "" }), "/order"),
    ] {
        let (status, problem) = stack.ask("POST", "/operations/replays", "*", &body);
        assert_eq!((status.as_u16(), &problem["errors"][0]["pointer"]), (422, &json!(pointer)), "{body}: {problem}");
    }
}

#[test]
fn a_replay_that_is_stopped_sends_no_more() {
    let stack = Stack::with_orders(2);
    let id = stack.start("/operations/replays", &json!({ "service": "payment", "from": stack.since() }));
    let (status, told) = stack.ask("DELETE", &format!("/operations/replays/{id}"), "*", &json!({}));
    assert_eq!((status.as_u16(), &told["state"]), (200, &json!("stopped")));
    stack.minutes();
    assert_eq!((stack.replay_told(&id).head.progress, stack.ports.sent().len()), (Progress::Stopped, 0));
}

#[test]
fn a_replay_loses_no_event_wherever_its_job_dies() {
    at_every_call(
        || {
            let stack = Stack::with_orders(4);
            for lost in [1, 3] {
                stack.ports.set_outlook(
                    "payment-function",
                    "orderflow/orders",
                    &format!("created{lost}"),
                    Outlook::Due,
                );
            }
            let id = stack.start("/operations/replays", &json!({ "service": "payment", "from": stack.since() }));
            (stack, id)
        },
        |(stack, _), pace| stack.run(pace).is_some(),
        |(stack, _)| {
            for _ in 0..4 {
                stack.world.pass(Duration::from_mins(2));
                stack.consume("payment");
                stack.run(&Pace::of(u32::MAX)).unwrap().unwrap();
            }
        },
        |(stack, id), place| {
            let told = stack.replay_told(id);
            assert_eq!((told.head.progress, told.total, told.handled), (Progress::Done, 4, 4), "{place}: {told:?}");
            let sent: std::collections::BTreeSet<_> =
                stack.ports.sent().into_iter().map(|(_, message)| Glimpse::of(&message.body).id).collect();
            assert_eq!(sent.len(), 2, "{place}: a consumer knows what it has seen twice");
        },
    );
}

#[test]
fn nothing_is_found_where_nothing_is_wrong() {
    let stack = Stack::with_orders(9);
    let job = stack.reconciled(&json!({ "from": stack.since() }));
    assert_eq!((job.head.progress, kinds(&job)), (Progress::Done, vec![]));
    // Rows and entries of nine orders.
    assert_eq!(job.checked, 9 * 2 + 9 * 3);
}

#[test]
fn what_is_wrong_is_found_and_what_can_be_healed_is() {
    let make = || {
        let stack = Stack::with_orders(3);
        // A row whose event never reached the topic, one that is missing, one whose event is a letter of the journal.
        stack.row("orders", "ord_lost", 1, &[&event("orders", "lost", "OrderCreated", "ord_lost")]);
        stack.row("payment", "ord_0", 3, &[]);
        let parked = event("orders", "parked", "OrderCreated", "ord_parked");
        stack.row("orders", "ord_parked", 1, &[&parked]);
        let mut arrival = stack.arrival(Message { body: parked, attributes: BTreeMap::new() }, None);
        arrival.service = "journal".to_owned();
        block_on(stack.collect(&arrival, &Pace::of(u32::MAX))).unwrap();
        // An event that its consumer has not handled, and so an order that is open.
        stack.say("orders", "unheard", "OrderCreated", "ord_open", 1);
        // A charge without a row.
        let detail = "charged".to_owned();
        stack.ports.set_discrepancy("payment-function", "ord_2", Discrepancy { kind: "charge".to_owned(), detail });
        stack.world.pass(Duration::from_hours(2));
        stack
    };
    let expected = |healed| {
        vec![
            ("unpublished", "ord_lost", healed),
            ("gap", "ord_0", false),
            ("unhandled", "ord_open", healed),
            ("charge", "ord_2", false),
            ("late", "ord_open", false),
        ]
    };
    let sorted = |kinds: Vec<(&'static str, &'static str, bool)>| {
        let mut kinds = kinds;
        kinds.sort_unstable();
        kinds
    };
    let found = |job: &Reconciliation| {
        let mut kinds: Vec<_> =
            kinds(job).into_iter().map(|(kind, order, healed)| (kind.to_owned(), order.to_owned(), healed)).collect();
        kinds.sort_unstable();
        kinds
    };
    let own = |kinds: Vec<(&'static str, &'static str, bool)>| -> Vec<(String, String, bool)> {
        sorted(kinds).into_iter().map(|(kind, order, healed)| (kind.to_owned(), order.to_owned(), healed)).collect()
    };
    let stack = make();
    let job = stack.reconciled(&json!({ "from": stack.since() }));
    assert_eq!(found(&job), own(expected(false)), "{:?}", job.findings);
    assert_eq!((stack.ports.published(), stack.ports.sent()), (vec![], vec![]), "it only looks");
    let job = stack.reconciled(&json!({ "from": stack.since(), "heal": true }));
    assert_eq!(found(&job), own(expected(true)), "{:?}", job.findings);
    assert_eq!(stack.ports.published(), [("orders-relay".to_owned(), "ord_lost".to_owned(), 1)]);
    let sent: Vec<_> = stack
        .ports
        .sent()
        .into_iter()
        .map(|(queue, message)| (queue, Glimpse::of(&message.body).id.unwrap()))
        .collect();
    assert_eq!(sent, [("payment-queue".to_owned(), "unheard".to_owned())]);
}

#[test]
fn a_service_that_does_not_answer_is_found_and_one_that_was_killed_is_asked_again() {
    for (times, expected) in [(1, vec![]), (u32::MAX, vec![("unanswered", "ord_0", false); 2])] {
        let stack = Stack::with_orders(1);
        stack.world.pass(Duration::from_hours(2));
        stack.ports.fail("payment-function", times);
        let job = stack.reconciled(&json!({ "from": stack.since() }));
        assert_eq!(kinds(&job), expected, "{times}: {:?}", job.findings);
    }
}

#[test]
fn what_is_under_way_is_left_alone() {
    let stack = Stack::with_orders(1);
    stack.row("orders", "ord_new", 1, &[&event("orders", "new", "OrderCreated", "ord_new")]);
    stack.say("orders", "newer", "OrderCreated", "ord_newer", 1);
    let job = stack.reconciled(&json!({ "from": stack.since() }));
    assert_eq!(kinds(&job), []);
}

#[test]
fn a_range_that_ends_before_it_begins_is_refused() {
    let stack = Stack::with_orders(1);
    let ago = |minutes: i64| Time::from_millis(stack.world.now().as_millis() - minutes * 60_000).to_string();
    // Ten minutes are left alone, unless it says otherwise: what is found in the last five of them would be nothing.
    let refused: [(&str, Value); 3] = [
        ("/operations/reconciliations", json!({ "from": ago(5) })),
        ("/operations/reconciliations", json!({ "from": ago(30), "olderThanSeconds": 3_600 })),
        ("/operations/replays", json!({ "service": "payment", "from": ago(5), "to": ago(30) })),
    ];
    for (path, body) in refused {
        let (status, problem) = stack.ask("POST", path, "*", &body);
        assert_eq!((status.as_u16(), &problem["errors"][0]["pointer"]), (422, &json!("/from")), "{problem}");
    }
    let path = format!("/operations/journal?from={}&to={}", ago(5), ago(30));
    let (status, problem) = stack.ask("GET", &path, "*", &Value::Null);
    assert_eq!((status.as_u16(), &problem["detail"]), (400, &json!("The range ends before it begins.")), "{problem}");
    let (status, _) = stack.ask("POST", "/operations/reconciliations", "*", &json!({ "from": ago(15) }));
    assert_eq!(status, 202);
}

#[test]
fn a_reconciliation_finds_the_same_wherever_its_job_dies() {
    at_every_call(
        || {
            let stack = Stack::with_orders(2);
            stack.row("orders", "ord_lost", 1, &[&event("orders", "lost", "OrderCreated", "ord_lost")]);
            stack.ports.set_outlook("payment-function", "orderflow/orders", "created1", Outlook::Due);
            stack.world.pass(Duration::from_hours(2));
            let body = json!({ "from": stack.since(), "heal": true });
            let id = stack.start("/operations/reconciliations", &body);
            (stack, id)
        },
        |(stack, _), pace| stack.run(pace).is_some(),
        |(stack, _)| stack.minutes(),
        |(stack, id), place| {
            let job: Reconciliation = block_on(stack.ports.job(id)).unwrap().unwrap();
            assert_eq!(job.head.progress, Progress::Done, "{place}: {job:?}");
            assert_eq!(kinds(&job), [("unpublished", "ord_lost", true), ("unhandled", "ord_1", true)], "{place}");
            assert!(!stack.ports.published().is_empty() && !stack.ports.sent().is_empty(), "{place}");
        },
    );
}

#[test]
fn an_order_that_is_held_waits_for_a_person_until_there_is_a_word_about_it() {
    let flag = |held: Value, source: &str| {
        let reasons = json!([{ "code": "highAmount", "detail": "1250.00 EUR is 1000.00 EUR or more" }]);
        let mut data = json!({ "orderId": "ord_held", "score": 80, "reasons": reasons });
        if !held.is_null() {
            data["held"] = held;
        }
        json!({ "id": "flag", "source": source, "type": "OrderFlagged", "subject": "ord_held",
            "time": "2026-11-01T00:00:01.500Z", "data": data })
    };
    let end = |kind: &str, source: &str| json!({ "id": "end", "source": source, "type": kind, "subject": "ord_held", "time": "2026-11-01T00:10:00.000Z" });
    let screening = "orderflow/screening";
    let cleared = end("OrderCleared", screening);
    for (events, is_held) in [
        (vec![flag(json!(true), screening)], true),
        (vec![flag(Value::Null, screening)], false),
        (vec![flag(json!(false), screening)], false),
        (vec![flag(json!(true), "elsewhere")], false),
        (vec![flag(json!(true), screening), end("PaymentProcessed", "orderflow/payment")], true),
        (vec![flag(json!(true), screening), end("OrderCleared", "elsewhere")], true),
        (vec![flag(json!(true), screening), cleared.clone()], false),
        (vec![cleared], false),
        (vec![flag(json!(true), screening), end("OrderCancelled", "orderflow/orders")], false),
        (vec![flag(json!(true), screening), end("ShipmentCreated", "orderflow/shipping")], false),
    ] {
        let stack = Stack::with_orders(1);
        for event in &events {
            stack.record(&event.to_string());
        }
        let (status, told) = stack.ask("GET", "/operations/orders/ord_held", "*", &json!({}));
        assert_eq!(status, 200, "{told}");
        let of_person: Vec<&Value> =
            told["waiting"].as_array().unwrap().iter().filter(|waiting| waiting["person"] == true).collect();
        assert_eq!((of_person.len(), told["held"].is_object()), (usize::from(is_held), is_held), "{events:?}: {told}");
        if is_held {
            assert_eq!((&of_person[0]["event"], &of_person[0]["type"]), (&json!("flag"), &json!("OrderFlagged")));
            assert_eq!(
                (&told["held"]["score"], &told["held"]["since"]),
                (&json!(80), &json!("2026-11-01T00:00:01.500Z"))
            );
            assert_eq!(told["held"]["reasons"][0]["code"], "highAmount");
        }
    }
}

#[test]
fn an_order_is_told_over_all_services() {
    let stack = Stack::with_orders(1);
    let text = json!({
        "id": "flag", "source": "elsewhere", "type": "OrderFlagged", "subject": "ord_0", "time": "2026-11-01T00:00:01.500Z",
        "causationid": "created0",
    });
    stack.record(&text.to_string());
    let early = Outlook::Early { reason: "the goods are not reserved".to_owned() };
    stack.ports.set_outlook("payment-function", "orderflow/orders", "created0", early);
    let line = json!({ "timestamp": "2026-11-01T00:00:01.5Z", "reason": "too early", "span": { "event_id": "created0", "receive_count": 3 } });
    let again = json!({ "timestamp": "2026-11-01T00:00:01.5Z", "hidden_seconds": 8, "span": line["span"] });
    for line in [line, again] {
        stack.ports.log("payment-log", &line.to_string());
    }
    let (status, told) = stack.ask("GET", "/operations/orders/ord_0", "*", &json!({}));
    assert_eq!(status, 200, "{told}");
    let what: Vec<_> =
        told["timeline"].as_array().unwrap().iter().map(|moment| moment["what"].as_str().unwrap()).collect();
    assert_eq!(what, ["OrderCreated", "PaymentProcessed", "ShipmentCreated", "OrderFlagged"]);
    assert_eq!(
        (&told["timeline"][0]["service"], &told["timeline"][3]["service"]),
        (&json!("orders"), &json!("elsewhere"))
    );
    assert_eq!(told["timeline"][3]["waitedMs"], 1_500);
    let waiting = &told["waiting"][0];
    assert_eq!((&waiting["service"], &waiting["type"]), (&json!("payment"), &json!("OrderCreated")));
    assert_eq!((&waiting["why"], told["waiting"].as_array().unwrap().len()), (&json!("the goods are not reserved"), 1));
    assert_eq!((&waiting["receives"], &waiting["nextAttempt"]), (&json!(3), &json!("2026-11-01T00:00:09.500Z")));
    assert_eq!(stack.ask("GET", "/operations/orders/ord_9", "*", &json!({})).0, 404);
    let (_, page) = stack.ask("GET", "/operations/status", "*", &json!({}));
    assert_eq!(page["queues"].as_array().unwrap().len(), 3);
    assert_eq!(page["orders"], json!({ "open": 1, "late": 1 }));
    assert_eq!(page["openLetters"], json!([]));
    let arrival = stack.arrival(message(1, "good"), None);
    block_on(stack.collect(&arrival, &Pace::of(u32::MAX))).unwrap();
    let (_, page) = stack.ask("GET", "/operations/status", "*", &json!({}));
    let oldest = arrival.failed_at.to_string();
    let expected = json!([{ "service": "payment", "class": "permanent", "count": 1, "oldest": oldest }]);
    assert_eq!(page["openLetters"], expected);
    assert_eq!(
        page["streams"],
        json!([{ "service": "orders", "relayLetters": 0 }, { "service": "payment", "relayLetters": 0 }])
    );
}

#[test]
fn letters_that_are_not_counted_in_time_hold_up_nothing_else() {
    let stack = Stack::with_orders(1);
    for pace in [Pace::until("before open_letters"), Pace::losing("open_letters")] {
        let (status, page) = block_on(stack.request(&pace, "GET", "/operations/status", "*", &json!({})));
        assert_eq!((status.as_u16(), page["queues"].as_array().unwrap().len()), (200, 3), "{page}");
        assert_eq!((page.get("openLetters"), &page["orders"]), (None, &json!({ "open": 1, "late": 1 })));
    }
}

#[test]
fn the_oldest_message_is_as_old_as_it_was_measured() {
    let stack = Stack::with_orders(1);
    let ages = || {
        let (_, status) = stack.ask("GET", "/operations/status", "*", &json!({}));
        let queues = status["queues"].as_array().unwrap();
        queues.iter().map(|queue| (queue["service"].clone(), queue.get("oldestSeconds").cloned())).collect::<Vec<_>>()
    };
    let of = |service: &str, seconds: Option<u32>| (json!(service), seconds.map(Value::from));
    assert_eq!(ages(), [of("journal", Some(0)), of("orders", Some(0)), of("payment", Some(0))], "all are empty");
    let message = Message { body: String::new(), attributes: BTreeMap::new() };
    for queue in ["payment-queue", "journal-queue"] {
        block_on(stack.ports.send(queue, std::slice::from_ref(&message))).unwrap();
    }
    stack.ports.set_oldest("payment-queue", Duration::from_secs(40));
    stack.ports.set_oldest("orders-queue", Duration::from_mins(15));
    assert_eq!(ages(), [of("journal", None), of("orders", Some(0)), of("payment", Some(40))]);
}

//! The audit: what is on record, held against what was asked for and against the invariants of the system.
//!
//! It is a pure function, so that it can be shown records with every fault there is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use orderflow_events::{OrderId, PaymentId, ShipmentId};
use orderflow_tests::Service;
use serde_json::Value;

use crate::customer::{Cancelled, Customer, Withdrawn};
use crate::fault_injector::Sent;
use crate::order::{End, Order, by_customer, orders};
use crate::plan::Plan;
use crate::poison::Poison;
use crate::snapshot::{Booking, Charge, Fact, Shelf, Snapshot, ledgers, persons_in};

/// Requests from outside: orders, faults, and the stock at first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    pub(crate) customers: Vec<Customer>,
    pub(crate) injected: Sent,
    /// Stock at first, by SKU.
    pub(crate) shelves: BTreeMap<String, i64>,
}

/// A rule that was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rule {
    /// More goods are promised than there are.
    Oversold,
    /// The reserved stock is the sum of the open reservations, and nothing gets lost from the shelf.
    StockMiscounted,
    /// An order costs the sum of its lines, and each has the price of the table, or one that somebody stated who may.
    WrongPrice,
    /// An order is charged at most once.
    ChargedTwice,
    /// A refund follows a charge.
    RefundedUncharged,
    /// A shipment is booked at most once.
    BookedTwice,
    /// A shipment follows a charge.
    ShippedUnpaid,
    /// An order that is flagged and held is shipped only after a person's word.
    ShippedUncleared,
    /// An accepted order is on record.
    OrderLost,
    /// One customer, or one idempotency key, is one order.
    OrderedTwice,
    /// The API answers as it promises.
    WrongAnswer,
    /// An order ends, or one of its messages is a dead letter.
    NeverEnded,
    /// An order ends as it must by its goods, its payment and its customer's wishes.
    WrongEnd,
    /// A cancelled order gives back all that it had, and so does one whose goods are back, but for its shipment.
    NotUndone,
    /// An order that is neither cancelled nor back keeps what it has, and goods come back only where the customer has withdrawn.
    UndoneWithoutCause,
    /// An effect outside has one event that tells of it, and no event tells of an effect that is not there.
    RecordsDisagree,
    /// The same event is handled and told once.
    DoneTwice,
    /// A committed event is in the journal, as it was committed.
    EventLost,
    /// An event in the journal was committed, or published by others.
    EventFromNowhere,
    /// A message is handled, or is a dead letter.
    MessageLost,
    /// A message is a dead letter for a good reason only.
    NeedlesslyDead,
    /// Nothing that is kept has a person in clear.
    PersonInClear,
    /// A function does only what its role allows.
    NotAllowed,
    /// A role allows only what its function does.
    NeverUsed,
    /// An act of an operator, on a letter or by a job, is done once.
    NotDoneOnce,
    /// Whoever watches is told each update once, and in sequence.
    ToldWrongly,
    /// A connection that is closed leaves no row; what a killed function leaves of it is gone with the next push, or with its time to live.
    LeftBehind,
    /// A reconciliation finds nothing where nothing is wrong.
    FoundByReconciliation,
    /// A run shows something only if faults were injected.
    NotTested,
}

/// A breach of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) rule: Rule,
    /// Of which order, if it is one order's.
    pub(crate) order: Option<String>,
    pub(crate) detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.rule, self.detail)?;
        match &self.order {
            Some(order) => write!(f, " [{order}]"),
            None => Ok(()),
        }
    }
}

/// Everything that is wrong.
pub(crate) fn audit(snapshot: &Snapshot, asked: &Asked) -> Vec<Violation> {
    let mut auditor = Auditor { violations: Vec::new() };
    let orders = orders(snapshot);
    let by_customer = by_customer(&orders);
    for customer in &asked.customers {
        auditor.check_customer(customer, &by_customer, &orders);
    }
    for order in orders.values() {
        auditor.check_total(order);
        auditor.check_money(order);
        auditor.check_shipment(order);
        auditor.check_goods(order);
        auditor.check_end(order);
        auditor.check_handling(order, &snapshot.told);
    }
    auditor.check_strangers(snapshot, &orders);
    auditor.check_stock(&snapshot.shelves, &asked.shelves, &orders);
    auditor.check_journal(snapshot, asked);
    auditor.check_letters(snapshot, asked);
    auditor.check_persons(snapshot, asked);
    for (queue, waiting) in &snapshot.waiting {
        auditor.find(Rule::MessageLost, None, format!("{waiting} messages are still in {queue}"));
    }
    auditor.violations
}

struct Auditor {
    violations: Vec<Violation>,
}

impl Auditor {
    fn find(&mut self, rule: Rule, order: Option<&str>, detail: impl Into<String>) {
        self.violations.push(Violation { rule, order: order.map(str::to_owned), detail: detail.into() });
    }

    fn find_if(&mut self, is_broken: bool, rule: Rule, order: &Order<'_>, detail: impl Into<String>) {
        if is_broken {
            self.find(rule, Some(order.id), detail);
        }
    }

    fn check_customer(
        &mut self,
        customer: &Customer,
        by_customer: &BTreeMap<&str, Vec<&str>>,
        orders: &BTreeMap<&str, Order<'_>>,
    ) {
        let name = &customer.id();
        for complaint in &customer.complaints {
            let order = customer.order_ids.first().map(String::as_str);
            self.find(Rule::WrongAnswer, order, format!("{name}: {complaint}"));
        }
        let known = by_customer.get(name.as_str()).map_or(&[][..], Vec::as_slice);
        if known.len() > 1 || customer.order_ids.len() > 1 {
            let order = known.first().copied();
            self.find(
                Rule::OrderedTwice,
                order,
                format!("{name} was given {:?} and has {known:?}", customer.order_ids),
            );
        }
        for id in customer.order_ids.iter().filter(|id| !known.contains(&id.as_str())) {
            self.find(
                Rule::OrderLost,
                Some(id),
                format!("{name} was told that it is accepted, and it is not on record"),
            );
        }
        if let Some(order) = known.first().and_then(|id| orders.get(id)) {
            self.check_promises(customer, order);
        }
    }

    /// Checks that the order ended as it must.
    fn check_promises(&mut self, customer: &Customer, order: &Order<'_>) {
        let plan = &customer.plan;
        let end = order.end();
        let may = match &end {
            End::Open => true,
            End::Shipped => !plan.is_declined() && !plan.is_short() && plan.postal_code != "SIM-REFUSED",
            End::Cancelled(reason) => match reason.as_str() {
                "customerRequest" => customer.cancelled != Cancelled::NotWished || plan.withdraw.is_some(),
                "paymentFailed" => plan.is_declined(),
                "outOfStock" => plan.may_be_short(),
                _ => false,
            },
        };
        self.find_if(!may, Rule::WrongEnd, order, format!("{end:?} does not follow from {plan:?}"));
        let kept = match customer.cancelled {
            Cancelled::Accepted => matches!(end, End::Cancelled(_)),
            Cancelled::Refused => end == End::Shipped,
            Cancelled::NotWished | Cancelled::Unknown => true,
        };
        self.find_if(
            !kept,
            Rule::WrongAnswer,
            order,
            format!("to cancel was {:?}, and the end is {end:?}", customer.cancelled),
        );
        let is_kept = match customer.withdrawn {
            Withdrawn::Unknown => true,
            Withdrawn::Cancelled => matches!(end, End::Cancelled(_)),
            Withdrawn::Returning => end == End::Shipped && order.has_told("ReturnRequested"),
            Withdrawn::Returned => end == End::Shipped && order.is_returned(),
        };
        self.find_if(
            !is_kept,
            Rule::WrongAnswer,
            order,
            format!("to withdraw was {:?}, and the end is {end:?}", customer.withdrawn),
        );
        let price = plan.unit_price();
        let lines = order.told("OrderCreated").into_iter().filter_map(|fact| fact.json["data"]["lines"].as_array());
        let forged = lines.flatten().find(|line| line["unitPrice"] != price);
        self.find_if(forged.is_some(), Rule::WrongPrice, order, format!("{forged:?} is to cost {price}"));
        let charged = order.charge.and_then(Charge::amount);
        let is_right = charged.as_ref().is_none_or(|charged| *charged == plan.total());
        self.find_if(!is_right, Rule::RecordsDisagree, order, format!("{charged:?} was charged for {}", plan.total()));
    }

    /// Checks that it was asked to pay what its lines sum up to, and nothing else.
    fn check_total(&mut self, order: &Order<'_>) {
        for created in order.told("OrderCreated") {
            let data = &created.json["data"];
            let cost = |line: &Value| Some(line["quantity"].as_i64()? * line["unitPrice"]["amount"].as_i64()?);
            let lines = data["lines"].as_array().map(Vec::as_slice).unwrap_or_default();
            let sum = lines.iter().map(cost).sum::<Option<i64>>();
            let is_right = sum.is_some() && sum == data["total"]["amount"].as_i64();
            self.find_if(!is_right, Rule::WrongPrice, order, format!("{sum:?} is not its total {}", data["total"]));
        }
    }

    fn check_money(&mut self, order: &Order<'_>) {
        let nothing = Charge::default();
        let charge = order.charge.unwrap_or(&nothing);
        let (is_charged, is_refunded) = (charge.amount().is_some(), charge.refund.is_some());
        let times = charge.charges;
        if order.is_free() {
            self.find_if(order.charge.is_some(), Rule::RecordsDisagree, order, "money was asked for nothing");
            let [is_paid, is_back] = ["PaymentProcessed", "PaymentRefunded"].map(|kind| order.has_told(kind));
            return self.check_undone(
                order,
                "its payment of nothing",
                is_paid,
                is_back,
                "Payment",
                order.is_returned(),
            );
        }
        self.find_if(times > 1, Rule::ChargedTwice, order, format!("it was charged {times} times"));
        let is_after =
            charge.refunded_at.is_none_or(|refunded| charge.charged_at.is_some_and(|charged| charged <= refunded));
        self.find_if(
            is_refunded && !(is_charged && is_after),
            Rule::RefundedUncharged,
            order,
            "its refund follows no charge",
        );
        self.check_told(order, "PaymentProcessed", is_charged);
        // After too many declines the provider is not asked any more, and so knows nothing.
        let is_refused =
            |fact: &&Fact| fact.json.pointer("/data/reason/code").is_some_and(|code| code == "tooManyDeclines");
        let is_refused = order.charge.is_none() && order.told("PaymentFailed").iter().any(is_refused);
        self.check_told(order, "PaymentFailed", charge.is_declined() || is_refused);
        self.check_told(order, "PaymentRefunded", is_refunded);
        self.check_undone(order, "its payment", is_charged, is_refunded, "Payment", order.is_returned());
    }

    fn check_shipment(&mut self, order: &Order<'_>) {
        let nothing = Booking::default();
        let booking = order.booking.unwrap_or(&nothing);
        let times = booking.bookings;
        self.find_if(times > 1, Rule::BookedTwice, order, format!("it was booked {times} times"));
        let charged_at = order.charge.filter(|charge| charge.amount().is_some()).and_then(|charge| charge.charged_at);
        let is_paid = order.is_free()
            || booking.booked_at.is_none_or(|booked| charged_at.is_some_and(|charged| charged <= booked));
        self.find_if(!is_paid, Rule::ShippedUnpaid, order, "its shipment was booked before it was charged");
        let is_held = order.told("OrderFlagged").iter().any(|flag| flag.json["data"]["held"] == true);
        let is_cleared = order.told("OrderCleared").iter().any(|word| word.json["data"]["by"] == "person");
        let is_booked = booking.booked_at.is_some();
        self.find_if(is_booked && is_held && !is_cleared, Rule::ShippedUncleared, order, "it was held, and is shipped");
        self.check_told(order, "ShipmentCreated", booking.booked_at.is_some());
        self.check_told(order, "ShipmentCancelled", booking.voided_at.is_some());
        let (is_booked, is_voided) = (booking.booked_at.is_some(), booking.voided_at.is_some());
        self.check_undone(order, "its shipment", is_booked, is_voided, "Shipping", false);
    }

    fn check_goods(&mut self, order: &Order<'_>) {
        let (lines, has_left, is_back) = order.goods();
        let is_reserved = !lines.is_empty();
        self.check_undone(order, "its reservation", is_reserved, is_back, "Inventory", order.is_returned());
        let is_unasked = order.is_returned() && !order.has_told("ReturnRequested");
        self.find_if(is_unasked, Rule::UndoneWithoutCause, order, "goods are back that nobody wanted to send");
        self.find_if(
            is_back && !is_reserved,
            Rule::UndoneWithoutCause,
            order,
            "goods are back that were not set aside",
        );
        let stays = order.end() == End::Shipped && !has_left && !order.dead.contains("Inventory");
        self.find_if(stays, Rule::MessageLost, order, "it is shipped, and its goods have not left the shelf");
        for kind in [
            "InventoryReserved",
            "InventoryRejected",
            "InventoryReleased",
            "OrderCancelled",
            "OrderFlagged",
            "OrderCleared",
            "ReturnRequested",
            "GoodsReturned",
        ] {
            let times = order.told(kind).len();
            self.find_if(times > 1, Rule::DoneTwice, order, format!("{times} events {kind}"));
        }
    }

    /// There is one event of that type if it has happened, and none if not.
    fn check_told(&mut self, order: &Order<'_>, kind: &str, has_happened: bool) {
        match (order.told(kind).len(), has_happened) {
            (0, false) | (1, true) => {}
            (0, true) => self.find(Rule::RecordsDisagree, Some(order.id), format!("no {kind} tells what has happened")),
            (_, false) => {
                self.find(Rule::RecordsDisagree, Some(order.id), format!("{kind} tells what has not happened"));
            }
            (times, true) => self.find(Rule::DoneTwice, Some(order.id), format!("{times} events {kind}")),
        }
    }

    /// Checks that an effect of an order is undone if it was cancelled, or if the goods are back and it is one that they
    /// undo, and only then.
    fn check_undone(
        &mut self,
        order: &Order<'_>,
        what: &str,
        is_done: bool,
        is_undone: bool,
        service: Service,
        is_back: bool,
    ) {
        let is_void = order.is_cancelled() || is_back;
        let is_left = is_void && is_done && !is_undone && !order.dead.contains(service);
        self.find_if(is_left, Rule::NotUndone, order, format!("it was cancelled or is back, and {what} stands"));
        self.find_if(!is_void && is_undone, Rule::UndoneWithoutCause, order, format!("{what} was undone"));
    }

    fn check_end(&mut self, order: &Order<'_>) {
        let is_over = order.end() != End::Open || !order.dead.is_empty();
        self.find_if(!is_over, Rule::NeverEnded, order, "it is neither shipped nor cancelled, and has no dead letter");
        let is_booked = order.booking.is_some_and(|booking| booking.booked_at.is_some());
        let is_empty = order.end() == End::Shipped && !is_booked;
        self.find_if(is_empty, Rule::RecordsDisagree, order, "it is shipped, and the carrier knows nothing of it");
    }

    /// Checks that every service has done what it must on every event.
    fn check_handling(&mut self, order: &Order<'_>, told: &BTreeSet<String>) {
        let is_missing = |service: Service, fact: &Fact| {
            let has_it =
                order.rows_of(service).iter().any(|row| row.cause.id == fact.id && row.cause.source == fact.source);
            !has_it && !order.dead.contains(service)
        };
        for fact in order.facts() {
            // The orders service keeps these facts, whatever has become of the order.
            let is_kept = matches!(
                fact.kind.as_str(),
                "InventoryReserved"
                    | "PaymentProcessed"
                    | "ShipmentCreated"
                    | "PaymentRefunded"
                    | "ShipmentCancelled"
                    | "GoodsReturned"
            );
            if is_kept && is_missing("Orders", fact) {
                self.find(Rule::MessageLost, Some(order.id), format!("Orders has not heard of {}", fact.kind));
            }
            let is_success = matches!(fact.kind.as_str(), "InventoryReserved" | "ShipmentCreated");
            let is_news = is_success || matches!(fact.kind.as_str(), "OrderCancelled" | "ReturnRequested");
            let is_told = told.contains(&format!("{}#{}#email", fact.source, fact.id));
            if is_told && !is_news {
                self.find(Rule::RecordsDisagree, Some(order.id), format!("the customer was told of {}", fact.kind));
            }
            let must_be_told = is_news && !(is_success && order.is_cancelled()) && !order.dead.contains("Notification");
            if must_be_told && !is_told {
                self.find(Rule::MessageLost, Some(order.id), format!("the customer was not told of {}", fact.kind));
            }
        }
        for service in ledgers() {
            let is_concerned = service.receives().iter().any(|kind| !order.told(kind.as_str()).is_empty());
            let service = service.id;
            let is_unheard = is_concerned && order.rows_of(service).is_empty() && !order.dead.contains(service);
            self.find_if(is_unheard, Rule::MessageLost, order, format!("{service} has not heard of it"));
            self.check_rows(order, service);
        }
    }

    /// Checks that each cause was handled once, and each event counted.
    fn check_rows(&mut self, order: &Order<'_>, service: Service) {
        let rows = order.rows_of(service);
        let mut handled = BTreeSet::new();
        for row in rows.iter().filter(|row| !row.unfinished) {
            let is_new = handled.insert((&row.cause.source, &row.cause.id));
            self.find_if(!is_new, Rule::DoneTwice, order, format!("{service} has handled {} twice", row.cause.kind));
        }
        let sequences: Vec<&str> = rows.iter().flat_map(|row| &row.events).map(|fact| fact.sequence.as_str()).collect();
        let is_counted =
            sequences.iter().zip(1_usize..).all(|(sequence, number)| **sequence == format!("{number:020}"));
        self.find_if(!is_counted, Rule::DoneTwice, order, format!("{service} counts its events {sequences:?}"));
    }

    /// Finds effects outside for orders that nobody knows.
    fn check_strangers(&mut self, snapshot: &Snapshot, orders: &BTreeMap<&str, Order<'_>>) {
        let ids = orders.keys().filter_map(|id| OrderId::new(*id).ok());
        let known: BTreeSet<String> =
            ids.flat_map(|id| [PaymentId::of(&id).to_string(), ShipmentId::of(&id).to_string()]).collect();
        for id in snapshot.charges.keys().chain(snapshot.bookings.keys()).filter(|id| !known.contains(*id)) {
            self.find(Rule::RecordsDisagree, None, format!("{id} is of no order"));
        }
    }

    fn check_stock(
        &mut self,
        shelves: &BTreeMap<String, Shelf>,
        counted: &BTreeMap<String, i64>,
        orders: &BTreeMap<&str, Order<'_>>,
    ) {
        let mut expected: BTreeMap<&str, Shelf> =
            counted.iter().map(|(sku, pieces)| (sku.as_str(), Shelf { available: *pieces, reserved: 0 })).collect();
        for order in orders.values() {
            let (lines, has_left, is_back) = order.goods();
            for (sku, pieces) in lines.into_iter().filter(|_| !is_back) {
                let stock = expected.entry(sku).or_insert(Shelf { available: 0, reserved: 0 });
                stock.available -= pieces;
                stock.reserved += if has_left { 0 } else { pieces };
            }
        }
        for (sku, stock) in &expected {
            if stock.available < 0 {
                let detail = format!(
                    "{} of {sku} are promised, and there are {}",
                    -stock.available,
                    counted.get(*sku).unwrap_or(&0)
                );
                self.find(Rule::Oversold, None, detail);
            }
            if shelves.get(*sku) != Some(stock) {
                let detail = format!("{sku} must have {stock:?} by its orders, and has {:?}", shelves.get(*sku));
                self.find(Rule::StockMiscounted, None, detail);
            }
        }
        for (sku, stock) in shelves.iter().filter(|(sku, _)| !expected.contains_key(sku.as_str())) {
            self.find(Rule::StockMiscounted, None, format!("{sku} was never counted, and has {stock:?}"));
        }
    }

    fn check_journal(&mut self, snapshot: &Snapshot, asked: &Asked) {
        let strangers: Vec<Fact> = asked.injected.strangers.iter().cloned().map(Fact::from).collect();
        let committed = snapshot.rows.values().flatten().flat_map(|row| &row.events);
        let mut published = BTreeMap::new();
        for fact in committed.chain(&strangers) {
            if published.insert((&fact.source, &fact.id), fact).is_some() {
                let detail = format!("{} has the id of another event", fact.kind);
                self.find(Rule::DoneTwice, Some(&fact.subject), detail);
            }
        }
        let journal: BTreeMap<_, _> = snapshot.journal.iter().map(|fact| ((&fact.source, &fact.id), fact)).collect();
        for (key, fact) in &published {
            match journal.get(key) {
                None => self.find(Rule::EventLost, Some(&fact.subject), format!("{} is not in the journal", fact.kind)),
                Some(kept) if kept.json != fact.json => {
                    self.find(Rule::EventLost, Some(&fact.subject), format!("{} is another in the journal", fact.kind));
                }
                Some(_) => {}
            }
        }
        for event in asked.customers.iter().filter_map(|customer| customer.event.as_ref()) {
            let is_of_it =
                |fact: &&Fact| fact.json["originid"] == event["id"] && fact.json["originsource"] == event["source"];
            let adopted: Vec<&Fact> = snapshot.journal.iter().filter(is_of_it).collect();
            let order = event["subject"].as_str();
            match adopted.as_slice() {
                [] => self.find(Rule::EventLost, order, "an order of another producer was not adopted"),
                [_] => {}
                [..] => self.find(Rule::DoneTwice, order, "an order of another producer was adopted twice"),
            }
        }
        for fact in &snapshot.journal {
            if !published.contains_key(&(&fact.source, &fact.id)) {
                let detail = format!("the journal has {} that nobody has published", fact.kind);
                self.find(Rule::EventFromNowhere, Some(&fact.subject), detail);
            }
        }
    }

    /// Nobody is in clear in what is kept. An operator sees letters opened: of those of the services none had anybody in clear. What
    /// other producers have sent to the intake has.
    fn check_persons(&mut self, snapshot: &Snapshot, asked: &Asked) {
        for place in &snapshot.persons {
            self.find(Rule::PersonInClear, None, place.clone());
        }
        let poison: BTreeSet<&str> = asked.injected.poison.iter().map(|poison| poison.body.as_str()).collect();
        let letters = snapshot.letters.iter().filter(|letter| letter.service != "Intake");
        for letter in letters.filter(|letter| !poison.contains(letter.body.as_str())) {
            for personal in persons_in(&letter.body) {
                self.find(Rule::PersonInClear, None, format!("a letter of {} has {personal:?}", letter.service));
            }
        }
    }

    fn check_letters(&mut self, snapshot: &Snapshot, asked: &Asked) {
        // A function that dies after it has parked a message parks it once more: a letter may be there twice.
        let found: BTreeSet<(Service, &str)> =
            snapshot.letters.iter().map(|letter| (letter.service, letter.body.as_str())).collect();
        for Poison { service, body } in &asked.injected.poison {
            if !found.contains(&(*service, body.as_str())) {
                self.find(Rule::MessageLost, None, format!("poison of {service} vanished: {body}"));
            }
        }
        let plans: BTreeMap<&str, &Plan> = asked
            .customers
            .iter()
            .flat_map(|customer| customer.order_ids.iter().map(|id| (id.as_str(), &customer.plan)))
            .collect();
        let mut rows: BTreeSet<&str> = asked.injected.rows.iter().map(String::as_str).collect();
        for letter in &snapshot.letters {
            let is_poison = asked
                .injected
                .poison
                .iter()
                .any(|poison| poison.service == letter.service && poison.body == letter.body);
            let is_row = letter.service == "Relay" && {
                let json: Value = serde_json::from_str(&letter.body).unwrap_or_default();
                let key = json.pointer("/row/pk").and_then(Value::as_str).unwrap_or_default();
                // It may be copied more than once: an invocation may die after it has copied it.
                rows.remove(key) || asked.injected.rows.iter().any(|row| row == key)
            };
            let fact = letter.fact();
            let plan = fact.as_ref().and_then(|fact| plans.get(fact.subject.as_str()));
            // The carrier refuses, as it was told to.
            let is_refusal = letter.service == "Shipping"
                && plan.zip(fact.as_ref()).is_some_and(|(plan, fact)| match plan.postal_code {
                    // Of an order that was held, once somebody has cleared it.
                    "SIM-REFUSED" => ["PaymentProcessed", "OrderCleared"].contains(&fact.kind.as_str()),
                    "SIM-NO-VOID" => fact.kind == "OrderCancelled",
                    _ => false,
                });
            if !(letter.is_permanent() && (is_poison || is_row || is_refusal)) {
                let order = fact.as_ref().map(|fact| fact.subject.as_str());
                let kind = fact.as_ref().map_or("a message", |fact| &fact.kind);
                let class = if letter.class.is_empty() { "without a reason" } else { &letter.class };
                let detail = format!("{kind} of {} is dead: {class}: {}", letter.service, letter.reason);
                self.find(Rule::NeedlesslyDead, order, detail);
            }
        }
        for row in rows {
            self.find(
                Rule::MessageLost,
                None,
                format!("{row} cannot be published, and is not among the relay's letters"),
            );
        }
    }
}

#[cfg(test)]
mod tests;

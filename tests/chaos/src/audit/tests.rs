//! Records that are in order, and every way in which they can be out of it.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::order::ends;
use crate::plan::{Entrance, Pricing, Repeat};
use crate::snapshot::{Cause, Letter, Row};

/// A shop after its day.
#[derive(Default)]
struct Day {
    snapshot: Snapshot,
    asked: Asked,
    /// In milliseconds: every row is later than the one before.
    clock: i64,
}

fn plan(customer: &str, sku: &str, method: &str) -> Plan {
    Plan {
        customer: customer.to_owned(),
        is_guest: false,
        entrance: Entrance::WithKey(Repeat::Never),
        lines: vec![(sku.to_owned(), 2)],
        price: 100,
        pricing: Pricing::Stated,
        method: method.to_owned(),
        postal_code: "10115",
        has_phone: false,
        cancel: None,
        withdraw: None,
    }
}

#[test]
fn nobody_asks_for_the_money_of_a_free_order() {
    let free = |day: &mut Day, is_asked: bool| {
        day.order("free", Plan { price: 0, ..plan("cus_9", "plenty-1", "pm_card_visa") });
        let total = json!({ "amount": 0, "currency": "EUR" });
        day.reserve("free", "plenty-1");
        day.row("Payment", "free", cause("InventoryReserved"), Some(("PaymentProcessed", json!({ "amount": total }))));
        day.row("Orders", "free", cause("PaymentProcessed"), None);
        if is_asked {
            let verdict = Some(json!({ "succeeded": total }).to_string());
            let charge = Charge { charges: 1, verdict, charged_at: Some(day.clock), ..Charge::default() };
            day.snapshot.charges.insert(payment_of("free"), charge);
        }
        day.ship("free", "plenty-1");
        day.row("Orders", "free", cause("ShipmentCreated"), None);
    };
    check(|day| free(day, false), &[]);
    check(|day| free(day, true), &[Rule::RecordsDisagree]);
}

fn payment_of(order: &str) -> String {
    PaymentId::of(&OrderId::new(order).unwrap()).to_string()
}

fn shipment_of(order: &str) -> String {
    ShipmentId::of(&OrderId::new(order).unwrap()).to_string()
}

fn cause(kind: &str) -> Cause {
    let source = match kind {
        "OrderCreated" | "OrderCancelled" | "ReturnRequested" => "Orders",
        "PaymentProcessed" | "PaymentFailed" | "PaymentRefunded" => "Payment",
        "ShipmentCreated" | "ShipmentCancelled" => "Shipping",
        "PlaceOrder" | "CancelOrder" | "ClearOrder" | "WithdrawOrder" | "TakeGoodsBack" => "Api",
        _ => "Inventory",
    };
    Cause { source: source.to_owned(), id: format!("{kind}-id"), kind: kind.to_owned() }
}

/// Services whose rows stand in the days below. Of every other one there is a row of each order that it has heard of.
const BY_HAND: [Service; 4] = ["Orders", "Inventory", "Payment", "Shipping"];

impl Day {
    /// A row of a service, and what it tells: the journal hears of it, and so does the customer.
    fn row(&mut self, service: Service, order: &str, cause: Cause, told: Option<(&str, Value)>) {
        self.clock += 10;
        let rows = self.snapshot.rows.entry(service).or_default();
        let mine: Vec<&Row> = rows.iter().filter(|row| row.order == order).collect();
        let (version, emitted) = (mine.len() + 1, mine.iter().map(|row| row.events.len()).sum::<usize>());
        let events: Vec<Fact> = told
            .map(|(kind, data)| {
                let id = format!("{kind}-id-{order}");
                let sequence = format!("{:020}", emitted + 1);
                json!({ "id": id, "source": service, "type": kind, "subject": order, "sequence": sequence, "data": data })
            })
            .map(Fact::from)
            .into_iter()
            .collect();
        self.snapshot.journal.extend(events.iter().cloned());
        let is_news = |fact: &&Fact| {
            let news = ["InventoryReserved", "ShipmentCreated", "OrderCancelled", "ReturnRequested"];
            news.contains(&fact.kind.as_str())
        };
        let mails = events.iter().filter(is_news).map(|fact| format!("{}#{}#email", fact.source, fact.id));
        self.snapshot.told.extend(mails);
        let cause = Cause { id: format!("{}-{order}", cause.id), ..cause };
        let at = format!("{:024}", self.clock);
        let version = u32::try_from(version).unwrap();
        let told = events.first().map(|fact| fact.kind.clone());
        rows.push(Row { order: order.to_owned(), version, at, cause, unfinished: false, change: Value::Null, events });
        for listener in ledgers().filter(|listener| !BY_HAND.contains(&listener.id)) {
            let has_a_row = self.snapshot.rows.get(listener.id).into_iter().flatten().any(|row| row.order == order);
            let kind = told.as_deref().filter(|told| listener.receives().iter().any(|kind| kind.as_str() == *told));
            if let Some(kind) = kind.filter(|_| !has_a_row) {
                self.row(listener.id, order, self::cause(kind), None);
            }
        }
    }

    fn order(&mut self, order: &str, plan: Plan) {
        let data = json!({ "customer": { "id": plan.customer }, "lines": plan.body()["lines"], "total": plan.total() });
        self.row("Orders", order, cause("PlaceOrder"), Some(("OrderCreated", data)));
        for service in ["Payment", "Shipping"] {
            self.row(service, order, cause("OrderCreated"), None);
        }
        let mut customer = Customer::new(plan);
        customer.order_ids.insert(order.to_owned());
        self.asked.customers.push(customer);
    }

    fn reserve(&mut self, order: &str, sku: &str) {
        let lines = json!({ "lines": [{ "sku": sku, "quantity": 2 }] });
        self.row("Inventory", order, cause("OrderCreated"), Some(("InventoryReserved", lines)));
        self.row("Orders", order, cause("InventoryReserved"), None);
        let stock = self.shelf(sku);
        (stock.available, stock.reserved) = (stock.available - 2, stock.reserved + 2);
    }

    fn shelf(&mut self, sku: &str) -> &mut Shelf {
        self.asked.shelves.entry(sku.to_owned()).or_insert(10);
        self.snapshot.shelves.entry(sku.to_owned()).or_insert(Shelf { available: 10, reserved: 0 })
    }

    fn charge(&mut self, order: &str) {
        let amount = json!({ "amount": 200, "currency": "EUR" });
        let verdict = Some(json!({ "succeeded": amount }).to_string());
        let charge = Charge { charges: 1, verdict, charged_at: Some(self.clock), ..Charge::default() };
        self.snapshot.charges.insert(payment_of(order), charge);
        self.row("Payment", order, cause("InventoryReserved"), Some(("PaymentProcessed", json!({ "amount": amount }))));
        self.row("Orders", order, cause("PaymentProcessed"), None);
    }

    fn decline(&mut self, order: &str) {
        let verdict = Some(json!({ "declined": { "code": "card_declined", "message": "No." } }).to_string());
        let charge = Charge { verdict, charged_at: Some(self.clock), ..Charge::default() };
        self.snapshot.charges.insert(payment_of(order), charge);
        self.row("Payment", order, cause("InventoryReserved"), Some(("PaymentFailed", json!({}))));
    }

    fn ship(&mut self, order: &str, sku: &str) {
        let booking = Booking { bookings: 1, booked_at: Some(self.clock), voided_at: None };
        self.snapshot.bookings.insert(shipment_of(order), booking);
        self.row("Shipping", order, cause("PaymentProcessed"), Some(("ShipmentCreated", json!({}))));
        self.row("Inventory", order, cause("ShipmentCreated"), None);
        self.shelf(sku).reserved -= 2;
    }

    fn cancel(&mut self, order: &str, because: &str, reason: &str) {
        self.row("Orders", order, cause(because), Some(("OrderCancelled", json!({ "reason": reason }))));
    }

    fn release(&mut self, order: &str, sku: &str) {
        let has_left =
            self.snapshot.rows["Inventory"].iter().any(|row| row.order == order && row.cause.kind == "ShipmentCreated");
        self.row("Inventory", order, cause("OrderCancelled"), Some(("InventoryReleased", json!({}))));
        let stock = self.shelf(sku);
        stock.available += 2;
        stock.reserved -= if has_left { 0 } else { 2 };
    }

    /// One order that is shipped, one that is cancelled when everything was done for it, one that is declined, one that
    /// is out of stock, and one of another producer; poison, and an event that nobody knows.
    fn good() -> Self {
        let mut day = Self::default();
        let (visa, declined) = ("pm_card_visa", "pm_card_visa_chargeDeclined");
        day.order("shipped", plan("cus_1", "plenty-1", visa));
        day.reserve("shipped", "plenty-1");
        day.charge("shipped");
        day.ship("shipped", "plenty-1");
        day.row("Orders", "shipped", cause("ShipmentCreated"), None);

        day.order("regretted", plan("cus_2", "plenty-1", visa));
        day.reserve("regretted", "plenty-1");
        day.charge("regretted");
        day.cancel("regretted", "CancelOrder", "customerRequest");
        day.asked.customers[1].cancelled = Cancelled::Accepted;
        day.ship("regretted", "plenty-1");
        day.row("Orders", "regretted", cause("ShipmentCreated"), None);
        day.release("regretted", "plenty-1");
        let clock = day.clock;
        let charge = day.snapshot.charges.get_mut(&payment_of("regretted")).unwrap();
        (charge.refund, charge.refunded_at) = (Some("rfd_1".to_owned()), Some(clock));
        day.row("Payment", "regretted", cause("OrderCancelled"), Some(("PaymentRefunded", json!({}))));
        day.row("Orders", "regretted", cause("PaymentRefunded"), None);
        day.snapshot.bookings.get_mut(&shipment_of("regretted")).unwrap().voided_at = Some(clock);
        day.row("Shipping", "regretted", cause("OrderCancelled"), Some(("ShipmentCancelled", json!({}))));
        day.row("Orders", "regretted", cause("ShipmentCancelled"), None);

        day.order("declined", plan("cus_3", "plenty-1", declined));
        day.reserve("declined", "plenty-1");
        day.decline("declined");
        day.cancel("declined", "PaymentFailed", "paymentFailed");
        day.release("declined", "plenty-1");

        day.order("short", plan("cus_4", "empty", visa));
        day.row("Inventory", "short", cause("OrderCreated"), Some(("InventoryRejected", json!({}))));
        day.cancel("short", "InventoryRejected", "outOfStock");

        let poison = Poison { service: "Payment", body: "poison".to_owned() };
        day.letter("Payment", "poison", "permanent");
        day.asked.injected.poison.push(poison);
        day.letter("Relay", r#"{"row":{"pk":"unpublishable"}}"#, "permanent");
        day.asked.injected.rows.push("unpublishable".to_owned());
        let stranger = json!({ "id": "stranger", "source": "web", "type": "OrderPraised", "subject": "shipped" });
        day.snapshot.journal.push(Fact::from(stranger.clone()));
        day.asked.injected.strangers.push(stranger);
        day.adopt("short");
        day
    }

    /// As if an order had come in by another producer's event.
    fn adopt(&mut self, order: &str) {
        let theirs = json!({ "id": "theirs", "source": "web", "type": "OrderCreated", "subject": order });
        let of_orders = self.snapshot.rows.get_mut("Orders").into_iter().flatten().flat_map(|row| &mut row.events);
        for fact in of_orders.chain(&mut self.snapshot.journal) {
            if fact.subject == order && fact.kind == "OrderCreated" {
                (fact.json["originsource"], fact.json["originid"]) = (json!("web"), json!("theirs"));
            }
        }
        let customer = self.asked.customers.iter_mut().find(|customer| customer.order_ids.contains(order));
        customer.unwrap().event = Some(theirs);
    }

    fn letter(&mut self, service: Service, body: &str, class: &str) {
        self.snapshot.letters.push(Letter {
            service,
            body: body.to_owned(),
            class: class.to_owned(),
            reason: "a reason".to_owned(),
            failed_at: "2026-11-22T09:00:00.000Z".to_owned(),
        });
    }

    fn fact(&self, order: &str, kind: &str) -> Fact {
        self.snapshot.journal.iter().find(|fact| fact.subject == order && fact.kind == kind).unwrap().clone()
    }

    fn forget_rows(&mut self, is_one: impl Fn(Service, &Row) -> bool) {
        let before = self.snapshot.rows.values().map(Vec::len).sum::<usize>();
        for (service, rows) in &mut self.snapshot.rows {
            rows.retain(|row| !is_one(service, row));
        }
        assert!(self.snapshot.rows.values().map(Vec::len).sum::<usize>() < before, "there is no such row");
    }

    /// As if a service had never told that.
    fn forget_fact(&mut self, order: &str, kind: &str) {
        let id = self.fact(order, kind).id;
        self.forget_rows(|_, row| row.events.iter().any(|fact| fact.id == id));
        self.snapshot.journal.retain(|fact| fact.id != id);
        for rows in self.snapshot.rows.values_mut() {
            rows.retain(|row| row.cause.id != id);
        }
    }

    fn charge_of(&mut self, order: &str) -> &mut Charge {
        self.snapshot.charges.get_mut(&payment_of(order)).unwrap()
    }

    fn booking_of(&mut self, order: &str) -> &mut Booking {
        self.snapshot.bookings.get_mut(&shipment_of(order)).unwrap()
    }

    fn customer(&mut self, number: usize) -> &mut Customer {
        &mut self.asked.customers[number - 1]
    }
}

/// Breaks what is in order, and looks which rules the audit finds broken.
#[track_caller]
fn check(spoil: impl FnOnce(&mut Day), expected: &[Rule]) {
    let mut day = Day::good();
    spoil(&mut day);
    let found = audit(&day.snapshot, &day.asked);
    let rules: BTreeSet<Rule> = found.iter().map(|violation| violation.rule).collect();
    assert_eq!(rules, expected.iter().copied().collect(), "{found:#?}");
}

#[test]
fn good_records_are_found_good() {
    check(|_| {}, &[]);
    let day = Day::good();
    let ends = ends(&day.snapshot);
    let cancelled = |reason: &str| End::Cancelled(reason.to_owned());
    assert_eq!(ends, [cancelled("paymentFailed"), cancelled("customerRequest"), End::Shipped, cancelled("outOfStock")]);
}

#[test]
fn a_price_that_nobody_may_have_stated_is_found() {
    let change = |day: &mut Day, changes: &[(&str, i64)]| {
        let of_orders = day.snapshot.rows.get_mut("Orders").into_iter().flatten().flat_map(|row| &mut row.events);
        let facts = of_orders.chain(&mut day.snapshot.journal);
        for fact in facts.filter(|fact| fact.subject == "shipped" && fact.kind == "OrderCreated") {
            for (pointer, amount) in changes {
                *fact.json.pointer_mut(pointer).unwrap() = json!(amount);
            }
        }
    };
    let (price, total) = ("/data/lines/0/unitPrice/amount", "/data/total/amount");
    check(|day| change(day, &[(price, 100), (total, 200)]), &[]);
    for changes in [&[(price, 99), (total, 198)][..], &[(price, 99)], &[(total, 199)]] {
        check(|day| change(day, changes), &[Rule::WrongPrice]);
    }
}

#[test]
fn stock_that_is_promised_twice_is_found() {
    check(
        |day| {
            day.asked.shelves.insert("plenty-1".to_owned(), 1);
            day.snapshot.shelves.insert("plenty-1".to_owned(), Shelf { available: -1, reserved: 0 });
        },
        &[Rule::Oversold],
    );
}

#[test]
fn stock_that_does_not_add_up_is_found() {
    check(|day| day.shelf("plenty-1").reserved += 1, &[Rule::StockMiscounted]);
    check(|day| day.shelf("plenty-1").available += 2, &[Rule::StockMiscounted]);
    check(|day| assert!(day.snapshot.shelves.remove("plenty-1").is_some()), &[Rule::StockMiscounted]);
    check(
        |day| {
            assert!(day.snapshot.shelves.insert("mushroom".to_owned(), Shelf { available: 1, reserved: 0 }).is_none());
        },
        &[Rule::StockMiscounted],
    );
}

#[test]
fn money_that_moves_twice_or_for_nothing_is_found() {
    check(|day| day.charge_of("shipped").charges = 2, &[Rule::ChargedTwice]);
    check(|day| day.charge_of("regretted").refunded_at = Some(0), &[Rule::RefundedUncharged]);
    check(
        |day| day.charge_of("declined").refund = Some("rfd_9".to_owned()),
        &[Rule::RefundedUncharged, Rule::RecordsDisagree],
    );
    check(
        |day| {
            day.charge_of("shipped").verdict =
                Some(json!({ "succeeded": { "amount": 1, "currency": "EUR" } }).to_string());
        },
        &[Rule::RecordsDisagree],
    );
    check(
        |day| drop(day.snapshot.charges.insert("pay_nobody".to_owned(), Charge::default())),
        &[Rule::RecordsDisagree],
    );
}

#[test]
fn a_shipment_that_is_not_paid_or_booked_twice_is_found() {
    check(|day| day.booking_of("shipped").bookings = 2, &[Rule::BookedTwice]);
    check(|day| day.booking_of("shipped").booked_at = Some(0), &[Rule::ShippedUnpaid]);
    check(
        |day| {
            day.snapshot.charges.remove(&payment_of("shipped"));
        },
        &[Rule::ShippedUnpaid, Rule::RecordsDisagree],
    );
}

#[test]
fn an_order_that_is_lost_is_found() {
    check(
        |day| {
            let customer = day.customer(1);
            customer.order_ids = BTreeSet::from(["vanished".to_owned()]);
        },
        &[Rule::OrderLost],
    );
    check(
        |day| {
            let id = day.fact("shipped", "ShipmentCreated").id;
            day.forget_rows(|service, row| service == "Orders" && row.cause.id == id);
        },
        &[Rule::NeverEnded, Rule::MessageLost],
    );
}

#[test]
fn an_order_that_is_there_twice_is_found() {
    check(
        |day| {
            day.order("shipped-2", plan("cus_1", "empty", "pm_card_visa"));
            day.row("Inventory", "shipped-2", cause("OrderCreated"), Some(("InventoryRejected", json!({}))));
            day.cancel("shipped-2", "InventoryRejected", "outOfStock");
            day.asked.customers.pop();
        },
        &[Rule::OrderedTwice],
    );
}

#[test]
fn an_end_that_nothing_explains_is_found() {
    check(|day| day.customer(1).plan.method = "pm_card_visa_chargeDeclined".to_owned(), &[Rule::WrongEnd]);
    check(|day| day.customer(1).plan.lines[0].0 = "empty".to_owned(), &[Rule::WrongEnd]);
    check(|day| day.customer(2).cancelled = Cancelled::NotWished, &[Rule::WrongEnd]);
    check(|day| day.customer(3).plan.method = "pm_card_visa".to_owned(), &[Rule::WrongEnd]);
    check(|day| day.customer(4).plan.lines[0].0 = "plenty-2".to_owned(), &[Rule::WrongEnd]);
}

#[test]
fn an_order_that_is_flagged_and_shipped_without_a_word_is_found() {
    let flagged = |day: &mut Day, is_held: bool, by: Option<&str>| {
        let flag = json!({ "score": 80, "reasons": [], "held": is_held });
        day.row("Screening", "shipped", cause("PlaceOrder"), Some(("OrderFlagged", flag)));
        if let Some(by) = by {
            day.row("Screening", "shipped", cause("ClearOrder"), Some(("OrderCleared", json!({ "by": by }))));
        }
    };
    check(|day| flagged(day, true, Some("person")), &[]);
    check(|day| flagged(day, false, None), &[]);
    check(|day| flagged(day, true, None), &[Rule::ShippedUncleared]);
    check(|day| flagged(day, true, Some("screening")), &[Rule::ShippedUncleared]);
}

#[test]
fn a_guest_is_known_by_their_order() {
    check(|day| day.customer(1).plan.is_guest = true, &[Rule::OrderLost]);
}

#[test]
fn a_broken_promise_is_found() {
    check(|day| day.customer(1).cancelled = Cancelled::Accepted, &[Rule::WrongAnswer]);
    check(|day| day.customer(2).cancelled = Cancelled::Refused, &[Rule::WrongAnswer]);
    check(|day| day.customer(4).complaints.push("418".to_owned()), &[Rule::WrongAnswer]);
}

#[test]
fn what_was_not_given_back_is_found() {
    check(
        |day| {
            day.forget_fact("regretted", "PaymentRefunded");
            (day.charge_of("regretted").refund, day.charge_of("regretted").refunded_at) = (None, None);
        },
        &[Rule::NotUndone],
    );
    check(
        |day| {
            day.forget_fact("regretted", "ShipmentCancelled");
            day.booking_of("regretted").voided_at = None;
        },
        &[Rule::NotUndone],
    );
    check(
        |day| {
            day.forget_fact("declined", "InventoryReleased");
            let shelf = day.shelf("plenty-1");
            (shelf.available, shelf.reserved) = (shelf.available - 2, shelf.reserved + 2);
        },
        &[Rule::NotUndone],
    );
}

#[test]
fn what_was_given_back_without_a_cause_is_found() {
    check(
        |day| {
            let clock = day.clock;
            let charge = day.charge_of("shipped");
            (charge.refund, charge.refunded_at) = (Some("rfd_9".to_owned()), Some(clock));
        },
        &[Rule::UndoneWithoutCause, Rule::RecordsDisagree],
    );
    check(|day| day.release("shipped", "plenty-1"), &[Rule::UndoneWithoutCause]);
    check(|day| day.release("short", "plenty-1"), &[Rule::UndoneWithoutCause, Rule::StockMiscounted]);
}

#[test]
fn what_happened_and_what_was_told_are_compared() {
    check(
        |day| {
            let id = day.fact("shipped", "PaymentProcessed").id;
            day.forget_rows(|service, row| service == "Payment" && row.events.iter().any(|fact| fact.id == id));
            day.snapshot.journal.retain(|fact| fact.id != id);
        },
        &[Rule::RecordsDisagree],
    );
    check(|day| assert!(day.snapshot.bookings.remove(&shipment_of("shipped")).is_some()), &[Rule::RecordsDisagree]);
}

#[test]
fn what_is_done_twice_is_found() {
    // One event handled by two rows.
    check(
        |day| {
            let rows = day.snapshot.rows.get_mut("Payment").unwrap();
            let row = rows.iter().find(|row| row.order == "shipped" && row.events.is_empty()).unwrap().clone();
            rows.push(Row { version: 9, ..row });
        },
        &[Rule::DoneTwice],
    );
    // One fact told by two events.
    check(
        |day| {
            day.row("Payment", "shipped", cause("OrderCancelled"), Some(("PaymentProcessed", json!({}))));
            let again = day.snapshot.rows.get_mut("Payment").unwrap().last_mut().unwrap();
            again.events[0].id = "again".to_owned();
            day.snapshot.journal.last_mut().unwrap().id = "again".to_owned();
            day.row("Orders", "shipped", cause("PaymentProcessed"), None);
            day.snapshot.rows.get_mut("Orders").unwrap().last_mut().unwrap().cause.id = "again".to_owned();
        },
        &[Rule::DoneTwice],
    );
    // One id for two events.
    check(
        |day| {
            let stranger = day.asked.injected.strangers[0].clone();
            day.asked.injected.strangers.push(stranger);
        },
        &[Rule::DoneTwice],
    );
    // A gap in the numbers of the events.
    check(
        |day| {
            let rows = day.snapshot.rows.get_mut("Payment").unwrap();
            rows.iter_mut().flat_map(|row| &mut row.events).next().unwrap().sequence = "2".to_owned();
        },
        &[Rule::DoneTwice],
    );
    // Poison that was parked twice in a moment.
    check(|day| day.letter("Payment", "poison", "permanent"), &[]);
}

#[test]
fn an_event_that_is_lost_on_its_way_is_found() {
    check(|day| day.snapshot.journal.retain(|fact| fact.kind != "InventoryRejected"), &[Rule::EventLost]);
    check(|day| day.snapshot.journal.retain(|fact| fact.kind != "OrderPraised"), &[Rule::EventLost]);
    check(|day| day.customer(4).event.as_mut().unwrap()["id"] = json!("another"), &[Rule::EventLost]);
    check(
        |day| {
            day.snapshot.rows.get_mut("Orders").unwrap().iter_mut().flat_map(|row| &mut row.events).for_each(|fact| {
                (fact.json["originsource"], fact.json["originid"]) = (json!("web"), json!("theirs"));
            });
            let journal = day.snapshot.journal.iter_mut().filter(|fact| fact.source == "Orders");
            journal.for_each(|fact| {
                (fact.json["originsource"], fact.json["originid"]) = (json!("web"), json!("theirs"));
            });
        },
        &[Rule::DoneTwice],
    );
    check(|day| day.snapshot.journal[0].json["data"] = json!({ "customer": "another" }), &[Rule::EventLost]);
    check(
        |day| day.snapshot.journal.push(Fact::from(json!({ "id": "new", "source": "Orders", "subject": "shipped" }))),
        &[Rule::EventFromNowhere],
    );
}

#[test]
fn a_message_that_nobody_has_handled_is_found() {
    check(
        |day| assert!(day.snapshot.waiting.insert("the queue of Orders".to_owned(), 1).is_none()),
        &[Rule::MessageLost],
    );
    check(|day| day.snapshot.letters.retain(|letter| letter.service != "Payment"), &[Rule::MessageLost]);
    check(|day| day.snapshot.letters.retain(|letter| letter.service != "Relay"), &[Rule::MessageLost]);
    check(|day| day.snapshot.told.retain(|key| !key.contains("OrderCancelled")), &[Rule::MessageLost]);
    check(
        |day| day.snapshot.told.extend(["Payment#PaymentProcessed-id-shipped#email".to_owned()]),
        &[Rule::RecordsDisagree],
    );
    check(|day| day.snapshot.told.retain(|key| !key.contains("ShipmentCreated-id-shipped")), &[Rule::MessageLost]);
    check(|day| day.forget_rows(|service, row| service == "Screening" && row.order == "short"), &[Rule::MessageLost]);
    check(
        |day| {
            day.forget_rows(|service, row| service == "Inventory" && row.cause.id == "ShipmentCreated-id-shipped");
            day.shelf("plenty-1").reserved += 2;
        },
        &[Rule::MessageLost],
    );
    check(
        |day| day.forget_rows(|service, row| service == "Orders" && row.cause.id == "PaymentRefunded-id-regretted"),
        &[Rule::MessageLost],
    );
}

#[test]
fn a_charge_that_was_cancelled_in_time_is_told_by_nobody() {
    check(
        |day| {
            let charge =
                Charge { verdict: Some(r#""cancelled""#.to_owned()), charged_at: Some(1), ..Charge::default() };
            day.snapshot.charges.insert(payment_of("short"), charge);
        },
        &[],
    );
}

#[test]
fn success_need_not_be_told_of_a_cancelled_order() {
    check(|day| day.snapshot.told.retain(|key| !key.contains("ShipmentCreated-id-regretted")), &[]);
}

#[test]
fn a_letter_without_need_is_found() {
    let fact = Day::good().fact("shipped", "PaymentProcessed").json.to_string();
    check(|day| day.letter("Notification", &fact, "exhausted"), &[Rule::NeedlesslyDead]);
    check(|day| day.letter("Notification", &fact, ""), &[Rule::NeedlesslyDead]);
    check(|day| day.letter("Notification", &fact, "permanent"), &[Rule::NeedlesslyDead]);
    check(|day| day.letter("Payment", "unknown poison", "permanent"), &[Rule::NeedlesslyDead]);
    check(|day| day.snapshot.letters[0].class = "exhausted".to_owned(), &[Rule::NeedlesslyDead]);
    check(|day| day.letter("Relay", r#"{"row":{"pk":"another"}}"#, "permanent"), &[Rule::NeedlesslyDead]);
    // An invocation of the relay that died has copied the row once before.
    check(|day| day.letter("Relay", r#"{"row":{"pk":"unpublishable"}}"#, "permanent"), &[]);
}

#[test]
fn what_the_carrier_refuses_is_excused_by_a_letter_and_by_nothing_else() {
    let refused = |day: &mut Day| {
        day.order("refused", Plan { postal_code: "SIM-REFUSED", ..plan("cus_5", "plenty-1", "pm_card_visa") });
        day.reserve("refused", "plenty-1");
        day.charge("refused");
    };
    check(refused, &[Rule::NeverEnded]);
    for (kind, rules) in
        [("PaymentProcessed", &[][..]), ("OrderCleared", &[]), ("OrderCreated", &[Rule::NeedlesslyDead])]
    {
        check(
            |day| {
                refused(day);
                let mut fact = day.fact("refused", "PaymentProcessed").json;
                fact["type"] = json!(kind);
                day.letter("Shipping", &fact.to_string(), "permanent");
            },
            rules,
        );
    }
    let kept = |day: &mut Day| {
        day.forget_fact("regretted", "ShipmentCancelled");
        day.booking_of("regretted").voided_at = None;
        day.customer(2).plan.postal_code = "SIM-NO-VOID";
    };
    check(kept, &[Rule::NotUndone]);
    check(
        |day| {
            kept(day);
            let envelope = json!({ "Message": day.fact("regretted", "OrderCancelled").json.to_string() });
            day.letter("Shipping", &envelope.to_string(), "permanent");
        },
        &[],
    );
}

/// An order whose customer has withdrawn after it was shipped; the goods are back, and so is the money.
fn returned(day: &mut Day) {
    day.order("returned", Plan { withdraw: Some((Duration::ZERO, true)), ..plan("cus_6", "plenty-1", "pm_card_visa") });
    day.reserve("returned", "plenty-1");
    day.charge("returned");
    day.ship("returned", "plenty-1");
    day.row("Orders", "returned", cause("ShipmentCreated"), None);
    day.row("Orders", "returned", cause("WithdrawOrder"), Some(("ReturnRequested", json!({}))));
    day.row("Inventory", "returned", cause("ReturnRequested"), None);
    day.row("Inventory", "returned", cause("TakeGoodsBack"), Some(("GoodsReturned", json!({}))));
    day.shelf("plenty-1").available += 2;
    day.row("Orders", "returned", cause("GoodsReturned"), None);
    let clock = day.clock;
    let charge = day.charge_of("returned");
    (charge.refund, charge.refunded_at) = (Some("rfd_1".to_owned()), Some(clock));
    day.row("Payment", "returned", cause("GoodsReturned"), Some(("PaymentRefunded", json!({}))));
    day.row("Orders", "returned", cause("PaymentRefunded"), None);
    day.customer(5).withdrawn = Withdrawn::Returned;
}

#[test]
fn a_return_gives_back_goods_and_money_once_and_only_where_the_customer_withdrew() {
    let then = |spoil: fn(&mut Day), expected: &[Rule]| {
        check(
            |day| {
                returned(day);
                spoil(day);
            },
            expected,
        );
    };
    then(|_| {}, &[]);
    // The goods are back, and the money is not.
    then(
        |day| {
            day.forget_fact("returned", "PaymentRefunded");
            (day.charge_of("returned").refund, day.charge_of("returned").refunded_at) = (None, None);
        },
        &[Rule::NotUndone],
    );
    // The money is back, and the goods are not.
    then(
        |day| {
            day.forget_fact("returned", "GoodsReturned");
            day.row("Payment", "returned", cause("Mistake"), Some(("PaymentRefunded", json!({}))));
            day.row("Orders", "returned", cause("PaymentRefunded"), None);
            day.shelf("plenty-1").available -= 2;
            day.customer(5).withdrawn = Withdrawn::Returning;
        },
        &[Rule::UndoneWithoutCause, Rule::DoneTwice],
    );
    then(|day| day.shelf("plenty-1").available += 2, &[Rule::StockMiscounted]);
    then(|day| day.shelf("plenty-1").available -= 2, &[Rule::StockMiscounted]);
    then(|day| day.customer(5).withdrawn = Withdrawn::Cancelled, &[Rule::WrongAnswer]);
    then(|day| day.snapshot.told.retain(|key| !key.contains("ReturnRequested")), &[Rule::MessageLost]);
    then(
        |day| day.forget_rows(|service, row| service == "Orders" && row.cause.kind == "GoodsReturned"),
        &[Rule::MessageLost],
    );
    // Nobody has withdrawn.
    then(|day| day.forget_fact("returned", "ReturnRequested"), &[Rule::UndoneWithoutCause]);
    check(|day| day.customer(1).withdrawn = Withdrawn::Returning, &[Rule::WrongAnswer]);
    check(|day| day.customer(2).withdrawn = Withdrawn::Returned, &[Rule::WrongAnswer]);
    check(|day| day.customer(2).withdrawn = Withdrawn::Cancelled, &[]);
}

#[test]
fn a_person_in_clear_is_found() {
    check(
        |day| assert!(day.snapshot.persons.insert("OrdersTable has \"Ada Lovelace\"".to_owned())),
        &[Rule::PersonInClear],
    );
    check(
        |day| {
            let mut letter = day.snapshot.letters.iter().find(|letter| letter.is_permanent()).unwrap().clone();
            letter.body.push_str(r#"{"email":"ada@example.com"}"#);
            day.snapshot.letters.push(letter);
        },
        &[Rule::PersonInClear, Rule::NeedlesslyDead],
    );
}

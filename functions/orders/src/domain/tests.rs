use orderflow_events::sample;
use orderflow_events::{
    InventoryRejected, InventoryReserved, OrderId, PaymentFailed, PaymentFailure, PaymentProcessed, PaymentRefunded,
    PersonalDataErased, ReturnRequested, ShipmentCancelled, ShipmentCreated, Shortage, Sku, StockLine,
};

use super::erasure::erase;
use super::withdrawal::{Outcome, WithdrawalPeriod, WithdrawalRefusal, withdraw};
use super::*;

fn id() -> OrderId {
    OrderId::new("ord_1").unwrap()
}

fn fact(kind: EventType) -> Event {
    let (order_id, sku) = (id(), Sku::new("A-1").unwrap());
    let (payment_id, shipment_id) = (PaymentId::of(&order_id), ShipmentId::of(&order_id));
    let amount = Money::new(3685, "EUR").unwrap();
    let text = Text::shortened;
    let lines = vec![StockLine { sku: sku.clone(), quantity: 3 }];
    let payload: Payload = match kind {
        EventType::OrderCreated => sample::order("ord_1").into(),
        EventType::OrderCancelled => OrderCancelled { order_id, reason: CancellationReason::OutOfStock }.into(),
        EventType::InventoryReserved => InventoryReserved { order_id, lines }.into(),
        EventType::InventoryRejected => {
            InventoryRejected { order_id, shortages: vec![Shortage { sku, requested: 3, available: 1 }] }.into()
        }
        EventType::PaymentProcessed => PaymentProcessed { order_id, payment_id, amount }.into(),
        EventType::PaymentFailed => {
            let reason = PaymentFailure { code: text("card_declined"), message: text("Declined.") };
            PaymentFailed { order_id, payment_id, reason }.into()
        }
        EventType::PaymentRefunded => {
            let refund_id = orderflow_events::RefundId::of(&order_id);
            PaymentRefunded { order_id, payment_id, refund_id, amount }.into()
        }
        EventType::ShipmentCreated => {
            let (carrier, tracking_number) = (text("Carrier"), text("T-1"));
            ShipmentCreated { order_id, shipment_id, carrier, tracking_number }.into()
        }
        EventType::ShipmentCancelled => ShipmentCancelled { order_id, shipment_id }.into(),
        EventType::ReturnRequested => ReturnRequested { return_id: ReturnId::of(&order_id), order_id }.into(),
        EventType::GoodsReturned => GoodsReturned { return_id: ReturnId::of(&order_id), order_id, lines }.into(),
        EventType::PersonalDataErased => PersonalDataErased { order_id }.into(),
        other => panic!("orders has nothing to do with {other}"),
    };
    sample::event(payload)
}

/// The next step for an event; a creation is recorded by the API and the intake.
fn decide(order: &Order, event: &Event) -> Decision<Orders> {
    match event.heard::<Heard>() {
        Some(heard) => Orders::decide(order, &heard, None),
        None => Ok(Orders::change_from(event).map_or(Step::Nothing, Step::record)),
    }
}

/// The order after `given`, as the ledger folds it: the change of each decision, and then what it published.
fn order_after(given: &[EventType]) -> Order {
    given.iter().fold(Order::default(), |order, kind| match decide(&order, &fact(*kind)) {
        Ok(Step::Commit(commit)) => {
            let order = Orders::evolve(order, commit.change.unwrap());
            commit
                .events
                .into_iter()
                .map(sample::event)
                .fold(order, |order, event| Orders::evolve_published(order, &event))
        }
        Ok(Step::Nothing) => order,
        other => panic!("{kind} is not possible: {other:?}"),
    })
}

#[derive(Debug, PartialEq)]
enum Then {
    /// Too early.
    Early,
    /// Never possible: a person has to decide.
    Never,
    /// Nothing changes.
    Nothing,
    /// The fact is kept, nothing is published, and the order has that status.
    Kept(Status),
    /// The order is cancelled, and that is published.
    Cancelled(CancellationReason),
}

fn then(given: &[EventType], when: EventType) -> Then {
    let order = order_after(given);
    let commit = match decide(&order, &fact(when)) {
        Err(Rejection::TooEarly(_)) => return Then::Early,
        Err(Rejection::Forbidden(_)) => return Then::Never,
        Ok(Step::Nothing) => return Then::Nothing,
        Ok(Step::Commit(commit)) => commit,
        other => panic!("{when}: {other:?}"),
    };
    let Order::Known(known) = Orders::evolve(order, commit.change.unwrap()) else { panic!("{when}: unknown") };
    assert!(known.timeline.contains(&Seen::from(&fact(when))), "{when} is not in the timeline");
    assert!(!commit.unfinished);
    match (commit.events.as_slice(), known.status) {
        ([], status) => Then::Kept(status),
        ([Payload::OrderCancelled(cancelled)], Status::Cancelled(reason)) if cancelled.reason == reason => {
            Then::Cancelled(reason)
        }
        other => panic!("{when}: {other:?}"),
    }
}

use CancellationReason::{OutOfStock, PaymentFailed as Declined};
use EventType as E;
use Progress::{Created, Paid, Reserved};

const OPEN: &[E] = &[E::OrderCreated];
const RESERVED: &[E] = &[E::OrderCreated, E::InventoryReserved];
const PAID: &[E] = &[E::OrderCreated, E::PaymentProcessed];
const CANCELLED: &[E] = &[E::OrderCreated, E::InventoryRejected];
const SHIPPED: &[E] = &[E::OrderCreated, E::InventoryReserved, E::PaymentProcessed, E::ShipmentCreated];
const WITHDRAWN: &[E] =
    &[E::OrderCreated, E::InventoryReserved, E::PaymentProcessed, E::ShipmentCreated, E::ReturnRequested];

#[test]
fn every_event_in_every_state() {
    let (cancelled, shipped) = (Then::Kept(Status::Cancelled(OutOfStock)), Then::Kept(Status::Shipped));
    let open = |progress| Then::Kept(Status::Open(progress));
    for (given, when, expected) in [
        // unknown
        (&[][..], E::InventoryReserved, Then::Early),
        (&[], E::PaymentProcessed, Then::Early),
        (&[], E::ShipmentCreated, Then::Early),
        (&[], E::InventoryRejected, Then::Early),
        (&[], E::PaymentFailed, Then::Early),
        (&[], E::PaymentRefunded, Then::Early),
        (&[], E::ShipmentCancelled, Then::Early),
        (&[], E::GoodsReturned, Then::Early),
        // open
        (OPEN, E::InventoryReserved, open(Reserved)),
        (OPEN, E::PaymentProcessed, open(Paid)),
        (OPEN, E::ShipmentCreated, Then::Kept(Status::Shipped)),
        (OPEN, E::InventoryRejected, Then::Cancelled(OutOfStock)),
        (OPEN, E::PaymentFailed, Then::Cancelled(Declined)),
        (OPEN, E::PaymentRefunded, open(Created)),
        (OPEN, E::ShipmentCancelled, open(Created)),
        (OPEN, E::GoodsReturned, open(Created)),
        (RESERVED, E::PaymentProcessed, open(Paid)),
        (RESERVED, E::PaymentFailed, Then::Cancelled(Declined)),
        (PAID, E::InventoryReserved, open(Paid)),
        (PAID, E::ShipmentCreated, Then::Kept(Status::Shipped)),
        // cancelled
        (CANCELLED, E::InventoryReserved, Then::Kept(Status::Cancelled(OutOfStock))),
        (CANCELLED, E::PaymentProcessed, Then::Kept(Status::Cancelled(OutOfStock))),
        (CANCELLED, E::ShipmentCreated, Then::Kept(Status::Cancelled(OutOfStock))),
        (CANCELLED, E::PaymentRefunded, Then::Kept(Status::Cancelled(OutOfStock))),
        (CANCELLED, E::ShipmentCancelled, cancelled),
        (CANCELLED, E::GoodsReturned, Then::Kept(Status::Cancelled(OutOfStock))),
        (CANCELLED, E::InventoryRejected, Then::Nothing),
        (CANCELLED, E::PaymentFailed, Then::Nothing),
        // shipped
        (SHIPPED, E::InventoryReserved, Then::Kept(Status::Shipped)),
        (SHIPPED, E::PaymentProcessed, Then::Kept(Status::Shipped)),
        (SHIPPED, E::ShipmentCreated, Then::Kept(Status::Shipped)),
        (SHIPPED, E::PaymentRefunded, Then::Kept(Status::Shipped)),
        (SHIPPED, E::ShipmentCancelled, shipped),
        (SHIPPED, E::InventoryRejected, Then::Never),
        (SHIPPED, E::PaymentFailed, Then::Never),
        (SHIPPED, E::GoodsReturned, Then::Kept(Status::Shipped)),
        // shipped, and to be returned
        (WITHDRAWN, E::InventoryReserved, Then::Kept(Status::Shipped)),
        (WITHDRAWN, E::PaymentProcessed, Then::Kept(Status::Shipped)),
        (WITHDRAWN, E::ShipmentCreated, Then::Kept(Status::Shipped)),
        (WITHDRAWN, E::PaymentRefunded, Then::Kept(Status::Shipped)),
        (WITHDRAWN, E::ShipmentCancelled, Then::Kept(Status::Shipped)),
        (WITHDRAWN, E::InventoryRejected, Then::Never),
        (WITHDRAWN, E::PaymentFailed, Then::Never),
        (WITHDRAWN, E::GoodsReturned, Then::Kept(Status::Shipped)),
    ] {
        assert_eq!(then(given, when), expected, "{when} after {given:?}");
    }
}

#[test]
fn a_payment_of_another_amount_is_none() {
    let paid = |amount, currency| {
        let amount = Money::new(amount, currency).unwrap();
        PaymentProcessed { order_id: id(), payment_id: PaymentId::of(&id()), amount }
    };
    for given in [OPEN, RESERVED, PAID, CANCELLED, SHIPPED] {
        for odd in [paid(3684, "EUR"), paid(3685, "JPY"), paid(0, "EUR")] {
            let decision = decide(&order_after(given), &sample::event(odd));
            assert!(matches!(decision, Err(Rejection::Forbidden(_))), "{given:?}: {decision:?}");
        }
    }
}

#[test]
fn a_customer_may_cancel_until_the_goods_are_on_their_way() {
    for (given, expected) in [
        (&[][..], Err(CancelRefusal::Unknown)),
        (OPEN, Ok(true)),
        (RESERVED, Ok(true)),
        (PAID, Ok(true)),
        (CANCELLED, Ok(false)),
        (SHIPPED, Err(CancelRefusal::Shipped)),
        (WITHDRAWN, Err(CancelRefusal::Shipped)),
    ] {
        let step = cancel(&order_after(given));
        let expected = expected.map(|changes| {
            let payload = OrderCancelled { order_id: id(), reason: CancellationReason::CustomerRequest };
            let change = Change::Cancelled(CancellationReason::CustomerRequest, None);
            if changes { Step::record(change).publishing(payload) } else { Step::Nothing }
        });
        assert_eq!(step, expected, "{given:?}");
    }
}

#[test]
fn what_is_not_paid_is_given_up_and_nothing_else() {
    for given in [&[E::OrderCreated][..], &[E::OrderCreated, E::InventoryReserved]] {
        let order = order_after(given);
        let Ending { name, commit, correlation_id } = cancel_unpaid(&order).unwrap_or_else(|| panic!("{given:?}"));
        assert_eq!(commit.events, [OrderCancelled { order_id: id(), reason: Declined }.into()], "{given:?}");
        assert_eq!((name, correlation_id), ("CancelUnpaid", Some(fact(E::OrderCreated).context.correlation())));
        let order = Orders::evolve(order, commit.change.unwrap());
        let Order::Known(known) = &order else { panic!("unknown") };
        assert_eq!(known.status, Status::Cancelled(Declined));
        // It is over, unless a payment comes after all, which payment gives back.
        assert!(Orders::is_over(&order));
        assert_eq!(cancel_unpaid(&order), None);
    }
    for given in [
        &[][..],
        &[E::OrderCreated, E::PaymentProcessed],
        &[E::OrderCreated, E::InventoryReserved, E::PaymentProcessed],
        &[E::OrderCreated, E::PaymentFailed],
        &[E::OrderCreated, E::InventoryRejected],
        &[E::OrderCreated, E::ShipmentCreated],
        &[E::OrderCreated, E::ShipmentCreated, E::ReturnRequested],
    ] {
        let order = given.iter().fold(Order::default(), |order, kind| match kind {
            E::ReturnRequested => Orders::evolve(order, Orders::change_from(&fact(*kind)).unwrap()),
            kind => match decide(&order, &fact(*kind)) {
                Ok(Step::Commit(commit)) => Orders::evolve(order, commit.change.unwrap()),
                other => panic!("{kind}: {other:?}"),
            },
        });
        assert_eq!(cancel_unpaid(&order), None, "{given:?}");
    }
}

#[test]
fn links_of_a_guest_count_until_they_are_revoked() {
    let at = Time::from_millis;
    assert_eq!(revoke_links(&Order::Unknown, at(1)), Step::Nothing);
    for given in [OPEN, RESERVED, PAID, CANCELLED, SHIPPED] {
        let Order::Known(mut known) = order_after(given) else { panic!("unknown") };
        assert!(!known.counts_link_of(at(1)), "no link is to the order of somebody who signs in");
        assert_eq!(revoke_links(&Order::Known(known.clone()), at(1)), Step::Nothing);
        known.created.details.customer.id = orderflow_events::guest_of(&id());
        let before = (known.status, known.timeline.clone());
        assert!(known.counts_link_of(at(1)));
        let order = [5, 3].into_iter().fold(Order::Known(known), |order, millis| {
            let Step::Commit(commit) = revoke_links(&order, at(millis)) else { panic!("{given:?}") };
            assert!(commit.events.is_empty(), "nobody else has to know");
            Orders::evolve(order, commit.change.unwrap())
        });
        let Order::Known(known) = order else { panic!("unknown") };
        assert_eq!([4, 5, 6].map(|millis| known.counts_link_of(at(millis))), [false, false, true]);
        assert_eq!((known.status, known.timeline), before, "it is no step of the order");
    }
}

#[test]
fn what_was_paid_and_shipped_is_known_in_any_order() {
    let whole = |given: &[EventType]| {
        let Order::Known(known) = order_after(given) else { panic!("unknown") };
        (known.payment.unwrap().refunded, known.shipment.unwrap().cancelled)
    };
    let forth = [E::OrderCreated, E::PaymentProcessed, E::ShipmentCreated, E::PaymentRefunded, E::ShipmentCancelled];
    let back = [E::OrderCreated, E::ShipmentCancelled, E::PaymentRefunded, E::ShipmentCreated, E::PaymentProcessed];
    assert_eq!(whole(&forth), (true, true));
    assert_eq!(whole(&back), (true, true));
    assert_eq!(whole(&forth[..3]), (false, false));
}

#[test]
fn the_timeline_has_the_cancellation_itself() {
    let Order::Known(known) = order_after(CANCELLED) else { panic!("unknown") };
    let kinds: Vec<&str> = known.timeline.iter().map(|seen| seen.event_type.as_str()).collect();
    assert_eq!(kinds, ["OrderCreated", "InventoryRejected", "OrderCancelled"]);
}

#[test]
fn an_order_is_over_when_nothing_more_has_to_happen() {
    use EventType as T;
    let cases: &[(&[T], bool)] = &[
        (&[], false),
        (&[T::OrderCreated], false),
        (&[T::OrderCreated, T::InventoryReserved, T::PaymentProcessed], false),
        (&[T::OrderCreated, T::InventoryReserved, T::PaymentProcessed, T::ShipmentCreated], true),
        (&[T::OrderCreated, T::PaymentProcessed, T::ShipmentCreated, T::ReturnRequested], true),
        (&[T::OrderCreated, T::PaymentProcessed, T::ShipmentCreated, T::ReturnRequested, T::GoodsReturned], true),
        (&[T::OrderCreated, T::InventoryRejected], true),
        (&[T::OrderCreated, T::PaymentProcessed, T::InventoryRejected], false),
        (&[T::OrderCreated, T::PaymentProcessed, T::InventoryRejected, T::PaymentRefunded], true),
        (&[T::OrderCreated, T::InventoryRejected, T::ShipmentCreated], false),
        (&[T::OrderCreated, T::InventoryRejected, T::ShipmentCreated, T::ShipmentCancelled], true),
    ];
    for (learned, is_over) in cases {
        assert_eq!(Orders::is_over(&order_after(learned)), *is_over, "{learned:?}");
    }
}

const PERIOD: WithdrawalPeriod = WithdrawalPeriod::of_days(48);

/// Time at which the sample events happen, and so the shipment.
fn shipped_at() -> Time {
    fact(E::ShipmentCreated).context.time
}

#[test]
fn a_withdrawal_cancels_until_the_goods_are_on_their_way_and_then_asks_for_them_back() {
    let cancelled = OrderCancelled { order_id: id(), reason: CancellationReason::CustomerRequest };
    let cancels = Step::record(Change::Cancelled(CancellationReason::CustomerRequest, None)).publishing(cancelled);
    let returns = || Step::publish(ReturnRequested { order_id: id(), return_id: ReturnId::of(&id()) });
    let (in_time, late) = (shipped_at(), PERIOD.end(shipped_at()));
    for (given, then_in_time, then_late) in [
        (&[][..], Err(WithdrawalRefusal::Unknown), Err(WithdrawalRefusal::Unknown)),
        // As long as the goods have not left no period runs.
        (OPEN, Ok(cancels.clone()), Ok(cancels.clone())),
        (RESERVED, Ok(cancels.clone()), Ok(cancels.clone())),
        (PAID, Ok(cancels.clone()), Ok(cancels)),
        (CANCELLED, Ok(Step::Nothing), Ok(Step::Nothing)),
        (SHIPPED, Ok(returns()), Err(WithdrawalRefusal::Late)),
        // Nor does it matter how late a withdrawal is repeated.
        (WITHDRAWN, Ok(Step::Nothing), Ok(Step::Nothing)),
    ] {
        assert_eq!(withdraw(&order_after(given), PERIOD, in_time), then_in_time, "{given:?}");
        assert_eq!(withdraw(&order_after(given), PERIOD, late), then_late, "{given:?}, late");
    }
}

#[test]
fn the_period_begins_after_the_day_of_the_shipment_and_its_last_day_counts_to_the_end() {
    let time = |text| Time::new(text).unwrap();
    for (shipped, days, end) in [
        ("2026-11-22T00:00:00.000Z", 14, "2026-12-07T00:00:00.000Z"),
        ("2026-11-22T23:59:59.999Z", 14, "2026-12-07T00:00:00.000Z"),
        ("2026-11-23T00:00:00.000Z", 14, "2026-12-08T00:00:00.000Z"),
        ("2026-11-22T12:00:00.000Z", 48, "2027-01-10T00:00:00.000Z"),
        ("2028-02-28T12:00:00.000Z", 14, "2028-03-14T00:00:00.000Z"),
        ("1969-12-31T23:59:59.999Z", 14, "1970-01-15T00:00:00.000Z"),
    ] {
        let period = WithdrawalPeriod::of_days(days);
        assert_eq!(period.end(time(shipped)), time(end), "{shipped} and {days} days");
    }
    let shipped = order_after(SHIPPED);
    let end = PERIOD.end(shipped_at());
    let last = Time::from_millis(end.as_millis() - 1);
    assert!(withdraw(&shipped, PERIOD, last).is_ok());
    assert_eq!(withdraw(&shipped, PERIOD, end), Err(WithdrawalRefusal::Late));
}

/// The withdrawal and what becomes of it, once it is on record.
#[test]
fn a_withdrawal_is_known_by_the_event_that_tells_of_it() {
    for (given, expected) in [
        (OPEN, None),
        (PAID, None),
        (SHIPPED, None),
        (CANCELLED, Some((Outcome::Cancelled, "OrderCancelled"))),
        (WITHDRAWN, Some((Outcome::Return, "ReturnRequested"))),
    ] {
        let Order::Known(known) = order_after(given) else { panic!("unknown") };
        let withdrawn = known.withdrawn();
        let found = withdrawn.map(|withdrawn| (withdrawn.outcome, withdrawn.seen.event_type.as_str()));
        assert_eq!(found, expected, "{given:?}");
    }
}

#[test]
fn what_becomes_of_a_return_is_known_in_any_order() {
    let back = |given: &[EventType]| {
        let Order::Known(known) = order_after(given) else { panic!("unknown") };
        let goods_return = known.goods_return.unwrap();
        assert_eq!(goods_return.return_id, ReturnId::of(&id()));
        assert_eq!(goods_return.requested_at, fact(E::ReturnRequested).context.time);
        (goods_return.received_at.is_some(), goods_return.refunded)
    };
    let then = |more: &[EventType]| back(&[WITHDRAWN, more].concat());
    assert_eq!(then(&[]), (false, false));
    assert_eq!(then(&[E::GoodsReturned]), (true, false));
    assert_eq!(then(&[E::PaymentRefunded]), (false, true), "the refund may be heard of first");
    assert_eq!(then(&[E::GoodsReturned, E::PaymentRefunded]), (true, true));
    assert_eq!(then(&[E::PaymentRefunded, E::GoodsReturned]), (true, true));
    let before = [SHIPPED, &[E::GoodsReturned, E::PaymentRefunded, E::ReturnRequested]].concat();
    assert_eq!(back(&before), (true, true));
}

/// The event that tells of an erasure is folded as the ledger does it, whatever was published with it.
fn erased(order: Order) -> Order {
    let Step::Commit(commit) = erase(&order, None) else { return order };
    let events: Vec<Event> = commit.events.into_iter().map(sample::event).collect();
    let change = commit.change.or_else(|| Orders::change_from(&events[0])).unwrap();
    events.iter().fold(Orders::evolve(order, change), Orders::evolve_published)
}

#[test]
fn an_erasure_in_every_state() {
    let told = || vec![Payload::from(PersonalDataErased { order_id: id() })];
    let cancelled = || {
        let cancelled = OrderCancelled { order_id: id(), reason: CancellationReason::CustomerRequest };
        [vec![Payload::from(cancelled)], told()].concat()
    };
    for (given, expected, then) in [
        (OPEN, cancelled(), Status::Cancelled(CancellationReason::CustomerRequest)),
        (RESERVED, cancelled(), Status::Cancelled(CancellationReason::CustomerRequest)),
        (PAID, cancelled(), Status::Cancelled(CancellationReason::CustomerRequest)),
        (CANCELLED, told(), Status::Cancelled(OutOfStock)),
        (SHIPPED, told(), Status::Shipped),
        (WITHDRAWN, told(), Status::Shipped),
    ] {
        let order = order_after(given);
        let Step::Commit(commit) = erase(&order, None) else { panic!("{given:?}: nothing") };
        assert_eq!((commit.events, commit.updates, commit.unfinished), (expected, Vec::new(), false), "{given:?}");
        let order = erased(order);
        let Order::Known(known) = &order else { panic!("{given:?}: unknown") };
        assert_eq!((known.status, known.is_erased), (then, true), "{given:?}");
        let seen = known.timeline.iter().filter(|seen| seen.event_type == "PersonalDataErased").count();
        assert_eq!(seen, 1, "{given:?}");
        assert_eq!(erase(&order, None), Step::Nothing, "{given:?}, again");
    }
    assert_eq!(erase(&Order::Unknown, None), Step::Nothing);
}

#[test]
fn what_a_customer_orders_after_an_erasure_goes_on() {
    let order = order_after(OPEN);
    let Order::Known(known) = &order else { panic!("unknown") };
    let name = |name: &str| onewrite::envelope::KeyName::new(name).unwrap();
    let own = name(known.created.details.personal.sealed().unwrap().key_name());
    assert_eq!(erase(&order, Some(&own)), Step::Nothing, "it is sealed with the key that they have now");
    assert_ne!(erase(&order, Some(&name("another"))), Step::Nothing);
}

/// Whatever is heard of an order after its customer was erased is kept as of any other: its money comes back.
#[test]
fn an_erased_order_goes_on_to_its_end() {
    let order = erased(order_after(PAID));
    assert!(!Orders::is_over(&order), "its payment is not refunded yet");
    let heard = fact(E::PaymentRefunded);
    let Ok(Step::Commit(commit)) = decide(&order, &heard) else { panic!("nothing") };
    let order = Orders::evolve(order, commit.change.unwrap());
    assert!(Orders::is_over(&order));
    assert_eq!(erase(&order, None), Step::Nothing);
}

use onewrite::Step;
use orderflow_events::sample::{self, event};
use orderflow_events::{CancellationReason, GoodsReturned, InventoryReserved, OrderCancelled, ReturnId};
use serde_json::json;

use super::*;

/// Result of a decision.
type Decision = Result<Next, Rejection>;

/// Every answer that an attempt may come back with: none, charged, declined, cancelled, refunded, admitted, refused.
fn answers() -> [Option<Answer>; 7] {
    let declined = Answer::Declined { payment: payment(), reason: reason() };
    let of_provider = [Some(charged_answer()), Some(declined), Some(Answer::Cancelled), Some(Answer::Refunded)];
    let [charged, declined, cancelled, refunded] = of_provider;
    [None, charged, declined, cancelled, refunded, Some(Answer::Admitted), Some(Answer::Refused)]
}

/// Given, then: what `payload` comes to after these changes, with each of the [`answers`].
fn check(payload: impl Into<Payload>, rows: [(&[Change], [Decision; 7]); 8]) {
    let event = event(payload).heard().unwrap();
    for (given, then) in rows {
        let state = state(given);
        for (answer, then) in answers().iter().zip(then) {
            let decision = Payment::decide(&state, &event, answer.as_ref());
            assert_eq!(decision, then, "given {given:?}, when {} and {answer:?}", event.data.event_type());
        }
    }
}

#[test]
fn order_created() {
    let known = || same(Ok(Step::Nothing));
    check(
        created(),
        [
            (UNKNOWN, same(Ok(Step::record(ordered())))),
            (&due(), known()),
            (&charging(), known()),
            (&paid(), known()),
            (&refunding(), known()),
            (&failed(), known()),
            (&cancelled(), known()),
            (&refunded(), known()),
        ],
    );
}

#[test]
fn inventory_reserved() {
    let nothing = || Ok(Step::Nothing);
    let cancel = || Step::record(Change::Cancelled);
    check(
        reserved(),
        [
            (UNKNOWN, same(Err(UNKNOWN_ORDER))),
            (&due(), [count(), count(), count(), count(), count(), Step::record_intent(intent()), refuse()].map(Ok)),
            (&charging(), [charge(), done(Step::record), decline(), cancel(), charge(), charge(), charge()].map(Ok)),
            (&paid(), same(nothing())),
            (&refunding(), same(nothing())),
            (&failed(), charged_late()),
            (&cancelled(), charged_late()),
            (&refunded(), same(nothing())),
        ],
    );
}

#[test]
fn order_cancelled() {
    let nothing = || Ok(Step::Nothing);
    let cancel = || Step::record(Change::Cancelled);
    let ask = || {
        let of_it = OrderCancelled { order_id: order(), reason: CancellationReason::CustomerRequest };
        Step::Perform(Effect::Cancel { payment: payment(), counted: counted(), at: event(of_it).context.time })
    };
    check(
        OrderCancelled { order_id: order(), reason: CancellationReason::CustomerRequest },
        [
            (UNKNOWN, same(Ok(cancel()))),
            (&due(), same(Ok(cancel()))),
            (&charging(), [ask(), done(Step::record_intent), decline(), cancel(), ask(), ask(), ask()].map(Ok)),
            (&paid(), same(Ok(go_on_to_refund()))),
            (&refunding(), [refund(), refund(), refund(), refund(), give_back(), refund(), refund()].map(Ok)),
            (&failed(), charged_late()),
            (&cancelled(), charged_late()),
            (&refunded(), same(nothing())),
        ],
    );
}

#[test]
fn goods_returned() {
    let nothing = || Ok(Step::Nothing);
    let early = || same(Err(Rejection::TooEarly("not paid yet")));
    check(
        returned(),
        [
            (UNKNOWN, same(Err(UNKNOWN_ORDER))),
            (&due(), early()),
            (&charging(), early()),
            (&paid(), same(Ok(go_on_to_refund()))),
            (&refunding(), [refund(), refund(), refund(), refund(), give_back(), refund(), refund()].map(Ok)),
            (&failed(), same(nothing())),
            (&cancelled(), same(nothing())),
            (&refunded(), same(nothing())),
        ],
    );
    let free = Payment::decide(&state(&[free_order()]), &event(returned()).heard().unwrap(), None);
    assert_eq!(free, Err(Rejection::TooEarly("not paid yet")));
}

#[test]
fn an_order_that_was_cancelled_before_it_was_known_is_never_due() {
    let state = state(&[Change::Cancelled]);
    assert_eq!(state, State::Cancelled);
    for payload in [Payload::from(created()), Payload::from(reserved())] {
        assert_eq!(Payment::decide(&state, &event(payload).heard().unwrap(), None), Ok(Step::Nothing));
    }
}

/// Nobody is asked, whether the customer has named a way to pay or not.
#[test]
fn an_order_of_nothing_is_paid_and_given_back_without_the_provider() {
    for payment_method in [None, Some(method())] {
        let mut created = created();
        (created.total, created.details.payment_method) = (nothing(), payment_method);
        let created = event(created).heard().unwrap();
        assert_eq!(Payment::decide(&State::Unknown, &created, None), Ok(Step::record(free_order())));
    }
    let (order_id, payment_id, amount) = (order(), payment(), nothing());
    let processed = PaymentProcessed { order_id: order_id.clone(), payment_id: payment_id.clone(), amount };
    let refunded = PaymentRefunded { order_id, payment_id, refund_id: RefundId::of(&order()), amount };
    let cancelled = || OrderCancelled { order_id: order(), reason: CancellationReason::CustomerRequest };
    for (given, payload, then) in [
        (vec![free_order()], Payload::from(reserved()), Step::record(free_charge()).publishing(processed)),
        (vec![free_order()], cancelled().into(), Step::record(Change::Cancelled)),
        (vec![free_order(), free_charge()], reserved().into(), Step::Nothing),
        (
            vec![free_order(), free_charge()],
            cancelled().into(),
            Step::record(Change::Refunded).publishing(refunded.clone()),
        ),
        (vec![free_order(), free_charge()], returned().into(), Step::record(Change::Refunded).publishing(refunded)),
        (vec![free_order(), free_charge(), Change::Refunded], cancelled().into(), Step::Nothing),
        (vec![free_order(), Change::Cancelled], reserved().into(), Step::Nothing),
    ] {
        let event = event(payload).heard().unwrap();
        assert_eq!(Payment::decide(&state(&given), &event, None), Ok(then), "given {given:?}");
    }
}

#[test]
fn the_states_are_what_the_changes_made_of_them() {
    let (payment, amount, total) = (payment(), money(), money());
    for (given, then) in [
        (UNKNOWN, State::Unknown),
        (&[free_order()], State::Free { total: nothing() }),
        (&[free_order(), free_charge()], State::Paid { payment: payment.clone(), amount: nothing() }),
        (&due(), State::Due { total, method: method(), counted: counted() }),
        (&charging(), State::Charging { payment: payment.clone(), total, method: method(), counted: counted() }),
        (&paid(), State::Paid { payment: payment.clone(), amount }),
        (&refunding(), State::Refunding { payment: payment.clone(), refund: RefundId::of(&order()), amount }),
        (&failed(), State::Failed),
        (&[ordered(), Change::Declined], State::Failed),
        (&cancelled(), State::Cancelled),
        (&[&charging()[..], &[Change::Cancelled]].concat(), State::Cancelled),
        (&refunded(), State::Refunded),
    ] {
        assert_eq!(state(given), then, "{given:?}");
    }
}

#[test]
fn what_is_published_tells_the_change() {
    for step in [done(Step::record), decline(), give_back()] {
        let Step::Commit(mut commit) = step else { panic!("no commit") };
        assert_eq!(Payment::change_from(&event(commit.events.remove(0))), commit.change);
    }
    assert_eq!(Payment::change_from(&event(created())), None);
}

/// Rows are never changed, so every later build has to read them like this.
#[test]
fn changes_are_stored_like_this() {
    let total = json!({ "amount": 3685, "currency": "EUR" });
    for (change, stored) in [
        (
            ordered(),
            json!({ "ordered": {
                "total": total,
                "method": "pm_card_visa",
                "counted": ["method#0ac348513f4e6619768c189786a419ab", "customer#2908905ede164ca82eb939db65fc99e1"],
            } }),
        ),
        (
            Change::Ordered { total: money(), method: Some(method()), counted: Vec::new() },
            json!({ "ordered": { "total": total, "method": "pm_card_visa" } }),
        ),
        (free_order(), json!({ "ordered": { "total": { "amount": 0, "currency": "EUR" } } })),
        (intent(), json!({ "chargeIntended": { "payment": "pay_1ez6m7xhq1v6vjcndwmdyvsfys" } })),
        (charged_change(), json!({ "charged": { "payment": payment(), "amount": total } })),
        (Change::Declined, json!("declined")),
        (Change::Cancelled, json!("cancelled")),
        (refund_intent(), json!({ "refundIntended": { "refund": RefundId::of(&order()) } })),
        (Change::Refunded, json!("refunded")),
    ] {
        assert_eq!(serde_json::to_value(&change).unwrap(), stored);
        assert_eq!(serde_json::from_value::<Change>(stored).unwrap(), change);
    }
}

const UNKNOWN: &[Change] = &[];
const UNKNOWN_ORDER: Rejection = Rejection::TooEarly("no OrderCreated yet");

fn due() -> Vec<Change> {
    vec![ordered()]
}

fn charging() -> Vec<Change> {
    vec![ordered(), intent()]
}

fn paid() -> Vec<Change> {
    vec![ordered(), intent(), charged_change()]
}

fn refunding() -> Vec<Change> {
    vec![ordered(), intent(), charged_change(), refund_intent()]
}

fn failed() -> Vec<Change> {
    vec![ordered(), intent(), Change::Declined]
}

fn cancelled() -> Vec<Change> {
    vec![ordered(), Change::Cancelled]
}

fn refunded() -> Vec<Change> {
    vec![ordered(), intent(), charged_change(), refund_intent(), Change::Refunded]
}

fn state(changes: &[Change]) -> State {
    changes.iter().cloned().fold(State::default(), Payment::evolve)
}

fn ordered() -> Change {
    Change::Ordered { total: money(), method: Some(method()), counted: counted() }
}

fn counted() -> Vec<Tally> {
    vec![Tally::of_method(&method()), Tally::of_customer(&created().details.customer.id)]
}

fn nothing() -> Money {
    Money::new(0, "EUR").unwrap()
}

fn free_order() -> Change {
    Change::Ordered { total: nothing(), method: None, counted: Vec::new() }
}

fn free_charge() -> Change {
    Change::Charged { payment: payment(), amount: nothing() }
}

fn intent() -> Change {
    Change::ChargeIntended { payment: payment() }
}

fn charged_change() -> Change {
    Change::Charged { payment: payment(), amount: money() }
}

fn refund_intent() -> Change {
    Change::RefundIntended { refund: RefundId::of(&order()) }
}

fn same(decision: Decision) -> [Decision; 7] {
    std::iter::repeat_n(decision, 7).collect::<Vec<_>>().try_into().unwrap()
}

/// Nothing, but where the provider has charged against its promise.
fn charged_late() -> [Decision; 7] {
    let mut decisions = same(Ok(Step::Nothing));
    decisions[1] = charged_after_all();
    decisions
}

fn count() -> Next {
    Step::Perform(Effect::CountDeclines { counted: counted(), at: event(reserved()).context.time })
}

/// It fails without an intent, for nobody was asked.
fn refuse() -> Next {
    let failed = PaymentFailed { order_id: order(), payment_id: payment(), reason: refusal() };
    Step::record(Change::Declined).publishing(failed)
}

fn charge() -> Next {
    let (counted, at) = (counted(), event(reserved()).context.time);
    Step::Perform(Effect::Charge { payment: payment(), amount: money(), method: method(), counted, at })
}

fn charged_after_all() -> Decision {
    let why = "the provider has charged what it had declined or cancelled: a person has to decide";
    Err(Rejection::Forbidden(why.to_owned()))
}

fn refund() -> Next {
    let refund = RefundId::of(&order());
    Step::Perform(Effect::Refund { payment: payment(), refund, amount: money() })
}

fn done(record: impl Fn(Change) -> Next) -> Next {
    let processed = PaymentProcessed { order_id: order(), payment_id: payment(), amount: money() };
    record(charged_change()).publishing(processed)
}

fn decline() -> Next {
    let failed = PaymentFailed { order_id: order(), payment_id: payment(), reason: reason() };
    Step::record(Change::Declined).publishing(failed)
}

fn go_on_to_refund() -> Next {
    Step::record_intent(refund_intent())
}

fn give_back() -> Next {
    let (order_id, payment_id, refund_id) = (order(), payment(), RefundId::of(&order()));
    let refunded = PaymentRefunded { order_id, payment_id, refund_id, amount: money() };
    Step::record(Change::Refunded).publishing(refunded)
}

fn charged_answer() -> Answer {
    Answer::Charged { payment: payment(), amount: money() }
}

fn reason() -> PaymentFailure {
    PaymentFailure { code: "card_declined".parse().unwrap(), message: "Your card was declined.".parse().unwrap() }
}

fn order() -> OrderId {
    OrderId::new("ord_1").unwrap()
}

fn payment() -> PaymentId {
    PaymentId::of(&order())
}

fn money() -> Money {
    created().total
}

fn method() -> PaymentMethod {
    PaymentMethod::new("pm_card_visa").unwrap()
}

fn returned() -> GoodsReturned {
    GoodsReturned { order_id: order(), return_id: ReturnId::of(&order()), lines: Vec::new() }
}

fn reserved() -> InventoryReserved {
    InventoryReserved { order_id: order(), lines: Vec::new() }
}

fn created() -> OrderCreated {
    sample::order("ord_1")
}

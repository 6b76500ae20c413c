use onewrite::Step;
use orderflow_events::sample::{self, event};
use orderflow_events::{CancellationReason, ClearedBy, OrderCancelled, PaymentId, PaymentProcessed};
use serde_json::json;

use super::*;

/// Result of a decision.
type Decision = Result<Next, Rejection>;

/// Every answer that an attempt may come back with: none, booked, cancelled, voided, the rule that flagged orders are held, that
/// they are not, and nobody to ship to.
fn answers() -> [Option<Answer>; 7] {
    let booked =
        Answer::Booked { shipment: shipment(), carrier: text("Parcel Service"), tracking_number: text("SPS1") };
    let [held, free] = [HoldFlagged::Yes, HoldFlagged::No].map(|rule| Some(Answer::Rule(rule)));
    [None, Some(booked), Some(Answer::Cancelled), Some(Answer::Voided), held, free, Some(Answer::NoRecipient)]
}

/// Given, then: what `payload` comes to after these changes, with each of the [`answers`].
fn check(payload: impl Into<Payload>, rows: [(&[Change], [Decision; 7]); 9]) {
    let event = event(payload).heard().unwrap();
    for (given, then) in rows {
        let state = state(given);
        for (answer, then) in answers().iter().zip(then) {
            let decision = Shipping::decide(&state, &event, answer.as_ref());
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
            (&ready(), known()),
            (&cleared(), known()),
            (&held(), known()),
            (&booking(), known()),
            (&shipped(), known()),
            (&voiding(), known()),
            (&cancelled(), known()),
            (&voided(), known()),
        ],
    );
}

#[test]
fn a_person_in_clear_is_not_taken_and_so_not_kept() {
    let event = event(sample::order_in_clear("ord_1")).heard().unwrap();
    let refused = Err(Rejection::Forbidden(IN_CLEAR.to_owned()));
    assert_eq!(Shipping::decide(&State::Unknown, &event, None), refused);
    assert_eq!(Shipping::decide(&state(&ready()), &event, None), Ok(Step::Nothing));
}

#[test]
fn payment_processed() {
    let nothing = || Ok(Step::Nothing);
    let ask = || Step::Perform(Effect::AskRule);
    check(
        paid(),
        [
            (UNKNOWN, same(Err(UNKNOWN_ORDER))),
            (&ready(), [ask(), ask(), ask(), ask(), Step::record(Change::Held), intend(), ask()].map(Ok)),
            (&cleared(), same(Ok(intend()))),
            (&held(), same(nothing())),
            (&booking(), booked_or_not()),
            (&shipped(), same(nothing())),
            (&voiding(), same(nothing())),
            (&cancelled(), nothing_but_booked()),
            (&voided(), same(nothing())),
        ],
    );
}

/// An order that is paid and cleared, and may be booked at any moment.
fn booked_or_not() -> [Decision; 7] {
    let cancel = Step::record(Change::Cancelled);
    let found = [book(), done(Step::record), cancel, book(), book(), book()];
    let [none, booked, cancelled, voided, held, free] = found.map(Ok);
    [none, booked, cancelled, voided, held, free, Err(ERASED)]
}

/// An order that is cancelled.
fn nothing_but_booked() -> [Decision; 7] {
    let [none, _, cancelled, voided, held, free, erased] = same(Ok(Step::Nothing));
    [none, booked_after_all(), cancelled, voided, held, free, erased]
}

#[test]
fn order_cleared() {
    let nothing = || Ok(Step::Nothing);
    check(
        OrderCleared { order_id: order(), by: ClearedBy::Person },
        [
            (UNKNOWN, same(Err(UNKNOWN_ORDER))),
            (&ready(), same(Ok(Step::record(Change::Cleared)))),
            (&cleared(), same(nothing())),
            (&held(), same(Ok(intend()))),
            (&booking(), booked_or_not()),
            (&shipped(), same(nothing())),
            (&voiding(), same(nothing())),
            (&cancelled(), nothing_but_booked()),
            (&voided(), same(nothing())),
        ],
    );
}

#[test]
fn a_payment_of_another_amount_ships_nothing() {
    let another = |amount, currency| PaymentProcessed { amount: Money::new(amount, currency).unwrap(), ..paid() };
    let not_the_total = Err(Rejection::Forbidden("the payment is not of the order's total".to_owned()));
    for paid in [another(total().amount() - 1, total().currency()), another(total().amount(), "JPY")] {
        let event = event(paid).heard().unwrap();
        for given in [ready(), cleared(), held(), booking()] {
            assert_eq!(Shipping::decide(&state(&given), &event, None), not_the_total, "{event:?} {given:?}");
        }
        assert_eq!(Shipping::decide(&state(&shipped()), &event, None), Ok(Step::Nothing), "it is on its way");
    }
}

#[test]
fn order_cancelled() {
    let nothing = || Ok(Step::Nothing);
    let cancel = || Step::record(Change::Cancelled);
    let ask = || Step::Perform(Effect::Cancel { shipment: shipment() });
    check(
        OrderCancelled { order_id: order(), reason: CancellationReason::CustomerRequest },
        [
            (UNKNOWN, same(Ok(cancel()))),
            (&ready(), same(Ok(cancel()))),
            (&cleared(), same(Ok(cancel()))),
            (&held(), same(Ok(cancel()))),
            (&booking(), [ask(), done(Step::record_intent), cancel(), ask(), ask(), ask(), ask()].map(Ok)),
            (&shipped(), same(Ok(Step::record_intent(Change::VoidIntended)))),
            (&voiding(), [void(), void(), void(), give_up(), void(), void(), void()].map(Ok)),
            (&cancelled(), nothing_but_booked()),
            (&voided(), same(nothing())),
        ],
    );
}

#[test]
fn an_order_that_was_cancelled_before_it_was_known_is_never_ready() {
    let state = state(&[Change::Cancelled]);
    assert_eq!(state, State::Cancelled);
    let cleared = OrderCleared { order_id: order(), by: ClearedBy::Screening };
    for payload in [Payload::from(created()), Payload::from(paid()), Payload::from(cleared)] {
        assert_eq!(Shipping::decide(&state, &event(payload).heard().unwrap(), None), Ok(Step::Nothing));
    }
}

#[test]
fn the_states_are_what_the_changes_made_of_them() {
    let shipment = shipment();
    for (given, then) in [
        (UNKNOWN, State::Unknown),
        (&ready(), State::Ready { recipient: recipient(), total: total() }),
        (&cleared(), State::Cleared { recipient: recipient(), total: total() }),
        (&held(), State::Held { recipient: recipient(), total: total() }),
        (&booking(), State::Booking { shipment: shipment.clone(), recipient: recipient(), total: total() }),
        (
            &[&cleared()[..], &[intent()]].concat(),
            State::Booking { shipment: shipment.clone(), recipient: recipient(), total: total() },
        ),
        (
            &[&held()[..], &[intent()]].concat(),
            State::Booking { shipment: shipment.clone(), recipient: recipient(), total: total() },
        ),
        (&shipped(), State::Shipped { shipment: shipment.clone() }),
        (&voiding(), State::Voiding { shipment: shipment.clone() }),
        (&[&booking()[..], &[Change::Cancelled]].concat(), State::Cancelled),
        (&cancelled(), State::Cancelled),
        (&voided(), State::Voided),
    ] {
        assert_eq!(state(given), then, "{given:?}");
    }
}

#[test]
fn what_is_published_tells_the_change() {
    for step in [done(Step::record), give_up()] {
        let Step::Commit(mut commit) = step else { panic!("no commit") };
        assert_eq!(Shipping::change_from(&event(commit.events.remove(0))), commit.change);
    }
    assert_eq!(Shipping::change_from(&event(created())), None);
}

/// Rows are never changed, so every later build has to read them like this.
#[test]
fn changes_are_stored_like_this() {
    let recipient = json!({ "customer": "cus_1", "personal": recipient().personal.as_str() });
    for (change, stored) in [
        (ordered(), json!({ "ordered": { "recipient": recipient, "total": total() } })),
        (Change::Cleared, json!("cleared")),
        (Change::Held, json!("held")),
        (intent(), json!({ "bookingIntended": { "shipment": shipment() } })),
        (booked(), json!({ "booked": { "shipment": shipment() } })),
        (Change::Cancelled, json!("cancelled")),
        (Change::VoidIntended, json!("voidIntended")),
        (Change::Voided, json!("voided")),
    ] {
        assert_eq!(serde_json::to_value(&change).unwrap(), stored);
        assert_eq!(serde_json::from_value::<Change>(stored).unwrap(), change);
    }
}

const UNKNOWN: &[Change] = &[];
const UNKNOWN_ORDER: Rejection = Rejection::TooEarly("no OrderCreated yet");
const ERASED: Rejection =
    Rejection::TooEarly("the recipient is erased, and OrderCancelled, which says so, has not come yet");

fn ready() -> Vec<Change> {
    vec![ordered()]
}

fn cleared() -> Vec<Change> {
    vec![ordered(), Change::Cleared]
}

fn held() -> Vec<Change> {
    vec![ordered(), Change::Held]
}

fn booking() -> Vec<Change> {
    vec![ordered(), intent()]
}

fn shipped() -> Vec<Change> {
    vec![ordered(), intent(), booked()]
}

fn voiding() -> Vec<Change> {
    vec![ordered(), intent(), booked(), Change::VoidIntended]
}

fn cancelled() -> Vec<Change> {
    vec![ordered(), Change::Cancelled]
}

fn voided() -> Vec<Change> {
    vec![ordered(), intent(), booked(), Change::VoidIntended, Change::Voided]
}

fn state(changes: &[Change]) -> State {
    changes.iter().cloned().fold(State::default(), Shipping::evolve)
}

fn ordered() -> Change {
    Change::Ordered { recipient: recipient(), total: total() }
}

fn intent() -> Change {
    Change::BookingIntended { shipment: shipment() }
}

fn booked() -> Change {
    Change::Booked { shipment: shipment() }
}

fn same(decision: Decision) -> [Decision; 7] {
    let [one, two, three, four, five, six] = [(); 6].map(|()| decision.clone());
    [one, two, three, four, five, six, decision]
}

fn intend() -> Next {
    Step::record_intent(intent())
}

fn book() -> Next {
    Step::Perform(Effect::Book { shipment: shipment(), recipient: recipient() })
}

fn booked_after_all() -> Decision {
    let why = "the carrier has booked what it had cancelled: a person has to decide";
    Err(Rejection::Forbidden(why.to_owned()))
}

fn void() -> Next {
    Step::Perform(Effect::Void { shipment: shipment() })
}

fn done(record: impl Fn(Change) -> Next) -> Next {
    let (carrier, tracking_number) = (text("Parcel Service"), text("SPS1"));
    record(booked()).publishing(ShipmentCreated {
        order_id: order(),
        shipment_id: shipment(),
        carrier,
        tracking_number,
    })
}

fn give_up() -> Next {
    Step::record(Change::Voided).publishing(ShipmentCancelled { order_id: order(), shipment_id: shipment() })
}

fn order() -> OrderId {
    OrderId::new("ord_1").unwrap()
}

fn shipment() -> ShipmentId {
    ShipmentId::of(&order())
}

fn text(text: &str) -> Text {
    Text::new(text).unwrap()
}

fn total() -> Money {
    created().total
}

fn recipient() -> Recipient {
    let details = created().details;
    Recipient { customer: details.customer.id, personal: details.personal.sealed().unwrap().clone() }
}

fn paid() -> PaymentProcessed {
    PaymentProcessed { order_id: order(), payment_id: PaymentId::of(&order()), amount: created().total }
}

fn created() -> OrderCreated {
    sample::order("ord_1")
}

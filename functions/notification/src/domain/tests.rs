use onewrite::envelope::Heard as _;
use orderflow_events::Event;

use super::*;
use crate::fixture::{consumed, contact, created, event, order};

fn met() -> Change {
    Change::Met(contact())
}

/// Given what happened before, when this event arrives, then this is done.
#[track_caller]
fn check(given: &[Change], when: &Event, then: &Decision<Notification>) {
    let state = given.iter().cloned().fold(State::default(), Notification::evolve);
    let decision = Notification::decide(&state, &when.heard().unwrap(), None);
    assert_eq!(&decision, then, "{} given {given:?}", when.event_type());
}

#[track_caller]
fn tells(given: &[Change], when: &Event) {
    let message = Message::of(&Heard::hear(&when.data).unwrap());
    let tell = Tell { cause: Cause::from(when), order: order(), contact: contact(), message };
    check(given, when, &Ok(Step::Perform(tell)));
}

#[test]
fn an_unknown_order_must_be_created_first() {
    let early = Err(Rejection::TooEarly("the customer is not known yet"));
    check(&[], &created(), &Ok(Step::record_intent(met())));
    for kind in [
        EventType::PaymentProcessed,
        EventType::PaymentFailed,
        EventType::PaymentRefunded,
        EventType::ShipmentCreated,
        EventType::OrderCancelled,
    ] {
        check(&[], &event(kind), &early);
    }
}

#[test]
fn the_customer_of_a_known_order_is_told() {
    tells(&[met()], &created());
    tells(&[met()], &event(EventType::PaymentProcessed));
    tells(&[met()], &event(EventType::PaymentFailed));
    tells(&[met()], &event(EventType::PaymentRefunded));
    tells(&[met()], &event(EventType::ShipmentCreated));
    check(&[met()], &event(EventType::OrderCancelled), &Ok(Step::record_intent(Change::Cancelled)));
}

#[test]
fn after_a_cancellation_no_success_is_told() {
    let given = [met(), Change::Cancelled];
    check(&given, &created(), &Ok(Step::Nothing));
    check(&given, &event(EventType::PaymentProcessed), &Ok(Step::Nothing));
    tells(&given, &event(EventType::PaymentFailed));
    tells(&given, &event(EventType::PaymentRefunded));
    check(&given, &event(EventType::ShipmentCreated), &Ok(Step::Nothing));
    tells(&given, &event(EventType::OrderCancelled));
}

#[test]
fn what_is_told_is_done() {
    for state in [State::Known(contact()), State::Cancelled(contact())] {
        for event in consumed() {
            let heard = event.heard().unwrap();
            assert_eq!(Notification::decide(&state, &heard, Some(&())), Ok(Step::Nothing), "{heard:?}");
        }
    }
}

/// Stored rows were written by earlier builds: they must be understood for ever.
#[test]
fn changes_are_stored_like_this() {
    for (change, stored) in
        [(met(), r#"{"met":{"email":"ada@example.com","phone":"+4930123456"}}"#), (Change::Cancelled, r#""cancelled""#)]
    {
        assert_eq!(serde_json::to_string(&change).unwrap(), stored);
        assert_eq!(serde_json::from_str::<Change>(stored).unwrap(), change);
    }
}

use onewrite::envelope::Heard as _;
use orderflow_events::Event;

use super::*;
use crate::fixture::{consumed, contact, created, event, order};

fn met() -> Change {
    Change::Met(contact())
}

fn unreachable(channels: &[Channel]) -> Change {
    Change::Unreachable { channels: channels.iter().copied().collect() }
}

fn limited(channels: &[Channel]) -> Change {
    Change::Limited { channels: channels.iter().copied().collect() }
}

fn state(given: &[Change]) -> State {
    given.iter().cloned().fold(State::default(), Notification::evolve)
}

/// Given what happened before, when this event arrives, then this is done.
#[track_caller]
fn check(given: &[Change], when: &Event, then: &Decision<Notification>) {
    let decision = Notification::decide(&state(given), &when.heard().unwrap(), None);
    assert_eq!(&decision, then, "{} given {given:?}", when.event_type());
}

#[track_caller]
fn tells(given: &[Change], when: &Event, unreachable: &[Channel]) {
    let message = match Heard::hear(&when.data).unwrap() {
        Heard::OrderCreated(_) => panic!("nothing is told of it"),
        Heard::InventoryReserved(reserved) => Message::Received { lines: reserved.lines },
        Heard::ShipmentCreated(ShipmentCreated { carrier, tracking_number, .. }) => {
            Message::Shipped { carrier, tracking_number }
        }
        Heard::OrderCancelled(OrderCancelled { reason, .. }) => Message::Cancelled { reason, at: when.context.time },
        Heard::ReturnRequested(ReturnRequested { return_id, .. }) => {
            Message::Withdrawn { return_id, at: when.context.time }
        }
    };
    let customer =
        Customer { contact: contact(), unreachable: unreachable.iter().copied().collect(), is_erased: false };
    let tell = Tell { cause: Cause::from(when), at: when.context.time, order: order(), customer, message };
    check(given, when, &Ok(Step::Perform(tell)));
}

#[test]
fn an_unknown_order_must_be_created_first() {
    let early = Err(Rejection::TooEarly("the customer is not known yet"));
    check(&[], &created(), &Ok(Step::record(met())));
    for kind in [
        EventType::InventoryReserved,
        EventType::ShipmentCreated,
        EventType::OrderCancelled,
        EventType::ReturnRequested,
    ] {
        check(&[], &event(kind), &early);
    }
}

#[test]
fn the_customer_of_a_known_order_is_told() {
    check(&[met()], &created(), &Ok(Step::Nothing));
    tells(&[met()], &event(EventType::InventoryReserved), &[]);
    tells(&[met()], &event(EventType::ShipmentCreated), &[]);
    tells(&[met()], &event(EventType::ReturnRequested), &[]);
    check(&[met()], &event(EventType::OrderCancelled), &Ok(Step::record_intent(Change::Cancelled)));
}

#[test]
fn after_a_cancellation_no_success_is_told() {
    let given = [met(), Change::Cancelled];
    check(&given, &created(), &Ok(Step::Nothing));
    check(&given, &event(EventType::InventoryReserved), &Ok(Step::Nothing));
    check(&given, &event(EventType::ShipmentCreated), &Ok(Step::Nothing));
    tells(&given, &event(EventType::OrderCancelled), &[]);
    tells(&given, &event(EventType::ReturnRequested), &[]);
}

#[test]
fn a_channel_that_reaches_nobody_stays_on_record() {
    use Channel::{Email, Sms};
    tells(&[met(), unreachable(&[Email])], &event(EventType::ShipmentCreated), &[Email]);
    tells(&[met(), unreachable(&[Email]), unreachable(&[Sms])], &event(EventType::ShipmentCreated), &[Email, Sms]);
    for given in [[met(), Change::Cancelled, unreachable(&[Sms])], [met(), unreachable(&[Sms]), Change::Cancelled]] {
        tells(&given, &event(EventType::OrderCancelled), &[Sms]);
    }
    assert_eq!(state(&[unreachable(&[Sms])]), State::Unknown);
}

#[test]
fn what_is_told_is_done_and_who_is_not_reached_is_recorded_once() {
    use Channel::{Email, Sms};
    for cancelled in [None, Some(Change::Cancelled)] {
        for (given, told, then) in [
            (&[][..], &[][..], Step::Nothing),
            (&[], &[Sms], Step::record(unreachable(&[Sms]))),
            (&[], &[Email, Sms], Step::record(unreachable(&[Email, Sms]))),
            (&[Sms], &[Sms], Step::Nothing),
            (&[Sms], &[Email, Sms], Step::record(unreachable(&[Email]))),
        ] {
            let mut changes = vec![met(), unreachable(given)];
            changes.extend(cancelled.clone());
            let told = Told { unreachable: told.iter().copied().collect(), ..Told::default() };
            for event in consumed() {
                let decision = Notification::decide(&state(&changes), &event.heard().unwrap(), Some(&told));
                assert_eq!(decision, Ok(then.clone()), "{} given {changes:?}", event.event_type());
            }
        }
    }
    let told = Told { unreachable: [Email].into(), limited: [Sms].into(), is_erased: false };
    assert_eq!(Notification::decide(&State::Unknown, &created().heard().unwrap(), Some(&told)), Ok(Step::Nothing));
}

#[test]
fn a_customer_who_is_erased_is_recorded_once_and_told_nothing_more() {
    let erased = Told { is_erased: true, ..Told::default() };
    for given in [vec![met()], vec![met(), Change::Cancelled], vec![met(), unreachable(&[Channel::Sms])]] {
        let again = [given.clone(), vec![Change::Erased]].concat();
        for event in consumed() {
            let decided =
                |given: &[Change], told| Notification::decide(&state(given), &event.heard().unwrap(), told).unwrap();
            assert_eq!(decided(&given, Some(&erased)), Step::record(Change::Erased), "{given:?}");
            assert_eq!(decided(&again, Some(&erased)), Step::Nothing, "{again:?}");
            assert!(!matches!(decided(&again, None), Step::Perform(_)), "{} given {again:?}", event.event_type());
        }
    }
    assert_eq!(state(&[Change::Erased]), State::Unknown);
    // A cancellation is taken note of still.
    check(&[met(), Change::Erased], &event(EventType::OrderCancelled), &Ok(Step::record_intent(Change::Cancelled)));
}

#[test]
fn a_person_in_clear_is_not_taken_and_so_not_kept() {
    let in_clear = orderflow_events::sample::event(orderflow_events::sample::order_in_clear("ord_1"));
    check(&[], &in_clear, &Err(Rejection::Forbidden(IN_CLEAR.to_owned())));
}

/// It is an outcome of the event, and says nothing of the next one.
#[test]
fn who_has_had_enough_for_a_day_is_recorded_after_what_lasts() {
    use Channel::{Email, Sms};
    for (given, unreachable_now, limited_now, then) in [
        (&[][..], &[][..], &[Email][..], Step::record(limited(&[Email]))),
        (&[], &[], &[Email, Sms], Step::record(limited(&[Email, Sms]))),
        (&[], &[Email], &[Sms], Step::record_intent(unreachable(&[Email]))),
        (&[Email], &[Email], &[Sms], Step::record(limited(&[Sms]))),
    ] {
        let told = Told {
            unreachable: unreachable_now.iter().copied().collect(),
            limited: limited_now.iter().copied().collect(),
            is_erased: false,
        };
        for event in consumed() {
            let decision =
                Notification::decide(&state(&[met(), unreachable(given)]), &event.heard().unwrap(), Some(&told));
            assert_eq!(decision, Ok(then.clone()), "{} given {given:?}", event.event_type());
        }
    }
    for given in [vec![met()], vec![met(), Change::Cancelled], vec![]] {
        let limited = [&given[..], &[limited(&[Email])]].concat();
        assert_eq!(state(&limited), state(&given));
    }
}

/// Stored rows were written by earlier builds: they must be understood for ever.
#[test]
fn changes_are_stored_like_this() {
    let met_as = format!(
        r#"{{"met":{{"customer":"c1","personal":"{}","country":"DE","total":{{"amount":101990,"currency":"EUR"}}}}}}"#,
        contact().personal.as_str()
    );
    for (change, stored) in [
        (met(), met_as.as_str()),
        (Change::Erased, r#""erased""#),
        (Change::Cancelled, r#""cancelled""#),
        (limited(&[Channel::Sms, Channel::Email]), r#"{"limited":{"channels":["email","sms"]}}"#),
        (unreachable(&[Channel::Sms, Channel::Email]), r#"{"unreachable":{"channels":["email","sms"]}}"#),
    ] {
        assert_eq!(serde_json::to_string(&change).unwrap(), stored);
        assert_eq!(serde_json::from_str::<Change>(stored).unwrap(), change);
    }
}

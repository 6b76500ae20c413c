//! The life of a letter: every change in every state.

use std::collections::BTreeMap;

use orderflow_events::{Text, sample};

use super::*;

fn at(millis: i64) -> Time {
    Time::from_millis(millis)
}

fn message(body: &str) -> Message {
    Message { body: body.to_owned(), attributes: BTreeMap::new() }
}

fn destination() -> Destination {
    Destination { queue_url: "q".to_owned(), function: "f".to_owned(), is_journal: false, is_door: false }
}

fn arrival(failed_at: i64, mark: Option<u32>) -> Arrival {
    let message = message(r#"{"id": "1", "source": "orderflow/orders", "type": "OrderCreated", "subject": "ord_1"}"#);
    let mut arrival = Arrival {
        service: "payment".to_owned(),
        origin: Origin::Consumer,
        source_queue: "arn:dlq".to_owned(),
        destination: destination(),
        message,
        class: Class::Permanent,
        reason: "why".to_owned(),
        failed_at: at(failed_at),
        function: "payment".to_owned(),
        receives: 1,
        mark: None,
    };
    arrival.mark = mark.map(|sends| (arrival.letter_id(), sends));
    arrival
}

fn collected(known: Option<&Letter>, arrival: &Arrival) -> Option<Letter> {
    Letter::collected(known, arrival.letter_id(), arrival)
}

/// A letter in each state: it failed at 10, was sent at 20, and changed for the last time at 30.
fn in_state(state: State) -> Letter {
    let waiting = collected(None, &arrival(10, None)).unwrap();
    let sent = waiting.claimed("red_1", "ada", at(20)).unwrap().confirmed();
    match state {
        State::Waiting => waiting,
        State::Sent => sent,
        State::Handled => sent.handled(Some(4), at(30)).unwrap(),
        State::ParkedAgain => collected(Some(&sent), &arrival(30, Some(1))).unwrap(),
        State::Dropped => waiting.dropped("ada", "poison", at(30)).unwrap().unwrap(),
    }
}

#[test]
fn a_new_message_is_a_letter_that_waits() {
    let letter = in_state(State::Waiting);
    assert_eq!((letter.state, letter.failed_at, letter.revision, letter.sends), (State::Waiting, at(10), 1, 0));
    assert_eq!(letter.glimpse.event_type.as_deref(), Some("OrderCreated"));
    assert_eq!(letter.glimpse.subject.as_deref(), Some("ord_1"));
    let Entry { by, what, why, .. } = &letter.history[0];
    assert_eq!((by.as_str(), what.as_str(), why.as_deref()), ("payment", "parked", Some("why")));
}

#[test]
fn every_change_in_every_state() {
    use State::{Dropped, Handled, ParkedAgain, Sent, Waiting};
    let copy = |letter: &Letter| collected(Some(letter), &arrival(10, None)).map(|letter| letter.state);
    let later = |letter: &Letter| collected(Some(letter), &arrival(40, None)).map(|letter| letter.state);
    let marked = |letter: &Letter| collected(Some(letter), &arrival(40, Some(1))).map(|letter| letter.state);
    let older = |letter: &Letter| collected(Some(letter), &arrival(40, Some(0))).map(|letter| letter.state);
    let claimed = |letter: &Letter| letter.claimed("red_2", "ada", at(50)).ok().map(|letter| letter.state);
    let handled = |letter: &Letter| letter.handled(Some(4), at(50)).map(|letter| letter.state);
    let edited = |letter: &Letter| letter.edited(&message("{}"), "ada", "typo", at(50)).ok().map(|letter| letter.state);
    let dropped = |letter: &Letter| letter.dropped("ada", "poison", at(50)).ok().map(|letter| letter.map(|l| l.state));
    // State; after a copy, a later arrival, one that was sent back now, one that was sent back before; claimed, handled,
    // edited, dropped.
    for (state, copied, arrived, came_back, came_before, sent, done, mended, gone) in [
        (Waiting, None, None, None, None, Some(Sent), Some(Handled), Some(Waiting), Some(Some(Dropped))),
        (Sent, None, Some(ParkedAgain), Some(ParkedAgain), None, None, Some(Handled), None, None),
        (Handled, None, None, None, None, None, None, None, None),
        (ParkedAgain, None, None, None, None, Some(Sent), Some(Handled), Some(Waiting), Some(Some(Dropped))),
        (Dropped, None, Some(Waiting), None, None, None, None, None, Some(None)),
    ] {
        let letter = in_state(state);
        assert_eq!(letter.state, state);
        assert_eq!(copy(&letter), copied, "a copy, {state:?}");
        assert_eq!(later(&letter), arrived, "a later arrival, {state:?}");
        assert_eq!(marked(&letter), came_back, "it comes back, {state:?}");
        assert_eq!(older(&letter), came_before, "an older one comes back, {state:?}");
        assert_eq!(claimed(&letter), sent, "claimed, {state:?}");
        assert_eq!(handled(&letter), done, "handled, {state:?}");
        assert_eq!(edited(&letter), mended, "edited, {state:?}");
        assert_eq!(dropped(&letter), gone, "dropped, {state:?}");
    }
}

#[test]
fn a_change_is_a_revision_and_an_entry_of_the_history() {
    let letter = in_state(State::ParkedAgain);
    let whats: Vec<&str> = letter.history.iter().map(|entry| entry.what.as_str()).collect();
    assert_eq!(whats, ["parked", "sent", "parkedAgain"]);
    assert_eq!(
        (letter.revision, letter.sends, letter.failed_at),
        (4, 1, at(10)),
        "its age counts from the first failure"
    );
    let edited = letter.edited(&message("{}"), "ada", "typo", at(50)).unwrap();
    let entry = edited.history.last().unwrap();
    assert_eq!((entry.by.as_str(), entry.why.as_deref()), ("ada", Some("typo")));
    assert_eq!(entry.replaced.as_ref(), Some(&letter.message), "the message before has a name");
    assert_ne!(edited.message, letter.message);
}

#[test]
fn a_long_history_keeps_its_beginning_and_its_end() {
    let mut letter = in_state(State::Waiting);
    for millis in 0..500 {
        letter = letter.edited(&message("{}"), "ada", "typo", at(millis)).unwrap();
    }
    assert_eq!(letter.history.len(), MAX_HISTORY);
    assert_eq!((letter.history[0].what.as_str(), letter.history[199].at), ("parked", at(499)));
}

#[test]
fn copies_of_one_message_are_one_letter_and_no_others() {
    let of = |service: &str, origin: Origin, body: &str| {
        let mut arrival = arrival(1, None);
        (arrival.service, arrival.origin, arrival.message.body) = (service.to_owned(), origin, body.to_owned());
        arrival.letter_id()
    };
    let id = of("payment", Origin::Consumer, r#"{"a": 1, "b": 2}"#);
    assert_eq!(of("payment", Origin::Undeliverable, r#"{"b":2,"a":1}"#), id, "a text that was written anew");
    for (service, origin, body) in [
        ("shipping", Origin::Consumer, r#"{"a": 1, "b": 2}"#),
        ("payment", Origin::Relay, r#"{"a": 1, "b": 2}"#),
        ("payment", Origin::Consumer, r#"{"a": 1, "b": 3}"#),
        ("payment", Origin::Consumer, "{"),
    ] {
        assert_ne!(of(service, origin, body), id, "{service} {origin:?} {body}");
    }
    assert_ne!(
        of("payment", Origin::Consumer, "{"),
        of("payment", Origin::Consumer, "{ "),
        "what is no JSON is as it is"
    );
}

#[test]
fn a_mark_goes_with_a_message_and_comes_off_again() {
    let id = arrival(1, None).letter_id();
    for (attributes, is_marked) in [(0, true), (9, true), (10, false)] {
        let text = |number| (format!("a{number}"), Attribute::Text("String".to_owned(), "1".to_owned()));
        let message = Message { body: "{}".to_owned(), attributes: (0..attributes).map(text).collect() };
        let mut sent = message.redriven(&id, 3);
        assert!(sent.attributes.len() <= 10);
        assert_eq!(sent.take_mark(), is_marked.then(|| (id.clone(), 3)), "{attributes}");
        assert_eq!(sent, message);
    }
}

#[test]
fn of_a_body_as_much_is_seen_as_there_is() {
    for (body, event_type, subject) in [
        ("no JSON", None, None),
        ("[]", None, None),
        (r#"{"type": 7, "subject": "ord_1"}"#, None, Some("ord_1")),
        (r#"{"Type": "Notification", "Message": "{\"type\": \"A\", \"subject\": \"b\"}"}"#, Some("A"), Some("b")),
        (r#"{"stream": "arn:a", "row": {"pk": "ord_3", "sk": 7}}"#, None, Some("ord_3")),
    ] {
        let glimpse = Glimpse::of(body);
        assert_eq!((glimpse.event_type.as_deref(), glimpse.subject.as_deref()), (event_type, subject), "{body}");
    }
}

#[test]
fn a_row_of_a_relay_is_shown_and_dropped_and_neither_sent_nor_edited() {
    let mut arrival = arrival(10, None);
    arrival.origin = Origin::Relay;
    let letter = collected(None, &arrival).unwrap();
    assert!(letter.claimed("red_1", "ada", at(20)).is_err());
    assert!(letter.edited(&message("{}"), "ada", "typo", at(20)).is_err());
    assert!(letter.dropped("ada", "known", at(20)).unwrap().is_some());
}

#[test]
fn whatever_may_have_somebody_in_it_is_sealed_and_says_nothing_of_them() {
    use Origin::{Consumer, Relay, Undeliverable};
    let sealed = sample::event(sample::order("ord_1"));
    let fact = serde_json::to_string(&sealed).unwrap();
    let mut in_clear: Value = serde_json::from_str(&fact).unwrap();
    in_clear["dataschema"] = "urn:orderflow:OrderCreated:2".into();
    in_clear["data"]["customer"] = serde_json::json!({ "id": "cus_1", "name": "Ada", "email": "ada@example.com" });
    in_clear["data"]["shippingAddress"] = serde_json::json!({ "name": "Ada", "line1": "Road 1", "city": "Berlin", "postalCode": "10115", "country": "DE" });
    let customer = |id: &str| Persons::Customer(orderflow_events::Text::new(id).unwrap());
    let wrapped = serde_json::json!({ "Type": "Notification", "Message": in_clear.to_string() }).to_string();
    let owned =
        |id: &str| serde_json::json!({ "type": "Ada Lovelace", "data": { "customer": { "id": id } } }).to_string();
    for (body, origin, is_door, persons) in [
        (fact.clone(), Consumer, false, Persons::Nobody),
        (fact.clone(), Undeliverable, false, Persons::Nobody),
        // Of another producer, which may have written whatever it likes besides.
        (fact, Consumer, true, customer("cus_1")),
        (in_clear.to_string(), Consumer, false, customer("cus_1")),
        (in_clear.to_string(), Consumer, true, customer("cus_1")),
        (wrapped, Undeliverable, true, customer("cus_1")),
        (owned("auth0|7"), Consumer, true, customer("auth0|7")),
        (owned(""), Consumer, true, Persons::Unknown),
        (owned("\tfingerprints"), Consumer, true, Persons::Unknown),
        ("Ada Lovelace, Road 1".to_owned(), Consumer, true, Persons::Unknown),
        ("Ada Lovelace, Road 1".to_owned(), Consumer, false, Persons::Unknown),
        (r#"{"stream": "arn:a", "row": {"pk": "ord_3"}}"#.to_owned(), Relay, false, Persons::Nobody),
    ] {
        let mut arrival = arrival(10, None);
        (arrival.origin, arrival.destination.is_door, arrival.message.body) = (origin, is_door, body);
        let letter = collected(None, &arrival).unwrap();
        let body = &arrival.message.body;
        assert_eq!(letter.persons_in(body), persons, "{body} {origin:?} {is_door}");
        assert_eq!(letter.is_sealed, persons != Persons::Nobody);
        let readable_until = (persons == Persons::Unknown).then(|| at(10).after(crate::UNOWNED_KEPT));
        assert_eq!(letter.readable_until, readable_until);
        assert_eq!(letter.short_body.is_none(), letter.is_sealed);
        let record = serde_json::to_string(&letter).unwrap();
        assert!(!record.contains("Ada") && !record.contains("Road"), "{record}");
    }
}

#[test]
fn whatever_an_edit_brings_in_is_sealed() {
    let mut arrival = arrival(10, None);
    let fact = message(&serde_json::to_string(&sample::event(sample::order("ord_1"))).unwrap());
    arrival.message = fact.clone();
    let letter = collected(None, &arrival).unwrap();
    assert_eq!((letter.is_sealed, letter.short_body.as_ref()), (false, Some(&fact.body)));
    assert_eq!(letter.glimpse.source.as_deref(), Some("https://library.example"));
    for (body, persons) in [
        ("Ada Lovelace".to_owned(), Persons::Unknown),
        // An event has room for somebody in many a place.
        (fact.body.clone(), Persons::Customer(Text::new("cus_1").unwrap())),
        (fact.body.replace("cus_1", ""), Persons::Unknown),
    ] {
        let edited = letter.edited(&message(&body), "ada", "typo", at(50)).unwrap();
        assert_eq!((edited.is_sealed, edited.short_body.as_ref()), (true, None), "{body}");
        let readable_until = (persons == Persons::Unknown).then(|| at(50).after(crate::UNOWNED_KEPT));
        assert_eq!(edited.readable_until, readable_until);
        assert_eq!((edited.persons_in(&body), edited.glimpse.source.as_ref()), (persons, None), "{body}");
    }
}

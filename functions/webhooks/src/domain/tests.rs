use onewrite::personal::{Key, seal_text};
use serde_json::json;

use super::*;

const NOW: i64 = 1_800_000_000_000;

fn at(seconds: i64) -> Time {
    Time::from_millis(NOW + seconds * 1_000)
}

fn cursor(text: &str) -> Cursor {
    text.parse().unwrap()
}

fn sealed() -> SealedText {
    let key = Key::draw(&onewrite::memory::VirtualTime::new(1)).unwrap();
    seal_text("whsec_", &key, [0; 12]).unwrap()
}

/// An endpoint that sleeps after the fifth page.
fn asleep() -> Endpoint {
    Endpoint {
        id: "whk_1".to_owned(),
        revision: 1,
        owner: None,
        url: "https://partner.example/".to_owned(),
        pattern: None,
        description: None,
        in_order: false,
        created_at: at(0),
        secret: sealed(),
        previous: None,
        disabled: None,
        cursor: cursor("5"),
        wakes: 0,
        due: None,
        hold: None,
        failing: None,
        has_waiting: false,
        hurries: false,
    }
}

fn awake() -> Endpoint {
    Endpoint { due: Some(at(0)), ..asleep() }
}

fn failing(since: i64) -> Endpoint {
    let failing = Failing { since: at(since), rounds: 3, refused_new: 2, had_new: true, missed_after: cursor("2") };
    Endpoint { due: Some(at(100)), failing: Some(failing), ..asleep() }
}

/// A round from the fifth page to the ninth, at whose end there was nothing more.
fn round(attempts: &[Attempt]) -> Round {
    Round {
        before: (cursor("5"), 0),
        cursor: cursor("9"),
        is_end: true,
        attempts: attempts.to_vec(),
        new: u32::try_from(attempts.len()).unwrap(),
        next_at: None,
        pause: Duration::from_mins(1),
    }
}

#[test]
fn who_sleeps_is_woken_at_a_place_and_who_is_awake_looks_for_themself() {
    let mut failing_at_what_waits = failing(0);
    failing_at_what_waits.failing.as_mut().unwrap().had_new = false;
    for (case, endpoint, place, expected) in [
        ("asleep", asleep(), "7", ("7", Some(at(9)))),
        ("asleep, and further than that", asleep(), "3", ("5", Some(at(9)))),
        ("awake", awake(), "7", ("5", Some(at(0)))),
        ("waiting for another attempt", Endpoint { due: Some(at(50)), ..asleep() }, "7", ("5", Some(at(9)))),
        ("failing", failing(0), "7", ("5", Some(at(100)))),
        ("failing at what waits", failing_at_what_waits, "7", ("5", Some(at(9)))),
    ] {
        let mut woken = endpoint.clone();
        woken.wake(&cursor(place), at(9));
        assert_eq!((woken.cursor, woken.due), (cursor(expected.0), expected.1), "{case}");
        assert_eq!(woken.wakes, endpoint.wakes + 1, "{case}");
    }
}

#[test]
fn one_works_for_an_endpoint_that_is_due() {
    let held = |until| Endpoint { hold: Some(("a".to_owned(), at(until))), ..awake() };
    let disabled = Endpoint { disabled: Some((Disabled::ByOwner, at(0))), ..awake() };
    for (case, endpoint, is_due) in [
        ("asleep", asleep(), false),
        ("awake", awake(), true),
        ("later", Endpoint { due: Some(at(11)), ..asleep() }, false),
        ("held", held(11), false),
        ("held by who has died", held(10), true),
        ("disabled", disabled, false),
    ] {
        assert_eq!(endpoint.is_due(at(10)), is_due, "{case}");
        let mut taken = endpoint.clone();
        assert_eq!(taken.hold("b", at(10), at(130)), is_due, "{case}");
        assert_eq!(taken.is_held_by("b"), is_due, "{case}");
        assert!(is_due || taken == endpoint, "{case}");
    }
}

/// Endpoint, round, and what comes of it: cursor, due, rounds that failed, why it is disabled.
type Row = (&'static str, Endpoint, Round, (&'static str, Option<Time>, Option<u32>, Option<Disabled>));

#[test]
fn each_round_says_when_the_next_is() {
    use Attempt::{Gone, Refused, Taken};
    let woken = Endpoint { wakes: 1, ..awake() };
    let sent_back = Endpoint { cursor: cursor("1"), ..awake() };
    let more = Round { is_end: false, ..round(&[Taken]) };
    let waits = Round { next_at: Some(at(70)), ..round(&[Taken, Refused]) };
    let waits_for_a_failing = Round { next_at: Some(at(70)), ..round(&[Refused]) };
    let only_waits = Round { new: 0, ..waits_for_a_failing.clone() };
    let none_in_its_time = Round { attempts: Vec::new(), ..only_waits.clone() };
    let one_event = |since| {
        let mut endpoint = failing(since);
        endpoint.failing.as_mut().unwrap().refused_new = 1;
        endpoint
    };
    let rows: [Row; 19] = [
        ("only what waits fails", awake(), only_waits.clone(), ("9", Some(at(70)), None, None)),
        ("fails on at what waits", failing(0), only_waits.clone(), ("9", Some(at(69)), Some(4), None)),
        ("fails, and none is to be tried yet", failing(0), none_in_its_time, ("9", Some(at(70)), Some(3), None)),
        ("one event for three days", one_event(-259_200), only_waits, ("9", Some(at(69)), Some(4), None)),
        ("two events", one_event(-259_200), waits_for_a_failing.clone(), ("2", None, None, Some(Disabled::Dead))),
        ("nothing to do", awake(), round(&[]), ("9", None, None, None)),
        ("all taken", awake(), round(&[Taken, Taken]), ("9", None, None, None)),
        ("more to read", awake(), more.clone(), ("9", Some(at(9)), None, None)),
        ("woken meanwhile", woken, round(&[Taken]), ("9", Some(at(9)), None, None)),
        ("sent back meanwhile", sent_back, round(&[Taken]), ("1", Some(at(9)), None, None)),
        ("one waits", awake(), waits, ("9", Some(at(70)), None, None)),
        ("first failure", awake(), waits_for_a_failing.clone(), ("9", Some(at(69)), Some(1), None)),
        ("fails on", failing(0), waits_for_a_failing.clone(), ("9", Some(at(69)), Some(4), None)),
        ("recovers", failing(0), round(&[Refused, Taken]), ("9", Some(at(9)), None, None)),
        ("nothing left to fail at", failing(0), round(&[]), ("9", Some(at(9)), None, None)),
        ("almost dead", failing(10 - 259_200), waits_for_a_failing.clone(), ("9", Some(at(69)), Some(4), None)),
        ("dead", failing(9 - 259_200), waits_for_a_failing, ("2", None, None, Some(Disabled::Dead))),
        ("gone", awake(), round(&[Gone]), ("5", None, None, Some(Disabled::Gone))),
        ("gone, and yet it has taken", awake(), round(&[Taken, Gone]), ("9", None, None, Some(Disabled::Gone))),
    ];
    for (case, mut endpoint, round, expected) in rows {
        endpoint.hold = Some(("a".to_owned(), at(100)));
        endpoint.advance(&round, at(9));
        let rounds = endpoint.failing.as_ref().map(|failing| failing.rounds);
        let reason = endpoint.disabled.map(|(reason, _)| reason);
        assert_eq!(
            (endpoint.cursor, endpoint.due, rounds, reason),
            (cursor(expected.0), expected.1, expected.2, expected.3),
            "{case}"
        );
        assert_eq!(endpoint.has_waiting, round.next_at.is_some(), "{case}");
    }
}

#[test]
fn who_recovers_is_sent_at_once_what_waits() {
    let mut endpoint = failing(0);
    endpoint.advance(&round(&[Attempt::Taken]), at(9));
    assert!(endpoint.hurries);
    endpoint.advance(&Round { before: (cursor("9"), 0), ..round(&[Attempt::Taken]) }, at(9));
    assert!(!endpoint.hurries && endpoint.due.is_none());
}

#[test]
fn what_a_disabled_endpoint_has_missed_is_after_its_cursor() {
    let mut endpoint = failing(0);
    endpoint.disable(Disabled::ByOwner, at(1));
    endpoint.disable(Disabled::Dead, at(2));
    assert_eq!((endpoint.disabled, &endpoint.cursor), (Some((Disabled::ByOwner, at(1))), &cursor("2")));
    assert_eq!((endpoint.due, endpoint.hold.clone(), endpoint.failing.clone()), (None, None, None));
    endpoint.resend(cursor("1"), at(3));
    assert_eq!((endpoint.due, &endpoint.cursor), (None, &cursor("1")), "it stays disabled");
    endpoint.enable(at(4));
    assert_eq!((endpoint.due, endpoint.disabled, endpoint.hurries), (Some(at(4)), None, true));
    let before = endpoint.clone();
    endpoint.enable(at(5));
    assert_eq!(endpoint, before, "it is already");
}

#[test]
fn whoever_takes_over_or_begins_anew_looks_for_what_was_noted() {
    let held = || Endpoint { hold: Some(("a".to_owned(), at(10))), ..awake() };
    let mut again = held();
    assert!(again.hold("a", at(5), at(130)) && again == held(), "its own holder has it");
    let (mut taken, mut disabled, mut anew) = (held(), held(), held());
    assert!(taken.hold("b", at(10), at(130)) && taken.has_waiting);
    disabled.disable(Disabled::ByOwner, at(5));
    anew.begin_anew(at(5));
    assert!(disabled.has_waiting && disabled.hold.is_none());
    assert!(anew.has_waiting && anew.hold.is_none(), "what was posted to the URL before says nothing of the new one");
    let mut rotated = awake();
    rotated.rotate(sealed(), at(5));
    assert_eq!(rotated, awake(), "that secret it has already");
}

#[test]
fn an_event_is_tried_for_three_days_from_its_first_attempt() {
    let answer = |status| Ok(Answer { status, beginning: "no".to_owned() });
    let late = 3 * 86_400;
    for (case, answer, tried_at, attempt, state, next_at, told) in [
        ("taken", answer(204), 5, Attempt::Taken, DeliveryState::Delivered, None, "no"),
        ("moved", answer(302), 5, Attempt::Refused, DeliveryState::Waiting, Some(at(35)), "no"),
        ("refused", answer(500), 5, Attempt::Refused, DeliveryState::Waiting, Some(at(35)), "no"),
        ("gone", answer(410), 5, Attempt::Gone, DeliveryState::Waiting, Some(at(35)), "no"),
        (
            "slow",
            Err(Unanswered::TooSlow),
            5,
            Attempt::Refused,
            DeliveryState::Waiting,
            Some(at(35)),
            "it does not answer in time",
        ),
        (
            "inner",
            Err(Unanswered::NotPublic),
            5,
            Attempt::Refused,
            DeliveryState::Waiting,
            Some(at(35)),
            "its address is not public",
        ),
        ("almost too late", answer(500), late, Attempt::Refused, DeliveryState::Waiting, Some(at(late + 30)), "no"),
        ("too late", answer(500), late + 1, Attempt::Refused, DeliveryState::Failed, None, "no"),
        ("taken at last", answer(200), late + 1, Attempt::Taken, DeliveryState::Delivered, None, "no"),
    ] {
        let event = json!({ "id": "e-1", "type": "OrderFlagged" });
        // It was noted long before it was tried.
        let mut delivery = Delivery::new(&event, ("ord_1".to_owned(), "e-1#x".to_owned()), 0, at(-late));
        delivery.tried(&Err(Unanswered::Unreachable), Duration::from_secs(1), at(1));
        assert_eq!(delivery.tried(&answer, Duration::from_secs(30), at(tried_at)), attempt, "{case}");
        assert_eq!((delivery.state, delivery.next_at, delivery.attempts), (state, next_at, 2), "{case}");
        assert_eq!(delivery.answer.as_deref(), Some(told), "{case}");
        assert_eq!(delivery.status, answer.ok().map(|answer| answer.status), "{case}");
    }
}

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
    let url = "https://partner.example/".to_owned();
    Endpoint { revision: 1, due: None, ..Endpoint::new("whk_1".to_owned(), url, sealed(), cursor("5"), at(0)) }
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
        is_feed_end: true,
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
    let rows: Vec<Row> = vec![
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
    assert!(endpoint.resend(cursor("1"), &cursor("9"), at(3)));
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
    rotated.rotate(sealed(), None, at(5));
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

fn with_contact() -> Endpoint {
    Endpoint { contact: Some(sealed()), ..awake() }
}

#[test]
fn an_owner_is_to_be_told_of_each_outage_once() {
    use Disabled::{ByOperator, ByOwner, Dead, Gone};
    let untold = |due, attempts, reason, since| Some(Untold { due: at(due), attempts, reason, since: at(since) });
    let told_before = || Endpoint { told_at: Some(at(0)), ..with_contact() };
    let off = || Endpoint { disabled: Some((ByOwner, at(0))), ..with_contact() };
    for (case, endpoint, reason, expected) in [
        ("dead", with_contact(), Dead, untold(9, 0, Dead, 9)),
        ("gone", with_contact(), Gone, untold(9, 0, Gone, 9)),
        ("by its owner", with_contact(), ByOwner, None),
        ("by an operator", with_contact(), ByOperator, None),
        ("without an address", awake(), Dead, None),
        ("off already", off(), Dead, None),
        ("told of another within the hour", told_before(), Gone, untold(3_600, 0, Gone, 9)),
    ] {
        let mut endpoint = endpoint;
        endpoint.disable(reason, at(9));
        assert_eq!(endpoint.untold, expected, "{case}");
        endpoint.disable(ByOperator, at(10));
        assert_eq!((endpoint.untold.clone(), endpoint.disabled.unwrap().0), (expected, ByOperator), "{case}");
        endpoint.disable(Dead, at(11));
        assert!(endpoint.is_disabled_by_operator(), "{case}: an operator has the last word");
    }
    let outage = || {
        let mut endpoint = with_contact();
        endpoint.disable(Dead, at(9));
        endpoint
    };
    let mut endpoint = outage();
    assert!(endpoint.needs_somebody(at(9)) && !endpoint.needs_somebody(at(8)));
    assert_eq!(endpoint.tell(at(8), at(100)), None);
    let first = endpoint.tell(at(9), at(100)).unwrap();
    assert_eq!((first.attempts, endpoint.tell(at(99), at(200))), (1, None), "somebody has it in hand");
    let second = endpoint.tell(at(100), at(200)).unwrap();
    assert!(!endpoint.told(&first, None), "who is too late says nothing");
    assert!(endpoint.told(&second, Some(at(500))));
    assert_eq!((endpoint.untold.clone(), endpoint.told_at), (untold(500, 2, Dead, 9), Some(at(100))));
    let third = endpoint.tell(at(500), at(600)).unwrap();
    assert!(endpoint.told(&third, None));
    assert_eq!((endpoint.untold.clone(), endpoint.told_at), (None, Some(at(500))));
    endpoint.enable(at(600));
    endpoint.disable(Dead, at(90_000));
    assert_eq!(endpoint.untold, untold(90_000, 0, Dead, 90_000), "of another outage it is told again");
    for (case, end) in [
        ("enabled", Box::new(|it: &mut Endpoint| it.enable(at(20))) as Box<dyn Fn(&mut Endpoint)>),
        ("without an address since", Box::new(|it: &mut Endpoint| it.set_contact(None))),
        ("deleted", Box::new(|it: &mut Endpoint| it.delete(None, at(20)))),
    ] {
        let mut endpoint = outage();
        end(&mut endpoint);
        assert_eq!((endpoint.tell(at(30), at(100)), endpoint.untold), (None, None), "{case}");
    }
    let mut endpoint = outage();
    endpoint.set_contact(Some(sealed()));
    assert_eq!(endpoint.untold, untold(9, 0, Dead, 9), "another address is told");
    let in_hand = endpoint.tell(at(10), at(100)).unwrap();
    endpoint.set_contact(endpoint.contact.clone());
    assert_eq!(endpoint.untold.as_ref(), Some(&in_hand), "the same address");
    let key = Key::draw(&onewrite::memory::VirtualTime::new(1)).unwrap();
    endpoint.set_contact(Some(seal_text("eve@partner.example", &key, [1; 12]).unwrap()));
    assert!(!endpoint.told(&in_hand, None), "another address");
    assert_eq!(endpoint.untold, untold(3_610, 0, Dead, 9), "is told, too, and not before another mail may be");
    // Whoever enables it while a mail is under way does not make it uncounted.
    let mut endpoint = outage();
    let in_hand = endpoint.tell(at(10), at(100)).unwrap();
    endpoint.enable(at(11));
    assert!(!endpoint.told(&in_hand, None));
    endpoint.disable(Gone, at(12));
    assert_eq!(endpoint.untold, untold(3_610, 0, Gone, 12));
    // What an operator does is no reason for its owner to know.
    let mut endpoint = outage();
    endpoint.disable(ByOperator, at(10));
    endpoint.enable_for_owner(at(11));
    assert_eq!((endpoint.disabled, endpoint.untold.clone()), (None, untold(9, 0, Dead, 9)));
    endpoint.disable(ByOperator, at(12));
    assert_eq!(endpoint.untold, untold(9, 0, Dead, 9));
    endpoint.enable(at(13));
    assert_eq!(endpoint.untold, None);
}

#[test]
fn of_the_outages_of_an_owner_some_are_told_of_in_an_hour() {
    let endpoint = |number: usize, owner: &str| {
        let owner = Some(Text::new(owner).unwrap());
        let mut endpoint = Endpoint { id: format!("whk_{number:02}"), owner, ..with_contact() };
        endpoint.disable(Disabled::Gone, at(0));
        endpoint
    };
    let mut all: Vec<Endpoint> = (0..20).map(|number| endpoint(number, "ada")).collect();
    all.push(endpoint(20, "eve"));
    let may = |all: &[Endpoint], now: i64| -> Vec<usize> {
        let may = |it: &&Endpoint| it.is_to_be_told(at(now)) && it.may_be_told(all, at(now));
        all.iter().filter(may).map(|it| it.id[4..].parse().unwrap()).collect()
    };
    let first: Vec<usize> = (0..10).chain([20]).collect();
    assert_eq!(may(&all, 1), first, "the first of them, whoever asks");
    let tell = |it: &mut Endpoint, now| {
        let in_hand = it.tell(at(now), at(100)).unwrap();
        assert!(it.told(&in_hand, None));
    };
    tell(&mut all[3], 1);
    assert_eq!(may(&all, 2), first.iter().copied().filter(|number| *number != 3).collect::<Vec<_>>());
    for number in first.into_iter().filter(|number| *number != 3) {
        tell(&mut all[number], 2);
    }
    all[0].enable(at(3));
    all[1].delete(None, at(3));
    assert_eq!(may(&all, 4), [] as [usize; 0], "whatever was done to those");
    assert!(all[15].tell_later(at(4)) && !all[15].tell_later(at(5)));
    assert_eq!(may(&all, 3_602), [10, 11, 12, 13, 14, 16, 17, 18, 19], "an hour later");
}

#[test]
fn one_that_nobody_can_work_for_is_left_alone() {
    let mut endpoint = awake();
    endpoint.give_up(at(9));
    let due = || Some(at(9).after(UNABLE_PAUSE));
    endpoint.wake(&cursor("7"), at(10));
    assert_eq!((endpoint.unable_since, endpoint.due), (Some(at(9)), due()), "whatever happens");
    let mut again = endpoint.clone();
    again.give_up(at(300));
    assert_eq!((again.unable_since, again.due), (Some(at(9)), Some(at(300).after(UNABLE_PAUSE))));
    again.advance(&round(&[]), at(600));
    assert_eq!(again.unable_since, None, "it can be worked for again");
    let key = |random: u64| Key::draw(&onewrite::memory::VirtualTime::new(random)).unwrap();
    let of = |key: &Key, nonce: u8| seal_text("whsec_", key, [nonce; 12]).unwrap();
    let (known, lost) = (key(2), key(3));
    for (contact, is_kept) in [(of(&known, 1), true), (of(&lost, 1), false)] {
        let mut rotated = Endpoint { contact: Some(contact), ..endpoint.clone() };
        rotated.rotate(of(&known, 2), None, at(20));
        assert_eq!(rotated.contact.is_some(), is_kept, "what is sealed with another key nobody can open");
        assert_eq!((rotated.unable_since, rotated.due), (None, Some(at(20))));
    }
    endpoint.begin_anew(at(20));
    assert_eq!((endpoint.unable_since, endpoint.due), (None, Some(at(20))));
}

#[test]
fn each_secret_signs_for_its_own_day_and_no_more_of_them_than_the_last_ones() {
    let day = 86_400;
    let key = |random: u64| Key::draw(&onewrite::memory::VirtualTime::new(random)).unwrap();
    let of = |key: &Key, nonce: u8| seal_text("whsec_", key, [nonce; 12]).unwrap();
    let (known, lost) = (key(2), key(3));
    let secret = |number: u8| of(&known, number);
    // Those that sign at a time, by their numbers, the current one first.
    let sign = |endpoint: &Endpoint, now: i64| -> Vec<u8> {
        let all: Vec<&SealedText> = std::iter::once(&endpoint.secret).chain(endpoint.still_signing(at(now))).collect();
        all.into_iter().map(|it| (0..10).find(|number| *it == secret(*number)).unwrap()).collect()
    };
    let mut endpoint = Endpoint { secret: secret(0), ..awake() };
    for number in 1..=5 {
        endpoint.rotate(secret(number), None, at(i64::from(number)));
    }
    assert_eq!(sign(&endpoint, 5), [5, 4, 3, 2, 1, 0]);
    assert_eq!((sign(&endpoint, day), sign(&endpoint, day + 1)), (vec![5, 4, 3, 2, 1, 0], vec![5, 4, 3, 2, 1]));
    assert_eq!((sign(&endpoint, day + 4), sign(&endpoint, day + 5)), (vec![5, 4], vec![5]));
    let mut often = endpoint.clone();
    for number in 6..10 {
        often.rotate(secret(number), None, at(6));
        assert_eq!(often.previous.len(), MAX_PREVIOUS);
    }
    assert_eq!(sign(&often, 6), [9, 8, 7, 6, 5, 4], "the earliest goes");
    let mut later = endpoint.clone();
    later.rotate(secret(6), None, at(day + 4));
    assert_eq!((sign(&later, day + 4), later.previous.len()), (vec![6, 5, 4], 2), "what has ended is not kept");
    endpoint.rotate(of(&lost, 0), None, at(6));
    assert_eq!(endpoint.previous, [], "nobody can open what is sealed with another key");
}

#[test]
fn what_is_deleted_is_cleared_once_nobody_is_at_work_for_it() {
    let mut endpoint = Endpoint { hold: Some(("a".to_owned(), at(100))), ..awake() };
    let by = Text::new("ada").unwrap();
    endpoint.delete(Some(&by), at(9));
    endpoint.delete(None, at(10));
    assert_eq!(endpoint.deleted, Some((at(9), Some(by))));
    assert!(!endpoint.is_held_by("a") && !endpoint.is_due(at(200)));
    let after = |seconds: i64| endpoint.needs_somebody(at(9 + seconds));
    assert_eq!((after(3_599), after(3_600)), (false, true));
    let url = "https://partner.example/hook?token=1".to_owned();
    let mut endpoint = Endpoint { url, ..with_contact() };
    endpoint.delete(None, at(9));
    assert_eq!((endpoint.url.as_str(), endpoint.contact), ("https://partner.example/hook", None));
}

#[test]
fn a_pattern_counts_from_the_place_where_it_was_named() {
    let is = |number: i64| Some(json!({ "data": { "number": [number] } }));
    let of = |endpoint: &Endpoint, number: i64, before: &str, after: &str| {
        endpoint.condition()(&json!({ "data": { "number": number } }), &cursor(before), &cursor(after))
    };
    let (seen, end) = (cursor("6"), cursor("7-3"));
    for (case, endpoint, at_cursor, earlier) in [
        ("asleep", Endpoint { pattern: is(1), ..asleep() }, "6", 1),
        ("asleep at the end", Endpoint { pattern: is(1), cursor: cursor("7-3"), ..asleep() }, "7-3", 0),
        ("awake", Endpoint { pattern: is(1), ..awake() }, "5", 1),
        ("failing at the end", Endpoint { pattern: is(1), cursor: cursor("8-8"), ..failing(0) }, "8-8", 1),
        ("disabled", Endpoint { pattern: is(1), disabled: Some((Disabled::Dead, at(0))), ..asleep() }, "5", 1),
    ] {
        let mut changed = Endpoint { hold: Some(("a".to_owned(), at(100))), ..endpoint.clone() };
        assert!(changed.listen(is(1), (&seen, &end), at(9)) && changed.pattern == is(1), "{case}: it is that already");
        assert!(changed.is_held_by("a") || changed.disabled.is_some(), "{case}");
        assert!(changed.listen(is(2), (&seen, &end), at(9)), "{case}");
        assert_eq!((changed.cursor.clone(), changed.earlier.len()), (cursor(at_cursor), earlier), "{case}");
        assert!(changed.hold.is_none() && changed.has_waiting && changed.wakes == endpoint.wakes + 1, "{case}");
        assert_eq!(changed.due.is_some(), changed.disabled.is_none(), "{case}");
        if earlier == 1 {
            for (number, before, after, is_wanted) in [
                (1, "5-3", "6-3", true),
                (2, "5-3", "6-3", false),
                (1, "5-3", "5-3.1", false),
                (2, "5-3", "5-3.1", true),
                (2, "7-1", "7.1-1", true),
                (1, "8-1", "8-2", true),
            ] {
                assert_eq!(of(&changed, number, before, after), is_wanted, "{case}: {number} from {before} to {after}");
            }
        }
    }
    let mut often = Endpoint { pattern: is(0), ..awake() };
    assert!((1..6).all(|number| often.listen(is(number), (&seen, &end), at(9))));
    assert!(!often.listen(is(6), (&seen, &end), at(9)) && often.pattern == is(5));
    often.advance(&Round { cursor: end.clone(), ..round(&[Attempt::Taken]) }, at(10));
    assert!(often.earlier.is_empty() && often.listen(is(6), (&seen, &end), at(9)));
}

#[test]
fn one_request_to_send_again_is_followed_at_a_time() {
    let mut endpoint = awake();
    assert!(endpoint.resend(cursor("1"), &cursor("8"), at(1)));
    assert!(!endpoint.resend(cursor("0"), &cursor("8"), at(2)) && endpoint.cursor == cursor("1"));
    let to = |from: &str, to: &str| Round {
        before: (cursor(from), 1),
        cursor: cursor(to),
        is_feed_end: false,
        is_end: false,
        ..round(&[Attempt::Taken])
    };
    endpoint.advance(&to("1", "7"), at(3));
    assert!(endpoint.resending.is_some());
    endpoint.advance(&to("7", "8"), at(3));
    assert!(endpoint.resending.is_none() && endpoint.resend(cursor("0"), &cursor("9"), at(4)));
    let is_full = Round { is_end: true, ..to("0", "3") };
    endpoint.advance(&is_full, at(5));
    assert!(endpoint.resending.is_some(), "there is more, and no room for it");
    let at_its_end = Round { is_feed_end: true, is_end: true, ..to("0", "3") };
    endpoint.advance(&at_its_end, at(5));
    assert!(endpoint.resending.is_none(), "there was nothing more");
    assert!(endpoint.resend(cursor("0"), &cursor("9"), at(6)));
    endpoint.disable(Disabled::ByOwner, at(7));
    assert!(endpoint.resend(cursor("2"), &cursor("9"), at(8)), "nothing is sent meanwhile");
}

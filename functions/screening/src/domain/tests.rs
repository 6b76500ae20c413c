use onewrite::Rejection;
use orderflow_events::Money;
use orderflow_events::sample;
use serde_json::json;

use super::*;
use crate::rules::Signs;

/// Given, when, then: what an event comes to in a state, with what was found.
#[track_caller]
fn check(state: &State, event: &Event, findings: Option<Findings>, then: &Next) {
    let decision: Result<Next, Rejection> = Screening::decide(state, &event.heard().unwrap(), findings.as_ref());
    assert_eq!(decision.as_ref(), Ok(then), "{state:?}, {}, {findings:?}", event.event_type());
}

fn created() -> Event {
    sample::event(sample::order("ord_1"))
}

/// A high amount.
fn suspicious() -> Event {
    let mut order = sample::order("ord_1");
    order.total = Money::new(200_000, "EUR").unwrap();
    sample::event(order)
}

const RULES: [HoldFlagged; 2] = [HoldFlagged::No, HoldFlagged::Yes];
const NONE: Signs = Signs { disposable_service: None, is_phone_abroad: false };
const DISPOSABLE: Signs = Signs { disposable_service: Some("mailinator.com"), is_phone_abroad: false };
const FEW: Seen = Seen { customer: 1, email: 1, signs: NONE };
const SOME: Seen = Seen { customer: 10, email: 1, signs: NONE };
const MANY: Seen = Seen { customer: 10, email: 10, signs: NONE };
const THROWN_AWAY: Seen = Seen { customer: 1, email: 1, signs: DISPOSABLE };

fn order() -> OrderId {
    OrderId::new("ord_1").unwrap()
}

fn correlation_id() -> Text {
    created().context.correlation()
}

fn screened() -> State {
    State::Screened { correlation_id: None }
}

fn waiting() -> State {
    State::Screened { correlation_id: Some(correlation_id()) }
}

/// Next step for an order that is not suspicious, where flagged orders are held and where they are not.
fn passed(points: u32, rule: HoldFlagged) -> Next {
    let score = Score::of_points(points);
    match rule {
        HoldFlagged::No => Step::record(Change::Passed { score }),
        HoldFlagged::Yes => Step::record(Change::Cleared { score })
            .publishing(OrderCleared { order_id: order(), by: ClearedBy::Screening }),
    }
}

fn flagged(event: &Event, seen: Seen, rule: HoldFlagged) -> Next {
    let Payload::OrderCreated(order) = &event.data else { panic!("another event") };
    let assessment = assess(order, seen);
    let (order_id, held) = (order.order_id.clone(), rule == HoldFlagged::Yes);
    Step::publish(OrderFlagged { order_id, score: assessment.score, reasons: assessment.reasons, held })
}

#[test]
fn every_event_in_every_state() {
    let look = Sighting {
        order: order(),
        at: created().context.time,
        customer: sample::order("ord_1").details.customer.id,
        personal: sample::order("ord_1").details.personal,
    };
    check(&State::Unknown, &created(), None, &Step::Perform(look));
    for rule in RULES {
        let found = |seen| Some(Findings { seen, rule });
        check(&State::Unknown, &created(), found(FEW), &passed(0, rule));
        check(&State::Unknown, &created(), found(SOME), &passed(40, rule));
        check(&State::Unknown, &created(), found(MANY), &flagged(&created(), MANY, rule));
        check(&State::Unknown, &suspicious(), found(FEW), &passed(25, rule));
        check(&State::Unknown, &suspicious(), found(THROWN_AWAY), &flagged(&suspicious(), THROWN_AWAY, rule));
        for findings in [None, found(FEW), found(MANY), found(THROWN_AWAY)] {
            for state in [screened(), waiting(), State::Cleared] {
                check(&state, &created(), findings, &Step::Nothing);
                check(&state, &suspicious(), findings, &Step::Nothing);
            }
        }
    }
}

#[test]
fn a_persons_word_in_every_state() {
    let why = Text::new("a regular customer").unwrap();
    let cleared = Step::record(Change::ClearedByPerson { why: why.clone() })
        .publishing(OrderCleared { order_id: order(), by: ClearedBy::Person });
    for (state, then) in [
        (State::Unknown, Err(NotScreened)),
        (screened(), Ok(cleared.clone())),
        (waiting(), Ok(cleared)),
        (State::Cleared, Ok(Step::Nothing)),
    ] {
        assert_eq!(clear(&state, &order(), why.clone()), then, "{state:?}");
    }
}

#[test]
fn every_change_is_the_verdict() {
    let (score, correlation_id) = (Score::of_points(60), correlation_id());
    let why = Text::new("a regular customer").unwrap();
    for (change, then) in [
        (Change::Passed { score }, screened()),
        (Change::Flagged { score, correlation_id: correlation_id.clone() }, waiting()),
        (Change::Cleared { score }, State::Cleared),
        (Change::ClearedByPerson { why }, State::Cleared),
    ] {
        assert_eq!(Screening::evolve(State::Unknown, change.clone()), then);
        assert_eq!(Screening::evolve(screened(), change), then);
    }
    let flag = OrderFlagged { order_id: order(), score, reasons: Vec::new(), held: true };
    assert_eq!(Screening::change_from(&sample::event(flag)), Some(Change::Flagged { score, correlation_id }));
    // Whoever has cleared it, the row says more than the event.
    let cleared = OrderCleared { order_id: order(), by: ClearedBy::Person };
    assert_eq!(Screening::change_from(&sample::event(cleared)), None);
    assert_eq!(Screening::change_from(&created()), None);
}

/// Rows are never changed, so every later build has to read them like this.
#[test]
fn changes_are_stored_like_this() {
    let score = Score::of_points(60);
    for (change, stored) in [
        (Change::Passed { score }, json!({ "passed": { "score": 60 } })),
        (Change::Cleared { score }, json!({ "cleared": { "score": 60 } })),
        (
            Change::ClearedByPerson { why: Text::new("a regular customer").unwrap() },
            json!({ "clearedByPerson": { "why": "a regular customer" } }),
        ),
    ] {
        assert_eq!(serde_json::to_value(&change).unwrap(), stored);
        assert_eq!(serde_json::from_value::<Change>(stored).unwrap(), change);
    }
}

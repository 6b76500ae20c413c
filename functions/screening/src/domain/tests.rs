use orderflow_events::Money;
use orderflow_events::sample;

use super::*;
use crate::rules::Signs;

/// Given, when, then: what an event comes to in a state, with what was seen.
#[track_caller]
fn check(state: State, event: &Event, seen: Option<Seen>, then: &Next) {
    let decision = Screening::decide(&state, &event.heard().unwrap(), seen.as_ref());
    assert_eq!(decision.as_ref(), Ok(then), "{state:?}, {}, {seen:?}", event.event_type());
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

const NONE: Signs = Signs { disposable_service: None, is_phone_abroad: false };
const DISPOSABLE: Signs = Signs { disposable_service: Some("mailinator.com"), is_phone_abroad: false };
const FEW: Option<Seen> = Some(Seen { customer: 1, email: 1, signs: NONE });
const MANY: Option<Seen> = Some(Seen { customer: 10, email: 10, signs: NONE });
const THROWN_AWAY: Option<Seen> = Some(Seen { customer: 1, email: 1, signs: DISPOSABLE });

fn passed(points: u32) -> Next {
    Step::record(Change::Passed { score: Score::of_points(points) })
}

fn flagged(event: &Event, seen: Option<Seen>) -> Next {
    let Payload::OrderCreated(order) = &event.data else { panic!("another event") };
    let assessment = assess(order, seen.unwrap());
    let order_id = order.order_id.clone();
    Step::publish(OrderFlagged { order_id, score: assessment.score, reasons: assessment.reasons })
}

#[test]
fn every_event_in_every_state() {
    let look = Sighting {
        order: OrderId::new("ord_1").unwrap(),
        at: created().context.time,
        customer: sample::order("ord_1").details.customer.id,
        personal: sample::order("ord_1").details.personal,
    };
    check(State::Unknown, &created(), None, &Step::Perform(look));
    check(State::Unknown, &created(), FEW, &passed(0));
    check(State::Unknown, &created(), Some(Seen { customer: 10, email: 1, signs: NONE }), &passed(40));
    check(State::Unknown, &created(), MANY, &flagged(&created(), MANY));
    check(State::Unknown, &suspicious(), FEW, &passed(25));
    check(State::Unknown, &suspicious(), THROWN_AWAY, &flagged(&suspicious(), THROWN_AWAY));
    for seen in [None, FEW, MANY, THROWN_AWAY] {
        check(State::Screened, &created(), seen, &Step::Nothing);
        check(State::Screened, &suspicious(), seen, &Step::Nothing);
    }
}

#[test]
fn every_change_is_the_verdict() {
    let score = Score::of_points(60);
    for change in [Change::Passed { score }, Change::Flagged { score }] {
        assert_eq!(Screening::evolve(State::Unknown, change), State::Screened);
    }
    let flag = OrderFlagged { order_id: OrderId::new("ord_1").unwrap(), score, reasons: Vec::new() };
    assert_eq!(Screening::change_from(&sample::event(flag)), Some(Change::Flagged { score }));
    assert_eq!(Screening::change_from(&created()), None);
}

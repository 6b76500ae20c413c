//! The suite of the notices' [`NoticeStore`].

use std::sync::Arc;

use aws_sdk_dynamodb::types::ScalarAttributeType;
use futures::future::join_all;
use libtest_mimic::Trial;
use orderflow_events::Time;
use orderflow_notices::{DynamoNotices, Match, MemoryNotices, NoticeStore, State, Stored};
use serde_json::json;

use crate::aws::Aws;

pub(crate) fn trials(aws: &Arc<Aws>) -> Vec<Trial> {
    crate::suite::suite!(
        aws,
        MemoryNotices::default,
        on_aws,
        [
            a_rule_that_has_not_begun_has_no_state,
            a_state_comes_back_as_it_was_written,
            a_state_replaces_the_one_that_was_read_and_no_other,
            of_many_at_once_one_is_written,
        ]
    )
}

async fn on_aws(aws: &Aws) -> DynamoNotices {
    DynamoNotices::new(aws.clients().0, aws.sorted_table(2, ScalarAttributeType::N).await)
}

/// A state with something in each of its places.
fn state(cursor: &str) -> State {
    let event = json!({
        "id": "1", "type": "OrderCreated", "subject": "ord_1", "time": "2026-01-01T00:00:00.000Z",
        "data": { "total": { "amount": 1_490, "currency": "EUR" } },
    });
    let found = State::begun("0").found("1".to_owned(), [Match::of(&event)]);
    let now = Time::from_millis(1_767_225_600_000);
    let telling = found.due(std::time::Duration::ZERO, now).told(now).found("2".to_owned(), [Match::of(&event)]);
    telling.due(std::time::Duration::ZERO, now).found(cursor.to_owned(), vec![Match::of(&event); 60])
}

async fn a_rule_that_has_not_begun_has_no_state(store: &impl NoticeStore) {
    assert_eq!(store.read("a").await, Ok(None));
    assert_eq!(store.write("a", 1, &state("3")).await, Ok(false), "there is none to replace");
    assert_eq!(store.read("a").await, Ok(None));
}

async fn a_state_comes_back_as_it_was_written(store: &impl NoticeStore) {
    let state = state("3-4.2");
    assert!(state.telling.is_some() && state.waiting.more > 0 && state.told_at.is_some());
    assert_eq!(store.write("a", 0, &state).await, Ok(true));
    assert_eq!(store.read("a").await, Ok(Some(Stored { revision: 1, state })));
    assert_eq!(store.read("b").await, Ok(None));
}

async fn a_state_replaces_the_one_that_was_read_and_no_other(store: &impl NoticeStore) {
    for (since, cursor, is_written) in
        [(0, "1", true), (0, "2", false), (1, "3", true), (1, "4", false), (9, "5", false)]
    {
        assert_eq!(store.write("a", since, &state(cursor)).await, Ok(is_written), "{since}");
    }
    assert_eq!(store.read("a").await, Ok(Some(Stored { revision: 2, state: state("3") })));
}

async fn of_many_at_once_one_is_written(store: &impl NoticeStore) {
    for since in 0..3 {
        let states: Vec<State> = (0..8).map(|number: u8| state(&number.to_string())).collect();
        let written = join_all(states.iter().map(|state| store.write("a", since, state))).await;
        let winners: Vec<State> =
            states.into_iter().zip(written).filter(|(_, won)| *won == Ok(true)).map(|(state, _)| state).collect();
        assert_eq!(winners.len(), 1);
        let expected = Stored { revision: since + 1, state: winners[0].clone() };
        assert_eq!(store.read("a").await, Ok(Some(expected)));
    }
}

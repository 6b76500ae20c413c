//! The suite of [`Occurrences`].

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::types::ScalarAttributeType;
use futures::future::join_all;
use libtest_mimic::Trial;
use onewrite::aws::DynamoOccurrences;
use onewrite::memory::MemoryOccurrences;
use onewrite::port::{MAX_COUNTED, Occurrences};
use orderflow_events::Time;

use crate::aws::Aws;

pub(crate) fn trials(aws: &Arc<Aws>) -> Vec<Trial> {
    crate::suite::suite!(
        aws,
        MemoryOccurrences::default,
        on_aws,
        [
            one_counts_once_however_often_it_is_recorded,
            one_of_two_times_is_one,
            the_window_is_open_on_both_sides_and_includes_its_ends,
            times_at_the_ends_of_all_time_are_times,
            everybody_is_counted_apart,
            no_more_are_counted_than_the_most,
            of_those_recorded_side_by_side_none_is_missed,
        ]
    )
}

async fn on_aws(aws: &Aws) -> DynamoOccurrences {
    let table = aws.sorted_table(2, ScalarAttributeType::S).await;
    DynamoOccurrences::new(aws.clients().0, table, Duration::from_hours(45 * 24))
}

const TEN_SECONDS: Duration = Duration::from_secs(10);

fn at(second: u64) -> Time {
    Time::from_millis(1_767_225_600_000).after(Duration::from_secs(second))
}

async fn record(occurrences: &impl Occurrences, number: u32, second: u64) {
    occurrences.record("customer#ada", &format!("ord_{number}"), at(second)).await.unwrap();
}

async fn count(occurrences: &impl Occurrences, second: u64) -> u32 {
    occurrences.count("customer#ada", at(second), TEN_SECONDS).await.unwrap()
}

async fn one_counts_once_however_often_it_is_recorded(occurrences: &impl Occurrences) {
    assert_eq!(count(occurrences, 0).await, 0);
    for _ in 0..3 {
        record(occurrences, 1, 0).await;
        assert_eq!(count(occurrences, 0).await, 1);
    }
    // Two of one moment are different ones.
    record(occurrences, 2, 0).await;
    assert_eq!(count(occurrences, 0).await, 2);
}

async fn one_of_two_times_is_one(occurrences: &impl Occurrences) {
    record(occurrences, 1, 0).await;
    record(occurrences, 1, 5).await;
    assert_eq!(count(occurrences, 0).await, 1);
}

async fn the_window_is_open_on_both_sides_and_includes_its_ends(occurrences: &impl Occurrences) {
    for (number, second) in [(1, 100), (2, 110), (3, 121)] {
        record(occurrences, number, second).await;
    }
    for (second, expected) in [(89, 0), (90, 1), (100, 2), (110, 2), (111, 2), (120, 2), (121, 1), (131, 1), (132, 0)] {
        assert_eq!(count(occurrences, second).await, expected, "around {second} s");
    }
}

async fn times_at_the_ends_of_all_time_are_times(occurrences: &impl Occurrences) {
    for (number, time) in (1..).zip([Time::from_millis(0), Time::from_millis(i64::MAX)]) {
        occurrences.record("customer#ada", &format!("ord_{number}"), time).await.unwrap();
        assert_eq!(occurrences.count("customer#ada", time, TEN_SECONDS).await, Ok(1), "{time}");
    }
}

async fn everybody_is_counted_apart(occurrences: &impl Occurrences) {
    let everybody = ["customer#ada", "customer#ad", "email#ada", "method#ada"];
    for (number, whose) in everybody.iter().enumerate() {
        occurrences.record(whose, &format!("ord_{number}"), at(0)).await.unwrap();
    }
    for whose in everybody {
        assert_eq!(occurrences.count(whose, at(0), TEN_SECONDS).await, Ok(1), "{whose}");
    }
}

async fn no_more_are_counted_than_the_most(occurrences: &impl Occurrences) {
    join_all((0..MAX_COUNTED + 5).map(|number| record(occurrences, number, 0))).await;
    assert_eq!(count(occurrences, 0).await, MAX_COUNTED);
}

async fn of_those_recorded_side_by_side_none_is_missed(occurrences: &impl Occurrences) {
    let counts = join_all((0..8).map(async |number: u32| {
        record(occurrences, number, number.into()).await;
        count(occurrences, number.into()).await
    }));
    assert_eq!(counts.await.into_iter().max(), Some(8), "the last one sees them all");
}

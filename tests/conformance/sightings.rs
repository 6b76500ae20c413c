//! The suite of screening's [`Sightings`].

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::types::ScalarAttributeType;
use futures::future::join_all;
use libtest_mimic::Trial;
use onewrite::personal::Key;
use orderflow_events::{Email, OrderId, Text, Time};
use orderflow_screening::{DynamoSightings, Fingerprint, Fingerprints, MAX_COUNTED, MemorySightings, Sightings};

use crate::aws::Aws;

pub(crate) fn trials(aws: &Arc<Aws>) -> Vec<Trial> {
    crate::suite::suite!(
        aws,
        MemorySightings::default,
        on_aws,
        [
            an_order_counts_once_however_often_it_is_recorded,
            an_order_of_two_times_is_one_order,
            the_window_is_open_on_both_sides_and_includes_its_ends,
            times_at_the_ends_of_all_time_are_times,
            everybody_is_counted_apart,
            no_more_are_counted_than_the_most,
            of_orders_recorded_side_by_side_none_is_missed,
        ]
    )
}

async fn on_aws(aws: &Aws) -> DynamoSightings {
    DynamoSightings::new(
        aws.clients().0,
        aws.sorted_table(2, ScalarAttributeType::S).await,
        Duration::from_hours(45 * 24),
    )
}

fn fingerprints() -> Fingerprints {
    Fingerprints::under(&Key::new("k".parse().unwrap(), &[1; 32]).unwrap())
}

fn ada() -> Fingerprint {
    fingerprints().of_customer(&Text::shortened("ada"))
}

fn order(number: u32) -> OrderId {
    OrderId::new(format!("ord_{number}")).unwrap()
}

fn at(second: u64) -> Time {
    Time::from_millis(1_767_225_600_000).after(Duration::from_secs(second))
}

const TEN_SECONDS: Duration = Duration::from_secs(10);

async fn record(sightings: &impl Sightings, number: u32, second: u64) {
    sightings.record(&ada(), &order(number), at(second)).await.unwrap();
}

async fn count(sightings: &impl Sightings, second: u64) -> u32 {
    sightings.count(&ada(), at(second), TEN_SECONDS).await.unwrap()
}

async fn an_order_counts_once_however_often_it_is_recorded(sightings: &impl Sightings) {
    assert_eq!(count(sightings, 0).await, 0);
    for _ in 0..3 {
        record(sightings, 1, 0).await;
        assert_eq!(count(sightings, 0).await, 1);
    }
    // Orders of one moment are different orders.
    record(sightings, 2, 0).await;
    assert_eq!(count(sightings, 0).await, 2);
}

async fn an_order_of_two_times_is_one_order(sightings: &impl Sightings) {
    record(sightings, 1, 0).await;
    record(sightings, 1, 5).await;
    assert_eq!(count(sightings, 0).await, 1);
}

async fn the_window_is_open_on_both_sides_and_includes_its_ends(sightings: &impl Sightings) {
    for (number, second) in [(1, 10), (2, 20), (3, 30)] {
        record(sightings, number, second).await;
    }
    for (second, orders) in [(0, 1), (9, 1), (10, 2), (19, 2), (20, 3), (21, 2), (30, 2), (40, 1), (41, 0)] {
        assert_eq!(count(sightings, second).await, orders, "around {second} s");
    }
}

async fn times_at_the_ends_of_all_time_are_times(sightings: &impl Sightings) {
    for (number, time) in (1..).zip([Time::from_millis(0), Time::from_millis(i64::MAX)]) {
        sightings.record(&ada(), &order(number), time).await.unwrap();
        assert_eq!(sightings.count(&ada(), time, TEN_SECONDS).await, Ok(1), "{time}");
    }
}

async fn everybody_is_counted_apart(sightings: &impl Sightings) {
    let email = |address: &str| fingerprints().of_email(&Email::new(address).unwrap());
    let everybody = [ada(), email("ada@example.com"), email("ada@example.org")];
    for (number, whose) in (1..).zip(&everybody) {
        sightings.record(whose, &order(number), at(0)).await.unwrap();
    }
    for whose in &everybody {
        assert_eq!(sightings.count(whose, at(0), TEN_SECONDS).await, Ok(1), "{whose:?}");
    }
}

async fn no_more_are_counted_than_the_most(sightings: &impl Sightings) {
    join_all((0..MAX_COUNTED + 5).map(|number| record(sightings, number, 0))).await;
    assert_eq!(count(sightings, 0).await, MAX_COUNTED);
}

async fn of_orders_recorded_side_by_side_none_is_missed(sightings: &impl Sightings) {
    let counts = join_all((0..8).map(async |number| {
        record(sightings, number, number.into()).await;
        count(sightings, number.into()).await
    }));
    assert_eq!(counts.await.into_iter().max(), Some(8));
}

//! The suite of payment's [`Declines`].

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::types::ScalarAttributeType;
use futures::future::join_all;
use libtest_mimic::Trial;
use orderflow_events::{OrderId, PaymentId, PaymentMethod, Text, Time};
use orderflow_payment::{Declines, DynamoDeclines, MAX_COUNTED, MemoryDeclines, Tally};

use crate::aws::Aws;

pub(crate) fn trials(aws: &Arc<Aws>) -> Vec<Trial> {
    crate::suite::suite!(
        aws,
        MemoryDeclines::default,
        on_aws,
        [
            a_decline_counts_once_however_often_it_is_recorded,
            a_decline_of_two_times_is_one_decline,
            the_window_is_open_on_both_sides_and_includes_its_ends,
            whoever_declines_are_counted_by_is_counted_apart,
            no_more_are_counted_than_the_most,
            of_declines_recorded_side_by_side_none_is_missed,
        ]
    )
}

async fn on_aws(aws: &Aws) -> DynamoDeclines {
    DynamoDeclines::new(aws.clients().0, aws.sorted_table(2, ScalarAttributeType::S).await)
}

const TEN_SECONDS: Duration = Duration::from_secs(10);

fn card() -> Tally {
    Tally::of_method(&PaymentMethod::new("pm_card_stolen").unwrap())
}

fn payment(number: u32) -> PaymentId {
    PaymentId::of(&OrderId::new(format!("ord_{number}")).unwrap())
}

fn at(second: u64) -> Time {
    Time::from_millis(1_767_225_600_000).after(Duration::from_secs(second))
}

async fn record(declines: &impl Declines, number: u32, second: u64) {
    declines.record(&card(), &payment(number), at(second)).await.unwrap();
}

async fn count(declines: &impl Declines, second: u64) -> u32 {
    declines.count(&card(), at(second), TEN_SECONDS).await.unwrap()
}

async fn a_decline_counts_once_however_often_it_is_recorded(declines: &impl Declines) {
    assert_eq!(count(declines, 0).await, 0);
    for _ in 0..3 {
        record(declines, 1, 0).await;
        assert_eq!(count(declines, 0).await, 1);
    }
    record(declines, 2, 0).await;
    assert_eq!(count(declines, 0).await, 2);
}

async fn a_decline_of_two_times_is_one_decline(declines: &impl Declines) {
    record(declines, 1, 0).await;
    record(declines, 1, 5).await;
    assert_eq!(count(declines, 0).await, 1);
}

async fn the_window_is_open_on_both_sides_and_includes_its_ends(declines: &impl Declines) {
    for (number, second) in [(1, 100), (2, 110), (3, 121)] {
        record(declines, number, second).await;
    }
    for (second, expected) in [(89, 0), (90, 1), (100, 2), (110, 2), (111, 2), (120, 2), (121, 1), (131, 1), (132, 0)] {
        assert_eq!(count(declines, second).await, expected, "around {second} s");
    }
}

async fn whoever_declines_are_counted_by_is_counted_apart(declines: &impl Declines) {
    let customer = Tally::of_customer(&Text::new("pm_card_stolen").unwrap());
    let other = Tally::of_method(&PaymentMethod::new("pm_card_other").unwrap());
    for (number, whose) in [(1, &card()), (2, &customer), (3, &other)] {
        declines.record(whose, &payment(number), at(0)).await.unwrap();
    }
    for whose in [card(), customer, other] {
        assert_eq!(declines.count(&whose, at(0), TEN_SECONDS).await, Ok(1), "{whose:?}");
    }
}

async fn no_more_are_counted_than_the_most(declines: &impl Declines) {
    join_all((0..MAX_COUNTED + 5).map(|number| record(declines, number, 0))).await;
    assert_eq!(count(declines, 0).await, MAX_COUNTED);
}

async fn of_declines_recorded_side_by_side_none_is_missed(declines: &impl Declines) {
    let recorded = |number: u32| async move {
        record(declines, number, number.into()).await;
        count(declines, number.into()).await
    };
    let counts = join_all((0..5).map(recorded)).await;
    assert_eq!(counts.into_iter().max(), Some(5), "the last one sees them all");
}

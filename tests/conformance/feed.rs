//! The suite of the feed's [`FeedLog`].

use std::sync::Arc;

use aws_sdk_dynamodb::types::ScalarAttributeType;
use futures::future::join_all;
use libtest_mimic::Trial;
use onewrite::aws::DynamoFeed;
use onewrite::feed::{FeedLog, Page, RecordKey};
use onewrite::memory::MemoryFeed;
use orderflow_events::Time;

use crate::aws::Aws;

pub(crate) fn trials(aws: &Arc<Aws>) -> Vec<Trial> {
    crate::suite::suite!(
        aws,
        MemoryFeed::default,
        on_aws,
        [
            pages_are_read_in_their_order_and_as_they_were_written,
            a_position_is_taken_once,
            of_many_at_once_one_takes_a_position,
            shards_do_not_see_each_others_pages,
            a_page_of_the_largest_keys_is_kept,
            more_pages_than_an_answer_holds_are_all_read,
        ]
    )
}

async fn on_aws(aws: &Aws) -> DynamoFeed {
    DynamoFeed::new(aws.clients().0, aws.sorted_table(2, ScalarAttributeType::N).await)
}

fn page(number: u64) -> Page {
    let records = (0..=number % 3)
        .map(|part| RecordKey(format!("ord_{number}"), format!("{part}#https://shop.example/\u{fc}?a=\"b\"")));
    Page { at: Time::from_millis(1_767_225_600_000 + i64::try_from(number).unwrap()), records: records.collect() }
}

async fn add(feed: &impl FeedLog, shard: u8, position: u64) {
    assert_eq!(feed.append(shard, position, &page(position)).await, Ok(true));
}

async fn pages_are_read_in_their_order_and_as_they_were_written(feed: &impl FeedLog) {
    assert_eq!((feed.head(0).await, feed.after(0, 0, 5).await), (Ok(0), Ok(Vec::new())));
    for position in 1..=12 {
        add(feed, 0, position).await;
        assert_eq!(feed.head(0).await, Ok(position));
    }
    for (after, most) in [(0, 25), (0, 1), (3, 4), (8, 100), (11, 1), (12, 5), (99, 5)] {
        let expected: Vec<_> = (after + 1..=12).take(most.into()).map(|position| (position, page(position))).collect();
        assert_eq!(feed.after(0, after, most).await, Ok(expected), "{after} {most}");
    }
}

async fn a_position_is_taken_once(feed: &impl FeedLog) {
    add(feed, 0, 1).await;
    assert_eq!(feed.append(0, 1, &page(7)).await, Ok(false));
    assert_eq!(feed.after(0, 0, 5).await, Ok(vec![(1, page(1))]));
}

async fn of_many_at_once_one_takes_a_position(feed: &impl FeedLog) {
    let pages: Vec<Page> = (0..8).map(page).collect();
    let taken = join_all(pages.iter().map(|page| feed.append(0, 1, page))).await;
    let winners: Vec<(u64, Page)> =
        pages.into_iter().zip(taken).filter(|(_, taken)| *taken == Ok(true)).map(|(page, _)| (1, page)).collect();
    assert_eq!(winners.len(), 1);
    assert_eq!(feed.after(0, 0, 5).await, Ok(winners));
}

async fn shards_do_not_see_each_others_pages(feed: &impl FeedLog) {
    for shard in [0, 1, 10, 63] {
        add(feed, shard, 1).await;
    }
    add(feed, 1, 2).await;
    let heads = join_all([0, 1, 2, 10, 63].map(|shard| feed.head(shard))).await;
    assert_eq!(heads, [Ok(1), Ok(2), Ok(0), Ok(1), Ok(1)]);
    assert_eq!(feed.after(10, 0, 5).await, Ok(vec![(1, page(1))]));
}

/// As many keys as a writer puts together, each as long as DynamoDB takes keys.
fn largest() -> Page {
    let records = (0..25).map(|number| RecordKey(format!("{number:0>2048}"), "x".repeat(1_024))).collect();
    Page { records, ..page(1) }
}

/// DynamoDB cuts an answer at 1 MB, which is no end.
async fn more_pages_than_an_answer_holds_are_all_read(feed: &impl FeedLog) {
    let page = largest();
    for position in 1..=20 {
        assert_eq!(feed.append(0, position, &page).await, Ok(true));
    }
    for (most, expected) in [(25, 20), (17, 17), (20, 20)] {
        let pages = feed.after(0, 0, most).await.unwrap();
        assert_eq!(pages.iter().map(|(position, _)| *position).collect::<Vec<_>>(), (1..=expected).collect::<Vec<_>>());
    }
}

async fn a_page_of_the_largest_keys_is_kept(feed: &impl FeedLog) {
    let page = largest();
    assert_eq!(feed.append(0, 1, &page).await, Ok(true));
    assert_eq!(feed.after(0, 0, 1).await, Ok(vec![(1, page)]));
}

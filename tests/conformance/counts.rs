//! The suite of the analytics' [`CountStore`].

use std::sync::Arc;

use aws_sdk_dynamodb::types::ScalarAttributeType;
use futures::future::join_all;
use libtest_mimic::Trial;
use orderflow_analytics::{CountStore, DynamoCounts, Key, MemoryCounts};

use crate::aws::Aws;

pub(crate) fn trials(aws: &Arc<Aws>) -> Vec<Trial> {
    crate::suite::suite!(
        aws,
        MemoryCounts::default,
        dynamo,
        [
            what_is_put_is_there_and_put_again_is_there_once,
            a_range_has_both_ends_and_one_partition,
            a_range_that_ends_before_it_begins_has_nothing,
            a_range_of_many_is_whole,
            a_text_is_replaced_by_whoever_knows_it,
            of_many_at_once_one_replaces,
            warming_up_leaves_nothing,
        ]
    )
}

async fn dynamo(aws: &Aws) -> DynamoCounts {
    DynamoCounts::new(aws.clients().0, aws.sorted_table(2, ScalarAttributeType::S).await)
}

fn key(sort: &str) -> Key {
    Key::new("p", sort)
}

fn items(items: &[(&str, &str)]) -> Vec<(String, String)> {
    items.iter().map(|(sort, text)| ((*sort).to_owned(), (*text).to_owned())).collect()
}

async fn what_is_put_is_there_and_put_again_is_there_once(counts: &impl CountStore) {
    assert_eq!(counts.get(&key("a")).await, Ok(None));
    for text in ["[1]", "[1]", "[2]"] {
        assert_eq!(counts.put(&key("a"), text).await, Ok(()));
        assert_eq!(counts.get(&key("a")).await, Ok(Some(text.to_owned())));
    }
    assert_eq!(counts.range("p", "a", "a").await, Ok(items(&[("a", "[2]")])));
}

async fn a_range_has_both_ends_and_one_partition(counts: &impl CountStore) {
    for place in ["56 x", "57 a", "57 z", "58 a"] {
        assert_eq!(counts.put(&key(place), place).await, Ok(()));
        assert_eq!(counts.put(&Key::new("q", place), "another").await, Ok(()));
    }
    let minute = items(&[("57 a", "57 a"), ("57 z", "57 z")]);
    assert_eq!(counts.range("p", "57", "57~").await, Ok(minute.clone()));
    assert_eq!(counts.range("p", "57 a", "57 z").await, Ok(minute));
    assert_eq!(counts.range("p", "59", "59~").await, Ok(Vec::new()));
    assert_eq!(counts.range("r", "57", "57~").await, Ok(Vec::new()));
}

async fn a_range_that_ends_before_it_begins_has_nothing(counts: &impl CountStore) {
    for place in ["56", "57"] {
        assert_eq!(counts.put(&key(place), place).await, Ok(()));
    }
    assert_eq!(counts.range("p", "57", "56").await, Ok(Vec::new()));
}

/// More than one page has.
async fn a_range_of_many_is_whole(counts: &impl CountStore) {
    let text = "x".repeat(300_000);
    let places: Vec<String> = (0..5).map(|number| format!("57 {number}")).collect();
    for place in &places {
        assert_eq!(counts.put(&key(place), &text).await, Ok(()));
    }
    let found = counts.range("p", "57", "57~").await.expect("a range");
    assert_eq!(found.into_iter().map(|(place, _)| place).collect::<Vec<_>>(), places);
}

async fn a_text_is_replaced_by_whoever_knows_it(counts: &impl CountStore) {
    assert_eq!(counts.replace(&key("a"), Some("1"), "2").await, Ok(false), "there is none");
    assert_eq!(counts.replace(&key("a"), None, "1").await, Ok(true));
    assert_eq!(counts.replace(&key("a"), None, "2").await, Ok(false), "there is one");
    assert_eq!(counts.replace(&key("a"), Some("0"), "2").await, Ok(false), "there is another");
    assert_eq!(counts.get(&key("a")).await, Ok(Some("1".to_owned())));
    assert_eq!(counts.replace(&key("a"), Some("1"), "2").await, Ok(true));
    assert_eq!(counts.get(&key("a")).await, Ok(Some("2".to_owned())));
}

async fn of_many_at_once_one_replaces(counts: &impl CountStore) {
    for before in [None, Some("0")] {
        let (key, texts): (_, Vec<String>) = (key("a"), (0..8).map(|number| number.to_string()).collect());
        if before.is_some() {
            assert_eq!(counts.put(&key, "0").await, Ok(()));
        }
        let replaced = join_all(texts[1..].iter().map(|text| counts.replace(&key, before, text))).await;
        assert_eq!(replaced.iter().filter(|replaced| **replaced == Ok(true)).count(), 1, "{replaced:?}");
    }
}

async fn warming_up_leaves_nothing(counts: &impl CountStore) {
    counts.warm().await;
    assert_eq!(counts.get(&Key::new("-", "-")).await, Ok(None));
}

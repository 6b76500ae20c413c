//! The suite of [`Keys`].

use std::sync::Arc;

use futures::future::join_all;
use libtest_mimic::Trial;
use onewrite::aws::DynamoKeys;
use onewrite::memory::{MemoryKeys, VirtualTime};
use onewrite::personal::{Key, Keys};
use orderflow_events::Time;

use crate::aws::Aws;

pub(crate) fn trials(aws: &Arc<Aws>) -> Vec<Trial> {
    crate::suite::suite!(
        aws,
        MemoryKeys::default,
        on_aws,
        [
            nobody_has_a_key_before_it_is_asked_for,
            a_key_is_made_once_and_found_as_it_is,
            a_key_may_have_an_end,
            owners_have_keys_of_their_own,
            of_many_at_once_all_get_the_same,
            an_erased_key_is_gone_and_the_next_is_another,
        ]
    )
}

async fn on_aws(aws: &Aws) -> DynamoKeys {
    DynamoKeys::new(aws.clients().0, aws.table(1).await)
}

fn fresh(seed: u64) -> Key {
    Key::draw(&VirtualTime::new(seed)).unwrap()
}

async fn create(keys: &impl Keys, owner: &str, seed: u64) -> Key {
    keys.find_or_create(owner, &fresh(seed), Time::from_millis(0)).await.unwrap()
}

async fn nobody_has_a_key_before_it_is_asked_for(keys: &impl Keys) {
    assert_eq!(keys.find("ada").await, Ok(None));
    assert_eq!(keys.erase("ada").await, Ok(false));
    assert_eq!(keys.find("ada").await, Ok(None));
}

async fn a_key_is_made_once_and_found_as_it_is(keys: &impl Keys) {
    assert_eq!(create(keys, "ada", 1).await, fresh(1));
    assert_eq!(create(keys, "ada", 2).await, fresh(1));
    assert_eq!(keys.find("ada").await, Ok(Some(fresh(1))));
}

async fn a_key_may_have_an_end(keys: &impl Keys) {
    let ends = fresh(1).until(Time::from_millis(4_102_444_800_999));
    assert_eq!(keys.find_or_create("letters", &ends, Time::from_millis(0)).await, Ok(ends.clone()));
    assert_eq!(keys.find_or_create("letters", &fresh(2), Time::from_millis(0)).await, Ok(ends.clone()));
    let found = keys.find("letters").await.unwrap();
    assert_eq!(found.as_ref().and_then(Key::expires_at), Some(Time::from_millis(4_102_444_800_000)));
    assert_eq!(found, Some(ends));
}

async fn owners_have_keys_of_their_own(keys: &impl Keys) {
    let owners = ["ada", "Ada", "ada ", "auth0|42"];
    for (seed, owner) in (1..).zip(owners) {
        assert_eq!(create(keys, owner, seed).await, fresh(seed), "{owner}");
    }
    assert_eq!(keys.erase("ada").await, Ok(true));
    for (seed, owner) in (2..).zip(&owners[1..]) {
        assert_eq!(keys.find(owner).await, Ok(Some(fresh(seed))), "{owner}");
    }
}

async fn of_many_at_once_all_get_the_same(keys: &impl Keys) {
    let all = join_all((0..8).map(|seed| create(keys, "ada", seed))).await;
    let found = keys.find("ada").await.unwrap().expect("a key");
    assert!(all.iter().all(|key| *key == found));
}

async fn an_erased_key_is_gone_and_the_next_is_another(keys: &impl Keys) {
    create(keys, "ada", 1).await;
    assert_eq!(keys.erase("ada").await, Ok(true));
    assert_eq!(keys.find("ada").await, Ok(None));
    assert_eq!(keys.erase("ada").await, Ok(false), "twice is once");
    assert_eq!(create(keys, "ada", 2).await, fresh(2));
}

//! The suite of [`Leases`].

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use libtest_mimic::Trial;
use onewrite::aws::DynamoLeases;
use onewrite::memory::MemoryLeases;
use onewrite::port::{Acquired, Leases};
use orderflow_events::Time;

use crate::aws::Aws;

pub(crate) fn trials(aws: &Arc<Aws>) -> Vec<Trial> {
    crate::suite::suite!(
        aws,
        MemoryLeases::default,
        on_aws,
        [
            a_lease_is_held_until_it_has_run_out,
            a_lease_can_be_taken_twice_by_its_owner,
            an_effect_that_is_done_is_done_for_ever,
            only_who_holds_a_lease_can_complete_it,
            a_lease_that_is_released_is_free_at_once,
            only_who_holds_a_lease_can_release_it,
            leases_of_different_keys_are_independent,
            of_many_at_once_one_gets_it,
        ]
    )
}

async fn on_aws(aws: &Aws) -> DynamoLeases {
    DynamoLeases::new(aws.clients().0, aws.table(2).await)
}

/// Takes a lease of ten seconds, so many seconds after the beginning.
async fn acquire(leases: &impl Leases, owner: &str, second: u64) -> Acquired {
    let now = at(second);
    leases.acquire("mail", owner, now, now.after(Duration::from_secs(10))).await.unwrap()
}

fn at(second: u64) -> Time {
    Time::from_millis(1_767_225_600_000).after(Duration::from_secs(second))
}

async fn a_lease_is_held_until_it_has_run_out(leases: &impl Leases) {
    assert_eq!(acquire(leases, "first", 0).await, Acquired::Mine);
    assert_eq!(acquire(leases, "second", 0).await, Acquired::Held);
    assert_eq!(acquire(leases, "second", 9).await, Acquired::Held);
    assert_eq!(acquire(leases, "second", 10).await, Acquired::Mine);
    assert_eq!(acquire(leases, "first", 10).await, Acquired::Held);
}

async fn a_lease_can_be_taken_twice_by_its_owner(leases: &impl Leases) {
    assert_eq!(acquire(leases, "first", 0).await, Acquired::Mine);
    assert_eq!(acquire(leases, "first", 5).await, Acquired::Mine);
    assert_eq!(acquire(leases, "second", 12).await, Acquired::Held, "it has begun anew");
}

async fn an_effect_that_is_done_is_done_for_ever(leases: &impl Leases) {
    acquire(leases, "first", 0).await;
    assert_eq!(leases.complete("mail", "first").await, Ok(true));
    assert_eq!(leases.complete("mail", "first").await, Ok(true));
    for (owner, second) in [("first", 1), ("second", 1), ("second", 1_000_000)] {
        assert_eq!(acquire(leases, owner, second).await, Acquired::Done);
    }
}

async fn only_who_holds_a_lease_can_complete_it(leases: &impl Leases) {
    assert_eq!(leases.complete("mail", "first").await, Ok(false), "nobody has taken it");
    acquire(leases, "first", 0).await;
    assert_eq!(leases.complete("mail", "second").await, Ok(false));
    acquire(leases, "second", 10).await;
    assert_eq!(leases.complete("mail", "first").await, Ok(false), "it was taken over");
    assert_eq!(acquire(leases, "third", 11).await, Acquired::Held);
    assert_eq!(leases.complete("mail", "second").await, Ok(true));
    assert_eq!(acquire(leases, "third", 11).await, Acquired::Done);
}

async fn a_lease_that_is_released_is_free_at_once(leases: &impl Leases) {
    acquire(leases, "first", 0).await;
    assert_eq!(leases.release("mail", "first").await, Ok(()));
    assert_eq!(acquire(leases, "second", 0).await, Acquired::Mine);
    assert_eq!(leases.complete("mail", "second").await, Ok(true));
    assert_eq!(leases.release("mail", "second").await, Ok(()));
    assert_eq!(acquire(leases, "third", 0).await, Acquired::Done, "done is done");
}

async fn only_who_holds_a_lease_can_release_it(leases: &impl Leases) {
    assert_eq!(leases.release("mail", "first").await, Ok(()), "nobody has taken it");
    acquire(leases, "first", 0).await;
    assert_eq!(leases.release("mail", "second").await, Ok(()));
    assert_eq!(acquire(leases, "second", 9).await, Acquired::Held);
    acquire(leases, "second", 10).await;
    assert_eq!(leases.release("mail", "first").await, Ok(()), "it was taken over");
    assert_eq!(acquire(leases, "third", 11).await, Acquired::Held);
}

async fn leases_of_different_keys_are_independent(leases: &impl Leases) {
    let until = at(10);
    for key in ["mail", "mail#", "sms ü", "lease#mail"] {
        assert_eq!(leases.acquire(key, key, at(0), until).await, Ok(Acquired::Mine), "{key}");
    }
    assert_eq!(leases.complete("mail", "mail").await, Ok(true));
    assert_eq!(leases.acquire("mail#", "other", at(0), until).await, Ok(Acquired::Held));
}

async fn of_many_at_once_one_gets_it(leases: &impl Leases) {
    let owners: Vec<String> = (0..8).map(|owner| owner.to_string()).collect();
    let results = join_all(owners.iter().map(|owner| acquire(leases, owner, 0))).await;
    assert_eq!(results.iter().filter(|acquired| **acquired == Acquired::Mine).count(), 1, "{results:?}");
}

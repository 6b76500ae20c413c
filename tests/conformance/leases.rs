//! The suite of [`Leases`].

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use libtest_mimic::Trial;
use onewrite::Result;
use onewrite::aws::DynamoLeases;
use onewrite::memory::MemoryLeases;
use onewrite::port::{Acquired, Allowances, DoneParts, Leases, NextOfLease};
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
            parts_that_are_done_are_known_to_the_next,
            only_who_holds_a_lease_can_record_a_part,
            only_who_holds_a_lease_can_complete_it,
            a_lease_that_is_released_is_free_at_once,
            only_who_holds_a_lease_can_release_it,
            leases_of_different_keys_are_independent,
            of_many_at_once_one_gets_it,
            an_allowance_has_so_many_places_and_a_member_keeps_its_own,
            of_many_at_once_as_many_as_there_are_places_get_one,
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

/// Lease that was taken, with these parts done before.
fn mine(done: &[&str]) -> Acquired {
    Acquired::Mine(done.iter().map(|part| (*part).to_owned()).collect())
}

async fn complete(leases: &impl Leases, key: &str, owner: &str) -> Result<bool> {
    leases.record(key, owner, &BTreeSet::from(["all"]), NextOfLease::Done).await
}

async fn release(leases: &impl Leases, key: &str, owner: &str) -> Result<bool> {
    leases.record(key, owner, &BTreeSet::new(), NextOfLease::Released).await
}

fn at(second: u64) -> Time {
    Time::from_millis(1_767_225_600_000).after(Duration::from_secs(second))
}

async fn a_lease_is_held_until_it_has_run_out(leases: &impl Leases) {
    assert_eq!(acquire(leases, "first", 0).await, mine(&[]));
    assert_eq!(acquire(leases, "second", 0).await, Acquired::Held);
    assert_eq!(acquire(leases, "second", 9).await, Acquired::Held);
    assert_eq!(acquire(leases, "second", 10).await, mine(&[]));
    assert_eq!(acquire(leases, "first", 10).await, Acquired::Held);
}

async fn a_lease_can_be_taken_twice_by_its_owner(leases: &impl Leases) {
    assert_eq!(acquire(leases, "first", 0).await, mine(&[]));
    assert_eq!(acquire(leases, "first", 5).await, mine(&[]));
    assert_eq!(acquire(leases, "second", 12).await, Acquired::Held, "it has begun anew");
}

async fn an_effect_that_is_done_is_done_for_ever(leases: &impl Leases) {
    acquire(leases, "first", 0).await;
    assert_eq!(complete(leases, "mail", "first").await, Ok(true));
    assert_eq!(complete(leases, "mail", "first").await, Ok(true));
    for (owner, second) in [("first", 1), ("second", 1), ("second", 1_000_000)] {
        assert_eq!(acquire(leases, owner, second).await, Acquired::Done);
    }
}

async fn parts_that_are_done_are_known_to_the_next(leases: &impl Leases) {
    let record = async |owner, done: &[&'static str], next| {
        leases.record("mail", owner, &done.iter().copied().collect(), next).await
    };
    let done = async |all, parts: &[&str]| {
        let parts = parts.iter().map(|part| (*part).to_owned()).collect();
        assert_eq!(leases.done("mail").await, Ok(DoneParts { all, parts }));
    };
    done(false, &[]).await;
    acquire(leases, "first", 0).await;
    done(false, &[]).await;
    assert_eq!(record("first", &["email"], NextOfLease::Held).await, Ok(true));
    done(false, &["email"]).await;
    assert_eq!(acquire(leases, "second", 1).await, Acquired::Held, "it is held on");
    assert_eq!(acquire(leases, "second", 10).await, mine(&["email"]), "a crash does not forget it");
    assert_eq!(record("second", &["sms", "post"], NextOfLease::Released).await, Ok(true));
    assert_eq!(acquire(leases, "third", 11).await, mine(&["email", "post", "sms"]));
    assert_eq!(record("third", &[], NextOfLease::Released).await, Ok(true));
    assert_eq!(acquire(leases, "fourth", 11).await, mine(&["email", "post", "sms"]));
    assert_eq!(record("fourth", &["email"], NextOfLease::Done).await, Ok(true));
    assert_eq!(acquire(leases, "fifth", 1_000).await, Acquired::Done);
    done(true, &["email", "post", "sms"]).await;
}

async fn only_who_holds_a_lease_can_record_a_part(leases: &impl Leases) {
    let record = async |owner| leases.record("mail", owner, &BTreeSet::from(["email"]), NextOfLease::Held).await;
    assert_eq!(record("first").await, Ok(false), "nobody has taken it");
    acquire(leases, "first", 0).await;
    acquire(leases, "second", 10).await;
    assert_eq!(record("first").await, Ok(false), "it was taken over");
    assert_eq!(acquire(leases, "second", 11).await, mine(&[]));
}

async fn only_who_holds_a_lease_can_complete_it(leases: &impl Leases) {
    assert_eq!(complete(leases, "mail", "first").await, Ok(false), "nobody has taken it");
    acquire(leases, "first", 0).await;
    assert_eq!(complete(leases, "mail", "second").await, Ok(false));
    acquire(leases, "second", 10).await;
    assert_eq!(complete(leases, "mail", "first").await, Ok(false), "it was taken over");
    assert_eq!(acquire(leases, "third", 11).await, Acquired::Held);
    assert_eq!(complete(leases, "mail", "second").await, Ok(true));
    assert_eq!(acquire(leases, "third", 11).await, Acquired::Done);
}

async fn a_lease_that_is_released_is_free_at_once(leases: &impl Leases) {
    acquire(leases, "first", 0).await;
    assert_eq!(release(leases, "mail", "first").await, Ok(true));
    assert_eq!(acquire(leases, "second", 0).await, mine(&[]));
    assert_eq!(complete(leases, "mail", "second").await, Ok(true));
    assert_eq!(release(leases, "mail", "second").await, Ok(true));
    assert_eq!(acquire(leases, "third", 0).await, Acquired::Done, "done is done");
}

async fn only_who_holds_a_lease_can_release_it(leases: &impl Leases) {
    assert_eq!(release(leases, "mail", "first").await, Ok(false), "nobody has taken it");
    acquire(leases, "first", 0).await;
    assert_eq!(release(leases, "mail", "second").await, Ok(false));
    assert_eq!(acquire(leases, "second", 9).await, Acquired::Held);
    acquire(leases, "second", 10).await;
    assert_eq!(release(leases, "mail", "first").await, Ok(false), "it was taken over");
    assert_eq!(acquire(leases, "third", 11).await, Acquired::Held);
}

async fn leases_of_different_keys_are_independent(leases: &impl Leases) {
    let until = at(10);
    for key in ["mail", "mail#", "sms ü", "lease#mail"] {
        assert_eq!(leases.acquire(key, key, at(0), until).await, Ok(mine(&[])), "{key}");
    }
    assert_eq!(complete(leases, "mail", "mail").await, Ok(true));
    assert_eq!(leases.acquire("mail#", "other", at(0), until).await, Ok(Acquired::Held));
}

async fn of_many_at_once_one_gets_it(leases: &impl Leases) {
    let owners: Vec<String> = (0..8).map(|owner| owner.to_string()).collect();
    let results = join_all(owners.iter().map(|owner| acquire(leases, owner, 0))).await;
    assert_eq!(results.iter().filter(|acquired| **acquired == mine(&[])).count(), 1, "{results:?}");
}

async fn admit(allowances: &impl Allowances, key: &str, member: &str) -> bool {
    allowances.admit(key, member, 3, at(86_400)).await.unwrap()
}

async fn an_allowance_has_so_many_places_and_a_member_keeps_its_own(allowances: &impl Allowances) {
    for member in ["a", "b", "a", "c", "b"] {
        assert!(admit(allowances, "ada", member).await, "{member}");
    }
    assert!(!admit(allowances, "ada", "d").await, "all places are taken");
    assert!(admit(allowances, "ada", "a").await, "it has one");
    assert!(admit(allowances, "bob", "d").await, "keys are independent");
    assert!(allowances.admit("ada", "d", 4, at(86_400)).await.unwrap(), "a greater allowance");
}

async fn of_many_at_once_as_many_as_there_are_places_get_one(allowances: &impl Allowances) {
    let members: Vec<String> = (0..10).map(|member| member.to_string()).collect();
    let admitted = join_all(members.iter().map(|member| admit(allowances, "ada", member))).await;
    assert_eq!(admitted.into_iter().filter(|admitted| *admitted).count(), 3);
}

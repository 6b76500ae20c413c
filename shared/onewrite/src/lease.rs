//! Effects that have no idempotency key, such as a mail: at least once, and again only after a crash, when their answer was
//! lost, or where nothing can be recorded for seconds.

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::pin::pin;
use std::time::Duration;

use envelope::Time;
use futures::FutureExt;
use futures::future::{Either, LocalBoxFuture, select, select_all};
use tracing::warn;

use crate::failure::{Failure, FailureKind, Result};
use crate::port::{Acquired, Clock, Leases, NextOfLease, Random};

/// Longest time that a part which is done waits for the others to be recorded with it. Channels of messages answer within it,
/// so that one write does for all.
const RECORDED_WITHIN: Duration = Duration::from_millis(500);

/// Pauses before a record of what was done is tried again: three seconds in all, of which a batch has more before its end.
const RECORD_PAUSES: [Duration; 4] =
    [Duration::from_millis(200), Duration::from_millis(400), Duration::from_millis(800), Duration::from_millis(1_600)];

/// Retention of a lease after it was taken last, for tidiness. A message is at most 14 days in each of three queues: the one
/// for what the topic could not deliver, its own, and the one for dead letters. What is sent back later than that, by whatever
/// way, is taken for new.
pub const LEASE_KEPT: Duration = Duration::from_hours(45 * 24);

/// Part of an effect whose parts are told apart by nobody.
const WHOLE: &str = "effect";

/// The right to attempt an effect: its name, and how long the attempt may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Purpose of the effect, such as one event.
    pub key: String,
    /// Time at which the attempt is over at the latest: the end of the invocation.
    pub until: Time,
}

/// Result of an effect behind a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leased {
    /// It was done now.
    Now,
    /// It had been done before.
    Before,
}

/// Part of an effect: its name, and what does it.
pub type Part<'a> = (&'static str, LocalBoxFuture<'a, Result<()>>);

/// Performs `effect` unless it is done already.
///
/// ```text
///   acquire ──► effect ──► record: done
///           │    │      └─ a crash here repeats the effect once the lease has run out
///           │    └─ failed: released, and the next attempt may begin at once
///           └─ a crash here delays the effect until the lease has run out
/// ```
///
/// # Errors
///
/// Transient while another attempt holds the lease; else what the effect or the store of leases fails with.
pub async fn with_lease<W: Clock + Random>(
    leases: &impl Leases,
    world: &W,
    lease: Lease,
    effect: impl Future<Output = Result<()>>,
) -> Result<Leased> {
    let parts = vec![(WHOLE, effect.boxed_local())];
    let mut results = with_lease_of_parts(leases, world, lease, parts).await?;
    results.remove(WHOLE).unwrap_or(Ok(Leased::Before))
}

/// Performs, side by side, those parts of an effect that are not done already, behind one lease. They know nothing of each
/// other: when one fails the others are not stopped, and when the lease is taken again because of the one, the others are
/// known to be done.
///
/// All of it takes two writes. A part that is done while another takes long is recorded by a third, so that a crash repeats
/// no more than what was under way.
///
/// # Errors
///
/// Transient while another attempt holds the lease; what the store of leases fails with, where it is not known what of what
/// was done is on record. What a part fails with is its own result.
pub async fn with_lease_of_parts<W: Clock + Random>(
    leases: &impl Leases,
    world: &W,
    lease: Lease,
    parts: Vec<Part<'_>>,
) -> Result<BTreeMap<&'static str, Result<Leased>>> {
    let mut owner = [0; 16];
    world.fill(&mut owner);
    let owner = format!("{:032x}", u128::from_be_bytes(owner));
    let before = match leases.acquire(&lease.key, &owner, world.now(), lease.until).await? {
        Acquired::Done => return Ok(parts.into_iter().map(|(name, _)| (name, Ok(Leased::Before))).collect()),
        Acquired::Held => return Err(Failure::transient("another attempt is under way")),
        Acquired::Mine(before) => before,
    };
    let (known, open): (Vec<_>, Vec<_>) = parts.into_iter().partition(|(name, _)| before.contains(*name));
    let mut results: BTreeMap<_, _> = known.into_iter().map(|(name, _)| (name, Ok(Leased::Before))).collect();
    let mut under_way: Vec<_> =
        open.into_iter().map(|(name, effect)| effect.map(move |result| (name, result)).boxed_local()).collect();
    let mut unrecorded = BTreeSet::new();
    while !under_way.is_empty() {
        let has_unrecorded = !unrecorded.is_empty();
        let waited = async move { if has_unrecorded { world.sleep(RECORDED_WITHIN).await } else { pending().await } };
        match select(select_all(under_way), pin!(waited)).await {
            Either::Left((((name, result), _, others), _)) => {
                under_way = others;
                if result.is_ok() {
                    unrecorded.insert(name);
                }
                results.insert(name, result.map(|()| Leased::Now));
            }
            Either::Right(((), others)) => {
                under_way = others.into_inner();
                match leases.record(&lease.key, &owner, &unrecorded, NextOfLease::Held).await {
                    Ok(_) => unrecorded.clear(),
                    // Then the end records it.
                    Err(failure) => warn!(reason = failure.reason(), "parts not recorded"),
                }
            }
        }
    }
    let next = if results.values().all(Result::is_ok) { NextOfLease::Done } else { NextOfLease::Released };
    let mut pauses = RECORD_PAUSES.into_iter();
    loop {
        let failure = match leases.record(&lease.key, &owner, &unrecorded, next).await {
            // The lease may be another's by now, which makes no difference any more: what was done is done.
            Ok(_) => return Ok(results),
            // If only the end of the lease is not recorded, the next attempt waits until it has run out: later, but not wrong.
            Err(failure) if unrecorded.is_empty() => {
                warn!(reason = failure.reason(), "lease not released");
                return Ok(results);
            }
            Err(failure) => failure,
        };
        // What is done and not on record is done again, so that a store that is busy is waited for. As long as the lease lasts nobody
        // else begins.
        let pause = pauses.next().filter(|pause| world.now().after(*pause) < lease.until);
        let may_pass = matches!(failure.kind(), FailureKind::Transient | FailureKind::Unavailable);
        let Some(pause) = pause.filter(|_| may_pass) else { return Err(failure) };
        warn!(reason = failure.reason(), "not recorded: it is tried again");
        world.sleep(pause).await;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures::executor::block_on;

    use super::*;
    use crate::memory::{MemoryLeases, Pace, VirtualTime};
    use crate::port::DoneParts;

    struct Bench {
        leases: MemoryLeases,
        world: VirtualTime,
        sent: Cell<u32>,
    }

    impl Bench {
        fn new() -> Self {
            Self { leases: MemoryLeases::default(), world: VirtualTime::new(1), sent: Cell::new(0) }
        }

        /// Sends a mail behind a lease of a minute.
        async fn send(&self, result: Result<()>) -> Result<Leased> {
            let lease = Lease { key: "mail".to_owned(), until: self.world.now().after(Duration::from_mins(1)) };
            with_lease(&self.leases, &self.world, lease, async {
                self.world.sleep(Duration::from_secs(1)).await;
                self.sent.set(self.sent.get() + 1);
                result
            })
            .await
        }
    }

    fn part<'a>(name: &'static str, effect: impl Future<Output = Result<()>> + 'a) -> Part<'a> {
        (name, effect.boxed_local())
    }

    impl Bench {
        /// Sends a mail and an SMS behind one lease, which take so many milliseconds and end like this.
        async fn tell(
            &self,
            mail: (u64, Result<()>),
            sms: (u64, Result<()>),
        ) -> Result<BTreeMap<&'static str, Result<Leased>>> {
            let lease = Lease { key: "event".to_owned(), until: self.world.now().after(Duration::from_mins(1)) };
            let send = |(millis, result): (u64, Result<()>)| async move {
                self.world.sleep(Duration::from_millis(millis)).await;
                self.sent.set(self.sent.get() + u32::from(result.is_ok()));
                result
            };
            let parts = vec![part("mail", send(mail)), part("sms", send(sms))];
            with_lease_of_parts(&self.leases, &self.world, lease, parts).await
        }
    }

    fn results(mail: Result<Leased>, sms: Result<Leased>) -> BTreeMap<&'static str, Result<Leased>> {
        BTreeMap::from([("mail", mail), ("sms", sms)])
    }

    #[test]
    fn of_the_parts_of_an_effect_each_is_done_once() {
        let (bench, down) = (Bench::new(), || Err(Failure::transient("down")));
        let first = block_on(bench.tell((1, Ok(())), (2, down())));
        assert_eq!(first.unwrap(), results(Ok(Leased::Now), Err(Failure::transient("down"))));
        let second = block_on(bench.tell((1, Ok(())), (2, Ok(()))));
        assert_eq!(second.unwrap(), results(Ok(Leased::Before), Ok(Leased::Now)));
        let third = block_on(bench.tell((1, Ok(())), (2, Ok(()))));
        assert_eq!((third.unwrap(), bench.sent.get()), (results(Ok(Leased::Before), Ok(Leased::Before)), 2));
    }

    #[test]
    fn a_crash_repeats_no_part_that_was_done_well_before() {
        const HANGS: u64 = 3_600_000;
        for (crash_millis, sent) in [(400, 3), (600, 2)] {
            let bench = Bench::new();
            let crash = bench.world.sleep(Duration::from_millis(crash_millis));
            block_on(select(pin!(bench.tell((1, Ok(())), (HANGS, Ok(())))), pin!(crash)));
            bench.world.pass(Duration::from_mins(1));
            assert!(block_on(bench.tell((1, Ok(())), (1, Ok(())))).is_ok());
            assert_eq!(bench.sent.get(), sent, "a crash after {crash_millis} ms");
        }
    }

    /// Leases whose next so many records fail.
    struct Busy<'a> {
        leases: &'a MemoryLeases,
        failures: Cell<u32>,
    }

    impl Leases for Busy<'_> {
        async fn acquire(&self, key: &str, owner: &str, now: Time, until: Time) -> Result<Acquired> {
            self.leases.acquire(key, owner, now, until).await
        }

        async fn record(
            &self,
            key: &str,
            owner: &str,
            done: &BTreeSet<&'static str>,
            next: NextOfLease,
        ) -> Result<bool> {
            if self.failures.get() > 0 {
                self.failures.set(self.failures.get() - 1);
                return Err(Failure::transient("busy"));
            }
            self.leases.record(key, owner, done, next).await
        }

        async fn done(&self, key: &str) -> Result<DoneParts> {
            self.leases.done(key).await
        }
    }

    #[test]
    fn a_store_that_is_busy_for_a_moment_repeats_nothing() {
        for (failures, seconds, sent) in [(0, 60, 1), (4, 60, 1), (5, 60, 2), (1, 1, 2)] {
            let bench = Bench::new();
            let busy = Busy { leases: &bench.leases, failures: Cell::new(failures) };
            for _ in 0..2 {
                let until = bench.world.now().after(Duration::from_secs(seconds));
                let send = async {
                    bench.sent.set(bench.sent.get() + 1);
                    bench.world.sleep(Duration::from_millis(900)).await;
                    Ok(())
                };
                let lease = Lease { key: "mail".to_owned(), until };
                let leased = block_on(with_lease(&busy, &bench.world, lease, send));
                assert_eq!(leased.is_ok(), sent == 1 || bench.sent.get() == 2, "{failures} {seconds}");
                bench.world.pass(Duration::from_mins(2));
            }
            assert_eq!(bench.sent.get(), sent, "{failures} failures, a lease of {seconds} s");
        }
    }

    #[test]
    fn an_effect_is_done_once() {
        let bench = Bench::new();
        assert_eq!(block_on(bench.send(Ok(()))), Ok(Leased::Now));
        bench.world.pass(Duration::from_hours(1));
        assert_eq!(block_on(bench.send(Ok(()))), Ok(Leased::Before));
        assert_eq!(bench.sent.get(), 1);
    }

    #[test]
    fn of_two_at_once_one_has_to_wait() {
        let bench = Bench::new();
        let (first, second) = block_on(futures::future::join(bench.send(Ok(())), bench.send(Ok(()))));
        assert_eq!((first, second.map_err(|failure| failure.kind().is_retryable())), (Ok(Leased::Now), Err(true)));
        assert_eq!(bench.sent.get(), 1);
    }

    #[test]
    fn after_a_failure_the_effect_is_tried_again_at_once() {
        let bench = Bench::new();
        assert_eq!(block_on(bench.send(Err(Failure::transient("down")))), Err(Failure::transient("down")));
        assert_eq!(block_on(bench.send(Ok(()))), Ok(Leased::Now));
    }

    #[test]
    fn who_has_lost_the_lease_can_neither_free_it_nor_end_it() {
        for result in [Ok(()), Err(Failure::transient("down"))] {
            let bench = Bench::new();
            let lease = |until| Lease { key: "mail".to_owned(), until };
            let pace = Pace::until("late");
            let until = bench.world.now().after(Duration::from_secs(1));
            let mut late = pin!(with_lease(&bench.leases, &bench.world, lease(until), async {
                pace.pause("late").await;
                result.clone()
            }));
            assert!(late.as_mut().now_or_never().is_none());
            bench.world.pass(Duration::from_secs(1));
            // The next one has it now, and is at work.
            let until = bench.world.now().after(Duration::from_secs(1));
            let mut next = pin!(with_lease(&bench.leases, &bench.world, lease(until), pending()));
            assert!(next.as_mut().now_or_never().is_none());
            pace.release();
            assert_eq!(late.now_or_never().map(|leased| leased.is_ok()), Some(result.is_ok()));
            let third = block_on(bench.send(Ok(())));
            assert_eq!(third, Err(Failure::transient("another attempt is under way")), "{result:?}");
        }
    }

    #[test]
    fn after_a_crash_the_effect_is_repeated_once_the_lease_has_run_out() {
        let bench = Bench::new();
        // The attempt is dropped in the middle of the effect: nothing after it runs.
        assert!(bench.send(Ok(())).now_or_never().is_none());
        assert!(block_on(bench.send(Ok(()))).is_err(), "the lease is still held");
        bench.world.pass(Duration::from_mins(1));
        assert_eq!(block_on(bench.send(Ok(()))), Ok(Leased::Now));
        assert_eq!(bench.sent.get(), 1);
    }
}

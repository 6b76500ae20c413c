//! Effects that have no idempotency key, such as a mail: at least once, and again only after a crash or when their answer
//! was lost.

use envelope::Time;
use tracing::warn;

use crate::failure::{Failure, Result};
use crate::port::{Acquired, Clock, Leases, Random};

/// The right to attempt an effect: its name, and how long the attempt may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Purpose of the effect, such as one event on one channel.
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

/// Performs `effect` unless it is done already.
///
/// ```text
///   acquire ──► effect ──► complete
///           │    │      └─ a crash here repeats the effect once the lease has run out
///           │    └─ failed: release, and the next attempt may begin at once
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
    let mut owner = [0; 16];
    world.fill(&mut owner);
    let owner = format!("{:032x}", u128::from_be_bytes(owner));
    match leases.acquire(&lease.key, &owner, world.now(), lease.until).await? {
        Acquired::Done => return Ok(Leased::Before),
        Acquired::Held => return Err(Failure::transient("another attempt is under way")),
        Acquired::Mine => {}
    }
    if let Err(failure) = effect.await {
        // If this fails too, the next attempt waits until the lease has run out: later, but not wrong.
        if let Err(release) = leases.release(&lease.key, &owner).await {
            warn!(reason = release.reason(), "lease not released");
        }
        return Err(failure);
    }
    // The lease may be another's by now, which makes no difference any more: the effect is done.
    leases.complete(&lease.key, &owner).await?;
    Ok(Leased::Now)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::pending;
    use std::pin::pin;
    use std::time::Duration;

    use futures::FutureExt;
    use futures::executor::block_on;

    use super::*;
    use crate::memory::{MemoryLeases, Pace, VirtualTime};

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

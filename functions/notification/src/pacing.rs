//! Pacing of mails: SES refuses what comes faster than an account may send.

use std::cell::Cell;
use std::time::Duration;

use onewrite::port::Clock;
use onewrite::{Delivery, Failure, Result};
use orderflow_events::Time;

/// Time for which nothing is sent after SES has said that it was too fast: its rates are by the second.
const TOO_FAST_PAUSE: Duration = Duration::from_secs(1);

/// Pacing of one function's mails: each at least so long after the one before.
#[derive(Debug)]
pub struct Pacing {
    apart: Duration,
    next: Cell<Time>,
}

impl Pacing {
    /// Pacing by the mails a second that all functions may send together, and the number of functions at work at once, of
    /// which each has the same share.
    #[must_use]
    pub fn new(mails_per_second: u32, functions_at_once: u32) -> Self {
        let apart = Duration::from_secs(1) * functions_at_once / mails_per_second.max(1);
        Self { apart, next: Cell::new(Time::from_millis(0)) }
    }

    /// Waits for the next turn.
    ///
    /// # Errors
    ///
    /// Deferred where it comes too late for this attempt. No turn is used up by that.
    pub(crate) async fn turn(&self, clock: &impl Clock, delivery: &Delivery<'_>) -> Result<()> {
        let now = clock.now();
        let turn = self.next.get().max(now);
        if delivery.is_too_late(turn) {
            return Err(Failure::deferred("the pace of mails leaves no turn"));
        }
        self.next.set(turn.after(self.apart));
        if turn > now {
            clock.sleep(now.until(turn)).await;
        }
        Ok(())
    }

    /// Gives a turn back that was not used, to whoever comes next.
    pub(crate) fn give_back(&self) {
        let next = self.next.get().as_millis() - i64::try_from(self.apart.as_millis()).unwrap_or(0);
        self.next.set(Time::from_millis(next));
    }

    /// Lets no turn come within the next second.
    pub(crate) fn pause(&self, clock: &impl Clock) {
        self.next.set(self.next.get().max(clock.now().after(TOO_FAST_PAUSE)));
    }
}

#[cfg(test)]
mod tests {
    use onewrite::memory::VirtualTime;
    use tokio::join;

    use super::*;

    fn delivery(world: &VirtualTime, seconds: u64) -> Delivery<'static> {
        Delivery { text: "", deadline: world.now().after(Duration::from_secs(seconds)) }
    }

    async fn turn(pacing: &Pacing, world: &VirtualTime, delivery: Delivery<'_>) -> Option<Duration> {
        let begin = world.now();
        pacing.turn(world, &delivery).await.ok().map(|()| begin.until(world.now()))
    }

    #[tokio::test]
    async fn turns_are_as_far_apart_as_the_share_of_one_function_allows() {
        for (per_second, functions, apart_ms) in [(1, 1, 1_000), (1, 2, 2_000), (14, 2, 142), (1_000, 2, 2)] {
            let (world, pacing) = (VirtualTime::new(1), Pacing::new(per_second, functions));
            let delivery = delivery(&world, 10);
            let one = || turn(&pacing, &world, delivery);
            let apart = Duration::from_millis(apart_ms);
            assert_eq!(join!(one(), one(), one()), (Some(Duration::ZERO), Some(apart), Some(apart * 2)));
            world.pass(Duration::from_secs(10));
        }
    }

    #[tokio::test]
    async fn a_turn_that_comes_too_late_is_left_to_others() {
        let (world, pacing) = (VirtualTime::new(1), Pacing::new(1, 2));
        let (short, long) = (delivery(&world, 3), delivery(&world, 10));
        let turns = join!(turn(&pacing, &world, short), turn(&pacing, &world, short), turn(&pacing, &world, long));
        assert_eq!(turns, (Some(Duration::ZERO), None, Some(Duration::from_secs(2))));
        let failure = pacing.turn(&world, &short).await.unwrap_err();
        assert_eq!(failure.kind(), onewrite::FailureKind::Deferred);
    }

    #[tokio::test]
    async fn a_turn_that_is_given_back_is_the_next_ones() {
        let (world, pacing) = (VirtualTime::new(1), Pacing::new(1, 1));
        for _ in 0..3 {
            assert_eq!(turn(&pacing, &world, delivery(&world, 10)).await, Some(Duration::ZERO));
            pacing.give_back();
        }
        assert_eq!(turn(&pacing, &world, delivery(&world, 10)).await, Some(Duration::ZERO));
        assert_eq!(turn(&pacing, &world, delivery(&world, 10)).await, Some(Duration::from_secs(1)));
    }

    #[tokio::test]
    async fn who_was_too_fast_pauses() {
        let (world, pacing) = (VirtualTime::new(1), Pacing::new(1_000, 1));
        pacing.pause(&world);
        assert_eq!(turn(&pacing, &world, delivery(&world, 10)).await, Some(TOO_FAST_PAUSE));
    }
}

//! Time that stands still until all who are at work sleep, and chance that repeats itself.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use envelope::Time;

use crate::port::{Clock, Random};

/// Virtual time and seeded chance: two worlds of one seed are the same.
///
/// No time passes while anybody is at work. Once nobody is left but sleepers, the one that is due first is woken, and it
/// is as late then as that sleeper was to sleep. A sleep that was given up, such as a time limit that was not needed,
/// lets no time pass. All this needs no executor of its own: any that runs on one thread, and lets everybody who is
/// ready have a turn before anybody has two, will do.
#[derive(Debug)]
pub struct VirtualTime {
    now: Cell<Time>,
    state: Cell<u64>,
    sleepers: RefCell<BTreeMap<Turn, Waker>>,
    sleeps: Cell<u64>,
}

/// Turn of a sleeper to be woken; those that are due at the same moment in the order in which they fell asleep.
type Turn = (Time, u64);

impl VirtualTime {
    /// A world in which it is 2026-01-01, with chance from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            now: Cell::new(Time::from_millis(1_767_225_600_000)),
            state: Cell::new(seed),
            sleepers: RefCell::default(),
            sleeps: Cell::new(0),
        }
    }

    /// Lets time pass.
    pub fn pass(&self, duration: Duration) {
        self.now.set(self.now.get().after(duration));
        let wakers: Vec<Waker> = self.sleepers.borrow().values().cloned().collect();
        wakers.into_iter().for_each(Waker::wake);
    }

    fn is_next(&self, turn: Turn) -> bool {
        self.sleepers.borrow().first_key_value().is_some_and(|(first, _)| *first == turn)
    }

    fn wake_next(&self) {
        let next = self.sleepers.borrow().first_key_value().map(|(_, waker)| waker.clone());
        if let Some(waker) = next {
            waker.wake();
        }
    }

    /// The next number of `SplitMix64` (Steele, Lea, Flood 2014): small, seedable, and good enough for anything but
    /// secrets.
    fn next(&self) -> u64 {
        let state = self.state.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
        self.state.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

impl Clock for VirtualTime {
    fn now(&self) -> Time {
        self.now.get()
    }

    async fn sleep(&self, duration: Duration) {
        let number = self.sleeps.get();
        self.sleeps.set(number + 1);
        Sleep { world: self, turn: (self.now.get().after(duration), number), yields: 0 }.await;
    }
}

/// Times that a sleeper lets others go first: `FuturesUnordered` hands over to whoever is beside it when two that it runs have yielded, or one has
/// twice.
const YIELDS: u8 = 2;

/// One sleep. It counts for as long as it exists: whoever drops it need not wait for it.
struct Sleep<'a> {
    world: &'a VirtualTime,
    turn: Turn,
    /// Times that it has let others go first.
    yields: u8,
}

impl Future for Sleep<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let (world, turn) = (self.world, self.turn);
        world.sleepers.borrow_mut().insert(turn, context.waker().clone());
        if !world.is_next(turn) {
            self.yields = 0;
            return Poll::Pending;
        }
        // Those that are ready get their turn first, and may fall asleep for a shorter time, or give this sleep up.
        if self.yields < YIELDS {
            self.yields += 1;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        world.now.set(world.now.get().max(turn.0));
        Poll::Ready(())
    }
}

impl Drop for Sleep<'_> {
    fn drop(&mut self) {
        self.world.sleepers.borrow_mut().remove(&self.turn);
        self.world.wake_next();
    }
}

impl Random for VirtualTime {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_be_bytes()[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures::executor::block_on;
    use futures::future::{Either, join_all, pending, select};

    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn check_time(world: &VirtualTime, passed: Duration) {
        assert_eq!(VirtualTime::new(0).now().until(world.now()), passed);
    }

    #[test]
    fn sleepers_wake_in_the_order_in_which_they_are_due() {
        let (world, woken) = (VirtualTime::new(1), RefCell::new(Vec::new()));
        let sleeper = async |duration: u64| {
            world.sleep(seconds(duration)).await;
            check_time(&world, seconds(duration));
            woken.borrow_mut().push(duration);
        };
        block_on(join_all([3, 0, 2, 2, 1].map(sleeper)));
        assert_eq!(*woken.borrow(), [0, 1, 2, 2, 3]);
    }

    #[test]
    fn a_sleep_that_is_given_up_takes_no_time() {
        let world = VirtualTime::new(1);
        let work = async {
            world.sleep(seconds(1)).await;
            world.sleep(seconds(1)).await;
        };
        let limit = world.sleep(seconds(60));
        assert!(matches!(block_on(select(pin!(work), pin!(limit))), Either::Left(_)));
        check_time(&world, seconds(2));
        block_on(world.sleep(seconds(5)));
        check_time(&world, seconds(7));
    }

    #[test]
    fn who_hangs_is_given_up_when_the_time_has_come() {
        let world = VirtualTime::new(1);
        let limited = async |limit: u64| {
            let time_up = world.sleep(seconds(limit));
            assert!(matches!(select(pin!(pending::<()>()), pin!(time_up)).await, Either::Right(_)));
            check_time(&world, seconds(limit));
        };
        block_on(join_all([9, 4, 7].map(limited)));
    }

    #[test]
    fn time_that_is_made_to_pass_wakes_those_that_are_due() {
        let world = VirtualTime::new(1);
        let long = async {
            world.sleep(seconds(5)).await;
            check_time(&world, seconds(30));
        };
        let jump = async { world.pass(seconds(30)) };
        block_on(futures::future::join(long, jump));
    }
}

//! Time that stands still until somebody sleeps, and chance that repeats itself.

use std::cell::Cell;
use std::time::Duration;

use orderflow_contracts::Time;

use crate::port::{Chance, Clock};

/// Virtual time and seeded chance: two worlds of one seed are the same.
#[derive(Debug)]
pub struct World {
    now: Cell<Time>,
    state: Cell<u64>,
}

impl World {
    /// A world in which it is 2026-01-01, with chance from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { now: Cell::new(Time::from_millis(1_767_225_600_000)), state: Cell::new(seed) }
    }

    /// Lets time pass.
    pub fn pass(&self, duration: Duration) {
        self.now.set(self.now.get().after(duration));
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

impl Clock for World {
    fn now(&self) -> Time {
        self.now.get()
    }

    async fn sleep(&self, duration: Duration) {
        // The others at work get their turn first: who sleeps is not the first to go on.
        let mut yielded = false;
        std::future::poll_fn(|context| {
            if std::mem::replace(&mut yielded, true) {
                return std::task::Poll::Ready(());
            }
            context.waker().wake_by_ref();
            std::task::Poll::Pending
        })
        .await;
        self.pass(duration);
    }
}

impl Chance for World {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_be_bytes()[..chunk.len()]);
        }
    }
}

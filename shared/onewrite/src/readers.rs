//! Those who read at this moment, and may have something to write together in the next.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use futures::future::select;

use crate::port::Clock;

/// Longest wait for those who read at this moment, and may have something to append. A read takes less unless something is
/// wrong; then nobody waits for it.
pub(crate) const MAX_WAIT: Duration = Duration::from_millis(50);

/// Those who read at this moment.
#[derive(Default)]
pub(crate) struct Readers {
    count: AtomicUsize,
    lead: Mutex<Option<Waker>>,
}

/// One who reads.
pub(crate) struct Reader<'a>(&'a Readers);

impl Readers {
    pub(crate) fn enter(&self) -> Reader<'_> {
        self.count.fetch_add(1, Ordering::AcqRel);
        Reader(self)
    }

    fn are_gone(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    /// Waits until nobody reads any more, for a while.
    pub(crate) async fn gone(&self, clock: &impl Clock) {
        if self.are_gone() {
            return;
        }
        let gone = poll_fn(|context| {
            lock(&self.lead).replace(context.waker().clone());
            if self.are_gone() { Poll::Ready(()) } else { Poll::Pending }
        });
        select(pin!(gone), pin!(clock.sleep(MAX_WAIT))).await;
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        let Readers { count, lead } = self.0;
        if count.fetch_sub(1, Ordering::AcqRel) == 1
            && let Some(lead) = lock(lead).take()
        {
            lead.wake();
        }
    }
}

/// Locks what is never left half-done: nothing that does can panic while it holds a lock.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Cache of keys that somebody else may change: fetched on first need, again after a while, and when one is not known.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use envelope::Time;
use tracing::warn;

use crate::failure::{Failure, Result};

/// Pause after a refresh that failed. The known keys go on counting meanwhile.
const REFRESH_PAUSE: Duration = Duration::from_mins(1);

/// Fetches for keys that are not known, within one [`FETCH_WINDOW`]: keys change once in weeks, and whoever invents ids of
/// keys must not have us ask for each.
const MAX_FETCHES: u32 = 10;
const FETCH_WINDOW: Duration = Duration::from_mins(1);

/// Cache of keys.
#[derive(Debug)]
pub(crate) struct KeyCache<T> {
    limits: Limits,
    cached: Mutex<Cached<T>>,
}

/// Limits of a cache.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The keys, in logs.
    pub(crate) name: &'static str,
    /// Age at which keys are fetched again: so soon one that was withdrawn counts no more.
    pub(crate) refresh_after: Duration,
    /// Age up to which keys count while they cannot be fetched again.
    pub(crate) usable_for: Duration,
}

/// The keys that are known, and when they are asked for again.
#[derive(Debug)]
struct Cached<T> {
    keys: Option<Arc<T>>,
    fetched_at: Time,
    refresh_at: Time,
    window_since: Time,
    fetches_in_window: u32,
}

impl<T> KeyCache<T> {
    /// An empty cache.
    pub(crate) fn new(limits: Limits) -> Self {
        let never = Time::from_millis(0);
        let cached =
            Cached { keys: None, fetched_at: never, refresh_at: never, window_since: never, fetches_in_window: 0 };
        Self { limits, cached: Mutex::new(cached) }
    }

    /// The keys, fetched where they are not at hand or too old.
    ///
    /// # Errors
    ///
    /// They cannot be fetched, and those that are known are too old to count.
    pub(crate) async fn get(&self, now: Time, fetch: impl Future<Output = Result<T>>) -> Result<Arc<T>> {
        let (known, is_due) = {
            let cached = self.cached();
            let usable = cached.keys.clone().filter(|_| cached.fetched_at.until(now) < self.limits.usable_for);
            (usable, cached.refresh_at <= now)
        };
        match known {
            Some(keys) if !is_due => Ok(keys),
            Some(keys) => Ok(self.store(now, fetch).await.unwrap_or_else(|failure| {
                warn!(reason = failure.reason(), keys = self.limits.name, "keys are not refreshed");
                self.cached().refresh_at = now.after(REFRESH_PAUSE);
                keys
            })),
            None => self.store(now, fetch).await,
        }
    }

    /// The keys as of now, for something that is signed by a key that is not known.
    ///
    /// # Errors
    ///
    /// They cannot be fetched, or were fetched for such a reason too often of late.
    pub(crate) async fn get_anew(&self, now: Time, fetch: impl Future<Output = Result<T>>) -> Result<Arc<T>> {
        self.count_fetch(now)?;
        self.store(now, fetch).await
    }

    async fn store(&self, now: Time, fetch: impl Future<Output = Result<T>>) -> Result<Arc<T>> {
        let keys = Arc::new(fetch.await?);
        let mut cached = self.cached();
        cached.keys = Some(Arc::clone(&keys));
        (cached.fetched_at, cached.refresh_at) = (now, now.after(self.limits.refresh_after));
        Ok(keys)
    }

    fn count_fetch(&self, now: Time) -> Result<()> {
        let mut cached = self.cached();
        if cached.window_since.until(now) >= FETCH_WINDOW {
            (cached.window_since, cached.fetches_in_window) = (now, 0);
        }
        if cached.fetches_in_window == MAX_FETCHES {
            return Err(Failure::transient(format!("too many requests with {} that are not known", self.limits.name)));
        }
        cached.fetches_in_window += 1;
        Ok(())
    }

    fn cached(&self) -> MutexGuard<'_, Cached<T>> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

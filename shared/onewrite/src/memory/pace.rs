//! Crashes and overlaps, made to happen.

use std::cell::Cell;
use std::future::poll_fn;
use std::task::Poll;

use envelope::{Subject, Time};

use crate::failure::{Failure, Result};
use crate::port::{Addition, Appended, Log, OpenPage, OpenSubjects, OwnedSubjects};
use crate::row::Row;

/// Pace of an attempt: how far it may go.
///
/// Each call of a [`Paced`] port pauses before it and after it. Where the pace is used up the attempt stands still, as a
/// function that hangs; dropping it there is a crash.
///
/// ```
/// use futures::FutureExt;
/// use onewrite::memory::{MemoryLog, Pace, Paced};
/// use onewrite::port::Log;
/// use envelope::Subject;
///
/// let log = MemoryLog::default();
/// let pace = Pace::until("before read");
/// let paced = Paced { port: &log, pace: &pace };
/// let subject = Subject::new("usr_1")?;
/// let mut attempt = std::pin::pin!(paced.read(&subject));
/// assert!(attempt.as_mut().now_or_never().is_none(), "it stands still");
/// pace.release();
/// assert!(attempt.now_or_never().is_some(), "it goes on");
/// # Ok::<(), envelope::Invalid>(())
/// ```
#[derive(Debug)]
pub struct Pace {
    steps: Cell<u32>,
    hold: Cell<Option<&'static str>>,
    loses: Cell<Option<&'static str>>,
}

impl Pace {
    /// So many pauses are passed, and the next one is not.
    #[must_use]
    pub fn of(steps: u32) -> Self {
        Self { steps: Cell::new(steps), hold: Cell::new(None), loses: Cell::new(None) }
    }

    /// The first pause of that name is not passed, such as `before append`.
    #[must_use]
    pub fn until(place: &'static str) -> Self {
        Self { hold: Cell::new(Some(place)), ..Self::of(u32::MAX) }
    }

    /// The first call of that name, such as `append`, takes effect, and its answer is lost.
    #[must_use]
    pub fn losing(call: &'static str) -> Self {
        Self { loses: Cell::new(Some(call)), ..Self::of(u32::MAX) }
    }

    /// From now on no pause of that name is passed.
    pub fn hold(&self, place: &'static str) {
        self.hold.set(Some(place));
    }

    /// From now on the pauses of all names are passed.
    pub fn release(&self) {
        self.hold.set(None);
    }

    /// So many more pauses are passed.
    pub fn grant(&self, steps: u32) {
        self.steps.set(self.steps.get() + steps);
    }

    /// Pauses at that place, if the pace says so.
    pub async fn pause(&self, place: &'static str) {
        self.pause_where(|held| held == place).await;
    }

    /// One call of a [`Paced`] port, with a pause before it and one after it. `timed_out` is what the caller hears where
    /// the answer is lost.
    ///
    /// # Errors
    ///
    /// Those of the call.
    pub async fn call<T, E>(
        &self,
        name: &'static str,
        call: impl Future<Output = Result<T, E>>,
        timed_out: impl FnOnce() -> E,
    ) -> Result<T, E> {
        self.pause_where(|held| held.strip_prefix("before ") == Some(name)).await;
        let answer = call.await;
        self.pause_where(|held| held.strip_prefix("after ") == Some(name)).await;
        if self.loses.get() == Some(name) {
            self.loses.set(None);
            return Err(timed_out());
        }
        answer
    }

    async fn pause_where(&self, is_held: impl Fn(&str) -> bool) {
        poll_fn(|context| {
            if self.hold.get().is_some_and(&is_held) || self.steps.get() == 0 {
                // Some who run many attempts look again only at those that ask for it.
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            self.steps.set(self.steps.get() - 1);
            Poll::Ready(())
        })
        .await;
    }
}

/// A port whose calls are paced. A service implements its own ports for it as this crate does [`Log`].
#[derive(Clone, Copy, Debug)]
pub struct Paced<'a, T> {
    /// Port that does the work.
    pub port: T,
    /// Pace of the attempt: how far it may go.
    pub pace: &'a Pace,
}

impl<T: Log> Log for Paced<'_, T> {
    async fn read(&self, subject: &Subject) -> Result<Vec<Row>> {
        self.pace.pause("before read").await;
        self.port.read(subject).await
    }

    async fn append_all(&self, additions: &[Addition<'_>]) -> Result<Appended> {
        let timed_out = || Failure::transient("timed out");
        self.pace.call("append", self.port.append_all(additions), timed_out).await
    }
}

impl<T: OwnedSubjects> OwnedSubjects for Paced<'_, T> {
    async fn owned_by(&self, owner: &str) -> Result<Vec<Subject>> {
        self.pace.pause("before owned").await;
        self.port.owned_by(owner).await
    }
}

impl<T: OpenSubjects> OpenSubjects for Paced<'_, T> {
    async fn page(&self, shard: u8, after: Option<&str>) -> Result<OpenPage> {
        self.pace.pause("before page").await;
        self.port.page(shard, after).await
    }

    async fn count(&self, before: Time) -> Result<u64> {
        self.pace.pause("before count").await;
        self.port.count(before).await
    }

    async fn close(&self, subject: &Subject) -> Result<()> {
        self.pace.call("close", self.port.close(subject), || Failure::transient("timed out")).await
    }
}

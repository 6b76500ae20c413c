//! Walk over the letters of some states: over all of them, as far as the time of a request goes, and none is passed over in silence.

use std::ops::ControlFlow;
use std::time::Duration;

use futures::future::try_join_all;
use onewrite::Failure;
use onewrite::port::Clock;
use orderflow_events::Time;

use crate::domain::{Letter, State};
use crate::port::LetterStore;
use crate::selection::Selection;

/// Time for which one request looks at letters: its function has ten seconds.
pub(super) const LOOKED_WITHIN: Duration = Duration::from_secs(5);

/// Ages, in milliseconds, at which a walk that begins with the newest letters goes on to older ones. Each costs a question about every
/// state.
const AGES_MS: [i64; 3] = [DAY_MS, 8 * DAY_MS, 64 * DAY_MS];
const DAY_MS: i64 = 86_400_000;

/// Walk of one request.
pub(super) struct Walk<'a, S, W> {
    store: &'a S,
    world: &'a W,
    begun_at: Time,
}

/// Times of first failures, as [places](Letter::place): the beginning, and the end, which is not included.
#[derive(Clone, Debug, Default)]
struct Span {
    from: Option<String>,
    to: Option<String>,
}

impl<'a, S: LetterStore, W: Clock> Walk<'a, S, W> {
    /// A walk that begins now.
    pub(super) fn new(store: &'a S, world: &'a W) -> Self {
        Self { store, world, begun_at: world.now() }
    }

    /// Shows all letters of a state, the oldest failure first, until it is enough; false if the time was up before.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub(super) async fn all(&self, state: State, see: impl FnMut(Letter) -> ControlFlow<()>) -> Result<bool, Failure> {
        self.within(state, &Span::default(), see).await
    }

    /// Letters of a selection that are in these states, those of the newest failures first as far as spans go; and false if not all were
    /// looked at, for the time was up, or `most` letters of a state were seen.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub(super) async fn newest(
        &self,
        states: &[State],
        selection: &Selection,
        most: usize,
    ) -> Result<(Vec<Letter>, bool), Failure> {
        let mut found = Vec::new();
        let mut left = most;
        for span in self.spans() {
            let of_states = states.iter().map(async |state| {
                let (mut seen, mut letters) = (0, Vec::new());
                let is_whole = self.within(*state, &span, |letter| {
                    if seen == left {
                        return ControlFlow::Break(());
                    }
                    seen += 1;
                    if selection.has(&letter) {
                        letters.push(letter);
                    }
                    ControlFlow::Continue(())
                });
                let is_whole = is_whole.await?;
                Ok::<_, Failure>((letters, seen, is_whole))
            });
            let mut is_whole = true;
            for (letters, seen, is_whole_of_state) in try_join_all(of_states).await? {
                found.extend(letters);
                left = left.saturating_sub(seen);
                is_whole &= is_whole_of_state;
            }
            if !is_whole || left == 0 {
                return Ok((found, false));
            }
        }
        Ok((found, true))
    }

    /// Spans of time that have no gap, the newest first.
    fn spans(&self) -> Vec<Span> {
        let times = AGES_MS.map(|age| Some(Time::from_millis(self.begun_at.as_millis() - age).to_string()));
        let ends = [None].into_iter().chain(times.clone());
        times.into_iter().chain([None]).zip(ends).map(|(from, to)| Span { from, to }).collect()
    }

    async fn within(
        &self,
        state: State,
        span: &Span,
        mut see: impl FnMut(Letter) -> ControlFlow<()>,
    ) -> Result<bool, Failure> {
        let mut after = span.from.clone();
        loop {
            let letters = self.store.page(state, after.as_deref()).await?;
            let Some(last) = letters.last() else { return Ok(true) };
            after = Some(last.place());
            for letter in letters {
                if span.to.as_ref().is_some_and(|to| letter.place() >= *to) || see(letter).is_break() {
                    return Ok(true);
                }
            }
            if self.begun_at.until(self.world.now()) >= LOOKED_WITHIN {
                return Ok(false);
            }
        }
    }
}

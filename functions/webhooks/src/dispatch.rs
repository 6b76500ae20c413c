//! Dispatch: looks through what is new in the feed, once for all endpoints, wakes those that want something of it, and has somebody
//! work for each that is due.
//!
//! An endpoint that sleeps is told the place before the first event that it wants, so that nobody reads for it what it does not
//! want. One that is awake reads the feed itself, and falls asleep only if it was not woken since it began to read: so whatever comes
//! between its last look and its sleep is seen by one of the two.

use std::time::Duration;

use futures::future::join_all;
use futures::{TryStreamExt, stream};
use onewrite::feed::Cursor;
use onewrite::port::Clock;
use onewrite::{Failure, Result};
use orderflow_events::Time;
use serde_json::Value;
use tracing::warn;

use crate::domain::Endpoint;
use crate::port::{Endpoints, Feed, Happened, Place, Roster, Workers};

/// Events that are looked at together.
const AT_ONCE: usize = 100;

/// Number of attempts to wake an endpoint that others change.
const MAX_RACES: u32 = 20;

/// Time that a page takes at the most: less is not begun with.
const PAGE_TAKES: Duration = Duration::from_secs(5);

/// Endpoints that are woken at once: each is an item of its own.
const WOKEN_AT_ONCE: usize = 10;

/// Workers that are started at once.
const STARTED_AT_ONCE: usize = 10;

/// Time that it takes at the most to start them: less is not begun with.
const START_TAKES: Duration = Duration::from_secs(5);

/// Dispatcher of the feed.
pub struct Dispatch<F, E, W, C> {
    feed: F,
    endpoints: E,
    workers: W,
    clock: C,
}

/// Page of the feed that was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Page {
    /// There was none.
    None,
    /// This dispatch was the first to have looked at it.
    Mine,
    /// Somebody else was: the rest is theirs.
    Others,
}

impl<F: Feed, E: Endpoints, W: Workers, C: Clock> Dispatch<F, E, W, C> {
    /// A dispatcher of that feed to those endpoints.
    pub fn new(feed: F, endpoints: E, workers: W, clock: C) -> Self {
        Self { feed, endpoints, workers, clock }
    }

    /// Opens the connection to the table. Whether it works out shows soon enough.
    pub async fn warm(&self) {
        let _ = self.endpoints.roster().await;
    }

    /// Looks at all that is new, as far as there is time. To do it twice at once, or again after a crash, is to do it once.
    ///
    /// # Errors
    ///
    /// The feed or the endpoints cannot be reached. What is new stays new, and what is due stays due.
    pub async fn run(&self, deadline: Time) -> Result<()> {
        let mut roster = self.endpoints.roster().await?;
        let mut is_first = true;
        loop {
            // Whoever is disabled may have to be told, or cleared up; the feed is nothing to them.
            let is_read = roster.endpoints.iter().any(|endpoint| endpoint.disabled.is_none());
            let page = if is_read { self.page(&mut roster).await? } else { Page::None };
            if is_first || page != Page::None {
                self.start(&roster.endpoints, deadline).await?;
            }
            if page != Page::Mine || self.clock.now().after(PAGE_TAKES) >= deadline {
                break;
            }
            is_first = false;
        }
        Ok(())
    }

    /// Looks at one page, if there is one, and makes of the roster the one that there is then.
    async fn page(&self, roster: &mut Roster) -> Result<Page> {
        let Some(place) = &mut roster.place else {
            // All endpoints there are now are awake, and read for themselves what has happened before.
            self.endpoints.put_place(&Place { cursor: self.feed.end().await?, revision: 0 }).await?;
            *roster = self.endpoints.roster().await?;
            return Ok(Page::Mine);
        };
        // What all have behind them needs no look.
        let cursors = roster.endpoints.iter().filter(|it| it.disabled.is_none()).map(|it| it.cursor.clone());
        let behind = cursors.reduce(|one, other| one.nearest(&other)).unwrap_or_default();
        let mut start = place.cursor.furthest(&behind);
        let mut page = self.feed.after(&start, AT_ONCE).await?;
        if start != place.cursor && !page.is_empty() {
            // Were an endpoint beyond the end of a shard, the place would stay there, and those who come later would miss what happens.
            let within = start.nearest(&self.feed.end().await?);
            if within != start {
                page = self.feed.after(&within, AT_ONCE).await?;
                start = within;
            }
        }
        let Some(last) = page.last() else { return Ok(Page::None) };
        place.cursor = last.cursor.clone();
        // Once more, after the feed: whoever has come meanwhile may want something of this page.
        let mut endpoints = self.endpoints.roster().await?.endpoints;
        let events: Vec<Value> = page.iter().map(|it| serde_json::from_str(&it.text).unwrap_or_default()).collect();
        let (page, start) = (page.as_slice(), &start);
        let mut wanted = Vec::new();
        for endpoint in endpoints.iter_mut().filter(|endpoint| endpoint.disabled.is_none()) {
            let is_wanted = endpoint.condition();
            let wants = |&index: &usize| {
                let (event, happened) = (events.get(index), page.get(index));
                event
                    .zip(happened)
                    .is_some_and(|(event, it)| is_wanted(event, place_before(page, index, start), &it.cursor))
            };
            let first = (0..page.len()).find(wants);
            drop(is_wanted);
            wanted.extend(first.map(|first| Ok((endpoint, place_before(page, first, start)))));
        }
        let woken = stream::iter(wanted);
        woken.try_for_each_concurrent(WOKEN_AT_ONCE, |(endpoint, place)| self.wake(endpoint, place)).await?;
        // Whoever else has looked at this page has done the same, and may be further.
        let is_mine = self.endpoints.put_place(place).await?;
        place.revision += 1;
        roster.endpoints = endpoints;
        Ok(if is_mine { Page::Mine } else { Page::Others })
    }

    async fn wake(&self, endpoint: &mut Endpoint, place: &Cursor) -> Result<()> {
        for _ in 0..MAX_RACES {
            endpoint.wake(place, self.clock.now());
            if self.endpoints.put(endpoint).await? {
                endpoint.revision += 1;
                return Ok(());
            }
            match self.endpoints.get(&endpoint.id).await? {
                Some(changed) if changed.disabled.is_none() => *endpoint = changed,
                // What it has missed is after its cursor, once it is enabled.
                Some(_) | None => return Ok(()),
            }
        }
        Err(Failure::transient(format!("a wake-up of a webhook lost {MAX_RACES} races")))
    }

    /// Has somebody work for each that needs it, as far as there is time. One for which that fails stays due, and holds up no other; so
    /// do those for whom there is no time, and the next dispatch finds the others at work.
    async fn start(&self, endpoints: &[Endpoint], deadline: Time) -> Result<()> {
        let now = self.clock.now();
        let mut due = endpoints.iter().filter(|endpoint| endpoint.needs_somebody(now)).peekable();
        let mut started = Ok(());
        while due.peek().is_some() {
            if self.clock.now().after(START_TAKES) >= deadline {
                warn!("there is no time to have somebody work for all that are due");
                break;
            }
            let at_once = due.by_ref().take(STARTED_AT_ONCE).map(|endpoint| self.start_one(endpoint));
            started = join_all(at_once).await.into_iter().fold(started, Result::and);
        }
        started
    }

    async fn start_one(&self, endpoint: &Endpoint) -> Result<()> {
        let started = self.workers.start(&endpoint.id).await;
        started.inspect_err(|failure| {
            warn!(endpoint = endpoint.id, reason = failure.reason(), "nobody works for an endpoint that is due");
        })
    }
}

fn place_before<'a>(page: &'a [Happened], index: usize, start: &'a Cursor) -> &'a Cursor {
    index.checked_sub(1).and_then(|before| page.get(before)).map_or(start, |happened| &happened.cursor)
}

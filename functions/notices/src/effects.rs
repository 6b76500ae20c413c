//! One run of the clock: what has come into the feed is looked at, and what is due is told.

use std::str::FromStr;
use std::time::Duration;

use futures::future::try_join_all;
use onewrite::feed::{Cursor, FeedLog, read};
use onewrite::port::{Clock, Leases, Random};
use onewrite::{Failure, Lease, Result, with_lease};
use orderflow_events::{Text, Time};
use orderflow_journal::{Events, MAX_READ};
use orderflow_notification::Mailer;
use serde_json::Value;
use tracing::{error, info};

use crate::domain::{Found, Match, Rule, State};
use crate::port::{NoticeStore, Stored};
use crate::wording;

/// Time that is left for what was begun: no stretch of the feed is read, and no digest sent, with less than that.
const RESERVE: Duration = Duration::from_secs(10);

/// Stretches of the feed that are read before what was found is put on record.
const STRETCHES: usize = 10;

/// Notices by these rules.
pub struct Notices<L, E, S, Q, M, W> {
    feed: L,
    shards: u8,
    events: E,
    store: S,
    leases: Q,
    mailer: M,
    world: W,
    rules: Vec<Rule>,
    console: Option<Text>,
}

impl<L: FeedLog, E: Events, S: NoticeStore, Q: Leases, M: Mailer, W: Clock + Random> Notices<L, E, S, Q, M, W> {
    /// Notices of what is in the feed of so many shards, and the events in it; their states are in that store, and their digests,
    /// behind these leases, are sent by that mailer.
    pub fn new((feed, shards, events): (L, u8, E), store: S, leases: Q, mailer: M, world: W, rules: Vec<Rule>) -> Self {
        Self { feed, shards, events, store, leases, mailer, world, rules, console: None }
    }

    /// The same, whose digests lead to the operator's page at that URL.
    #[must_use]
    pub fn with_console(self, console: Text) -> Self {
        Self { console: Some(console), ..self }
    }

    /// Looks at what has come since the last run, and tells what is due, until all is done or `deadline` is near. What is left is the
    /// next run's.
    ///
    /// # Errors
    ///
    /// The first failure. A rule that fails holds up no other.
    pub async fn run(&self, deadline: Time) -> Result<()> {
        let mut result = Ok(());
        for rule in &self.rules {
            if let Err(failure) = self.run_rule(rule, deadline).await {
                error!(rule = rule.key(), reason = failure.reason(), "a notice is not told");
                result = result.and(Err(failure));
            }
        }
        result
    }

    async fn run_rule(&self, rule: &Rule, deadline: Time) -> Result<()> {
        let key = rule.key();
        let Some(Stored { mut revision, mut state }) = self.store.read(&key).await? else {
            // Whoever was faster has begun it.
            return self.store.write(&key, 0, &State::begun(self.end().await?)).await.map(drop);
        };
        while self.world.now().until(deadline) > RESERVE {
            let next = match &state.telling {
                Some(digest) => {
                    self.tell(rule, state.number(), digest, deadline).await?;
                    state.clone().told(self.world.now())
                }
                None => self.look(rule, &state).await?.due(rule.every.0, self.world.now()),
            };
            // Nothing has come; or another run is at it, and goes on.
            if next == state || !self.store.write(&key, revision, &next).await? {
                return Ok(());
            }
            (revision, state) = (revision + 1, next);
        }
        Ok(())
    }

    /// The state with what matches in the next stretches of the feed.
    async fn look(&self, rule: &Rule, state: &State) -> Result<State> {
        let not_understood = |_| Failure::permanent("a cursor is not understood");
        let mut cursor = Cursor::from_str(&state.cursor).map_err(not_understood)?;
        let mut found = Vec::new();
        'look: for _ in 0..STRETCHES {
            let listed = read(&self.feed, self.shards, &cursor, MAX_READ).await?;
            let keys: Vec<_> = listed.iter().map(|listed| listed.key.clone()).collect();
            if keys.is_empty() {
                break;
            }
            for (text, listed) in self.events.texts(&keys).await?.into_iter().zip(listed) {
                // What is listed is on record; were it not, it must not be passed.
                let Some(text) = text else { break 'look };
                cursor = listed.cursor;
                if let Ok(event) = serde_json::from_str::<Value>(&text)
                    && rule.matching.matches(&event)
                {
                    found.push(Match::of(&event));
                }
            }
        }
        // As it was, where nothing has come: a cursor may be written in several ways.
        if found.is_empty() && Cursor::from_str(&state.cursor) == Ok(cursor.clone()) {
            return Ok(state.clone());
        }
        Ok(state.clone().found(cursor.to_string(), found))
    }

    /// Sends a digest, unless it was sent: at least once, and again only after a crash between sending and recording that, when
    /// the answer was lost, or where nothing can be recorded for seconds.
    async fn tell(&self, rule: &Rule, number: u64, digest: &Found, deadline: Time) -> Result<()> {
        let mail = wording::digest(rule, number, digest, self.console.as_ref().map(Text::as_str))
            .map_err(|error| Failure::permanent(format!("the digest cannot be written: {error}")))?;
        let lease = Lease { key: format!("digest#{}#{number}", rule.key()), until: deadline };
        let send = async { self.mailer.send(&rule.to, &mail).await.map_err(Failure::from) };
        let leased = with_lease(&self.leases, &self.world, lease, send).await?;
        info!(rule = rule.key(), number, count = digest.count(), ?leased, "told");
        Ok(())
    }

    /// Cursor of the end of the feed, as it is now.
    async fn end(&self) -> Result<String> {
        let heads = try_join_all((0..self.shards).map(|shard| self.feed.head(shard))).await?;
        Ok(heads.iter().map(ToString::to_string).collect::<Vec<_>>().join("-"))
    }
}

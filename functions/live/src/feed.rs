//! The feed of the journal, as it is watched.

use std::str::FromStr;

use onewrite::envelope::{Pattern, parse};
use onewrite::feed::{Cursor, FeedLog, end, read};
use onewrite::{Failure, Result};
use orderflow_journal::Events;
use serde_json::Value;

use crate::domain::{Ahead, FeedEvent, Update};
use crate::port::Feed;

/// Events that are looked at together, of which as many may match as are sent at once.
const AT_ONCE: usize = 20;

/// Most events that are looked at for one stretch of a subscription.
const LOOKED_AT: usize = 400;

/// The feed of a journal.
#[derive(Clone, Debug)]
pub struct JournalFeed<L, E> {
    log: L,
    shards: u8,
    events: E,
}

impl<L: FeedLog, E: Events> JournalFeed<L, E> {
    /// The feed of so many shards, and the events in it.
    pub fn new(log: L, shards: u8, events: E) -> Self {
        Self { log, shards, events }
    }
}

impl<L: FeedLog, E: Events> Feed for JournalFeed<L, E> {
    async fn after(&self, position: &str, matching: Option<&Value>, most: usize) -> Result<Ahead> {
        let mut cursor = Cursor::from_str(position).map_err(|_| Failure::permanent("a cursor is not understood"))?;
        let pattern = pattern(matching)?;
        let (mut ahead, mut looked_at) = (Ahead::default(), 0);
        // Of a pattern that lets little through much is looked at, and little is sent.
        while looked_at < LOOKED_AT && ahead.updates.len() < most {
            let listed = read(&self.log, self.shards, &cursor, AT_ONCE.min(most - ahead.updates.len())).await?;
            if listed.is_empty() {
                break;
            }
            looked_at += listed.len();
            let keys: Vec<_> = listed.iter().map(|listed| listed.key.clone()).collect();
            for (text, listed) in self.events.texts(&keys).await?.into_iter().zip(listed) {
                // What is listed is on record; were it not, it must not be passed.
                let Some(text) = text else { return Ok(ahead) };
                let position = listed.cursor.to_string();
                ahead.position = Some(position.clone());
                cursor = listed.cursor;
                if let Ok(event) = serde_json::from_str::<Value>(&text)
                    && pattern.as_ref().is_none_or(|pattern| pattern.matches(&event))
                {
                    ahead.updates.push(Update::Event(FeedEvent { cursor: position, event }));
                }
            }
        }
        Ok(ahead)
    }

    async fn end(&self) -> Result<String> {
        Ok(end(&self.log, self.shards).await?.to_string())
    }
}

/// Pattern from its JSON, which was looked at when it was given.
pub(crate) fn pattern(matching: Option<&Value>) -> Result<Option<Pattern>> {
    let pattern = matching.map(parse::<Pattern>).transpose();
    pattern.map_err(|_| Failure::permanent("a pattern is not understood"))
}

//! The feed of the journal, as it is followed here.

use futures::future::try_join_all;
use onewrite::Result;
use onewrite::feed::{Cursor, FeedLog, RecordKey, end, read};
use orderflow_journal::Events;

use crate::port::{Feed, Happened};

/// Most events that are asked for at once: of DynamoDB's `BatchGetItem` the quota.
const AT_ONCE: usize = 100;

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
    async fn after(&self, cursor: &Cursor, most: usize) -> Result<Vec<Happened>> {
        let listed = read(&self.log, self.shards, cursor, most.min(AT_ONCE)).await?;
        let keys: Vec<_> = listed.iter().map(|listed| listed.key.clone()).collect();
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let texts = self.events.texts(&keys).await?.into_iter().zip(listed);
        // What is listed is on record; were it not, it must not be passed.
        let there = texts.map_while(|(text, listed)| Some((text?, listed)));
        Ok(there
            .map(|(text, listed)| Happened { key: (listed.key.0, listed.key.1), text, cursor: listed.cursor })
            .collect())
    }

    async fn end(&self) -> Result<Cursor> {
        end(&self.log, self.shards).await
    }

    async fn texts(&self, keys: &[(String, String)]) -> Result<Vec<Option<String>>> {
        let keys: Vec<_> = keys.iter().map(|(pk, sk)| RecordKey(pk.clone(), sk.clone())).collect();
        let parts = try_join_all(keys.chunks(AT_ONCE).map(|keys| self.events.texts(keys))).await?;
        Ok(parts.into_iter().flatten().collect())
    }
}

//! Projection of all that happens: each event on record, and in the feed, once.

use onewrite::feed::{FeedLog, FeedWriter};
use onewrite::port::{Clock, Random};
use onewrite::{Delivery, Project, Projected, Result};
use orderflow_events::Envelope;

use crate::entry::Entry;
use crate::port::{JournalStore, Kept};

/// Journal: the read model that keeps every event.
pub struct Journal<S, L, W> {
    store: S,
    feed: FeedWriter<L, W>,
    world: W,
}

impl<S: JournalStore, L: FeedLog, W: Clock + Random + Clone> Journal<S, L, W> {
    /// A journal in that store, whose events are listed in a feed of so many shards.
    pub fn new(store: S, feed: L, shards: u8, world: W) -> Self {
        Self { store, feed: FeedWriter::new(feed, world.clone(), shards), world }
    }
}

impl<S: JournalStore, L: FeedLog, W: Clock + Random> Project for Journal<S, L, W> {
    /// It counts as done once it is listed. Whoever has died between the two has left a mark, by which it is listed now.
    async fn project(&self, event: &Envelope, delivery: &Delivery<'_>) -> Result<Projected> {
        let entry = Entry::of(event, delivery.text, self.world.now(), self.feed.mark().await?)?;
        let (key, mark) = (entry.key(), entry.mark);
        let kept = self.feed.putting(self.store.append(entry)).await?;
        let (mark, projected) = match kept {
            Kept::Now => (mark, Projected::Now),
            Kept::Before(mark) => (mark, Projected::Before),
        };
        self.feed.list(key, mark).await?;
        Ok(projected)
    }

    async fn has(&self, event: &Envelope) -> Result<bool> {
        self.store.has(event).await
    }

    async fn warm(&self) {
        self.store.warm().await;
        // Whether it works out shows soon enough.
        let _ = self.feed.mark().await;
    }
}

#[cfg(test)]
mod tests;

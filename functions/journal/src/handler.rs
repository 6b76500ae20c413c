//! Projection of all that happens: each event on record, once.

use onewrite::port::Clock;
use onewrite::{Delivery, Project, Projected, Result};
use orderflow_events::Envelope;

use crate::entry::Entry;
use crate::port::JournalStore;

/// Journal: the read model that keeps every event.
pub struct Journal<S, C> {
    store: S,
    clock: C,
}

impl<S: JournalStore, C: Clock> Journal<S, C> {
    /// A journal in that store.
    pub fn new(store: S, clock: C) -> Self {
        Self { store, clock }
    }
}

impl<S: JournalStore, C: Clock> Project for Journal<S, C> {
    async fn project(&self, event: &Envelope, delivery: &Delivery<'_>) -> Result<Projected> {
        self.store.append(Entry::of(event, delivery.text, self.clock.now())?).await
    }

    async fn has(&self, event: &Envelope) -> Result<bool> {
        self.store.has(event).await
    }

    async fn warm(&self) {
        self.store.warm().await;
    }
}

#[cfg(test)]
mod tests;

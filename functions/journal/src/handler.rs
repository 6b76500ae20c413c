//! Taking events, and putting each of them on record once.

use onewrite::port::Clock;
use onewrite::{Delivery, Handle, Handled, Result};
use orderflow_events::Envelope;

use crate::entry::Entry;
use crate::port::{Appended, JournalStore};

/// The journal at work.
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

impl<S: JournalStore, C: Clock> Handle for Journal<S, C> {
    /// The envelope is all that must be right: what a type says is for those who know it.
    type Incoming = Envelope;

    fn consumes(&self, _: &Envelope) -> bool {
        true
    }

    async fn warm(&self) {
        self.store.warm().await;
    }

    async fn handle(&self, event: &Envelope, delivery: &Delivery<'_>) -> Result<Handled> {
        let entry = Entry::of(event, delivery.text, self.clock.now())?;
        match self.store.append(entry).await? {
            Appended::Done => Ok(Handled::Changed),
            Appended::Before => Ok(Handled::Duplicate),
        }
    }
}

#[cfg(test)]
mod tests;

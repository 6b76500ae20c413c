//! Effects of the service: an order is put down among those seen, and its neighbours are counted.
//!
//! ```text
//!   put this order down, for its customer and its email ──► count the orders around it ──► the verdict on record
//!                 └─ a crash here, or twice at once: the same entries again, and the same count
//! ```
//!
//! An order is put down before its neighbours are counted, and counts those after it as well as those before it, by the
//! time of the events. So of any burst of orders the one that is judged last sees all the others, in whatever order they
//! arrive and however many functions are at work.

use futures::future::try_join;
use onewrite::{Attempt, Delivery, Effects, Result};
use orderflow_events::HoldFlagged;

use crate::domain::{Findings, Screening, Sighting};
use crate::port::Sightings;
use crate::rules::{Seen, WINDOW};

/// Effects of screening, on the orders that were seen.
#[derive(Clone, Debug)]
pub struct SightingEffects<S> {
    sightings: S,
    rule: HoldFlagged,
}

impl<S: Sightings> SightingEffects<S> {
    /// Effects on those sightings, in a stack that holds flagged orders or does not.
    pub fn new(sightings: S, rule: HoldFlagged) -> Self {
        Self { sightings, rule }
    }
}

impl<S: Sightings> Effects<Screening> for SightingEffects<S> {
    async fn perform(&self, sighting: Sighting, _: Attempt, _: &Delivery<'_>) -> Result<Findings> {
        let Sighting { order, at, customer, email } = &sighting;
        let record = |whose| self.sightings.record(whose, order, *at);
        let count = |whose| self.sightings.count(whose, *at, WINDOW);
        try_join(record(customer), record(email)).await?;
        let (customer, email) = try_join(count(customer), count(email)).await?;
        Ok(Findings { seen: Seen { customer, email }, rule: self.rule })
    }
}

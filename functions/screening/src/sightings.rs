//! The orders that were seen: by whom, and when.
//!
//! ```text
//!   put this order down, for its customer and its email ──► count the orders around it ──► the verdict on record
//!                 └─ a crash here, or twice at once: the same entries again, and the same count
//! ```
//!
//! An order is put down before its neighbours are counted, and counts those after it as well as those before it, by the
//! time of the events. So of any burst of orders the one that is judged last sees all the others, in whatever order they
//! arrive and however many functions are at work.

mod dynamo;
#[cfg(any(test, feature = "testing"))]
mod memory;

use std::time::Duration;

use futures::future::try_join;
use onewrite::{Attempt, Delivery, Effects, Result};
use orderflow_events::{OrderId, Time};

pub use dynamo::DynamoSightings;
#[cfg(any(test, feature = "testing"))]
pub use memory::MemorySightings;

use crate::domain::{Screening, Sighting};
use crate::fingerprint::Fingerprint;
use crate::rules::{Seen, WINDOW};

/// The most orders that are counted; more are as many. It is far above what any rule asks for, and bounds what one
/// order's reading costs.
pub const MAX_COUNTED: u32 = 100;

/// The orders of each customer and each email address, as they were seen.
pub trait Sightings {
    /// Puts `order` down, once, however often this is done.
    ///
    /// # Errors
    ///
    /// It is unknown whether the order is put down.
    async fn record(&self, whose: &Fingerprint, order: &OrderId, at: Time) -> Result<()>;

    /// Number of different orders that are put down up to `within` before or after `around`, all that were recorded
    /// before this was asked; at most [`MAX_COUNTED`].
    ///
    /// # Errors
    ///
    /// They cannot be counted.
    async fn count(&self, whose: &Fingerprint, around: Time, within: Duration) -> Result<u32>;
}

impl<T: Sightings> Sightings for &T {
    async fn record(&self, whose: &Fingerprint, order: &OrderId, at: Time) -> Result<()> {
        T::record(self, whose, order, at).await
    }

    async fn count(&self, whose: &Fingerprint, around: Time, within: Duration) -> Result<u32> {
        T::count(self, whose, around, within).await
    }
}

/// The effects of the service.
#[derive(Clone, Debug)]
pub struct SightingEffects<S> {
    sightings: S,
}

impl<S: Sightings> SightingEffects<S> {
    /// SightingEffects on those sightings.
    pub fn new(sightings: S) -> Self {
        Self { sightings }
    }
}

impl<S: Sightings> Effects<Screening> for SightingEffects<S> {
    async fn perform(&self, sighting: Sighting, _: Attempt, _: &Delivery<'_>) -> Result<Seen> {
        let Sighting { order, at, customer, email } = &sighting;
        let record = |whose| self.sightings.record(whose, order, *at);
        let count = |whose| self.sightings.count(whose, *at, WINDOW);
        try_join(record(customer), record(email)).await?;
        let (customer, email) = try_join(count(customer), count(email)).await?;
        Ok(Seen { customer, email })
    }
}

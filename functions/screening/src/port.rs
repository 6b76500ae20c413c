//! Port to the orders that were seen: by whom, and when.

use std::time::Duration;

use auto_impl::auto_impl;
use onewrite::Result;
use orderflow_events::{OrderId, Time};

use crate::fingerprint::Fingerprint;

/// Most orders that are counted; more are as many. It is far above what any rule asks for, and bounds what one order's
/// reading costs.
pub const MAX_COUNTED: u32 = 100;

/// Orders of each customer and each email address, as they were seen.
#[auto_impl(&)]
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

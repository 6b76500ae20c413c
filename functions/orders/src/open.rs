//! Open orders: what is told of them each minute.

use onewrite::Swept;
use orderflow_events::Time;
use tracing::{info, warn};

/// Logs how many orders are open and how many are late, and names those that have been open for longest, if there are late
/// ones.
pub fn tell(swept: &Swept, now: Time) {
    let Swept { open, late, closed, oldest } = swept;
    let oldest_seconds = oldest.first().map_or(0, |(_, begun)| begun.until(now).as_secs());
    info!(open, late, closed, oldest_seconds, "open orders");
    let late = usize::try_from(*late).unwrap_or(usize::MAX);
    for (subject, begun) in oldest.iter().take(late) {
        warn!(subject = subject.as_str(), open_seconds = begun.until(now).as_secs(), "late");
    }
}

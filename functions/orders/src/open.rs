//! Open orders: what is told of them each minute.

use onewrite::Swept;
use onewrite::telemetry::{Measure, Observation, Unit, observe};
use orderflow_events::Time;
use tracing::{info, warn};

/// Logs and measures how many orders are open, how many are late, and how old the oldest is, also where that is 0; names
/// those that have been open for longest, if there are late ones.
pub fn tell(swept: &Swept, now: Time) {
    let Swept { open, late, forgotten, closed, oldest } = swept;
    let oldest_seconds = oldest.first().map_or(0, |(_, begun)| begun.until(now).as_secs());
    info!(open, late, forgotten, closed, oldest_seconds, "open orders");
    let measure =
        |name, unit, value: u64| Measure { name, unit, value: f64::from(u32::try_from(value).unwrap_or(u32::MAX)) };
    let measures = [
        measure("OpenOrders", Unit::Count, *open),
        measure("LateOrders", Unit::Count, *late),
        measure("OldestOpenOrderSeconds", Unit::Seconds, oldest_seconds),
    ];
    observe(None, &Observation::Measured { dimensions: &[], measures: &measures });
    let late = usize::try_from(late + forgotten).unwrap_or(usize::MAX);
    for (subject, begun) in oldest.iter().take(late) {
        warn!(subject = subject.as_str(), open_seconds = begun.until(now).as_secs(), "late");
    }
}

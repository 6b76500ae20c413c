//! Open orders: the end of those that nothing else will end, and what is told of the others each minute.

use std::time::Duration;

use onewrite::personal::Keys;
use onewrite::telemetry::{Measure, Observation, Unit, observe};
use onewrite::{EndingOf, Result, Swept};
use orderflow_events::Time;
use tracing::{info, warn};

use crate::domain::{Order, Orders, cancel_unpaid};
use crate::orphans::end_orphan;

/// Time after its creation at which an order that nobody has paid is given up, so that its goods are for sale again.
///
/// It is not the time that a payment may take: that is the provider's business. It is the time after which nothing is expected to
/// become of it any more, such as of a message to payment that is a dead letter, and so has to be longer than an outage of the
/// provider, and than the time in which somebody mends and sends back what was parked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaymentDue(Duration);

impl PaymentDue {
    /// Due so many hours after the order was created.
    #[must_use]
    pub const fn of_hours(hours: u32) -> Self {
        Self(Duration::from_hours(hours as u64))
    }

    /// The time.
    #[must_use]
    pub const fn duration(self) -> Duration {
        self.0
    }

    /// The end of an order of that age, if it is unpaid for too long.
    #[must_use]
    fn ending(self, order: &Order, age: Duration) -> Option<EndingOf<Orders>> {
        if age < self.0 {
            return None;
        }
        cancel_unpaid(order)
    }
}

/// Ends of the orders that nothing else will make an end of: orphans, and those that are unpaid for too long.
#[derive(Clone, Debug)]
pub struct Endings<K> {
    due: PaymentDue,
    keys: K,
}

impl<K: Keys> Endings<K> {
    /// Ends of the orders of customers who have those keys.
    pub const fn new(due: PaymentDue, keys: K) -> Self {
        Self { due, keys }
    }

    /// The end of an order of that age, if it is to have one. An orphan is told to be one, also where it is unpaid for too long.
    ///
    /// # Errors
    ///
    /// The keys cannot be read: it is unknown whether the order is an orphan.
    pub async fn of(&self, order: &Order, age: Duration) -> Result<Option<EndingOf<Orders>>> {
        let orphan = end_orphan(&self.keys, order, age).await?;
        Ok(orphan.or_else(|| self.due.ending(order, age)))
    }
}

/// Logs and measures how many orders are open, how many are late, and how old the oldest is, also where that is 0; names
/// those that have been open for longest, if there are late ones.
pub fn tell(swept: &Swept, now: Time) {
    let Swept { open, late, forgotten, closed, ended, oldest } = swept;
    let oldest_seconds = oldest.first().map_or(0, |(_, begun)| begun.until(now).as_secs());
    info!(open, late, forgotten, closed, ended, oldest_seconds, "open orders");
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

#[cfg(test)]
mod tests {
    use onewrite::Decider;
    use orderflow_events::sample;

    use super::*;

    #[test]
    fn an_order_is_due_to_the_hour() {
        let created = Orders::change_from(&sample::event(sample::order("ord_1"))).unwrap();
        let (due, order) = (PaymentDue::of_hours(72), Orders::evolve(Order::Unknown, created));
        assert_eq!(due.ending(&order, Duration::from_millis(72 * 3_600_000 - 1)), None);
        let ending = due.ending(&order, Duration::from_hours(72)).unwrap();
        assert_eq!((ending.name, ending.commit.events.len()), ("CancelUnpaid", 1));
        assert_eq!(due.ending(&Order::Unknown, Duration::from_hours(1_000)), None);
    }
}

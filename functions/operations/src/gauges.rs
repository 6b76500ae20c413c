//! Gauges of the letters for which somebody has to do something: how many there are, and how old the oldest is.

use std::time::Duration;

use onewrite::Result;
use onewrite::telemetry::{Measure, Observation, Unit, observe};
use orderflow_events::Time;

use crate::domain::Class;
use crate::port::{Backlog, OpenLetters};

/// Time that SQS keeps a message: whatever is older could not be there any more, were it not collected.
const KEPT: Duration = Duration::from_hours(14 * 24);

/// Counts the letters that wait, and tells it with the age of the oldest; that there are none, too.
///
/// # Errors
///
/// The store cannot be read: nothing is told.
pub async fn observe_letters(store: &impl Backlog, now: Time) -> Result<()> {
    let open = store.open_letters().await?;
    let oldest = open.iter().map(|open| open.oldest).min();
    let age = oldest.map(|oldest| oldest.until(now)).unwrap_or_default();
    let measures = [
        count("LettersWaiting", open.iter().map(|open| open.count).sum()),
        Measure { name: "OldestLetterSeconds", unit: Unit::Seconds, value: age.as_secs_f64().floor() },
        Measure { name: "OldestLetterShare", unit: Unit::None, value: share(age) },
    ];
    observe(None, &Observation::Measured { dimensions: &[], measures: &measures });
    for OpenLetters { service, class, count: number, .. } in &open {
        let measures = [count("LettersWaiting", *number)];
        observe(None, &Observation::Measured { dimensions: &dimensions(service, *class), measures: &measures });
    }
    Ok(())
}

/// Dimensions that letters are counted by.
pub(crate) fn dimensions(service: &str, class: Class) -> [(&str, &str); 2] {
    [("Service", service), ("Class", class.as_str())]
}

/// Number of letters.
pub(crate) fn count(name: &'static str, number: u32) -> Measure {
    Measure { name, unit: Unit::Count, value: f64::from(number) }
}

/// Share of the time that a message is kept, in thousandths, from 0 to 1.
fn share(age: Duration) -> f64 {
    (age.div_duration_f64(KEPT).min(1.0) * 1_000.0).floor() / 1_000.0
}

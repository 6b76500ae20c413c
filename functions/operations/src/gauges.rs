//! Gauges of the letters for which somebody has to do something: how many there are, and how old the oldest is.

use std::collections::BTreeMap;
use std::time::Duration;

use onewrite::Result;
use onewrite::telemetry::{Measure, Observation, Unit, observe};
use orderflow_events::Time;

use crate::domain::{Class, State};
use crate::port::LetterStore;

/// Most letters of a state that are counted, the oldest first: a flood of one service hides the letters of another only where it
/// is larger. There is no count in the store that would not be read letter by letter, and so many are 20 MB, some seconds of a
/// function that has a minute.
const MOST: usize = 10_000;

/// Time that SQS keeps a message: whatever is older could not be there any more, were it not collected.
const KEPT: Duration = Duration::from_hours(14 * 24);

/// Counts the letters that wait, and tells it with the age of the oldest; that there are none, too.
///
/// # Errors
///
/// The store cannot be read: nothing is told.
pub async fn observe_letters(store: &impl LetterStore, now: Time) -> Result<()> {
    observe_at_most(MOST, store, now).await
}

pub(crate) async fn observe_at_most(most: usize, store: &impl LetterStore, now: Time) -> Result<()> {
    let (mut waiting, mut oldest) = (BTreeMap::<(String, Class), u32>::new(), None::<Time>);
    for state in State::ALL.into_iter().filter(|state| state.is_open()) {
        let (mut after, mut counted) = (None, 0);
        while counted < most {
            let letters = store.page(state, after.as_deref()).await?;
            let Some(last) = letters.last() else { break };
            after = Some(last.place());
            for letter in letters.into_iter().take(most - counted) {
                counted += 1;
                oldest = Some(oldest.map_or(letter.failed_at, |oldest| oldest.min(letter.failed_at)));
                *waiting.entry((letter.service, letter.class)).or_default() += 1;
            }
        }
    }
    let age = oldest.map(|oldest| oldest.until(now)).unwrap_or_default();
    let measures = [
        count("LettersWaiting", waiting.values().sum()),
        Measure { name: "OldestLetterSeconds", unit: Unit::Seconds, value: age.as_secs_f64().floor() },
        Measure { name: "OldestLetterShare", unit: Unit::None, value: share(age) },
    ];
    observe(None, &Observation::Measured { dimensions: &[], measures: &measures });
    for ((service, class), number) in &waiting {
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

//! Job: something that operators have asked for and that takes longer than a request, on record, and taken on each minute by
//! whoever runs then.

use std::time::Duration;

use orderflow_events::Time;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Longest time that a run keeps a job from others after its last sign of life: longer than a run takes.
pub(crate) const LEASE: Duration = Duration::from_secs(90);

/// Run of the function that is at work on a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Runner {
    /// Its id.
    pub id: String,
    /// Time until which the job is its own.
    pub until: Time,
}

/// Job on record.
pub trait Job: Clone + PartialEq + Serialize + DeserializeOwned {
    /// Kind of the job.
    const KIND: &'static str;

    /// Its id.
    fn id(&self) -> &str;

    /// Time of the request.
    fn at(&self) -> Time;

    /// True while something is to be done for it.
    fn is_active(&self) -> bool;

    /// Number of its changes.
    fn revision(&self) -> u64;

    /// The run that is at work on it.
    fn runner(&self) -> Option<&Runner>;

    /// The same job in the hands of that run, and one revision on.
    #[must_use]
    fn run_by(&self, runner: Option<Runner>) -> Self;

    /// Job that is the run's own; `None` where it is another's.
    #[must_use]
    fn taken(&self, run: &str, now: Time) -> Option<Self> {
        let is_free = self.runner().is_none_or(|runner| runner.id == run || runner.until <= now);
        is_free.then(|| self.run_by(Some(Runner { id: run.to_owned(), until: now.after(LEASE) })))
    }
}

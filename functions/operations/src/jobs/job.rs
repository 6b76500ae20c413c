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

/// Progress of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Progress {
    /// It is at work.
    Running,
    /// All is done.
    Done,
    /// Somebody has stopped it.
    Stopped,
    /// A letter was parked again, at which the ramp of a redrive stops.
    Relapsed,
}

/// Head of a job: what all jobs have on record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Head<I> {
    /// Its id.
    pub id: I,
    /// Caller who has asked for it.
    pub by: String,
    /// Time of the request.
    pub at: Time,
    /// Its progress.
    pub progress: Progress,
    /// The run that is at work on it, and until when nobody else is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner: Option<Runner>,
    /// Number of its changes.
    pub revision: u64,
}

impl<I> Head<I> {
    /// Head of a job that was asked for a moment ago.
    #[must_use]
    pub fn new(id: I, by: &str, at: Time) -> Self {
        Self { id, by: by.to_owned(), at, progress: Progress::Running, runner: None, revision: 1 }
    }
}

/// Job on record.
pub trait Job: Clone + PartialEq + Serialize + DeserializeOwned + 'static {
    /// Kind of the job.
    const KIND: &'static str;

    /// Type of its id.
    type Id: AsRef<str>;

    /// Its head.
    fn head(&self) -> &Head<Self::Id>;

    /// Its head, to be changed.
    fn head_mut(&mut self) -> &mut Head<Self::Id>;

    /// Its id.
    fn id(&self) -> &str {
        self.head().id.as_ref()
    }

    /// True while something is to be done for it.
    fn is_active(&self) -> bool;

    /// Leaves nothing to do for a job that was stopped, but what it tells of itself: a redrive looks after what it has sent.
    fn cut_off(&mut self) {}

    /// The same job, one revision on.
    #[must_use]
    fn revised(&self) -> Self {
        let mut job = self.clone();
        job.head_mut().revision += 1;
        job
    }

    /// The same job in the hands of that run, and one revision on.
    #[must_use]
    fn run_by(&self, runner: Option<Runner>) -> Self {
        let mut job = self.revised();
        job.head_mut().runner = runner;
        job
    }

    /// Job that is the run's own; `None` where it is another's.
    #[must_use]
    fn taken(&self, run: &str, now: Time) -> Option<Self> {
        let is_free = self.head().runner.as_ref().is_none_or(|runner| runner.id == run || runner.until <= now);
        is_free.then(|| self.run_by(Some(Runner { id: run.to_owned(), until: now.after(LEASE) })))
    }

    /// Job that goes no further; `None` where that is so already.
    #[must_use]
    fn stopped(&self) -> Option<Self> {
        let mut stopped = self.revised();
        stopped.head_mut().progress = Progress::Stopped;
        stopped.cut_off();
        (self.head().progress == Progress::Running).then_some(stopped)
    }
}

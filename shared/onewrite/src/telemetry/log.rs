//! Log of observations: a line for what an operator looks for.

use tracing::{error, info, warn};

use super::observe::{Observation, Observe};
use crate::failure::FailureKind;

/// The log of this process.
pub(super) struct Log;

impl Observe for Log {
    fn observe(&self, _: Option<&str>, observation: &Observation<'_>) {
        match *observation {
            Observation::Handled { handled, .. } => info!(?handled, "handled"),
            Observation::Failed(failure) => match failure.kind() {
                FailureKind::Misconfigured => {
                    error!(reason = failure.reason(), "failed: the deployment must be mended");
                }
                FailureKind::Transient | FailureKind::Unavailable => {
                    warn!(reason = failure.reason(), "failed, may pass");
                }
                FailureKind::Deferred => info!(reason = failure.reason(), "deferred"),
                FailureKind::Permanent => warn!(reason = failure.reason(), "failed for ever"),
            },
            // The operations read in this line when a subject is tried again.
            Observation::PutBack { hidden_seconds, .. } if hidden_seconds > 0 => {
                info!(hidden_seconds, "comes again");
            }
            Observation::Parked { retryable } => warn!(retryable, "parked in the dead-letter queue"),
            Observation::NotParked(failure) => error!(reason = failure.reason(), "not parked"),
            Observation::Published { count, .. } if count > 0 => info!(count, "published"),
            Observation::NotPublished { failure, count } if failure.kind() == FailureKind::Misconfigured => {
                error!(reason = failure.reason(), count, "not published: the deployment must be mended");
            }
            Observation::NotPublished { failure, count } => warn!(reason = failure.reason(), count, "not published"),
            Observation::Discarded(failure) => {
                error!(reason = failure.reason(), "a row cannot be published: it is copied to the dead letters");
            }
            Observation::Published { .. }
            | Observation::PutBack { .. }
            | Observation::Committed { .. }
            | Observation::LostRace
            | Observation::Conflict
            | Observation::Short
            | Observation::Measured { .. }
            | Observation::Ended { .. } => {}
        }
    }
}

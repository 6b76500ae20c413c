//! Plan of a run: a seed, and what goes wrong.

use crate::faults::{FaultKinds, Faults, PlannedFault};
use crate::safeguard::Safeguard;

/// Plan of a run. Two runs of one plan are the same.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Seed of all that is drawn.
    pub seed: u64,
    /// Number of subjects whose events come in.
    pub subjects: u64,
    /// Kinds of faults that there are.
    pub kinds: FaultKinds,
    /// Number of times that each of them is as frequent as usual; drawn for each where it is none.
    pub intensity: Option<u32>,
    /// Number of faults after which all goes well.
    pub budget: u64,
    /// Fault at one call, whatever else goes wrong.
    pub planned: Option<PlannedFault>,
    /// Safeguard that is taken away.
    pub without: Option<Safeguard>,
}

impl Plan {
    /// So many subjects, with all faults.
    #[must_use]
    pub const fn new(seed: u64, subjects: u64) -> Self {
        Self { seed, subjects, kinds: FaultKinds::ALL, intensity: None, budget: u64::MAX, planned: None, without: None }
    }

    /// One subject, and at most one fault.
    #[must_use]
    pub const fn of_one(planned: Option<PlannedFault>) -> Self {
        Self { kinds: FaultKinds::NONE, planned, ..Self::new(0, 1) }
    }

    /// Faults of the run.
    pub(crate) fn faults(&self) -> Faults {
        Faults::new(self.seed, self.kinds, self.intensity, self.budget).with(self.planned)
    }
}

//! Safeguards, each of which can be taken away at a port, to see which invariant breaks without it.

use std::fmt;

/// Safeguard of the toolkit or of an application on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Safeguard {
    /// Its name, as on a command line.
    pub name: &'static str,
    /// Its description, to follow the word "without".
    pub what: &'static str,
}

impl Safeguard {
    /// Condition of a commit: without it a row is written whatever version was written meanwhile.
    pub const COMMIT_CONDITION: Self = Self { name: "commit-condition", what: "the condition of the commit" };
    /// Idempotency record: without it a row does not say which event it handled.
    pub const HANDLED_CHECK: Self = Self { name: "handled-check", what: "the check whether an event is handled" };
    /// Intent: without it none is on record when an effect is performed.
    pub const INTENT: Self = Self { name: "intent", what: "the intent before an effect" };
    /// Entries of a batch answer of SNS: without a look at them a refused event counts as published.
    pub const PUBLISH_ENTRIES: Self = Self { name: "publish-entries", what: "the check of each published entry" };
    /// Batch item failures: without them a record that failed is deleted with its batch.
    pub const ITEM_FAILURES: Self = Self { name: "item-failures", what: "the names of what failed in a batch" };
    /// Fencing of a lease: without it a lease can be released or completed by one who no longer holds it.
    pub const LEASE_FENCE: Self = Self { name: "lease-fence", what: "the fencing of the lease" };

    /// Every safeguard of the toolkit.
    pub const OF_THE_TOOLKIT: &[Self] = &[
        Self::COMMIT_CONDITION,
        Self::HANDLED_CHECK,
        Self::INTENT,
        Self::PUBLISH_ENTRIES,
        Self::ITEM_FAILURES,
        Self::LEASE_FENCE,
    ];
}

impl fmt::Display for Safeguard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name)
    }
}

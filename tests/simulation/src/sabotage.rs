//! The safeguards of the system, each of which can be taken away at the ports, to see what notices.

use std::str::FromStr;

/// Lists each safeguard once, with its name on the command line and what it is.
macro_rules! safeguards {
    ($($(#[$doc:meta])* $safeguard:ident $name:literal $what:literal;)*) => {
        /// A safeguard that is taken away.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Sabotage {
            $($(#[$doc])* $safeguard,)*
        }

        impl Sabotage {
            /// Every safeguard.
            pub const ALL: &[Self] = &[$(Self::$safeguard),*];

            /// Its name on the command line.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$safeguard => $name,)*
                }
            }

            /// What it is.
            #[must_use]
            pub const fn what(self) -> &'static str {
                match self {
                    $(Self::$safeguard => $what,)*
                }
            }
        }
    };
}

safeguards! {
    /// A row is written whatever version was written meanwhile.
    CommitCondition "commit-condition" "the condition of the commit";
    /// A row does not say which event it handled.
    HandledCheck "handled-check" "the check whether an event is handled";
    /// An event that the topic refused counts as published.
    PublishEntries "publish-entries" "the check of each published entry";
    /// The provider charges as often as it is asked to.
    ProviderKey "provider-key" "the provider's idempotency key";
    /// A lease can be given up, and marked as done, by one who no longer holds it.
    LeaseFence "lease-fence" "the fencing of the lease";
    /// Payment is not told of cancellations.
    Compensation "compensation" "the compensation of the charge";
    /// The messages of an order are in no group together: they arrive in any order, and side by side.
    GroupOrder "group-order" "the order within a group";
    /// An intent is not put on record.
    Intent "intent" "the intent before a charge";
    /// The provider is not asked what became of a charge before it is asked again.
    Find "find" "the question before a retry";
    /// A charge that is cancelled before it arrives is made all the same when it does.
    Fence "fence" "the fence at the provider";
    /// A parked message is known again by its body.
    ParkedId "parked-id" "the parked message's own deduplication id";
}

impl FromStr for Sabotage {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = || Self::ALL.iter().map(|safeguard| safeguard.name()).collect::<Vec<_>>().join(", ");
        let found = Self::ALL.iter().find(|safeguard| safeguard.name() == text);
        found.copied().ok_or_else(|| format!("there is no safeguard {text}; there are {}", names()))
    }
}

//! Safeguards of the shop, beside those of the toolkit.

use simulator::Safeguard;

/// Idempotency key of the payment provider: without it the provider charges as often as it is asked to.
pub const PROVIDER_KEY: Safeguard = Safeguard { name: "provider-key", what: "the provider's idempotency key" };

/// Compensation: without it payment is not told of cancellations.
pub const COMPENSATION: Safeguard = Safeguard { name: "compensation", what: "the compensation of the charge" };

/// Question before a retry: without it the provider is not asked what became of a charge before it is asked again.
pub const FIND: Safeguard = Safeguard { name: "find", what: "the question before a retry" };

/// Fence at the provider: without it a charge that is cancelled before it arrives is made all the same when it does.
pub const FENCE: Safeguard = Safeguard { name: "fence", what: "the fence at the provider" };

/// Right to state prices: without it everybody has it, the shop's page and every producer at the intake.
pub const PRICING: Safeguard = Safeguard { name: "pricing", what: "the comparison with the price table" };

/// Clearance: without it shipping waits for no word about orders that are flagged.
pub const CLEARANCE: Safeguard = Safeguard { name: "clearance", what: "the wait for the clearance" };

/// Limit of declines: without it the provider is asked for every order of somebody who tries cards.
pub const DECLINE_LIMIT: Safeguard = Safeguard { name: "decline-limit", what: "the limit of declines" };

/// Limit of messages: without it one recipient gets as many in a day as orders are placed.
pub const RECIPIENT_LIMIT: Safeguard = Safeguard { name: "recipient-limit", what: "the limit of messages" };

/// Record before the deletion: without it a dead letter leaves its queue whether or not it is on record.
pub const RECORD_FIRST: Safeguard = Safeguard { name: "record-first", what: "the record before a letter's deletion" };

/// Confirmation: without it a letter that is about to be sent back counts as sent, whether or not its queue has taken it.
pub const CONFIRMATION: Safeguard = Safeguard { name: "confirmation", what: "the confirmation of what is sent back" };

/// Revision of a webhook: without its condition a record of one is replaced by one that was made of an older.
pub const WEBHOOK_REVISION: Safeguard = Safeguard { name: "webhook-revision", what: "the revision of a webhook" };

/// Wake-ups of a webhook: without their number one falls asleep that was woken while its sender was at work.
pub const WEBHOOK_WAKES: Safeguard = Safeguard { name: "webhook-wakes", what: "the number of a webhook's wake-ups" };

/// Note of a delivery: without it nobody knows what a receiver has not taken.
pub const WEBHOOK_NOTE: Safeguard = Safeguard { name: "webhook-note", what: "the note of what is not taken" };

/// Hold of a subscription: without it one attempt to tell a client takes it from another, and both send.
pub const WATCH_HOLD: Safeguard = Safeguard { name: "watch-hold", what: "the hold of a subscription" };

/// Every safeguard of the shop.
pub const OF_THE_SHOP: [Safeguard; 14] = [
    PROVIDER_KEY,
    COMPENSATION,
    FIND,
    FENCE,
    PRICING,
    CLEARANCE,
    DECLINE_LIMIT,
    RECIPIENT_LIMIT,
    RECORD_FIRST,
    CONFIRMATION,
    WEBHOOK_REVISION,
    WEBHOOK_WAKES,
    WEBHOOK_NOTE,
    WATCH_HOLD,
];

/// Every safeguard: those of the toolkit and those of the shop.
pub fn all() -> impl Iterator<Item = Safeguard> {
    Safeguard::OF_THE_TOOLKIT.iter().copied().chain(OF_THE_SHOP)
}

/// Safeguard of that name.
///
/// # Errors
///
/// There is none: the names that there are.
pub fn parse(name: &str) -> Result<Safeguard, String> {
    let names = || all().map(|safeguard| safeguard.name).collect::<Vec<_>>().join(", ");
    all()
        .find(|safeguard| safeguard.name == name)
        .ok_or_else(|| format!("there is no safeguard {name}; there are {}", names()))
}

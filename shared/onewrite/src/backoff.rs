//! Back-off: how long a failed message stays away.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::failure::{Failure, FailureKind};
use crate::port::Random;

/// Longest time, in seconds, that a message is hidden for: eleven of the twelve hours of SQS, which count from when the
/// message was received.
pub(crate) const MAX_HIDDEN_SECONDS: u32 = 39_600;

/// Exponential back-off with full jitter: a random whole number of seconds from 0 to `2^(receive_count - 1)`, capped
/// at `cap_seconds`. Full jitter spreads the retries of many messages that failed together, such as after an outage.
/// SQS takes visibility timeouts in whole seconds, of at most 12 hours.
#[must_use]
pub fn backoff_seconds(receive_count: u32, cap_seconds: u32, chance: &impl Random) -> u32 {
    any_of(&(0..=backoff_bound(receive_count, cap_seconds)), chance)
}

fn backoff_bound(receive_count: u32, cap_seconds: u32) -> u32 {
    1_u32.checked_shl(receive_count.saturating_sub(1)).unwrap_or(u32::MAX).min(cap_seconds)
}

/// Seconds for which a message whose attempt failed is hidden: any number of the span.
///
/// A failure that is known to last says itself for how long. While a neighbour is down, a message that needs it is hidden for
/// once to twice as long as it has been down by now, up to the cap: so an outage of two hours takes fewer than twenty receives, and
/// is noticed to be over after at most twice its own length. All else comes again by the back-off.
pub(crate) fn hidden_seconds(
    failure: &Failure,
    receive_count: u32,
    cap_seconds: u32,
    outage: Option<Duration>,
) -> RangeInclusive<u32> {
    if let Some(wait) = failure.wait() {
        return upper_half(wait, MAX_HIDDEN_SECONDS);
    }
    match (failure.kind(), outage) {
        (FailureKind::Unavailable | FailureKind::Deferred, Some(outage)) => upper_half(outage * 2, cap_seconds),
        (
            FailureKind::Unavailable
            | FailureKind::Deferred
            | FailureKind::Transient
            | FailureKind::Misconfigured
            | FailureKind::Permanent,
            _,
        ) => 0..=backoff_bound(receive_count, cap_seconds),
    }
}

/// The whole seconds from half of `span` to all of it, which is `cap_seconds` at the most.
fn upper_half(span: Duration, cap_seconds: u32) -> RangeInclusive<u32> {
    let most = u32::try_from(span.as_secs()).unwrap_or(u32::MAX).min(cap_seconds);
    most / 2..=most
}

/// Any number of a span.
pub(crate) fn any_of(span: &RangeInclusive<u32>, chance: &impl Random) -> u32 {
    let width = u64::from(span.end() - span.start());
    span.start() + u32::try_from(chance.below(width + 1)).unwrap_or_default()
}

/// The same within a handler, for collisions that pass in milliseconds: from 0 to `5 ms · 2^attempt`, counted from 1, at
/// most 200 ms.
pub(crate) fn collision_pause(attempt: u32, chance: &impl Random) -> Duration {
    let bound = 5_u64.saturating_mul(1 << attempt.min(8)).min(200);
    Duration::from_millis(chance.below(bound + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::VirtualTime;

    #[test]
    fn a_failure_decides_how_long_its_message_is_hidden() {
        let (minutes, hours) =
            (|minutes| Some(Duration::from_mins(minutes)), |hours| Some(Duration::from_hours(hours)));
        for (kind, wait, receives, outage, span) in [
            (FailureKind::Transient, None, 1, None, 0..=1),
            (FailureKind::Transient, None, 5, minutes(9), 0..=16),
            (FailureKind::Misconfigured, None, 12, minutes(9), 0..=900),
            (FailureKind::Permanent, None, 3, minutes(9), 0..=4),
            (FailureKind::Unavailable, None, 5, None, 0..=16),
            (FailureKind::Unavailable, None, 5, minutes(1), 60..=120),
            (FailureKind::Unavailable, None, 1, hours(1), 450..=900),
            (FailureKind::Deferred, None, 9, None, 0..=256),
            (FailureKind::Deferred, None, 9, Some(Duration::from_millis(100)), 0..=0),
            (FailureKind::Deferred, None, 1, minutes(3), 180..=360),
            (FailureKind::Transient, hours(6), 1, None, 10_800..=21_600),
            (FailureKind::Misconfigured, hours(6), 19, minutes(3), 10_800..=21_600),
            (FailureKind::Transient, hours(48), 1, None, 19_800..=39_600),
        ] {
            let failure = Failure::new(kind, "x");
            let failure = wait.map_or(failure.clone(), |wait| failure.not_before(wait));
            assert_eq!(hidden_seconds(&failure, receives, 900, outage), span, "{failure:?} in {outage:?}");
        }
    }

    #[test]
    fn any_number_of_a_span_is_drawn() {
        let world = VirtualTime::new(1);
        for span in [0..=0, 3..=3, 2..=4] {
            let drawn: std::collections::BTreeSet<u32> = (0..100).map(|_| any_of(&span, &world)).collect();
            assert_eq!(drawn, span.collect());
        }
    }

    #[test]
    fn the_wait_doubles_up_to_the_cap_and_is_spread_over_the_whole_span() {
        let world = VirtualTime::new(1);
        for (receive_count, cap, bound) in [(1, 900, 1), (2, 900, 2), (5, 900, 16), (12, 900, 900), (99, 900, 900)] {
            let waits: Vec<u32> = (0..2000).map(|_| backoff_seconds(receive_count, cap, &world)).collect();
            let (least, most) = (waits.iter().min().unwrap(), waits.iter().max().unwrap());
            assert!(*most <= bound && *most >= bound * 9 / 10, "{receive_count}: up to {most} of {bound}");
            assert!(*least <= bound / 10, "{receive_count}: from {least}");
        }
    }
}

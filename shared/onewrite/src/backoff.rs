//! Back-off: how long a failed message stays away.

use std::time::Duration;

use crate::port::Random;

/// Exponential back-off with full jitter: a random whole number of seconds from 0 to `2^(receive_count - 1)`, capped
/// at `cap_seconds`. Full jitter spreads the retries of many messages that failed together, such as after an outage.
/// SQS takes visibility timeouts in whole seconds, of at most 12 hours.
#[must_use]
pub fn backoff_seconds(receive_count: u32, cap_seconds: u32, chance: &impl Random) -> u32 {
    let doubled = 1_u32.checked_shl(receive_count.saturating_sub(1)).unwrap_or(u32::MAX);
    let bound = doubled.min(cap_seconds);
    u32::try_from(chance.below(u64::from(bound) + 1)).unwrap_or(bound)
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

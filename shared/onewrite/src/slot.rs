//! Time slots: keys of an index by which a range of time is no scan.

use std::fmt;
use std::str::FromStr;

use envelope::{Invalid, Time};

/// Shards of an index. A key of DynamoDB takes 1,000 writes a second (its quota for a partition), so that an index takes eight
/// times as many.
pub(crate) const SHARDS: u8 = 8;

const HOUR_MS: i64 = 3_600_000;

/// Characters of a time that say its hour, as in `2026-11-28T20`.
const HOUR_CHARACTERS: usize = 13;

/// Slot of an index by time: an hour, and one of its shards. All entries of one subject in an hour are in one slot, so that a
/// reader who takes slot after slot sees them in their order.
///
/// ```
/// use envelope::Time;
/// use onewrite::Slot;
///
/// let slot = Slot::of("ord_1", Time::new("2026-11-28T20:15:30Z")?);
/// assert!(slot.to_string().starts_with("2026-11-28T20#"));
/// assert_eq!(slot.to_string().parse(), Ok(slot));
/// # Ok::<(), envelope::Invalid>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    /// Hours since 1970.
    hour: i64,
    shard: u8,
}

impl Slot {
    /// Slot of an entry about that subject at that time.
    #[must_use]
    pub fn of(subject: &str, at: Time) -> Self {
        Self { hour: at.as_millis().div_euclid(HOUR_MS), shard: shard_of(subject) }
    }

    /// First slot of the hour of that time.
    #[must_use]
    pub fn first(at: Time) -> Self {
        Self { hour: at.as_millis().div_euclid(HOUR_MS), shard: 0 }
    }

    /// The slot that comes next; `None` if it begins after `end`.
    #[must_use]
    pub fn next(self, end: Time) -> Option<Self> {
        let next = if self.shard + 1 < SHARDS {
            Self { shard: self.shard + 1, ..self }
        } else {
            Self { hour: self.hour + 1, shard: 0 }
        };
        (next.hour * HOUR_MS <= end.as_millis()).then_some(next)
    }
}

/// Shard of an index that what is about that subject is in, from 0 to [`SHARDS`] - 1.
pub(crate) fn shard_of(subject: &str) -> u8 {
    // FNV-1a: the same on every machine and for ever.
    let hash = subject
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    u8::try_from(hash % u64::from(SHARDS)).unwrap_or(0)
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = Time::from_millis(self.hour * HOUR_MS).to_string();
        write!(f, "{}#{}", time.get(..HOUR_CHARACTERS).unwrap_or(&time), self.shard)
    }
}

impl FromStr for Slot {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let invalid = || Invalid::rule("must be an hour and a shard, such as 2026-11-28T20#3".to_owned());
        let (hour, shard) = text.split_once('#').ok_or_else(invalid)?;
        let shard = shard.parse().ok().filter(|shard| *shard < SHARDS).ok_or_else(invalid)?;
        let time = Time::new(&format!("{hour}:00:00Z")).map_err(|_| invalid())?;
        Ok(Self { hour: time.as_millis().div_euclid(HOUR_MS), shard })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slots_of_a_range_have_every_entry_of_it_once() {
        let (from, to) = (Time::new("2026-11-28T20:15:30Z").unwrap(), Time::new("2026-11-28T22:00:00Z").unwrap());
        let slots: Vec<Slot> = std::iter::successors(Some(Slot::first(from)), |slot| slot.next(to)).collect();
        assert_eq!(slots.len(), 3 * usize::from(SHARDS));
        assert!(slots.is_sorted());
        for subject in 0..100 {
            for at in [from, Time::new("2026-11-28T21:59:59.999Z").unwrap(), to] {
                let slot = Slot::of(&format!("ord_{subject}"), at);
                assert_eq!(slots.iter().filter(|known| **known == slot).count(), 1, "{slot}");
            }
        }
        assert!(!slots.contains(&Slot::of("ord_1", Time::new("2026-11-28T19:59:59.999Z").unwrap())));
    }

    #[test]
    fn a_slot_is_read_as_it_was_written_and_nothing_else_is() {
        let slot = Slot::of("auth0|42", Time::new("2026-01-02T03:04:05Z").unwrap());
        assert_eq!(slot.to_string().parse(), Ok(slot));
        for text in ["", "2026-01-02T03", "2026-01-02T03#8", "2026-01-02T03#x", "2026-01-02#1", "2026-01-02T25#1"] {
            assert!(text.parse::<Slot>().is_err(), "{text}");
        }
    }
}

//! Settings of the screening service.

use std::time::Duration;

use onewrite::envelope::{Faults, Node, Read, reads};
use orderflow_events::{HoldFlagged, Text};

/// Least retention of a sighting, in days. A message is at most 14 days in each of three queues: the one for what the topic
/// could not deliver, its own, and the one for dead letters. Who comes back later than the retention is judged without the
/// neighbours.
const LEAST_DAYS: u32 = 45;

/// Settings: the variable `SETTINGS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Name of the table that counts the orders of each customer and address.
    pub sightings_table_name: Text,
    /// Time for which an order is kept there.
    pub sightings_kept: Retention,
    /// Name of the table that has the keys of the customers.
    pub key_table_name: Text,
    /// Rule of the stack whether flagged orders wait for a person.
    pub hold_flagged: HoldFlagged,
}

reads!(Settings {
    sightings_table_name: required("sightingsTableName"),
    sightings_kept: required("sightingsDays"),
    key_table_name: required("keyTableName"),
    hold_flagged: required("holdFlagged"),
});

/// Retention of what is kept for a while, written in days: 45 at least, and ten years at the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention(pub Duration);

impl Read for Retention {
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let days = node.integer(LEAST_DAYS.into(), 3_650, faults)?;
        u64::try_from(days).ok().map(|days| Self(Duration::from_hours(24 * days)))
    }
}

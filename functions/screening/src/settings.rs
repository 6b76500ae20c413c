//! Settings of the screening service.

use onewrite::envelope::reads;
use orderflow_events::{HoldFlagged, Text};

/// Settings: the variable `SETTINGS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Name of the table that counts the orders of each customer and address.
    pub sightings_table_name: Text,
    /// Rule of the stack whether flagged orders wait for a person.
    pub hold_flagged: HoldFlagged,
}

reads!(Settings { sightings_table_name: required("sightingsTableName"), hold_flagged: required("holdFlagged") });

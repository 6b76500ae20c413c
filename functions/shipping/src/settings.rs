//! Settings of the shipping service.

use onewrite::envelope::reads;
use orderflow_events::{HoldFlagged, Text};

/// Settings: the variable `SETTINGS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Name of the table that is the memory of the simulated carrier.
    pub carrier_table_name: Text,
    /// Name of the table that has the keys of the customers.
    pub key_table_name: Text,
    /// Rule of the stack whether flagged orders wait for a person.
    pub hold_flagged: HoldFlagged,
}

reads!(Settings {
    carrier_table_name: required("carrierTableName"),
    key_table_name: required("keyTableName"),
    hold_flagged: required("holdFlagged"),
});

//! Settings of the screening service.

use onewrite::envelope::reads;
use orderflow_events::Text;

/// Settings: the variable `SETTINGS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Name of the table that counts the orders of each customer and address.
    pub sightings_table_name: Text,
    /// Name of the table that has the keys of the customers.
    pub key_table_name: Text,
}

reads!(Settings { sightings_table_name: required("sightingsTableName"), key_table_name: required("keyTableName") });

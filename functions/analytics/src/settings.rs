//! Settings of the analytics service.

use onewrite::envelope::reads;
use orderflow_events::Text;

/// Settings: the variable `SETTINGS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Name of the table that has the counts.
    pub count_table_name: Text,
}

reads!(Settings { count_table_name: required("countTableName") });

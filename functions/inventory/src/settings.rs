//! Settings of the inventory service.

use onewrite::envelope::reads;
use orderflow_events::Text;

/// Settings: the variable `SETTINGS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Name of the table that has the stock of each SKU.
    pub stock_table_name: Text,
}

reads!(Settings { stock_table_name: required("stockTableName") });

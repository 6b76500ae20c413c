//! Settings of the payment service.

use onewrite::envelope::reads;
use orderflow_events::Text;

/// Settings: the variable `SETTINGS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Name of the table that is the memory of the simulated provider.
    pub provider_table_name: Text,
}

reads!(Settings { provider_table_name: required("providerTableName") });

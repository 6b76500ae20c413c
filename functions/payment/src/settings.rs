//! Settings of the payment service.

use onewrite::envelope::reads;
use onewrite::port::MAX_COUNTED;
use orderflow_events::{Faults, Node, Read, Text};

/// Settings: the variable `SETTINGS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Name of the table that is the memory of the simulated provider.
    pub provider_table_name: Text,
    /// Name of the table that counts declines.
    pub declines_table_name: Text,
    /// Declines of one customer, payment method or block of addresses within an hour from which on the provider is not asked.
    pub declines_per_hour: DeclinesPerHour,
}

reads!(Settings {
    provider_table_name: required("providerTableName"),
    declines_table_name: required("declinesTableName"),
    declines_per_hour: required("declinesPerHour"),
});

/// Limit of declines: from 1 to the [most that are counted](MAX_COUNTED).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeclinesPerHour(pub u32);

impl Read for DeclinesPerHour {
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let limit = node.integer(1, i64::from(MAX_COUNTED), faults)?;
        u32::try_from(limit).ok().map(Self)
    }
}

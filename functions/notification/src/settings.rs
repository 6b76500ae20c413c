//! Settings of the notification service.

use onewrite::envelope::reads;
use orderflow_events::Text;

/// Settings: the variable `SETTINGS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Name of the table that has the leases of messages.
    pub leases_table_name: Text,
    /// Sender of the mails: it, or its domain, is a verified identity in SES.
    pub sender_email: Text,
}

reads!(Settings { leases_table_name: required("leasesTableName"), sender_email: required("senderEmail") });

//! Names of the services that the invariants are about.

/// Orders.
pub(crate) const ORDERS: &str = "orders";
/// Inventory.
pub(crate) const INVENTORY: &str = "inventory";
/// Intake of orders.
pub(crate) const INTAKE: &str = "intake";
/// Notification.
pub(crate) const NOTIFICATION: &str = "notification";
/// Journal.
pub(crate) const JOURNAL: &str = "journal";
/// Screening.
pub(crate) const SCREENING: &str = "screening";
/// Analytics.
pub(crate) const ANALYTICS: &str = "analytics";

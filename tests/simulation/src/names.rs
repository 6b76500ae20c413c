//! Names of the services whose tables the invariants are about.

/// Orders.
pub(crate) const ORDERS: &str = "orders";
/// Inventory.
pub(crate) const INVENTORY: &str = "inventory";

//! Scopes of the shop's access tokens: what a caller may do beyond what is their own.

/// Placing orders for any customer, and reading, cancelling and withdrawing from any.
pub const ORDERS_ANY: &str = "orders:any";

/// Seeing the stock.
pub const STOCK_READ: &str = "stock:read";

/// Counting the stock, and taking goods back.
pub const STOCK_WRITE: &str = "stock:write";

/// Operations: letters, redrives, and all that mends.
pub const OPERATIONS: &str = "operations";

/// Every scope, with what it lets do.
pub const SCOPES: [(&str, &str); 4] = [
    (ORDERS_ANY, "Place orders for any customer, and read, cancel and withdraw from any"),
    (STOCK_READ, "See the stock"),
    (STOCK_WRITE, "Count the stock, and take goods back"),
    (OPERATIONS, "See dead letters, mend them and send them back"),
];

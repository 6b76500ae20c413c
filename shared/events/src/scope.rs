//! Scopes of the shop's access tokens: what a caller may do beyond what is their own.

/// Placing orders for any customer, and reading, cancelling and withdrawing from any.
pub const ORDERS_ANY: &str = "orders:any";

/// Naming prices in orders, instead of those of the price table.
pub const PRICES_STATE: &str = "prices:state";

/// Setting the prices of the price table.
pub const PRICES_WRITE: &str = "prices:write";

/// Seeing the stock.
pub const STOCK_READ: &str = "stock:read";

/// Counting the stock, and taking goods back.
pub const STOCK_WRITE: &str = "stock:write";

/// Reading the events of all orders.
pub const EVENTS_READ: &str = "events:read";

/// Having the events of all orders posted to webhooks of one's own.
pub const WEBHOOKS: &str = "webhooks";

/// Erasing a customer, and seeing all orders of one.
pub const PRIVACY: &str = "privacy";

/// Operations: letters, redrives, and all that mends; the word that a flagged order may be shipped; and the webhooks of all owners.
pub const OPERATIONS: &str = "operations";

/// Every scope, with what it lets do.
pub const SCOPES: [(&str, &str); 9] = [
    (ORDERS_ANY, "Place orders for any customer, and read, cancel and withdraw from any"),
    (PRICES_STATE, "Name prices in orders"),
    (PRICES_WRITE, "Set the prices of the price table"),
    (STOCK_READ, "See the stock"),
    (STOCK_WRITE, "Count the stock, and take goods back"),
    (EVENTS_READ, "Read the events of all orders"),
    (WEBHOOKS, "Have the events of all orders posted to webhooks of one's own"),
    (PRIVACY, "Erase a customer, and see all orders of one"),
    (OPERATIONS, "See dead letters, mend them and send them back, clear flagged orders, and switch off webhooks"),
];

//! Stock of a SKU.

use crate::documents::Stock;
use crate::show::table::table;
use crate::text::shown;

/// The stock, in a table.
pub(crate) fn stock(stock: &Stock) -> String {
    let Stock { sku, on_hand, reserved, available } = stock;
    let row = vec![shown(sku), on_hand.to_string(), reserved.to_string(), available.to_string()];
    table(&["SKU", "ON HAND", "RESERVED", "AVAILABLE"], &["ON HAND", "RESERVED", "AVAILABLE"], [row])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stock_is_a_row() {
        let beans = Stock { sku: "beans".to_owned(), on_hand: 12, reserved: 2, available: 10 };
        assert_eq!(stock(&beans), "SKU    ON HAND  RESERVED  AVAILABLE\nbeans       12         2         10");
    }
}

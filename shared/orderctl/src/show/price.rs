//! Prices, and what an import changes of them.

use iso_currency::Currency;

use crate::documents::{Money, Price};
use crate::price_list::{Change, Fault};
use crate::show::table::{NONE, table};
use crate::text::shown;

/// The price, in a table.
pub(crate) fn price(Price { sku, unit_price }: &Price) -> String {
    table(&["SKU", "PRICE"], &["PRICE"], [vec![shown(sku), money(unit_price)]])
}

/// An amount as people write it, such as `14.90 EUR`.
pub(crate) fn money(Money { amount, currency }: &Money) -> String {
    let digits = Currency::from_code(currency).and_then(Currency::exponent).map_or(0, usize::from);
    let unit = 10_i64.pow(u32::try_from(digits).unwrap_or(0));
    let currency = shown(currency);
    if digits == 0 {
        return format!("{amount} {currency}");
    }
    format!("{}.{:0digits$} {currency}", amount / unit, amount % unit)
}

/// Changes, each with the line that it stands on, the price of now, and the one to come.
pub(crate) fn changes(changes: &[Change]) -> String {
    let row = |change: &Change| {
        let old = change.old.as_ref().map_or_else(|| NONE.to_owned(), money);
        vec![change.line.to_string(), shown(&change.sku), old, money(&change.new)]
    };
    table(&["LINE", "SKU", "OLD", "NEW"], &["LINE", "OLD", "NEW"], changes.iter().map(row))
}

/// Faults of a file, each with its line.
pub(crate) fn faults(faults: &[Fault]) -> String {
    let row = |fault: &Fault| vec![fault.line.to_string(), fault.column.to_owned(), shown(&fault.detail)];
    table(&["LINE", "COLUMN", "FAULT"], &["LINE"], faults.iter().map(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_has_the_decimals_of_its_currency() {
        for (amount, currency, expected) in [
            (1_490, "EUR", "14.90 EUR"),
            (5, "EUR", "0.05 EUR"),
            (0, "USD", "0.00 USD"),
            (500, "JPY", "500 JPY"),
            (1_234, "BHD", "1.234 BHD"),
            (7, "???", "7 ???"),
        ] {
            assert_eq!(money(&Money { amount, currency: currency.to_owned() }), expected);
        }
    }

    #[test]
    fn a_change_shows_the_price_of_now_and_the_one_to_come() {
        let eur = |amount| Money { amount, currency: "EUR".to_owned() };
        let change = |line, sku: &str, old, amount| Change { line, sku: sku.to_owned(), old, new: eur(amount) };
        assert_eq!(
            changes(&[change(2, "tea", Some(eur(1_000)), 995), change(13, "cup", None, 50)]),
            "LINE  SKU        OLD       NEW\n   2  tea  10.00 EUR  9.95 EUR\n  13  cup          -  0.50 EUR"
        );
    }
}

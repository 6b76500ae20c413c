//! Amounts as they are written where their currency is at home: `1,990.00 USD`, `1.990,00 EUR`, `1,990 JPY`.
//!
//! The separators are CLDR's, by `tables/amounts.py`; the decimal places are ISO 4217's. The code stands in the place of a
//! symbol, because `$` is the money of twenty countries, and half of all symbols would make two messages of a short one.
//! ICU4X's formatter would know each language, at the price of some megabytes of its data: a quarter of the function.

use crate::Money;

/// Way to write numbers.
struct Style {
    /// Separator of thousands.
    group: &'static str,
    /// Separator of the decimal places.
    decimal: char,
    /// Number of digits of each group but the last, which has three.
    group_len: usize,
}

const USUAL: Style = Style { group: ",", decimal: '.', group_len: 3 };

/// Ways that differ from the [`USUAL`] one, with their currencies.
const STYLES: [(Style, &str); 5] = [
    (
        Style { group: " ", decimal: ',', group_len: 3 },
        "ALL AMD AOA BYN CDF CRC CVE CZK DJF GEL GNF HTG HUF KGS KZT MUR MZN NAD NOK PLN RUB SCR SEK STN TJS TMT UAH UZS \
         XAF XOF XPF ZAR",
    ),
    (
        Style { group: ".", decimal: ',', group_len: 3 },
        "ARS AWG AZN BAM BIF BND BOB BRL CLP COP DKK DZD EUR IDR ISK LAK LBP LYD MAD MDL MKD MRU RON RSD RWF SRD TND TRY \
         UYU VES VND",
    ),
    (Style { group: ",", decimal: '.', group_len: 2 }, "BDT BTN INR NPR"),
    (Style { group: "'", decimal: '.', group_len: 3 }, "CHF"),
    (Style { group: " ", decimal: '.', group_len: 3 }, "TOP"),
];

/// An amount for people, in characters that every short message has.
#[must_use]
pub fn amount(money: Money) -> String {
    let style = style(money.currency());
    let decimals = money.decimals();
    let digits = format!("{:0width$}", money.amount(), width = decimals + 1);
    let (whole, part) = digits.split_at(digits.len() - decimals);
    let whole = grouped(whole, style);
    let point = if decimals == 0 { String::new() } else { style.decimal.to_string() };
    format!("{whole}{point}{part} {}", money.currency())
}

fn style(currency: &str) -> &'static Style {
    let is_of = |(_, currencies): &&(Style, &str)| currencies.split_whitespace().any(|one| one == currency);
    STYLES.iter().find(is_of).map_or(&USUAL, |(style, _)| style)
}

fn grouped(digits: &str, style: &Style) -> String {
    let Some(split) = digits.len().checked_sub(3).filter(|split| *split > 0) else { return digits.to_owned() };
    let (rest, last) = digits.split_at(split);
    let first = rest.len() % style.group_len;
    let mut groups: Vec<&str> =
        (first..rest.len()).step_by(style.group_len).map(|at| &rest[at..at + style.group_len]).collect();
    if first > 0 {
        groups.insert(0, &rest[..first]);
    }
    groups.push(last);
    groups.join(style.group)
}

#[cfg(test)]
mod tests {
    use crate::MAX_AMOUNT;

    use super::*;

    #[test]
    fn amounts_are_written_as_at_home() {
        for (minor_units, currency, written) in [
            (0, "EUR", "0,00 EUR"),
            (5, "USD", "0.05 USD"),
            (1990, "EUR", "19,90 EUR"),
            (199_000, "EUR", "1.990,00 EUR"),
            (199_000, "USD", "1,990.00 USD"),
            (199_000, "SEK", "1 990,00 SEK"),
            (199_000, "CHF", "1'990.00 CHF"),
            (MAX_AMOUNT, "INR", "9,99,999.99 INR"),
            (MAX_AMOUNT, "USD", "999,999.99 USD"),
            (MAX_AMOUNT, "JPY", "99,999,999 JPY"),
            (500, "JPY", "500 JPY"),
            (1_234, "BHD", "1.234 BHD"),
            (1_234_567, "TND", "1.234,567 TND"),
            (12_345, "CLF", "1.2345 CLF"),
        ] {
            assert_eq!(amount(Money::new(minor_units, currency).unwrap()), written);
        }
    }

    #[test]
    fn each_currency_has_one_style() {
        let mut all: Vec<&str> = STYLES.iter().flat_map(|(_, currencies)| currencies.split_whitespace()).collect();
        let listed = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), listed);
        for currency in all {
            assert!(Money::new(1, currency).is_ok(), "{currency}");
        }
    }
}

//! Price list: a CSV file with the columns `sku`, `amount` and `currency`, read so that every fault in it is found at once.
//!
//! Amounts are whole minor units, as everywhere in the API: `1490` is 14.90 EUR, and 1490 JPY. A separator of whatever kind is
//! refused, since `1.490` means one thing here and another there.

use std::collections::BTreeMap;

use csv::{ReaderBuilder, StringRecord, Trim};
use iso_currency::Currency;
use serde::Serialize;

use crate::documents::Money;

/// Columns that a price list has, in whatever order. Others are left alone.
const COLUMNS: [&str; 3] = ["sku", "amount", "currency"];

/// The most characters of a SKU.
const MAX_SKU: usize = 64;

/// The largest amount, in minor units.
const MAX_AMOUNT: i64 = 99_999_999;

/// Price on a line of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) line: u64,
    pub(crate) sku: String,
    pub(crate) price: Money,
}

/// Fault of a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Fault {
    pub(crate) line: u64,
    pub(crate) column: &'static str,
    pub(crate) detail: String,
}

/// Price that is to be another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Change {
    pub(crate) line: u64,
    pub(crate) sku: String,
    pub(crate) old: Option<Money>,
    pub(crate) new: Money,
}

/// Entries of a list that are right, and the faults of all others.
pub(crate) fn read(text: &str) -> (Vec<Entry>, Vec<Fault>) {
    // A spreadsheet may write a byte order mark.
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = ReaderBuilder::new().flexible(true).trim(Trim::All).from_reader(text.as_bytes());
    let places = match reader.headers().map(places_of) {
        Ok(Ok(places)) => places,
        Ok(Err(faults)) => return (Vec::new(), faults),
        Err(error) => return (Vec::new(), vec![fault(1, "", error.to_string())]),
    };
    let (mut entries, mut faults, mut lines) = (Vec::new(), Vec::new(), BTreeMap::new());
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let line = error.position().map_or(0, |position| line_of(text, position));
                faults.push(fault(line, "", error.to_string()));
                continue;
            }
        };
        let line = record.position().map_or(0, |position| line_of(text, position));
        let [sku, amount, currency] = places.map(|place| record.get(place).unwrap_or_default());
        let before = faults.len();
        let mut check =
            |column, checked: Result<(), String>| faults.extend(checked.err().map(|why| fault(line, column, why)));
        check(COLUMNS[0], check_sku(sku));
        check(COLUMNS[1], amount_of(amount).map(drop));
        check(COLUMNS[2], check_currency(currency));
        if let Some(other) = lines.insert(sku.to_owned(), line).filter(|_| !sku.is_empty()) {
            faults.push(fault(line, COLUMNS[0], format!("stands on line {other}, too")));
        }
        if let (true, Ok(amount)) = (faults.len() == before, amount_of(amount)) {
            let price = Money { amount, currency: currency.to_owned() };
            entries.push(Entry { line, sku: sku.to_owned(), price });
        }
    }
    if entries.is_empty() && faults.is_empty() {
        faults.push(fault(1, "", "there is no price below the names of the columns".to_owned()));
    }
    (entries, faults)
}

/// Places of the columns, by the names on the first line.
fn places_of(header: &StringRecord) -> Result<[usize; 3], Vec<Fault>> {
    let places_of = |column: &str| -> Vec<usize> {
        let named = header.iter().enumerate().filter(|(_, name)| name.eq_ignore_ascii_case(column));
        named.map(|(place, _)| place).collect()
    };
    let places = COLUMNS.map(places_of);
    let wrong = COLUMNS.iter().zip(&places).filter_map(|(column, places)| match places.len() {
        0 => Some(fault(
            1,
            column,
            "is missing: the first line has to name sku, amount and currency, with commas between".to_owned(),
        )),
        1 => None,
        _ => Some(fault(1, column, "stands there more than once".to_owned())),
    });
    let wrong: Vec<Fault> = wrong.collect();
    if wrong.is_empty() { Ok(places.map(|places| places[0])) } else { Err(wrong) }
}

/// Line of a record. The reader's own is that of the first of the empty lines before it.
fn line_of(text: &str, position: &csv::Position) -> u64 {
    let rest = usize::try_from(position.byte()).ok().and_then(|byte| text.get(byte..)).unwrap_or_default();
    let blank = rest.len() - rest.trim_start_matches(['\r', '\n']).len();
    position.line() + rest[..blank].matches('\n').count() as u64
}

fn fault(line: u64, column: &'static str, detail: String) -> Fault {
    Fault { line, column, detail }
}

fn check_sku(sku: &str) -> Result<(), String> {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let is_sku = (1..=MAX_SKU).contains(&sku.len()) && sku.bytes().all(is_good);
    is_sku.then_some(()).ok_or_else(|| format!("must be 1 to {MAX_SKU} letters, digits, dots, hyphens and underscores"))
}

/// Amount in minor units.
fn amount_of(text: &str) -> Result<i64, String> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("must be a whole number of minor units, such as 1490 for 14.90 EUR".to_owned());
    }
    let amount = text.parse().ok().filter(|amount| *amount <= MAX_AMOUNT);
    amount.ok_or_else(|| format!("must be at most {MAX_AMOUNT}"))
}

fn check_currency(code: &str) -> Result<(), String> {
    let is_money = Currency::from_code(code).is_some_and(|currency| !currency.is_special());
    is_money.then_some(()).ok_or_else(|| "must be a currency code of ISO 4217, such as EUR".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(text: &str) -> Vec<(u64, &'static str)> {
        read(text).1.iter().map(|fault| (fault.line, fault.column)).collect()
    }

    #[test]
    fn a_list_is_read_as_a_spreadsheet_writes_it() {
        let expected = [(2, "tea", 995, "EUR"), (4, "cup", 0, "JPY")].map(|(line, sku, amount, currency)| Entry {
            line,
            sku: sku.to_owned(),
            price: Money { amount, currency: currency.to_owned() },
        });
        for text in [
            "sku,amount,currency\ntea,995,EUR\n\ncup,0,JPY\n",
            "\u{feff}SKU,Amount,Currency\r\n tea , 995 ,\"EUR\"\r\n\r\n\"cup\",0,JPY",
            "name,currency,sku,amount\n\"Tea, green\",EUR,tea,995\n\n,JPY,cup,0\n",
        ] {
            assert_eq!(read(text), (expected.to_vec(), Vec::new()), "{text:?}");
        }
    }

    #[test]
    fn every_fault_is_found_with_its_line() {
        let text = "sku,amount,currency\ntea,9.95,EUR\na b,-1,eur\ncup,100000000,XAU\nkettle,1\n,,\ntea,1 000,EUR\nmug,5,EUR\n";
        let (entries, _) = read(text);
        assert_eq!(entries.iter().map(|entry| entry.sku.as_str()).collect::<Vec<_>>(), ["mug"]);
        assert_eq!(
            places(text),
            [
                (2, "amount"),
                (3, "sku"),
                (3, "amount"),
                (3, "currency"),
                (4, "amount"),
                (4, "currency"),
                (5, "currency"),
                (6, "sku"),
                (6, "amount"),
                (6, "currency"),
                (7, "amount"),
                (7, "sku"),
            ]
        );
    }

    #[test]
    fn an_amount_is_whole_minor_units_and_nothing_that_could_mean_another() {
        for (amount, is_good) in [
            ("0", true),
            ("99999999", true),
            ("100000000", false),
            ("99999999999999999999", false),
            ("1.490", false),
            ("\"1,490\"", false),
            ("14.90", false),
            ("1490.00", false),
            ("+1490", false),
            ("1e3", false),
            ("€1490", false),
            ("1490 EUR", false),
            ("", false),
        ] {
            let text = format!("sku,amount,currency\ntea,{amount},EUR\n");
            assert_eq!(read(&text).1.is_empty(), is_good, "{amount}");
        }
    }

    #[test]
    fn a_file_that_is_no_price_list_is_told_so() {
        for (text, expected) in [
            ("", vec![(1, "sku"), (1, "amount"), (1, "currency")]),
            ("tea,995,EUR\n", vec![(1, "sku"), (1, "amount"), (1, "currency")]),
            ("sku;amount;currency\ntea;995;EUR\n", vec![(1, "sku"), (1, "amount"), (1, "currency")]),
            ("sku,amount,amount\ntea,1,2\n", vec![(1, "amount"), (1, "currency")]),
            ("sku,amount,currency\n", vec![(1, "")]),
        ] {
            assert_eq!(places(text), expected, "{text:?}");
        }
    }
}

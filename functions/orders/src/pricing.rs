//! Pricing of an order: each line has the price of the table, or one of somebody who may state it.

use std::collections::{BTreeMap, BTreeSet};

use orderflow_events::{Fault, Money, NewOrder, OrderDetails, Person, Sku};

/// Lines whose price does not count, and the prices that do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mispriced {
    /// Every fault, in the order of the lines.
    pub(crate) faults: Vec<Fault>,
    /// Price of each SKU that was expected to have another.
    pub(crate) changed: BTreeMap<Sku, Money>,
    /// True if a line has no price at all.
    pub(crate) is_unpriced: bool,
}

/// SKUs whose price of the table is needed: all, but where the caller's own price counts.
pub(crate) fn skus_to_read<'a>(
    lines: impl IntoIterator<Item = (&'a Sku, Option<Money>)>,
    may_state: bool,
) -> BTreeSet<&'a Sku> {
    lines.into_iter().filter(|(_, price)| !may_state || price.is_none()).map(|(sku, _)| sku).collect()
}

/// Price of each line: of the caller who may state it, else of the table, which must be the one that is expected, if any is.
///
/// # Errors
///
/// Each line whose price is another, or that has none.
pub(crate) fn prices_of<'a>(
    lines: impl IntoIterator<Item = (&'a Sku, Option<Money>)>,
    table: &BTreeMap<Sku, Money>,
    may_state: bool,
) -> Result<Vec<Money>, Mispriced> {
    let (mut prices, mut mispriced) = (Vec::new(), Mispriced::default());
    for (index, (sku, price)) in lines.into_iter().enumerate() {
        let mut fault = |detail: &str| {
            mispriced.faults.push(Fault { pointer: format!("/lines/{index}/unitPrice"), detail: detail.to_owned() });
        };
        match (price, table.get(sku)) {
            (Some(stated), _) if may_state => prices.push(stated),
            (None, Some(listed)) => prices.push(*listed),
            (Some(expected), Some(listed)) if expected == *listed => prices.push(expected),
            (Some(_), Some(listed)) => {
                fault("is not the price of the SKU");
                mispriced.changed.insert(sku.clone(), *listed);
            }
            (_, None) => {
                fault(if may_state {
                    "is required: the SKU has no price"
                } else {
                    "is not known: the SKU has no price"
                });
                mispriced.is_unpriced = true;
            }
        }
    }
    if mispriced.faults.is_empty() { Ok(prices) } else { Err(mispriced) }
}

/// Tells that `order` is the one that was placed with those details by that person: where it names no price, that one counts.
/// Once nobody knows the person any more, all the rest says whether it is: it must not become a second order for that.
pub(crate) fn is_same(order: NewOrder, placed: &OrderDetails, person: Option<&Person>) -> bool {
    let frozen = |index: usize, _: &Sku| -> Option<Money> { Some(placed.lines.get(index)?.unit_price) };
    order.priced(frozen).is_some_and(|asked| {
        let is_of_person = person.is_none_or(|person| asked.personal.clear() == Some(person));
        is_of_person && OrderDetails { personal: placed.personal.clone(), ..asked } == *placed
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eur(amount: i64) -> Money {
        Money::new(amount, "EUR").unwrap()
    }

    /// Pricing of lines against a table where `A` costs 5.00 EUR, and `B` nothing.
    fn priced(lines: &[(&str, Option<Money>)], may_state: bool) -> Result<Vec<Money>, Mispriced> {
        let sku = |sku: &str| Sku::new(sku).unwrap();
        let table = BTreeMap::from([(sku("A"), eur(500)), (sku("B"), eur(0))]);
        let lines: Vec<_> = lines.iter().map(|(name, price)| (sku(name), *price)).collect();
        prices_of(lines.iter().map(|(sku, price)| (sku, *price)), &table, may_state)
    }

    #[test]
    fn the_price_is_the_tables_or_of_one_who_may_state_it() {
        let yen = Money::new(500, "JPY").unwrap();
        for (sku, price, of_others, of_one_who_may) in [
            ("A", None, Ok(eur(500)), Ok(eur(500))),
            ("A", Some(eur(500)), Ok(eur(500)), Ok(eur(500))),
            ("A", Some(eur(499)), Err(Some(eur(500))), Ok(eur(499))),
            ("A", Some(eur(0)), Err(Some(eur(500))), Ok(eur(0))),
            ("A", Some(yen), Err(Some(eur(500))), Ok(yen)),
            ("B", None, Ok(eur(0)), Ok(eur(0))),
            ("B", Some(eur(1)), Err(Some(eur(0))), Ok(eur(1))),
            ("C", None, Err(None), Err(None)),
            ("C", Some(eur(500)), Err(None), Ok(eur(500))),
        ] {
            for (may_state, expected) in [(false, of_others), (true, of_one_who_may)] {
                let found = priced(&[(sku, price)], may_state);
                let found = found.map(|prices| prices[0]).map_err(|mispriced| {
                    let right = mispriced.changed.values().next().copied();
                    assert_eq!(mispriced.is_unpriced, right.is_none(), "{mispriced:?}");
                    right
                });
                assert_eq!(found, expected, "{sku} {price:?}, may state: {may_state}");
            }
        }
    }

    #[test]
    fn every_line_that_is_wrong_is_told_with_its_place() {
        let lines = [("A", Some(eur(1))), ("B", None), ("C", None), ("A", Some(eur(2))), ("A", Some(eur(500)))];
        let mispriced = priced(&lines, false).unwrap_err();
        let pointers: Vec<&str> = mispriced.faults.iter().map(|fault| fault.pointer.as_str()).collect();
        assert_eq!(pointers, ["/lines/0/unitPrice", "/lines/2/unitPrice", "/lines/3/unitPrice"]);
        assert_eq!(mispriced.changed.into_values().collect::<Vec<_>>(), [eur(500)], "each SKU once");
        assert!(mispriced.is_unpriced);
    }

    #[test]
    fn nothing_is_read_for_a_price_that_is_stated() {
        let [a, b] = ["A", "B"].map(|sku| Sku::new(sku).unwrap());
        let lines = [(&a, Some(eur(1))), (&b, None), (&b, None)];
        assert_eq!(skus_to_read(lines, true), BTreeSet::from([&b]));
        assert_eq!(skus_to_read(lines, false), BTreeSet::from([&a, &b]));
    }
}

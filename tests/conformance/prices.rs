//! The suite of the orders' [`PriceStore`], beside the log that has the orders.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use futures::future::join_all;
use libtest_mimic::Trial;
use onewrite::aws::DynamoLog;
use onewrite::memory::MemoryLog;
use onewrite::port::{Appended, Log};
use onewrite::{Cause, Row};
use orderflow_events::{Money, Sku, Subject, Text, Time};
use orderflow_orders::{DynamoPrices, Listed, MemoryPrices, NewPrice, PriceStore, Quote};

use crate::aws::Aws;

pub(crate) fn trials(aws: &Arc<Aws>) -> Vec<Trial> {
    crate::suite::suite!(
        aws,
        MemoryBench::default,
        DynamoBench::new,
        [
            a_sku_that_was_never_priced_has_no_price,
            a_price_comes_back,
            a_price_replaces_the_one_that_was_read_and_no_other,
            of_many_prices_at_once_one_is_set,
            skus_are_priced_apart,
            a_quote_has_the_prices_that_there_are,
            a_quote_is_of_as_many_skus_as_an_order_may_have,
            a_quote_tells_that_the_order_is_placed,
        ]
    )
}

/// Prices, and the table of the orders.
trait Bench {
    fn prices(&self) -> impl PriceStore;
    fn log(&self) -> impl Log;
}

struct MemoryBench {
    log: Rc<MemoryLog>,
    prices: MemoryPrices<Rc<MemoryLog>>,
}

impl Default for MemoryBench {
    fn default() -> Self {
        let log = Rc::<MemoryLog>::default();
        Self { prices: MemoryPrices::new(Rc::clone(&log)), log }
    }
}

impl Bench for MemoryBench {
    fn prices(&self) -> impl PriceStore {
        &self.prices
    }

    fn log(&self) -> impl Log {
        &*self.log
    }
}

struct DynamoBench {
    prices: DynamoPrices,
    log: DynamoLog,
}

impl DynamoBench {
    async fn new(aws: &Aws) -> Self {
        let (client, orders) = (aws.clients().0, aws.table(2).await);
        let log = DynamoLog::new(client.clone(), &orders);
        Self { prices: DynamoPrices::new(client, aws.table(1).await, orders), log }
    }
}

impl Bench for DynamoBench {
    fn prices(&self) -> impl PriceStore {
        &self.prices
    }

    fn log(&self) -> impl Log {
        &self.log
    }
}

fn eur(amount: i64) -> Money {
    Money::new(amount, "EUR").unwrap()
}

fn sku(sku: &str) -> Sku {
    Sku::new(sku).unwrap()
}

async fn get(bench: &impl Bench, name: &str) -> Option<Listed> {
    bench.prices().get(&sku(name)).await.unwrap()
}

async fn set(bench: &impl Bench, name: &str, unit_price: Money, since: u64) -> bool {
    let by = Text::shortened("ada");
    let price = NewPrice { unit_price, by: Some(&by), at: Time::from_millis(0) };
    bench.prices().set(&sku(name), price, since).await.unwrap()
}

async fn quote(bench: &impl Bench, names: &[&str], order: &str) -> Quote {
    let skus: Vec<Sku> = names.iter().map(|name| sku(name)).collect();
    let skus: BTreeSet<&Sku> = skus.iter().collect();
    bench.prices().quote(&skus, &Subject::new(order).unwrap()).await.unwrap()
}

async fn place(bench: &impl Bench, order: &str) {
    let cause = Cause { source: "s".to_owned(), id: "1".to_owned(), event_type: "K".to_owned(), by: None };
    let row = Row {
        version: 1,
        at: Time::from_millis(0),
        cause,
        owner: None,
        unfinished: false,
        change: None,
        events: Vec::new(),
    };
    assert_eq!(bench.log().append(&Subject::new(order).unwrap(), &row, &[]).await, Ok(Appended::Done));
}

async fn a_sku_that_was_never_priced_has_no_price(bench: &impl Bench) {
    assert_eq!(get(bench, "A-1").await, None);
    assert!(!set(bench, "A-1", eur(1), 1).await, "it has no revision");
    assert_eq!(get(bench, "A-1").await, None);
}

async fn a_price_comes_back(bench: &impl Bench) {
    for (name, unit_price) in [("FREE", eur(0)), ("MOST", eur(99_999_999)), ("YEN", Money::new(7, "JPY").unwrap())] {
        assert!(set(bench, name, unit_price, 0).await, "{name}");
        assert_eq!(get(bench, name).await, Some(Listed { unit_price, revision: 1 }), "{name}");
    }
    let price = NewPrice { unit_price: eur(5), by: None, at: Time::from_millis(0) };
    assert_eq!(bench.prices().set(&sku("NOBODY"), price, 0).await, Ok(true));
    assert_eq!(get(bench, "NOBODY").await, Some(Listed { unit_price: eur(5), revision: 1 }));
}

async fn a_price_replaces_the_one_that_was_read_and_no_other(bench: &impl Bench) {
    assert!(set(bench, "A-1", eur(1), 0).await);
    assert!(set(bench, "A-1", eur(2), 1).await);
    for since in [0, 1, 3] {
        assert!(!set(bench, "A-1", eur(9), since).await, "{since}");
    }
    assert_eq!(get(bench, "A-1").await, Some(Listed { unit_price: eur(2), revision: 2 }));
}

async fn of_many_prices_at_once_one_is_set(bench: &impl Bench) {
    for since in [0, 1] {
        let set = join_all((0..8).map(|amount| set(bench, "A-1", eur(amount), since))).await;
        let winners: Vec<i64> = (0..).zip(set).filter(|(_, is_set)| *is_set).map(|(amount, _)| amount).collect();
        let [winner] = winners[..] else { panic!("{since}: {winners:?}") };
        assert_eq!(get(bench, "A-1").await, Some(Listed { unit_price: eur(winner), revision: since + 1 }));
    }
}

async fn skus_are_priced_apart(bench: &impl Bench) {
    let names = ["A-1", "a-1", "A-11", "A"];
    for (amount, name) in (1..).zip(names) {
        assert!(set(bench, name, eur(amount), 0).await, "{name}");
    }
    let quote = quote(bench, &names, "ord_1").await;
    for (amount, name) in (1..).zip(names) {
        assert_eq!(quote.prices.get(&sku(name)), Some(&eur(amount)), "{name}");
    }
}

async fn a_quote_has_the_prices_that_there_are(bench: &impl Bench) {
    set(bench, "A-1", eur(1), 0).await;
    set(bench, "B-2", eur(2), 0).await;
    set(bench, "B-2", eur(3), 1).await;
    let expected = Quote { prices: BTreeMap::from([(sku("B-2"), eur(3))]), is_placed: false };
    assert_eq!(quote(bench, &["B-2", "C-3"], "ord_1").await, expected);
    assert_eq!(quote(bench, &["C-3"], "ord_1").await, Quote::default());
}

async fn a_quote_is_of_as_many_skus_as_an_order_may_have(bench: &impl Bench) {
    let names: Vec<String> = (0..50).map(|number| format!("sku-{number}")).collect();
    for name in &names {
        assert!(set(bench, name, eur(1), 0).await);
    }
    place(bench, "ord_1").await;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let quote = quote(bench, &names, "ord_1").await;
    assert_eq!((quote.prices.len(), quote.is_placed), (50, true));
}

async fn a_quote_tells_that_the_order_is_placed(bench: &impl Bench) {
    place(bench, "ord_1").await;
    set(bench, "ord_2", eur(1), 0).await;
    for (order, is_placed) in [("ord_1", true), ("ord_2", false), ("ord_", false)] {
        assert_eq!(quote(bench, &["A-1"], order).await, Quote { is_placed, ..Quote::default() }, "{order}");
    }
}

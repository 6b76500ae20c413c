//! The suite of inventory's [`StockStore`], whose stocks the reservations change, too.

use std::sync::Arc;

use futures::future::join_all;
use libtest_mimic::Trial;
use onewrite::aws::DynamoLog;
use onewrite::memory::{MemoryLog, VirtualTime};
use onewrite::port::{Appended, Log};
use onewrite::{Cause, CounterUpdate, Delivery, FailureKind, Handle, Handled, Ledger, NoEffects, Process, Row};
use orderflow_events::{Sku, Subject, Text, Time, sample};
use orderflow_inventory::{AVAILABLE, Counted, DynamoStock, Inventory, RESERVED, Revision, Stock, StockStore};

use crate::aws::Aws;

pub(crate) fn trials(aws: &Arc<Aws>) -> Vec<Trial> {
    crate::suite::suite!(
        aws,
        MemoryLog::default,
        DynamoBench::new,
        [
            a_sku_that_was_never_counted_has_no_stock,
            a_count_comes_back,
            a_count_replaces_the_stock_that_was_read_and_no_other,
            of_many_counts_of_one_revision_one_is_done,
            skus_are_counted_apart,
            a_reservation_is_seen_and_counts_from_before_it_are_refused,
            a_reservation_that_is_rejected_changes_no_stock,
            a_stock_that_lacks_a_counter_is_not_understood,
        ]
    )
}

/// Stocks, and the table of the reservations that change them.
trait Bench {
    fn stocks(&self) -> impl StockStore;
    fn log(&self) -> impl Log;
}

impl Bench for MemoryLog {
    fn stocks(&self) -> impl StockStore {
        self
    }

    fn log(&self) -> impl Log {
        self
    }
}

struct DynamoBench {
    stocks: DynamoStock,
    log: DynamoLog,
}

impl DynamoBench {
    async fn new(aws: &Aws) -> Self {
        let ((client, _), table) = (aws.clients(), aws.table(1).await);
        let log = DynamoLog::new(client.clone(), aws.table(2).await).with_counters(&table);
        Self { stocks: DynamoStock::new(client, table), log }
    }
}

impl Bench for DynamoBench {
    fn stocks(&self) -> impl StockStore {
        self.stocks.clone()
    }

    fn log(&self) -> impl Log {
        &self.log
    }
}

const fn stock(available: i64, reserved: i64, revision: u64) -> Stock {
    Stock { available, reserved, revision }
}

async fn get(bench: &impl Bench, sku: &str) -> Option<Stock> {
    bench.stocks().get(&Sku::new(sku).unwrap()).await.unwrap()
}

async fn count(bench: &impl Bench, sku: &str, stock: Stock, since: Revision) -> Counted {
    bench.stocks().count(&Sku::new(sku).unwrap(), stock, since, Some(&Text::shortened("ada"))).await.unwrap()
}

/// Handles the sample order, of 3 pieces of `A-1` and one of `B-2`, as the service does.
async fn reserve(bench: &impl Bench) {
    let ledger = Ledger::new(bench.log(), VirtualTime::new(1));
    let process = Process::<Inventory, _, _, _>::new(ledger, NoEffects);
    let delivery = Delivery { text: "", deadline: Time::from_millis(i64::MAX) };
    let handled = process.handle(&sample::event(sample::order("ord_1")), &delivery).await;
    assert_eq!(handled, Ok(Handled::Changed));
}

async fn a_sku_that_was_never_counted_has_no_stock(bench: &impl Bench) {
    assert_eq!(get(bench, "A-1").await, None);
    for since in [0, 1] {
        assert_eq!(count(bench, "A-1", stock(1, 0, 1), Revision::Read(since)).await, Counted::Changed);
    }
    assert_eq!(get(bench, "A-1").await, None);
}

async fn a_count_comes_back(bench: &impl Bench) {
    for (sku, counted) in [
        ("NONE", stock(0, 0, 1)),
        ("FIRST", stock(1, 2, 0)),
        ("MANY", stock(1_000_000_000, i64::MAX, 9_007_199_254_740_993)),
        ("OWED", stock(-3, 3, 2)),
    ] {
        assert_eq!(count(bench, sku, counted, Revision::New).await, Counted::Done, "{sku}");
        assert_eq!(get(bench, sku).await, Some(counted), "{sku}");
    }
}

async fn a_count_replaces_the_stock_that_was_read_and_no_other(bench: &impl Bench) {
    count(bench, "A-1", stock(5, 0, 7), Revision::New).await;
    for since in [Revision::New, Revision::Read(0), Revision::Read(6), Revision::Read(8)] {
        assert_eq!(count(bench, "A-1", stock(9, 0, 8), since).await, Counted::Changed, "{since:?}");
        assert_eq!(get(bench, "A-1").await, Some(stock(5, 0, 7)), "{since:?}");
    }
    assert_eq!(count(bench, "A-1", stock(9, 0, 8), Revision::Read(7)).await, Counted::Done);
    assert_eq!(count(bench, "A-1", stock(9, 0, 8), Revision::Read(7)).await, Counted::Changed, "the same again");
    assert_eq!(get(bench, "A-1").await, Some(stock(9, 0, 8)));
}

async fn of_many_counts_of_one_revision_one_is_done(bench: &impl Bench) {
    for (before, since) in [(0, Revision::New), (1, Revision::Read(1))] {
        let counts = (0..8).map(|pieces| count(bench, "A-1", stock(pieces, 0, before + 1), since));
        let counts = join_all(counts).await;
        let winners: Vec<usize> = (0..8).filter(|index| counts[*index] == Counted::Done).collect();
        let [winner] = winners[..] else { panic!("{since:?}: {counts:?}") };
        assert_eq!(get(bench, "A-1").await, Some(stock(i64::try_from(winner).unwrap(), 0, before + 1)));
    }
}

async fn skus_are_counted_apart(bench: &impl Bench) {
    let skus = ["A-1", "a-1", "A-11", "A"];
    for (pieces, sku) in (0..).zip(skus) {
        assert_eq!(count(bench, sku, stock(pieces, 0, 1), Revision::New).await, Counted::Done, "{sku}");
    }
    for (pieces, sku) in (0..).zip(skus) {
        assert_eq!(get(bench, sku).await, Some(stock(pieces, 0, 1)), "{sku}");
    }
}

async fn a_reservation_is_seen_and_counts_from_before_it_are_refused(bench: &impl Bench) {
    count(bench, "A-1", stock(10, 2, 4), Revision::New).await;
    count(bench, "B-2", stock(1, 0, 1), Revision::New).await;
    reserve(bench).await;
    assert_eq!(get(bench, "A-1").await, Some(stock(7, 5, 5)));
    assert_eq!(get(bench, "B-2").await, Some(stock(0, 1, 2)));
    assert_eq!(count(bench, "A-1", stock(20, 2, 5), Revision::Read(4)).await, Counted::Changed);
    assert_eq!(get(bench, "A-1").await, Some(stock(7, 5, 5)));
    assert_eq!(count(bench, "A-1", stock(20, 5, 6), Revision::Read(5)).await, Counted::Done);
    assert_eq!(get(bench, "A-1").await, Some(stock(20, 5, 6)));
}

async fn a_reservation_that_is_rejected_changes_no_stock(bench: &impl Bench) {
    count(bench, "A-1", stock(10, 0, 1), Revision::New).await;
    reserve(bench).await;
    assert_eq!(get(bench, "A-1").await, Some(stock(10, 0, 1)));
    assert_eq!(get(bench, "B-2").await, None, "nor does it make one");
}

async fn a_stock_that_lacks_a_counter_is_not_understood(bench: &impl Bench) {
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
    let add = vec![(AVAILABLE, 1), (RESERVED, 0)];
    let update = CounterUpdate { key: "A-1".to_owned(), add, at_least: (AVAILABLE, 0) };
    let appended = bench.log().append(&Subject::shortened("ord_1"), &row, &[update]).await;
    assert_eq!(appended, Ok(Appended::Done));
    let failure = bench.stocks().get(&Sku::new("A-1").unwrap()).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Permanent, "{failure}");
    assert_eq!(count(bench, "A-1", stock(1, 0, 1), Revision::New).await, Counted::Changed, "it is there");
}

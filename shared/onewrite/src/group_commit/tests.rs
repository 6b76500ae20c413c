use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::pin::pin;
use std::time::Duration;

use envelope::Time;
use futures::executor::block_on;
use futures::future::{Either, join_all, pending, select};
use serde_json::json;

use super::*;
use crate::decider::InsufficientCounter;
use crate::memory::{MemoryLog, VirtualTime};
use crate::readers::MAX_WAIT;
use crate::row::Cause;

/// Time that a read and a write take.
const CALL: Duration = Duration::from_millis(8);

/// Table whose writes take their time, and collide, as DynamoDB's transactions do: of two that touch one item at the same
/// moment the later is refused.
struct Table<'a> {
    world: &'a VirtualTime,
    log: MemoryLog,
    busy: RefCell<BTreeSet<String>>,
    writes: RefCell<Vec<usize>>,
    collisions: Cell<u32>,
    hangs: Cell<bool>,
}

impl<'a> Table<'a> {
    fn new(world: &'a VirtualTime, pieces: i64) -> Self {
        let log = MemoryLog::default();
        log.set_counter("A-1", "available", pieces);
        log.set_counter("B-2", "available", pieces);
        Self {
            world,
            log,
            busy: RefCell::default(),
            writes: RefCell::default(),
            collisions: Cell::new(0),
            hangs: Cell::new(false),
        }
    }

    fn left(&self) -> (i64, i64) {
        (self.log.counter("A-1", "available"), self.log.counter("B-2", "available"))
    }
}

impl Log for &Table<'_> {
    async fn read(&self, subject: &Subject) -> Result<Vec<Row>> {
        self.world.sleep(Duration::from_millis(1 + self.world.below(8))).await;
        self.log.read(subject).await
    }

    async fn append_all(&self, additions: &[Addition<'_>]) -> Result<Appended> {
        self.writes.borrow_mut().push(additions.len());
        if self.hangs.get() {
            return pending().await;
        }
        let keys: BTreeSet<String> = merged(additions)?.into_iter().map(|update| update.key).collect();
        if !self.busy.borrow().is_disjoint(&keys) {
            self.collisions.set(self.collisions.get() + 1);
            return Ok(Appended::Conflict);
        }
        self.busy.borrow_mut().extend(keys.iter().cloned());
        self.world.sleep(CALL).await;
        self.busy.borrow_mut().retain(|key| !keys.contains(key));
        self.log.append_all(additions).await
    }
}

fn request(number: usize) -> Subject {
    Subject::shortened(&format!("req_{number}"))
}

fn row(version: u32) -> Row {
    let cause = Cause { source: "library".to_owned(), id: "1".to_owned(), event_type: "Asked".to_owned(), by: None };
    Row {
        version,
        at: Time::from_millis(0),
        cause,
        owner: None,
        unfinished: false,
        change: Some(json!("asked")),
        events: Vec::new(),
    }
}

fn take(key: &str, pieces: i64) -> CounterUpdate {
    CounterUpdate {
        key: key.to_owned(),
        add: vec![("available", -pieces), ("taken", pieces)],
        at_least: ("available", pieces),
    }
}

/// One who reads, decides, and appends.
async fn step(group: &GroupCommit, table: &Table<'_>, subject: Subject, updates: &[CounterUpdate]) -> Result<Appended> {
    group.reading(table.read(&subject)).await?;
    group.append(&table, table.world, Addition { subject: &subject, row: &row(1), updates }).await
}

/// All of them side by side, each with its updates.
fn run(table: &Table<'_>, all: &[Vec<CounterUpdate>]) -> Vec<Result<Appended>> {
    let group = GroupCommit::default();
    let steps = all.iter().enumerate().map(|(number, updates)| step(&group, table, request(number), updates));
    block_on(join_all(steps))
}

#[test]
fn ten_subjects_that_change_one_counter_are_one_write() {
    let world = VirtualTime::new(1);
    let table = Table::new(&world, 20);
    assert_eq!(run(&table, &vec![vec![take("A-1", 2)]; 10]), vec![Ok(Appended::Done); 10]);
    assert_eq!((table.writes.take(), table.collisions.get()), (vec![10], 0));
    assert_eq!((table.left(), table.log.counter("A-1", "taken"), table.log.len()), ((0, 20), 20, 10));
}

#[test]
fn those_that_have_no_counter_in_common_are_written_by_themselves() {
    let world = VirtualTime::new(1);
    let table = Table::new(&world, 20);
    let all = [vec![take("A-1", 1)], vec![take("B-2", 1)], vec![], vec![take("A-1", 1)]];
    assert_eq!(run(&table, &all), vec![Ok(Appended::Done); 4]);
    let mut writes = table.writes.take();
    writes.sort_unstable();
    assert_eq!((writes, table.left()), (vec![1, 1, 2], (18, 19)));
}

#[test]
fn one_that_has_counters_in_common_with_two_others_brings_them_together() {
    let world = VirtualTime::new(1);
    let table = Table::new(&world, 20);
    let all = [vec![take("A-1", 1)], vec![take("B-2", 1)], vec![take("B-2", 2), take("A-1", 2)]];
    assert_eq!(run(&table, &all), vec![Ok(Appended::Done); 3]);
    assert_eq!((table.writes.take(), table.left()), (vec![3], (17, 17)));
}

#[test]
fn where_there_is_not_enough_for_all_there_is_for_the_first_and_the_others_hear_what_is_left() {
    let world = VirtualTime::new(1);
    let table = Table::new(&world, 5);
    let mut results = run(&table, &vec![vec![take("A-1", 2)]; 4]);
    let short = InsufficientCounter { key: "A-1".to_owned(), required: 2, found: 1 };
    results.sort_by_key(|result| result != &Ok(Appended::Done));
    let short = Ok(Appended::Short(vec![short]));
    assert_eq!(results, [Ok(Appended::Done), Ok(Appended::Done), short.clone(), short]);
    assert_eq!((table.left(), table.collisions.get()), ((1, 5), 0));
}

#[test]
fn one_that_has_lost_its_race_loses_alone() {
    let world = VirtualTime::new(1);
    let table = Table::new(&world, 20);
    block_on(table.log.append(&request(2), &row(1), &[])).unwrap();
    let results = run(&table, &vec![vec![take("A-1", 1)]; 5]);
    for (number, result) in results.into_iter().enumerate() {
        assert_eq!(result, Ok(if number == 2 { Appended::LostRace } else { Appended::Done }), "{number}");
    }
    assert_eq!(table.left(), (16, 20));
}

#[test]
fn one_that_can_never_be_written_fails_alone() {
    let world = VirtualTime::new(1);
    let table = Table::new(&world, 20);
    let all = [vec![take("A-1", 1)], vec![take("A-1", 1), take("A-1", 2)], vec![take("A-1", 1)]];
    let results = run(&table, &all);
    assert_eq!([&results[0], &results[2]], [&Ok(Appended::Done); 2]);
    assert!(results[1].as_ref().is_err_and(|failure| !failure.kind().is_retryable()));
    assert_eq!(table.left(), (18, 20));
}

#[test]
fn updates_of_one_key_that_ask_for_different_counters_go_one_after_the_other() {
    let world = VirtualTime::new(1);
    let table = Table::new(&world, 20);
    let give = CounterUpdate { at_least: ("taken", 1), ..take("A-1", -1) };
    let all = [vec![take("A-1", 1)], vec![take("A-1", 1)], vec![give]];
    let mut results = run(&table, &all);
    results.sort_by_key(|result| result != &Ok(Appended::Done));
    assert_eq!(results[..2], [Ok(Appended::Done), Ok(Appended::Done)]);
    assert_eq!(table.writes.take().iter().sum::<usize>(), 3);
}

#[test]
fn no_write_has_more_items_than_a_transaction_may_have() {
    let world = VirtualTime::new(1);
    let table = Table::new(&world, 200);
    let many = |first: usize| -> Vec<CounterUpdate> {
        (first..first + 40).map(|number| give(&format!("C-{number}"))).chain([take("A-1", 1)]).collect()
    };
    assert_eq!(run(&table, &[many(0), many(40), many(80)]), vec![Ok(Appended::Done); 3]);
    let mut writes = table.writes.take();
    writes.sort_unstable();
    assert_eq!((writes, table.left()), (vec![1, 2], (197, 200)));
}

fn give(key: &str) -> CounterUpdate {
    CounterUpdate { key: key.to_owned(), add: vec![("available", 1)], at_least: ("available", 0) }
}

#[test]
fn a_read_that_hangs_holds_up_nobody_for_long() {
    let world = VirtualTime::new(1);
    let (table, group) = (Table::new(&world, 20), GroupCommit::default());
    let begun = world.now();
    let hanging = group.reading(pending::<()>());
    let stepping = step(&group, &table, request(1), &[]);
    let appending = async {
        stepping.await?;
        let addition = Addition { subject: &request(2), row: &row(1), updates: &[take("A-1", 1)] };
        group.append(&&table, &world, addition).await
    };
    let Either::Right((result, _)) = block_on(select(pin!(hanging), pin!(appending))) else { panic!("it hangs") };
    assert_eq!(result, Ok(Appended::Done));
    let took = begun.until(world.now());
    assert!(took >= MAX_WAIT && took < MAX_WAIT * 2, "{took:?}");
}

#[test]
fn where_the_lead_is_given_up_the_others_hear_that_nobody_knows() {
    let world = VirtualTime::new(1);
    let (table, group) = (Table::new(&world, 20), GroupCommit::default());
    table.hangs.set(true);
    let limited = async |number: usize, limit: u64| {
        let updates = [take("A-1", 1)];
        let step = pin!(step(&group, &table, request(number), &updates));
        match select(step, pin!(world.sleep(Duration::from_secs(limit)))).await {
            Either::Left((result, _)) => Some(result),
            Either::Right(_) => None,
        }
    };
    // Whoever leads is given up first, for the limits are by who comes first.
    let results = block_on(join_all([(0, 1), (1, 1), (2, 9)].map(|(number, limit)| limited(number, limit))));
    let third = results[2].clone();
    assert!(third.is_some_and(|result| result.is_err_and(|failure| failure.kind().is_retryable())));
    table.hangs.set(false);
    assert_eq!(block_on(step(&group, &table, request(7), &[take("A-1", 1)])), Ok(Appended::Done));
}

/// Requests a second on one counter: functions that have batches of ten, side by side.
fn per_second(functions: usize, is_grouped: bool) -> u128 {
    const BATCHES: usize = 20;
    let world = VirtualTime::new(7);
    let table = Table::new(&world, 1_000_000);
    let function = async |function: usize| {
        for batch in 0..BATCHES {
            let group = GroupCommit::default();
            let alone: Vec<GroupCommit> = (0..10).map(|_| GroupCommit::default()).collect();
            let steps = (0..10).map(|number| {
                let subject = request((function * BATCHES + batch) * 10 + number);
                let group = if is_grouped { &group } else { &alone[number] };
                let table = &table;
                async move {
                    while step(group, table, subject.clone(), &[take("A-1", 1)]).await.unwrap_or(Appended::Conflict)
                        == Appended::Conflict
                    {}
                }
            });
            join_all(steps).await;
        }
    };
    let begun = world.now();
    block_on(join_all((0..functions).map(function)));
    let requests = table.log.len();
    assert_eq!(requests, functions * BATCHES * 10);
    requests as u128 * 1_000 / begun.until(world.now()).as_millis()
}

#[test]
fn one_counter_takes_several_times_as_many_in_groups() {
    for functions in [1, 2, 5, 10] {
        let (alone, together) = (per_second(functions, false), per_second(functions, true));
        println!("{functions} functions: {alone} a second alone, {together} in groups");
        assert!(together > alone * 4, "{functions} functions: {alone} alone, {together} in groups");
    }
}

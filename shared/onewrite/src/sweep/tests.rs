use std::cell::Cell;
use std::collections::BTreeSet;
use std::convert::Infallible;

use envelope::{Source, consumes};
use futures::FutureExt;
use futures::executor::block_on;

use super::*;
use crate::decider::{Decision, Step};
use crate::memory::sample::{BookRequested, LOANS, Library, RequestCancelled, event, requested};
use crate::memory::{MemoryLog, MemorySpans, Pace, Paced, VirtualTime};
use crate::row::{Cause, Row};

consumes!(
    /// Events of a request for a book.
    enum Heard in Library { BookRequested, RequestCancelled }
);

/// Requests for books; one that is cancelled is over.
struct Requests;

impl Decider for Requests {
    const SOURCE: Source = LOANS;
    type Heard = Heard;
    type State = bool;
    type Change = bool;
    type Effect = Infallible;
    type Reply = Infallible;

    fn evolve(_: bool, is_over: bool) -> bool {
        is_over
    }

    fn decide(_: &bool, _: &envelope::Event<Heard>, _: Option<&Infallible>) -> Decision<Self> {
        Ok(Step::Nothing)
    }

    fn is_over(is_over: &bool) -> bool {
        *is_over
    }
}

const LATE_AFTER: Duration = Duration::from_mins(15);
const AN_HOUR: Duration = Duration::from_hours(1);

/// Subjects `usr_0`, `usr_1` …, begun a second after each other; those of `over` have come to their end.
struct Shelf {
    log: MemoryLog,
    world: VirtualTime,
}

impl Shelf {
    fn of(subjects: u32, over: &[u32]) -> Self {
        let shelf = Self { log: MemoryLog::default(), world: VirtualTime::new(1) };
        for number in 0..subjects {
            shelf.add(number, 1, over.contains(&number));
            shelf.world.pass(Duration::from_secs(1));
        }
        shelf
    }

    fn add(&self, number: u32, version: u32, is_over: bool) {
        let cause = Cause::from(&event::<Library>(requested("usr_1")));
        let (at, change) = (self.world.now(), Some(is_over.into()));
        let row = Row { version, at, cause, owner: None, unfinished: false, change, events: Vec::new() };
        block_on(self.log.append(&subject(number), &row, &[])).unwrap();
    }

    fn sweep<'a>(
        &'a self,
        pace: &'a Pace,
    ) -> Sweep<Paced<'a, &'a MemoryLog>, &'a VirtualTime, Paced<'a, &'a MemoryLog>> {
        let paced = Paced { port: &self.log, pace };
        Sweep::new(Ledger::new(paced, &self.world), paced, LATE_AFTER)
    }

    /// A sweep that ends what was begun an hour ago.
    async fn ending(&self, pace: &Pace) -> Result<Swept> {
        let ending = async |_: &bool, age: Duration| Ok((age >= AN_HOUR).then(give_up));
        self.sweep(pace).run_ending::<Requests>(self.in_a_minute(), ending).await
    }

    fn rows(&self, number: u32) -> usize {
        block_on(self.log.read(&subject(number))).unwrap().len()
    }

    fn swept(&self) -> Swept {
        block_on(self.sweep(&Pace::of(u32::MAX)).run::<Requests>(self.in_a_minute())).unwrap()
    }

    fn in_a_minute(&self) -> Time {
        self.world.now().after(Duration::from_mins(1))
    }

    fn count(&self) -> u64 {
        block_on(self.log.count(self.in_a_minute())).unwrap()
    }
}

fn give_up() -> EndingOf<Requests> {
    let commit = Commit { change: Some(true), events: Vec::new(), updates: Vec::new(), unfinished: false };
    Ending { name: "GiveUp", commit, correlation_id: None }
}

fn subject(number: u32) -> Subject {
    Subject::new(format!("usr_{number}")).unwrap()
}

#[test]
fn what_is_over_is_closed_and_the_rest_is_counted() {
    let shelf = Shelf::of(100, &[3, 50, 51]);
    shelf.world.pass(Duration::from_secs(850));
    // The first ones are as old as 950 s, and the 51st is as old as 900.
    let swept = shelf.swept();
    assert_eq!((swept.open, swept.late, swept.closed), (97, 49, 3));
    let oldest: Vec<&str> = swept.oldest.iter().map(|(subject, _)| subject.as_str()).collect();
    assert_eq!(oldest, [0, 1, 2, 4, 5, 6, 7, 8, 9, 10].map(|number| format!("usr_{number}")));
    assert_eq!((shelf.count(), shelf.swept().closed), (97, 0));
    shelf.add(0, 2, true);
    assert_eq!(shelf.swept().closed, 1);
    shelf.world.pass(Duration::from_hours(24) - Duration::from_mins(15));
    let swept = shelf.swept();
    // After a day they are no longer late, and their number tells how it goes now.
    assert_eq!((swept.open, swept.late, swept.forgotten), (96, 48, 48));
}

#[test]
fn what_is_young_is_only_counted() {
    let shelf = Shelf::of(40, &[0, 39]);
    // 40 s old, and 1 s old.
    assert_eq!((shelf.swept().closed, shelf.count()), (1, 39));
    shelf.world.pass(Duration::from_secs(30));
    assert_eq!((shelf.swept().closed, shelf.count()), (1, 38));
}

#[test]
fn when_its_time_is_up_a_sweep_only_counts() {
    let shelf = Shelf::of(40, &[0]);
    let sweep = shelf.sweep(&Pace::of(u32::MAX)).run::<Requests>(shelf.world.now().after(RESERVE)).now_or_never();
    let swept = sweep.unwrap().unwrap();
    assert_eq!((swept.open, swept.closed), (40, 0));
}

#[test]
fn wherever_a_sweep_is_cut_off_the_next_one_does_the_rest() {
    let new = || {
        let shelf = Shelf::of(20, &[0, 7, 8]);
        shelf.world.pass(Duration::from_mins(1));
        shelf
    };
    let mut crashes = 0;
    for steps in 0.. {
        let (shelf, pace) = (new(), Pace::of(steps));
        let is_done = shelf.sweep(&pace).run::<Requests>(shelf.in_a_minute()).now_or_never().is_some();
        let swept = shelf.swept();
        assert_eq!((swept.open, shelf.count()), (17, 17), "a crash after {steps} pauses");
        if is_done {
            break;
        }
        crashes += 1;
    }
    assert!(crashes > 20, "it makes {crashes} calls");
    let (shelf, pace) = (new(), Pace::losing("close"));
    let swept = block_on(shelf.sweep(&pace).run::<Requests>(shelf.in_a_minute())).unwrap();
    assert_eq!((swept.open, swept.closed, shelf.count()), (18, 2, 17), "a lost answer");
    assert_eq!(shelf.swept().open, 17);
}

#[test]
fn what_nothing_else_ends_is_ended_once_and_closed() {
    let spans = MemorySpans::record();
    let shelf = Shelf::of(20, &[0]);
    shelf.world.pass(Duration::from_secs(3_590));
    // The first ten are an hour old; of them the first is over already.
    let swept = block_on(shelf.ending(&Pace::of(u32::MAX))).unwrap();
    assert_eq!((swept.open, swept.closed, swept.ended), (9, 11, 10));
    let rows: Vec<usize> = (0..20).map(|number| shelf.rows(number)).collect();
    assert_eq!(rows[..12], [1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1]);
    let row = block_on(shelf.log.read(&subject(1))).unwrap().remove(1);
    assert_eq!((row.cause.source.as_str(), row.cause.event_type.as_str()), ("library/loans/sweep", "GiveUp"));
    let again = block_on(shelf.ending(&Pace::of(u32::MAX))).unwrap();
    assert_eq!((again.open, again.ended), (9, 0));
    let traces: BTreeSet<_> = spans.ended().iter().map(|span| span.span_context.trace_id().to_bytes()).collect();
    assert_eq!((spans.ended().len(), traces.len()), (10, 10), "each end is a trace of its own");
    assert!(spans.ended().iter().all(|span| span.name == "GiveUp"));
}

#[test]
fn wherever_a_sweep_that_ends_is_cut_off_each_subject_is_ended_once() {
    for steps in 0.. {
        let shelf = Shelf::of(5, &[0]);
        shelf.world.pass(AN_HOUR);
        let is_done = shelf.ending(&Pace::of(steps)).now_or_never().is_some();
        block_on(shelf.ending(&Pace::of(u32::MAX))).unwrap();
        let rows: Vec<usize> = (0..5).map(|number| shelf.rows(number)).collect();
        assert_eq!((rows, shelf.count()), (vec![1, 2, 2, 2, 2], 0), "a crash after {steps} pauses");
        if is_done {
            break;
        }
    }
}

#[test]
fn whoever_is_faster_than_the_sweep_counts_and_the_next_one_looks_again() {
    let shelf = Shelf::of(1, &[]);
    shelf.world.pass(AN_HOUR);
    let pace = Pace::until("before append");
    let mut sweep = Box::pin(shelf.ending(&pace));
    assert!(sweep.as_mut().now_or_never().is_none());
    shelf.add(0, 2, false);
    pace.release();
    let swept = sweep.now_or_never().unwrap().unwrap();
    assert_eq!((swept.open, swept.ended, shelf.rows(0)), (1, 0, 2));
    let swept = block_on(shelf.ending(&Pace::of(u32::MAX))).unwrap();
    assert_eq!((swept.ended, swept.closed, shelf.rows(0)), (1, 1, 3));
}

/// Of each that is open somebody else is asked, as of a key in another table, and of some they do not answer.
#[test]
fn what_it_fails_to_find_the_end_of_stays_open_and_the_others_are_ended() {
    let shelf = Shelf::of(15, &[0]);
    shelf.world.pass(AN_HOUR);
    let (pace, asked) = (Pace::of(u32::MAX), Cell::new(0));
    let ending = async |_: &bool, _: Duration| {
        shelf.world.sleep(Duration::from_secs(1)).await;
        asked.set(asked.get() + 1);
        if asked.get() % 7 == 0 { Err(Failure::transient("no answer")) } else { Ok(Some(give_up())) }
    };
    let swept = block_on(shelf.sweep(&pace).run_ending::<Requests>(shelf.in_a_minute(), ending)).unwrap();
    assert_eq!((asked.get(), swept.open, swept.ended, swept.closed), (14, 2, 12, 13));
    assert_eq!(block_on(shelf.ending(&pace)).unwrap().ended, 2);
    assert_eq!(shelf.count(), 0);
}

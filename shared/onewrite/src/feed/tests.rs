use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::pin::pin;
use std::time::Duration;

use futures::executor::block_on;
use futures::future::{Either, join, join_all, select};

use envelope::Time;

use super::*;
use crate::failure::{Failure, Result};
use crate::memory::{MemoryFeed, Pace, Paced, VirtualTime};
use crate::port::{Clock, Random};

fn key(number: usize) -> RecordKey {
    RecordKey(format!("usr_{number}"), format!("{number}#identity/web"))
}

impl<T: FeedLog> FeedLog for Paced<'_, T> {
    async fn append(&self, shard: u8, position: u64, page: &Page) -> Result<bool> {
        let timed_out = || Failure::transient("timed out");
        self.pace.call("append", self.port.append(shard, position, page), timed_out).await
    }

    async fn after(&self, shard: u8, position: u64, most: u16) -> Result<Vec<(u64, Page)>> {
        self.pace.pause("before after").await;
        self.port.after(shard, position, most).await
    }

    async fn head(&self, shard: u8) -> Result<u64> {
        self.pace.pause("before head").await;
        self.port.head(shard).await
    }
}

/// Table of the records: each with the mark that it was put with. A put takes 8 ms.
struct Records<'a> {
    marks: RefCell<BTreeMap<RecordKey, Mark>>,
    world: &'a VirtualTime,
}

impl<'a> Records<'a> {
    fn new(world: &'a VirtualTime) -> Self {
        Self { marks: RefCell::default(), world }
    }

    /// Puts a record, unless it is there: its mark.
    async fn put(&self, key: &RecordKey, mark: Mark) -> Mark {
        self.world.sleep(Duration::from_millis(8)).await;
        *self.marks.borrow_mut().entry(key.clone()).or_insert(mark)
    }
}

/// Handles a message about a record, as a consumer does.
async fn handle(
    writer: &FeedWriter<impl FeedLog, impl Clock + Random>,
    records: &Records<'_>,
    key: &RecordKey,
) -> Result<()> {
    let mark = writer.mark().await?;
    let mark = writer.putting(records.put(key, mark)).await;
    writer.list(key.clone(), mark).await
}

/// All that a reader finds from that cursor on, in reads of so many.
fn rest(feed: &MemoryFeed, shards: u8, mut cursor: Cursor, most: usize) -> Vec<RecordKey> {
    let mut keys = Vec::new();
    loop {
        let listed = block_on(read(&feed, shards, &cursor, most)).unwrap();
        assert!(listed.len() <= most);
        let Some(last) = listed.last() else { return keys };
        // It is given out as a text, and comes back as one.
        cursor = last.cursor.to_string().parse().unwrap();
        assert_eq!(cursor, last.cursor);
        keys.extend(listed.into_iter().map(|listed| listed.key));
    }
}

fn check_once(keys: &[RecordKey], expected: usize) {
    let unique: BTreeSet<&RecordKey> = keys.iter().collect();
    assert_eq!((unique.len(), keys.len()), (expected, expected));
}

#[test]
fn what_comes_at_one_moment_is_one_page() {
    let (feed, world) = (MemoryFeed::default(), VirtualTime::new(1));
    let records = Records::new(&world);
    let writer = FeedWriter::new(&feed, &world, 4);
    for batch in 0..3 {
        let keys: Vec<RecordKey> = (batch * 10..batch * 10 + 10).map(key).collect();
        let handled = block_on(join_all(keys.iter().map(|key| handle(&writer, &records, key))));
        assert_eq!(handled, vec![Ok(()); 10]);
        assert_eq!(feed.pages(), batch + 1);
    }
    assert_eq!(rest(&feed, 4, Cursor::default(), 7), (0..30).map(key).collect::<Vec<_>>());
}

#[test]
fn more_than_a_page_has_room_for_is_several() {
    let (feed, world) = (MemoryFeed::default(), VirtualTime::new(1));
    let records = Records::new(&world);
    let writer = FeedWriter::new(&feed, &world, 1);
    let keys: Vec<RecordKey> = (0..60).chain(0..60).map(key).collect();
    block_on(join_all(keys.iter().map(|key| handle(&writer, &records, key))));
    assert_eq!(feed.pages(), 3);
    check_once(&rest(&feed, 1, Cursor::default(), 500), 60);
}

#[test]
fn a_record_is_listed_once_wherever_a_writer_dies() {
    for steps in 0..20 {
        let (feed, world) = (MemoryFeed::default(), VirtualTime::new(1));
        let records = Records::new(&world);
        let pace = Pace::of(steps);
        {
            let writer = FeedWriter::new(Paced { port: &feed, pace: &pace }, &world, 2);
            let keys: Vec<RecordKey> = (0..3).map(key).collect();
            let dies = join_all(keys.iter().map(|key| handle(&writer, &records, key)));
            let limit = world.sleep(Duration::from_secs(10));
            block_on(select(pin!(dies), pin!(limit)));
        }
        // It comes again to another, twice, and to a third at the same moment.
        let (writer, other) = (FeedWriter::new(&feed, &world, 2), FeedWriter::new(&feed, &world, 2));
        for number in (0..4).chain(0..4) {
            let key = key(number);
            let both = block_on(join(handle(&writer, &records, &key), handle(&other, &records, &key)));
            assert_eq!(both, (Ok(()), Ok(())), "{steps}");
        }
        check_once(&rest(&feed, 2, Cursor::default(), 2), 4);
    }
}

#[test]
fn a_page_whose_answer_was_lost_is_found() {
    let (feed, world) = (MemoryFeed::default(), VirtualTime::new(1));
    let records = Records::new(&world);
    let pace = Pace::losing("append");
    let writer = FeedWriter::new(Paced { port: &feed, pace: &pace }, &world, 1);
    assert!(block_on(handle(&writer, &records, &key(1))).is_err_and(|failure| failure.kind().is_retryable()));
    assert_eq!(block_on(handle(&writer, &records, &key(1))), Ok(()));
    check_once(&feed.records(), 1);
}

#[test]
fn who_loses_a_race_goes_on_behind_the_other() {
    let (feed, world) = (MemoryFeed::default(), VirtualTime::new(3));
    let records = Records::new(&world);
    let (one, other) = (FeedWriter::new(&feed, &world, 1), FeedWriter::new(&feed, &world, 1));
    block_on(async {
        let (_, _) = (one.mark().await.unwrap(), other.mark().await.unwrap());
        for number in 0..40 {
            let writer = if number % 2 == 0 { &one } else { &other };
            handle(writer, &records, &key(number)).await.unwrap();
        }
    });
    assert_eq!(rest(&feed, 1, Cursor::default(), 500), (0..40).map(key).collect::<Vec<_>>());
}

/// A feed that counts how often its pages are read.
struct Counted<'a> {
    feed: &'a MemoryFeed,
    reads: Cell<usize>,
}

impl FeedLog for Counted<'_> {
    async fn append(&self, shard: u8, position: u64, page: &Page) -> Result<bool> {
        self.feed.append(shard, position, page).await
    }

    async fn after(&self, shard: u8, position: u64, most: u16) -> Result<Vec<(u64, Page)>> {
        self.reads.set(self.reads.get() + 1);
        self.feed.after(shard, position, most).await
    }

    async fn head(&self, shard: u8) -> Result<u64> {
        self.feed.head(shard).await
    }
}

#[test]
fn a_mark_far_back_is_few_reads() {
    const PAGES: usize = 30_000;
    let (feed, world) = (MemoryFeed::default(), VirtualTime::new(1));
    for number in 0..PAGES {
        let page = Page { at: world.now(), records: vec![key(number)] };
        assert_eq!(block_on(feed.append(0, number as u64 + 1, &page)), Ok(true));
    }
    let counted = Counted { feed: &feed, reads: Cell::default() };
    let writer = FeedWriter::new(&counted, &world, 1);
    let head = block_on(writer.mark()).unwrap();
    assert_eq!(head.after, PAGES as u64);
    let reads_of = |marked: &[(usize, u64)]| {
        counted.reads.set(0);
        let listing = marked.iter().map(|(number, after)| writer.list(key(*number), Mark { shard: 0, after: *after }));
        assert!(block_on(join_all(listing)).iter().all(Result::is_ok));
        counted.reads.get()
    };
    // What was listed long ago is found where it is, and what has come with it needs no look.
    assert_eq!(reads_of(&[(2, 1), (15_000, 14_990), (PAGES, head.after)]), 2);
    // What was put long ago, and never listed, is looked for to the end.
    assert_eq!(reads_of(&[(PAGES + 1, 0)]), 31);
    counted.reads.set(0);
    for (number, after, is_listed) in [(2, 1, true), (PAGES + 1, 0, true), (PAGES + 2, 0, false)] {
        assert_eq!(block_on(writer.is_listed(&key(number), Mark { shard: 0, after })), Ok(is_listed));
    }
    assert_eq!(counted.reads.get(), 1 + 31 + 31);
    check_once(&rest(&feed, 1, Cursor::default(), 500), PAGES + 2);
}

#[test]
fn the_shards_are_merged_by_time_and_a_new_one_is_read_from_its_beginning() {
    let (feed, world) = (MemoryFeed::default(), VirtualTime::new(1));
    let add = |shard: u8, position: u64, numbers: &[usize]| {
        world.pass(Duration::from_secs(1));
        let page = Page { at: world.now(), records: numbers.iter().copied().map(key).collect() };
        assert_eq!(block_on(feed.append(shard, position, &page)), Ok(true));
    };
    add(1, 1, &[0, 1]);
    add(0, 1, &[2]);
    add(1, 2, &[3]);
    let listed = block_on(read(&&feed, 2, &Cursor::default(), 500)).unwrap();
    assert_eq!(listed.iter().map(|listed| listed.key.clone()).collect::<Vec<_>>(), (0..4).map(key).collect::<Vec<_>>());
    let cursors: Vec<String> = listed.iter().map(|listed| listed.cursor.to_string()).collect();
    assert_eq!(cursors, ["0-0.1", "0-1", "1-1", "1-2"]);
    add(2, 1, &[4]);
    let end = listed.last().unwrap().cursor.clone();
    assert_eq!(rest(&feed, 2, end.clone(), 500), []);
    assert_eq!(rest(&feed, 3, end, 500), [key(4)]);
}

#[test]
fn a_page_that_took_long_comes_after_younger_ones_for_who_reads_along() {
    let (feed, world) = (MemoryFeed::default(), VirtualTime::new(1));
    let begun = world.now();
    world.pass(Duration::from_secs(1));
    let add = |shard: u8, at: Time, number: usize| {
        let page = Page { at, records: vec![key(number)] };
        assert_eq!(block_on(feed.append(shard, 1, &page)), Ok(true));
    };
    add(1, world.now(), 0);
    let along = block_on(read(&&feed, 2, &Cursor::default(), 500)).unwrap().remove(0);
    add(0, begun, 1);
    assert_eq!([along.key, rest(&feed, 2, along.cursor, 500).remove(0)], [key(0), key(1)]);
    assert_eq!(rest(&feed, 2, Cursor::default(), 500), [key(1), key(0)]);
}

#[test]
fn a_page_that_is_not_seen_yet_is_not_passed() {
    /// A log that shows the second page before the first.
    struct Hasty;
    impl FeedLog for Hasty {
        async fn append(&self, _: u8, _: u64, _: &Page) -> Result<bool> {
            Ok(false)
        }

        async fn after(&self, _: u8, position: u64, _: u16) -> Result<Vec<(u64, Page)>> {
            Ok(vec![(position + 2, Page { at: Time::from_millis(0), records: vec![key(2)] })])
        }

        async fn head(&self, _: u8) -> Result<u64> {
            Ok(0)
        }
    }
    assert_eq!(block_on(read(&Hasty, 1, &Cursor::default(), 500)), Ok(Vec::new()));
}

#[test]
fn a_cursor_is_read_as_it_was_written_and_nothing_else_is() {
    for text in ["0", "17", "3-4.2-0", "999999999999999999"] {
        assert_eq!(text.parse::<Cursor>().map(|cursor| cursor.to_string()), Ok(text.to_owned()));
    }
    assert_eq!(Cursor::default().to_string(), "0");
    let long = ["1"; 65].join("-");
    for text in ["", "-", "1-", ".1", "1.", "+1", "1.2.3", "x", "1 ", "9999999999999999999", &long] {
        assert!(text.parse::<Cursor>().is_err(), "{text}");
    }
    for text in ["", "1", "#1", "1#", "64#1", "x#1", "1#-1"] {
        assert!(text.parse::<Mark>().is_err(), "{text}");
    }
    let mark = Mark { shard: 3, after: 17 };
    assert_eq!(mark.to_string().parse(), Ok(mark));
}

/// A feed whose every call stalls for up to some minutes, before it takes effect or after.
struct Stalling<'a> {
    feed: &'a MemoryFeed,
    world: &'a VirtualTime,
}

impl Stalling<'_> {
    async fn stall(&self) {
        if self.world.below(3) == 0 {
            self.world.sleep(Duration::from_secs(self.world.below(300))).await;
        }
    }

    async fn stalled<T>(&self, call: impl Future<Output = T>) -> T {
        self.stall().await;
        let answer = call.await;
        self.stall().await;
        answer
    }
}

impl FeedLog for Stalling<'_> {
    async fn append(&self, shard: u8, position: u64, page: &Page) -> Result<bool> {
        self.stalled(self.feed.append(shard, position, page)).await
    }

    async fn after(&self, shard: u8, position: u64, most: u16) -> Result<Vec<(u64, Page)>> {
        self.stalled(self.feed.after(shard, position, most)).await
    }

    async fn head(&self, shard: u8) -> Result<u64> {
        self.stalled(self.feed.head(shard)).await
    }
}

/// Records of one run with stalling writers.
const RECORDS: usize = 200;

/// Writers that stall for minutes between the record and its page, and die at it; each message is delivered twice at least. Three
/// readers, each at a pace of its own, see each record once.
#[test]
fn readers_miss_nothing_of_writers_that_stall_for_minutes() {
    for seed in 0..20 {
        let (feed, world) = (MemoryFeed::default(), VirtualTime::new(seed));
        let records = Records::new(&world);
        let messages: RefCell<VecDeque<usize>> = RefCell::new((0..RECORDS).chain((0..RECORDS).rev()).collect());
        let at_work = Cell::new(0);
        let stalling = || Stalling { feed: &feed, world: &world };
        let writer = async || {
            at_work.set(at_work.get() + 1);
            let mut writer = FeedWriter::new(stalling(), &world, 3);
            loop {
                let batch: Vec<usize> = (0..5).map_while(|_| messages.borrow_mut().pop_front()).collect();
                if batch.is_empty() {
                    break;
                }
                let keys: Vec<RecordKey> = batch.iter().copied().map(key).collect();
                let result = {
                    let handling = join_all(keys.iter().map(async |key| {
                        world.sleep(Duration::from_secs(world.below(2))).await;
                        handle(&writer, &records, key).await
                    }));
                    match select(pin!(handling), pin!(world.sleep(Duration::from_secs(60 + world.below(600))))).await {
                        Either::Left((results, _)) => Some(results),
                        Either::Right(_) => None,
                    }
                };
                let results = result.unwrap_or_else(|| {
                    writer = FeedWriter::new(stalling(), &world, 3);
                    vec![Err(Failure::transient("it died")); batch.len()]
                });
                let failed = batch.into_iter().zip(results).filter(|(_, result)| result.is_err());
                messages.borrow_mut().extend(failed.map(|(number, _)| number));
            }
            at_work.set(at_work.get() - 1);
        };
        let reader = async |pause: u64, most: usize| {
            let (mut cursor, mut seen) = (Cursor::default(), Vec::new());
            loop {
                world.sleep(Duration::from_secs(1 + world.below(pause))).await;
                let is_over = at_work.get() == 0;
                let listed = read(&stalling(), 3, &cursor, most).await.unwrap();
                match listed.last() {
                    Some(last) => cursor = last.cursor.clone(),
                    None if is_over => return seen,
                    None => {}
                }
                seen.extend(listed.into_iter().map(|listed| listed.key));
            }
        };
        let writers = join_all((0..8).map(|_| writer()));
        let readers = join_all([(5, 1), (120, 7), (900, 500)].map(|(pause, most)| reader(pause, most)));
        let (_, seen) = block_on(join(writers, readers));
        for seen in &seen {
            check_once(seen, RECORDS);
        }
        assert_eq!(records.marks.borrow().len(), RECORDS);
    }
}

#[test]
fn of_two_cursors_the_further_and_the_nearer_are_those_of_each_shard() {
    let cursor = |text: &str| text.parse::<Cursor>().unwrap();
    for (one, other, furthest, nearest) in [
        ("0", "0", "0", "0"),
        ("3-0.7-2", "2.1-1-2", "3-1-2", "2.1-0.7-2"),
        ("3", "2-5", "3-5", "2-0"),
        ("2.9", "3-0-1", "3-0-1", "2.9-0-0"),
    ] {
        for (one, other) in [(one, other), (other, one)] {
            let both = (cursor(one), cursor(other));
            assert_eq!(both.0.furthest(&both.1), cursor(furthest), "{one} {other}");
            assert_eq!(both.0.nearest(&both.1), cursor(nearest), "{one} {other}");
        }
        let written = serde_json::to_string(&cursor(one)).unwrap();
        assert_eq!(serde_json::from_str::<Cursor>(&written).unwrap(), cursor(one));
    }
}

#[test]
fn after_the_end_is_what_is_listed_later() {
    let (world, log) = (VirtualTime::new(1), MemoryFeed::default());
    let list = |number| {
        let writer = FeedWriter::new(&log, &world, 3);
        block_on(async { writer.list(key(number), writer.mark().await.unwrap()).await.unwrap() });
    };
    (0..20).for_each(list);
    let end = block_on(end(&log, 3)).unwrap();
    assert!(block_on(read(&log, 3, &end, 9)).unwrap().is_empty());
    list(20);
    let later = block_on(read(&log, 3, &end, 9)).unwrap();
    assert_eq!(later.iter().map(|listed| listed.key.clone()).collect::<Vec<_>>(), [key(20)]);
}

#[test]
fn a_cursor_that_says_more_records_than_a_page_has_is_after_that_page() {
    let (feed, world) = (MemoryFeed::default(), VirtualTime::new(1));
    let records = Records::new(&world);
    let writer = FeedWriter::new(&feed, &world, 1);
    for number in 0..3 {
        assert_eq!(block_on(handle(&writer, &records, &key(number))), Ok(()));
    }
    for (cursor, expected) in [("0.99999", 1..3), ("1.1", 2..3), ("2.7", 3..3), ("9.9", 3..3)] {
        assert_eq!(rest(&feed, 1, cursor.parse().unwrap(), 7), expected.map(key).collect::<Vec<_>>(), "{cursor}");
    }
}

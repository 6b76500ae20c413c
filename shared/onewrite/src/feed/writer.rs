//! Writing of a feed: the keys that come at one moment are one page.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::channel::oneshot;

use super::log::{FeedLog, Mark, Page, RecordKey};
use crate::backoff::collision_pause;
use crate::failure::{Failure, Result};
use crate::port::{Clock, Random};
use crate::readers::{Readers, lock};

/// The most keys of a page, so that it stays far below the 400 KB of an item.
const MAX_KEYS: usize = 25;

/// Pages that are read first, by who looks whether a key is among them: as a rule it is in one of the next few after its mark.
const FIRST_PAGES: u16 = 25;

/// Pages that are read at once from there on. Of a mark that is far back a month's pages of a busy shard may follow: pages of one
/// key are 150 bytes, so that a million of them are some 150 requests, and not 40,000.
const NEXT_PAGES: u16 = 1_000;

/// Number of attempts at a page for which others are always faster.
const MAX_RACES: u32 = 20;

/// Writer of a feed. It stays with one shard as long as nobody else writes there, so that writers keep out of each other's way.
pub struct FeedWriter<L, W> {
    log: L,
    world: W,
    shards: u8,
    /// The shard that it writes to, and the last page of it that it has seen.
    place: Mutex<Option<Mark>>,
    waiting: Mutex<Vec<Waiting>>,
    is_led: AtomicBool,
    putting: Readers,
}

/// Key that waits for its page.
struct Waiting {
    key: RecordKey,
    mark: Mark,
    answer: oneshot::Sender<Result<()>>,
}

impl<L: FeedLog, W: Clock + Random> FeedWriter<L, W> {
    /// Writer of a feed of so many shards, at least one.
    pub fn new(log: L, world: W, shards: u8) -> Self {
        Self {
            log,
            world,
            shards: shards.max(1),
            place: Mutex::default(),
            waiting: Mutex::default(),
            is_led: AtomicBool::default(),
            putting: Readers::default(),
        }
    }

    /// Mark for a record that is about to be put.
    ///
    /// # Errors
    ///
    /// The feed cannot be read.
    pub async fn mark(&self) -> Result<Mark> {
        let known = *lock(&self.place);
        match known {
            Some(mark) => Ok(mark),
            None => self.choose().await,
        }
    }

    async fn choose(&self) -> Result<Mark> {
        let shard = u8::try_from(self.world.below(self.shards.into())).unwrap_or(0);
        let mark = Mark { shard, after: self.log.head(shard).await? };
        // Of several that choose at one moment the first is followed, so that they write one page.
        Ok(*lock(&self.place).get_or_insert(mark))
    }

    /// Puts a record, and lets those wait who are about to list theirs until it is done.
    pub async fn putting<T>(&self, put: impl Future<Output = T>) -> T {
        let _putting = self.putting.enter();
        put.await
    }

    /// Lists the record of that key, which was put with that mark, unless it is listed already. It waits for those who put theirs
    /// at this moment, and goes with them.
    ///
    /// # Errors
    ///
    /// It is unknown whether the record is listed.
    pub async fn list(&self, key: RecordKey, mark: Mark) -> Result<()> {
        let (answer, answered) = oneshot::channel();
        lock(&self.waiting).push(Waiting { key, mark, answer });
        // The first who comes leads: writes for all who wait, until nobody does.
        if !self.is_led.swap(true, Ordering::AcqRel) {
            let _lead = Lead { is_led: &self.is_led, waiting: &self.waiting };
            self.putting.gone(&self.world).await;
            while let Some(group) = self.next_group() {
                self.write(group).await;
            }
        }
        answered.await.unwrap_or_else(|_| Err(Failure::transient("the page that it was a part of was given up")))
    }

    /// Tells that the record of that key, which was put with that mark, is listed.
    ///
    /// # Errors
    ///
    /// The feed cannot be read.
    pub async fn is_listed(&self, key: &RecordKey, mark: Mark) -> Result<bool> {
        let mut wanted = vec![Wanted { key: key.clone(), after: mark.after }];
        self.look(mark.shard, &mut wanted, u64::MAX).await?;
        Ok(wanted.is_empty())
    }

    /// Those who wait for a page of one shard.
    fn next_group(&self) -> Option<Vec<Waiting>> {
        let mut waiting = lock(&self.waiting);
        let shard = waiting.first()?.mark.shard;
        let (mut group, mut rest) = (Vec::new(), Vec::new());
        for next in waiting.drain(..) {
            let joins = next.mark.shard == shard && group.len() < MAX_KEYS;
            if joins { group.push(next) } else { rest.push(next) }
        }
        *waiting = rest;
        Some(group)
    }

    async fn write(&self, group: Vec<Waiting>) {
        let mut wanted: Vec<Wanted> = Vec::new();
        for Waiting { key, mark, .. } in &group {
            if !wanted.iter().any(|known| known.key == *key) {
                wanted.push(Wanted { key: key.clone(), after: mark.after });
            }
        }
        let result = match group.first() {
            Some(first) => self.append(first.mark.shard, wanted).await,
            None => Ok(()),
        };
        for member in group {
            // Who has given up waiting hears nothing, and finds the page when it comes again.
            let _ = member.answer.send(result.clone());
        }
    }

    /// Appends those of the keys that are in no page after their marks yet.
    async fn append(&self, shard: u8, mut wanted: Vec<Wanted>) -> Result<()> {
        let place = lock(&self.place).filter(|place| place.shard == shard);
        // Where a later page is known, a key may be in it.
        let (mut known, mut lost) = (place.map_or(u64::MAX, |place| place.after), false);
        let mut seen = 0;
        for attempt in 1..=MAX_RACES {
            seen = self.look(shard, &mut wanted, known).await?.max(seen);
            let keys: Vec<RecordKey> = wanted.iter().map(|wanted| wanted.key.clone()).collect();
            let page = Page { at: self.world.now(), records: keys };
            if wanted.is_empty() || self.log.append(shard, seen + 1, &page).await? {
                self.remember(Mark { shard, after: if wanted.is_empty() { seen } else { seen + 1 } }, lost).await;
                return Ok(());
            }
            (known, lost) = (u64::MAX, true);
            if attempt > 1 {
                self.world.sleep(collision_pause(attempt, &self.world)).await;
            }
        }
        Err(Failure::transient(format!("a page lost {MAX_RACES} races")))
    }

    /// Reads the pages after the marks of the keys up to that position, or to the end of the shard, and leaves those of them that
    /// are in none: the last position that it knows of.
    ///
    /// Each key is looked for from its own mark on. One that comes again after weeks, and was listed then, is found where it is,
    /// and makes nobody read all that came since to list what has come with it.
    async fn look(&self, shard: u8, wanted: &mut Vec<Wanted>, known: u64) -> Result<u64> {
        let (mut seen, mut most) = (0, FIRST_PAGES);
        loop {
            seen = wanted.iter().map(|wanted| wanted.after).fold(seen, u64::max);
            let behind = wanted.iter().map(|wanted| wanted.after).filter(|after| *after < known.max(seen));
            let Some(first) = behind.min() else { return Ok(seen) };
            let pages = self.log.after(shard, first, most).await?;
            let last = pages.last().map_or(first, |(position, _)| *position);
            wanted.retain_mut(|wanted| {
                let is_listed = pages.iter().any(|(_, page)| page.records.contains(&wanted.key));
                wanted.after = wanted.after.max(last);
                !is_listed
            });
            seen = seen.max(last);
            if pages.len() < usize::from(most) {
                return Ok(seen);
            }
            most = NEXT_PAGES;
        }
    }

    /// Remembers how far its own shard has come. Who has lost a race there goes elsewhere.
    async fn remember(&self, mark: Mark, lost: bool) {
        let place = *lock(&self.place);
        if place.is_some_and(|place| place.shard != mark.shard || place.after >= mark.after) {
            return;
        }
        *lock(&self.place) = Some(mark);
        if lost && self.shards > 1 {
            let shard = u8::try_from(self.world.below(self.shards.into())).unwrap_or(0);
            // Where that cannot be read, it stays.
            if let Ok(after) = self.log.head(shard).await {
                *lock(&self.place) = Some(Mark { shard, after });
            }
        }
    }
}

/// Key that is looked for: it is in no page up to that position.
struct Wanted {
    key: RecordKey,
    after: u64,
}

/// Lead of those who wait. Where it is dropped half-way, as at the end of an invocation, all who wait hear that nobody knows.
struct Lead<'a> {
    is_led: &'a AtomicBool,
    waiting: &'a Mutex<Vec<Waiting>>,
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        self.is_led.store(false, Ordering::Release);
        lock(self.waiting).clear();
    }
}

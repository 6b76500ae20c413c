//! The counts: entries as they come, and the sums of the minutes that are over.
//!
//! | partition | place in it | text |
//! |---|---|---|
//! | `facts 2026-11-22T09 2`, an hour and a shard | `57 DIGEST`, a minute and what the entries are | entries |
//! | `steps 2026-11-22`, a day | `09:57` | sums of a minute, by step |
//! | `skus 2026-11-22T09`, an hour | `57` | the same by SKU |
//! | `mark` | `-` | how far the minutes are summed |
//!
//! Entries are put down without a look at what is there: what comes again comes under the same key or beside it, and an entry counts
//! once, however often it is there. Sums follow from the entries, and can be made of them again at any time.
//!
//! ```text
//!   sums a minute                          puts an entry of that minute down
//!   ─────────────                          ─────────────────────────────────
//!   mark: from here on I sum               entry
//!   entries ──► sums                       mark: is it summed already? ──► sums it again
//!   mark: so far it is summed
//! ```
//!
//! An entry is there before its mark is read, and the mark is there before the entries are: so either sees the other, and no clock has
//! to be right. Sums take the place of those that were read before the entries were, or are made once more.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use futures::try_join;
use onewrite::concurrent::try_all;
use onewrite::{Failure, Result};
use orderflow_events::{EventId, Time};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tracing::warn;

use crate::port::{CountStore, Key};
use crate::tally::{Entry, Skus, Steps, Tally};

/// Number of partitions that the entries of an hour are spread over. More of them are more to read; each takes a thousand items a second.
const SHARDS: u8 = 4;

/// Bytes of the entries that are put down together: with its key an item takes one write unit, which has 1,024.
const MAX_TEXT_BYTES: usize = 900;

/// SKUs of a minute in its sums, which are one item of at most 400 KB: with the longest names there are 90 bytes of each. Of more, those
/// that sold best are in them.
const MOST_SKUS: usize = 4_000;

/// Number of attempts to sum a minute that others sum as well.
const MAX_SUMS: u32 = 16;

/// Age from which on a minute is summed: most of what belongs to it is there, and needs no second sum.
const SETTLED_AFTER: Duration = Duration::from_mins(2);

/// Number of minutes after which the mark says how far a sum of many has come.
const SUMS_OF_A_STEP: usize = 10;

/// Most that is summed at once, where nothing was for long.
const MOST_AT_ONCE: Duration = Duration::from_hours(12);

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// Mark of how far the minutes are summed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    /// Whoever puts down an entry of a minute before this one sums that minute again.
    sums: Time,
    /// The sums of all minutes before this one are there.
    summed: Time,
}

/// Counts in a store.
#[derive(Clone, Debug)]
pub struct Counts<S> {
    store: S,
}

impl<S: CountStore> Counts<S> {
    /// Counts in that store.
    pub fn new(store: S) -> Self {
        Self { store }
    }

    /// Opens the connection.
    pub async fn warm(&self) {
        self.store.warm().await;
    }

    /// Puts entries down, each with the time of its fact. As long as this has not succeeded they may count or not.
    ///
    /// # Errors
    ///
    /// It is unknown which of them are there.
    pub async fn put(&self, entries: &[(Time, Entry)]) -> Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        let mut minutes: BTreeMap<Time, Vec<&Entry>> = BTreeMap::new();
        for (at, entry) in entries {
            minutes.entry(floor(*at, MINUTE)).or_default().push(entry);
        }
        let items = minutes.iter().map(|(minute, entries)| items_of(*minute, entries));
        let items: Vec<(Key, String)> = items.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
        try_all(items.iter().map(|(key, text)| self.store.put(key, text))).await?;
        let mark = self.mark().await?.map(|(_, mark)| mark);
        let is_summed = |minute: &&Time| mark.is_none_or(|mark| **minute < mark.sums);
        let summed: Vec<&Time> = minutes.keys().filter(is_summed).collect();
        try_all(summed.into_iter().map(|minute| self.sum(*minute))).await.map(drop)
    }

    /// Tells that the entries are all there, and in the sums of the minutes that are summed. What is the one and not the other has to
    /// come again.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub async fn has(&self, entries: &[(Time, Entry)]) -> Result<bool> {
        let minutes: BTreeSet<Time> = entries.iter().map(|(at, _)| floor(*at, MINUTE)).collect();
        let found = try_all(minutes.iter().map(|minute| self.entries(*minute, minute.after(MINUTE)))).await?;
        let known: BTreeSet<&EventId> = found.iter().flatten().map(|(_, entry)| &entry.id).collect();
        if !entries.iter().all(|(_, entry)| known.contains(&entry.id)) {
            return Ok(false);
        }
        let mark = self.mark().await?.map(|(_, mark)| mark);
        // Minutes between the two marks are being summed, or are as soon as somebody goes on: nothing is missing of them as yet.
        let is_summed = |minute: &Time| mark.is_none_or(|mark| *minute < mark.summed);
        let found = minutes.iter().zip(&found).filter(|(minute, _)| is_summed(minute));
        let are_summed = try_all(found.map(async |(minute, entries)| {
            let (steps, skus) = (Sums::Steps.key(*minute), Sums::Skus.key(*minute));
            let (steps, skus) = try_join!(self.store.get(&steps), self.store.get(&skus))?;
            let tally = tally_of(entries);
            Ok::<_, Failure>(is_sum(steps.as_deref(), &tally.steps)? && is_sum(skus.as_deref(), &tally.skus)?)
        }));
        Ok(are_summed.await?.into_iter().all(|is_summed| is_summed))
    }

    /// Sums the minutes that are over at that time, if that is not done. What another has begun and not ended is ended here; where
    /// another is at it, this ends.
    ///
    /// # Errors
    ///
    /// Some of them are not summed. The next call goes on with these, from where the mark says.
    pub async fn sum_up(&self, now: Time) -> Result<()> {
        let due = floor(Time::from_millis(now.as_millis() - millis(SETTLED_AFTER)), MINUTE);
        let Some((text, mark)) = self.mark().await? else {
            // Until there is a mark, whoever puts an entry down sums its minute.
            return self.set_mark(None, Mark { sums: due, summed: due }).await.map(drop);
        };
        let (mut text, mark) = if mark.summed < mark.sums {
            (text, mark)
        } else if mark.summed < due {
            let mark = Mark { sums: due.min(mark.summed.after(MOST_AT_ONCE)), ..mark };
            match self.set_mark(Some(&text), mark).await? {
                Some(text) => (text, mark),
                None => return Ok(()),
            }
        } else {
            return Ok(());
        };
        let entries = self.entries(mark.summed, mark.sums).await?;
        let minutes: BTreeSet<Time> = entries.into_iter().map(|(minute, _)| minute).collect();
        for (minute, number) in minutes.into_iter().zip(1..) {
            self.sum(minute).await?;
            if number % SUMS_OF_A_STEP == 0 {
                let so_far = Mark { summed: minute.after(MINUTE), ..mark };
                let Some(set) = self.set_mark(Some(&text), so_far).await? else { return Ok(()) };
                text = set;
            }
        }
        self.set_mark(Some(&text), Mark { summed: mark.sums, ..mark }).await.map(drop)
    }

    /// Sums by minute from one time to another, the latter not included, and of SKUs from a later one.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub async fn read(&self, from: Time, until: Time, skus_from: Time) -> Result<BTreeMap<Time, Tally>> {
        let summed = self.mark().await?.map_or(until, |(_, mark)| mark.summed.clamp(from, until));
        let (steps, skus, entries) = try_join!(
            self.sums::<Steps>(Sums::Steps, from, summed),
            self.sums::<Skus>(Sums::Skus, skus_from, summed),
            self.entries(summed, until),
        )?;
        let mut tallies: BTreeMap<Time, Tally> = BTreeMap::new();
        for (minute, steps) in steps {
            tallies.entry(minute).or_default().steps = steps;
        }
        for (minute, skus) in skus {
            tallies.entry(minute).or_default().skus = skus;
        }
        let mut fresh: BTreeMap<Time, Vec<&Entry>> = BTreeMap::new();
        for (minute, entry) in &entries {
            fresh.entry(*minute).or_default().push(entry);
        }
        tallies.extend(fresh.into_iter().map(|(minute, entries)| (minute, Tally::of(entries))));
        Ok(tallies)
    }

    /// Sums a minute of its entries.
    async fn sum(&self, minute: Time) -> Result<()> {
        let (steps, skus) = (Sums::Steps.key(minute), Sums::Skus.key(minute));
        for _ in 0..MAX_SUMS {
            let (old_steps, old_skus) = try_join!(self.store.get(&steps), self.store.get(&skus))?;
            let entries = self.entries(minute, minute.after(MINUTE)).await?;
            let tally = tally_of(&entries);
            let steps = self.settle(&steps, old_steps, &tally.steps);
            let skus = self.settle(&skus, old_skus, &tally.skus);
            if try_join!(steps, skus)? == (true, true) {
                return Ok(());
            }
        }
        Err(Failure::transient("too many others sum the minute"))
    }

    /// Puts sums in the place of older ones, unless they are the same; false where somebody else has put others.
    async fn settle<T: Serialize>(&self, key: &Key, old: Option<String>, sums: &BTreeMap<String, T>) -> Result<bool> {
        if is_sum(old.as_deref(), sums)? {
            return Ok(true);
        }
        self.store.replace(key, old.as_deref(), &to_text(sums)?).await
    }

    async fn sums<T: DeserializeOwned>(&self, sums: Sums, from: Time, until: Time) -> Result<Vec<(Time, T)>> {
        let read = async |(start, first, last): (Time, Time, Time)| {
            let found = self.store.range(&sums.partition(start), &sums.place(first), &sums.place(last)).await?;
            let times = each(first, last, MINUTE).map(|minute| (sums.place(minute), minute));
            let times: BTreeMap<String, Time> = times.collect();
            found
                .iter()
                .filter_map(|(place, text)| Some((*times.get(place)?, text)))
                .map(|(minute, text)| Ok((minute, of_text(text)?)))
                .collect::<Result<Vec<_>>>()
        };
        let parts: Vec<_> = parts(from, until, sums.length()).collect();
        Ok(try_all(parts.into_iter().map(read)).await?.into_iter().flatten().collect())
    }

    /// Entries of the minutes from one time to another, each with its minute, and as often as it is there.
    async fn entries(&self, from: Time, until: Time) -> Result<Vec<(Time, Entry)>> {
        let parts: Vec<_> = parts(from, until, HOUR).collect();
        let of_shards: Vec<_> = parts.iter().flat_map(|part| (0..SHARDS).map(move |shard| (*part, shard))).collect();
        let read = async |((hour, first, last), shard): ((Time, Time, Time), u8)| {
            // `~` comes after every character of a digest.
            let (from, to) = (minute_text(first), format!("{}~", minute_text(last)));
            let found = self.store.range(&facts_partition(hour, shard), &from, &to).await?;
            let mut entries = Vec::new();
            for (place, text) in &found {
                let minute = place.split_once(' ').and_then(|(minute, _)| minute.parse().ok()).unwrap_or(0);
                let minute = hour.after(MINUTE * minute);
                entries.extend(of_text::<Vec<Entry>>(text)?.into_iter().map(|entry| (minute, entry)));
            }
            Ok::<_, Failure>(entries)
        };
        Ok(try_all(of_shards.into_iter().map(read)).await?.into_iter().flatten().collect())
    }

    async fn mark(&self) -> Result<Option<(String, Mark)>> {
        let text = self.store.get(&mark_key()).await?;
        text.map(|text| of_text(&text).map(|mark| (text, mark))).transpose()
    }

    /// Sets the mark, and answers its text; nothing where another has set it.
    async fn set_mark(&self, before: Option<&str>, mark: Mark) -> Result<Option<String>> {
        let text = to_text(&mark)?;
        Ok(self.store.replace(&mark_key(), before, &text).await?.then_some(text))
    }
}

/// Sums of a minute of its entries.
fn tally_of(entries: &[(Time, Entry)]) -> Tally {
    let mut tally = Tally::of(entries.iter().map(|(_, entry)| entry));
    if tally.keep_best(MOST_SKUS) {
        warn!(most = MOST_SKUS, "a minute has more SKUs than its sums can have: those that sold best are in them");
    }
    tally
}

/// Tells that a text is that of these sums; of none there is no text.
fn is_sum<T: Serialize>(text: Option<&str>, sums: &BTreeMap<String, T>) -> Result<bool> {
    Ok(if sums.is_empty() { text.is_none() } else { text == Some(to_text(sums)?.as_str()) })
}

/// Kinds of sums.
#[derive(Clone, Copy, Debug)]
enum Sums {
    Steps,
    Skus,
}

impl Sums {
    /// Time that a partition has.
    const fn length(self) -> Duration {
        match self {
            Self::Steps => DAY,
            Self::Skus => HOUR,
        }
    }

    fn partition(self, at: Time) -> String {
        match self {
            Self::Steps => format!("steps {}", part(at, 0, "2026-11-22".len())),
            Self::Skus => format!("skus {}", hour_text(at)),
        }
    }

    fn place(self, minute: Time) -> String {
        match self {
            Self::Steps => part(minute, "2026-11-22T".len(), "2026-11-22T09:57".len()),
            Self::Skus => minute_text(minute),
        }
    }

    fn key(self, minute: Time) -> Key {
        Key::new(self.partition(minute), self.place(minute))
    }
}

/// Items of a minute's entries, by keys that say what is in them: the same entries are the same item, and others another.
fn items_of(minute: Time, entries: &[&Entry]) -> Result<Vec<(Key, String)>> {
    let mut texts: BTreeMap<&EventId, String> = BTreeMap::new();
    for entry in entries {
        texts.insert(&entry.id, to_text(entry)?);
    }
    let mut items: Vec<String> = Vec::new();
    for text in texts.into_values() {
        match items.last_mut().filter(|last| last.len() + text.len() < MAX_TEXT_BYTES) {
            Some(last) => {
                last.push(',');
                last.push_str(&text);
            }
            None => items.push(text),
        }
    }
    let item = |entries: String| {
        let text = format!("[{entries}]");
        let digest = Sha256::digest(&text);
        let shard = digest.first().map_or(0, |byte| byte % SHARDS);
        let digest = BASE64URL_NOPAD.encode(digest.get(..16).unwrap_or(&digest));
        (Key::new(facts_partition(minute, shard), format!("{} {digest}", minute_text(minute))), text)
    };
    Ok(items.into_iter().map(item).collect())
}

fn facts_partition(hour: Time, shard: u8) -> String {
    format!("facts {} {shard}", hour_text(hour))
}

fn mark_key() -> Key {
    Key::new("mark", "-")
}

fn hour_text(at: Time) -> String {
    part(at, 0, "2026-11-22T09".len())
}

fn minute_text(at: Time) -> String {
    part(at, "2026-11-22T09:".len(), "2026-11-22T09:57".len())
}

fn part(at: Time, from: usize, to: usize) -> String {
    at.to_string().get(from..to).unwrap_or_default().to_owned()
}

fn to_text(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Failure::permanent(error.to_string()))
}

fn of_text<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| Failure::permanent(format!("a count is not understood: {error}")))
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Begin of the span of that length that a time is in.
pub(crate) fn floor(at: Time, length: Duration) -> Time {
    Time::from_millis(at.as_millis() - at.as_millis().rem_euclid(millis(length)))
}

/// Times a step apart, from the first to the last.
fn each(first: Time, last: Time, step: Duration) -> impl Iterator<Item = Time> {
    std::iter::successors(Some(first), move |at| Some(at.after(step))).take_while(move |at| *at <= last)
}

/// Parts of that length of the time before `until`: begin of each, and its first and its last minute that are asked for. Of no time
/// there are none: the minute that it begins with comes after the one that it ends with.
fn parts(from: Time, until: Time, length: Duration) -> impl Iterator<Item = (Time, Time, Time)> {
    let last = Time::from_millis(until.as_millis() - 1);
    each(floor(from, length), last, length).filter(move |_| from < until).map(move |start| {
        let end = Time::from_millis(start.after(length).as_millis() - 1);
        (start, floor(start.max(from), MINUTE), floor(end.min(last), MINUTE))
    })
}

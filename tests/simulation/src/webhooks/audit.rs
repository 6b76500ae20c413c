//! Invariants of the webhooks: what is listed in the feed is held against the cursors that pass it, and against what the receivers
//! get.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;
use std::time::Duration;

use onewrite::envelope::{Pattern, parse};
use onewrite::feed::Cursor;
use orderflow_events::Time;
use orderflow_webhooks::{Delivery, DeliveryState, Endpoint, TRIED_FOR};
use serde_json::Value;
use simulator::Violation;

/// Time by which two clocks of functions differ at the most.
const SKEW: Duration = Duration::from_mins(4);

/// Time in which whatever was on its way to an endpoint that was disabled meanwhile has come: a sender's time, for which it may
/// stand still besides, and the time that a request may take.
const ON_ITS_WAY: Duration = Duration::from_mins(10);

/// Key of an event in the journal.
type Key = (String, String);

/// Event in the feed.
pub(super) struct Listed {
    key: Key,
    event: Value,
    shard: usize,
    /// Position of its page, and its number there.
    place: (u64, usize),
    at: Time,
}

/// Endpoint, as the audit knows it.
struct Known {
    url: String,
    in_order: bool,
    is_wanted: Box<dyn Fn(&Value) -> bool>,
    /// Places in the shards at which it has begun, and those that it has come to.
    begun: Places,
    cursor: Places,
    /// Events of which there is a record at it, and those among them that were given up.
    noted: HashSet<Key>,
    given_up: HashSet<Key>,
    /// Events that its receiver has got, and those among them that it has taken.
    seen: HashSet<Key>,
    taken: HashSet<Key>,
    /// Shard and place of the others, until it takes them.
    refused: HashMap<Key, (usize, (u64, usize))>,
    /// Furthest place of those, of each order and shard.
    furthest: HashMap<(String, usize), (u64, usize)>,
    /// Highest sequence of those, of each order and source.
    highest: HashMap<(String, String), String>,
    /// Time since which it is disabled by its owner.
    off_since: Option<Time>,
}

/// Places of a cursor in the shards: the last page that was passed, and the number of records of the next one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Places(Vec<(u64, usize)>);

impl From<&Cursor> for Places {
    /// A cursor shows its places in its text alone.
    fn from(cursor: &Cursor) -> Self {
        let place = |text: &str| {
            let (pages, records) = text.split_once('.').unwrap_or((text, "0"));
            (pages.parse().unwrap_or_default(), records.parse().unwrap_or_default())
        };
        Self(cursor.to_string().split('-').map(place).collect())
    }
}

impl Places {
    fn of(&self, shard: usize) -> (u64, usize) {
        self.0.get(shard).copied().unwrap_or_default()
    }

    fn have_passed(&self, listed: &Listed) -> bool {
        let ((pages, records), (page, record)) = (self.of(listed.shard), listed.place);
        page <= pages || page == pages + 1 && record < records
    }
}

/// Figures of the receivers.
#[derive(Clone, Debug, Default)]
pub struct Pushed {
    /// Events that arrived at a receiver for the first time: the URL, and the time since each was listed.
    pub latencies: Vec<(String, Duration)>,
    /// Events that arrived again.
    pub again: u64,
    /// Events that were overtaken by a later one of their source on the way to the feed, where order counts.
    pub overtaken: u64,
    /// Events that were given up.
    pub given_up: u64,
    /// Endpoints that were disabled because nobody took anything.
    pub dead: u64,
    /// Mails about that.
    pub mails: u64,
}

/// Test of an event by a pattern.
fn wanted_by(pattern: Option<&Value>) -> Box<dyn Fn(&Value) -> bool> {
    let pattern = pattern.and_then(|pattern| parse::<Pattern>(pattern).ok());
    Box::new(move |event| pattern.as_ref().is_none_or(|pattern| pattern.matches(event)))
}

/// Auditor of the webhooks.
#[derive(Default)]
pub(super) struct Audit {
    /// Events by shard and page.
    pages: RefCell<BTreeMap<usize, Vec<Vec<Rc<Listed>>>>>,
    by_text: RefCell<HashMap<String, Rc<Listed>>>,
    /// Place up to which the feed was looked through.
    looked: RefCell<Places>,
    endpoints: RefCell<BTreeMap<String, Known>>,
    latencies: RefCell<Vec<(String, Duration)>>,
    again: Cell<u64>,
    overtaken: Cell<u64>,
    dead: Cell<u64>,
    mails: RefCell<BTreeMap<String, u64>>,
}

impl Audit {
    /// Notes a page of the feed. Nobody may have passed it before it was there.
    pub(super) fn listed(
        &self,
        shard: u8,
        position: u64,
        texts: Vec<(Key, String)>,
        at: Time,
    ) -> Result<(), Violation> {
        let shard = usize::from(shard);
        let has_passed = |places: &Places| places.of(shard).0 >= position;
        let endpoints = self.endpoints.borrow();
        let passed = endpoints.iter().find(|(_, known)| has_passed(&known.cursor)).map(|(id, _)| id.as_str());
        let passed = passed.or_else(|| has_passed(&self.looked.borrow()).then_some("the dispatch"));
        if let Some(who) = passed {
            return Err(Violation::new(format!("a page becomes visible that the cursor of {who} has passed")));
        }
        let page = texts.into_iter().enumerate().map(|(record, (key, text))| {
            let event = serde_json::from_str(&text).unwrap_or_default();
            let listed = Rc::new(Listed { key, event, shard, place: (position, record), at });
            self.by_text.borrow_mut().insert(text, Rc::clone(&listed));
            listed
        });
        let page = page.collect();
        self.pages.borrow_mut().entry(shard).or_default().push(page);
        Ok(())
    }

    /// Tells that the feed goes on after a cursor.
    pub(super) fn goes_on_after(&self, cursor: &Cursor) -> bool {
        let places = Places::from(cursor);
        self.pages.borrow().iter().any(|(shard, pages)| places.of(*shard).0 < pages.len() as u64)
    }

    /// Notes that the feed was looked through up to a cursor.
    pub(super) fn looked(&self, cursor: &Cursor) {
        self.looked.replace(cursor.into());
    }

    /// Notes an endpoint as it was put on record. Its cursor passes nothing that it wants, and of which there is no record at it.
    pub(super) fn put(&self, endpoint: &Endpoint) -> Result<(), Violation> {
        let mut endpoints = self.endpoints.borrow_mut();
        let cursor = Places::from(&endpoint.cursor);
        let Some(known) = endpoints.get_mut(&endpoint.id) else {
            let known = Known {
                url: endpoint.url.clone(),
                in_order: endpoint.in_order,
                is_wanted: wanted_by(endpoint.pattern.as_ref()),
                begun: cursor.clone(),
                cursor,
                noted: HashSet::new(),
                given_up: HashSet::new(),
                seen: HashSet::new(),
                taken: HashSet::new(),
                refused: HashMap::new(),
                furthest: HashMap::new(),
                highest: HashMap::new(),
                off_since: None,
            };
            endpoints.insert(endpoint.id.clone(), known);
            return Ok(());
        };
        for (shard, pages) in &*self.pages.borrow() {
            let (from, to) = (known.cursor.of(*shard).0, cursor.of(*shard).0);
            let span = usize::try_from(from).unwrap_or_default()..usize::try_from(to + 1).unwrap_or_default();
            let between = pages.get(span.start..span.end.clamp(span.start.min(pages.len()), pages.len()));
            for listed in between.into_iter().flatten().flatten() {
                let is_passed_now = cursor.have_passed(listed) && !known.cursor.have_passed(listed);
                let is_due = !known.begun.have_passed(listed) && (known.is_wanted)(&listed.event);
                if is_passed_now && is_due && !known.noted.contains(&listed.key) {
                    let what = format!("the cursor of {} passes {:?}, which is noted nowhere", known.url, listed.key);
                    return Err(Violation::of(&listed.key.0, what));
                }
            }
        }
        known.cursor = cursor;
        Ok(())
    }

    /// Notes a record of a delivery. What is given up was tried for long enough.
    pub(super) fn noted(&self, endpoint: &str, delivery: &Delivery) -> Result<(), Violation> {
        let mut endpoints = self.endpoints.borrow_mut();
        let Some(known) = endpoints.get_mut(endpoint) else { return Ok(()) };
        known.noted.insert(delivery.key.clone());
        if delivery.state == DeliveryState::Failed {
            known.given_up.insert(delivery.key.clone());
            let tried_for = delivery.first_at.until(delivery.last_at.unwrap_or(delivery.first_at));
            if tried_for + SKEW < TRIED_FOR {
                let what = format!("{:?} is given up after {tried_for:?}", delivery.key);
                return Err(Violation::of(delivery.subject(), what));
            }
        }
        Ok(())
    }

    /// Notes that an owner has disabled their endpoint, or is about to enable it.
    pub(super) fn is_off(&self, url: &str, since: Option<Time>) {
        for known in self.endpoints.borrow_mut().values_mut().filter(|known| known.url == url) {
            known.off_since = since;
        }
    }

    /// Notes that an endpoint was disabled because nobody took anything. Its owner was told of that.
    pub(super) fn died(&self, url: &str, owner: &str) -> Result<(), Violation> {
        self.dead.set(self.dead.get() + 1);
        let is_told = self.mails.borrow().contains_key(owner);
        if is_told { Ok(()) } else { Err(Violation::new(format!("nobody is told that {url} is disabled"))) }
    }

    /// Notes a mail to an owner.
    pub(super) fn told(&self, owner: &str) {
        *self.mails.borrow_mut().entry(owner.to_owned()).or_default() += 1;
    }

    /// Notes what has arrived at a receiver, and whether it is taken: an event as it was published, which its owner wants; where order
    /// counts, after those of its order that were listed before it, and after what was refused of them is taken.
    pub(super) fn received(&self, url: &str, body: &str, now: Time, is_taken: bool) -> Result<(), Violation> {
        let by_text = self.by_text.borrow();
        let Some(listed) = by_text.get(body) else {
            return Err(Violation::new(format!("{url} gets what nobody has published: {body}")));
        };
        let mut endpoints = self.endpoints.borrow_mut();
        let Some(known) = endpoints.values_mut().find(|known| known.url == url) else {
            return Err(Violation::new(format!("{url} is nobody's")));
        };
        let (subject, violation) = (&listed.key.0, |what: String| Err(Violation::of(&listed.key.0, what)));
        if !(known.is_wanted)(&listed.event) {
            return violation(format!("{url} gets {:?}, and does not want it", listed.key));
        }
        if known.off_since.is_some_and(|since| since.after(ON_ITS_WAY) < now) {
            return violation(format!("{url} gets {:?}, though it is disabled", listed.key));
        }
        let is_held_up = known.refused.iter().any(|(key, (shard, place))| {
            key.0 == *subject && *shard == listed.shard && *place < listed.place && !known.given_up.contains(key)
        });
        if known.in_order && is_held_up {
            return violation(format!("{url} gets {:?} before it has taken what was listed before", listed.key));
        }
        if is_taken {
            known.refused.remove(&listed.key);
            known.taken.insert(listed.key.clone());
        } else if !known.taken.contains(&listed.key) {
            known.refused.insert(listed.key.clone(), (listed.shard, listed.place));
        }
        if !known.seen.insert(listed.key.clone()) {
            self.again.set(self.again.get() + 1);
            return Ok(());
        }
        self.latencies.borrow_mut().push((url.to_owned(), listed.at.until(now)));
        let furthest = known.furthest.entry((subject.clone(), listed.shard)).or_default();
        if known.in_order && *furthest > listed.place && !known.given_up.contains(&listed.key) {
            return violation(format!("{url} gets {:?} after what was listed behind it", listed.key));
        }
        *furthest = listed.place.max(*furthest);
        let text = |name: &str| listed.event[name].as_str().unwrap_or_default().to_owned();
        let (highest, sequence) =
            (known.highest.entry((subject.clone(), text("source"))).or_default(), text("sequence"));
        if known.in_order && sequence < *highest {
            self.overtaken.set(self.overtaken.get() + 1);
        }
        *highest = sequence.max(std::mem::take(highest));
        Ok(())
    }

    /// Each receiver has taken each event that it wants, but for those that were given up.
    pub(super) fn check(&self) -> Result<(), Violation> {
        for known in self.endpoints.borrow().values() {
            for listed in self.pages.borrow().values().flatten().flatten() {
                let is_due = !known.begun.have_passed(listed) && (known.is_wanted)(&listed.event);
                if is_due && !known.taken.contains(&listed.key) && !known.given_up.contains(&listed.key) {
                    return Err(Violation::of(&listed.key.0, format!("{} never takes {:?}", known.url, listed.key)));
                }
            }
        }
        Ok(())
    }

    pub(super) fn figures(&self) -> Pushed {
        Pushed {
            latencies: self.latencies.borrow().clone(),
            again: self.again.get(),
            overtaken: self.overtaken.get(),
            given_up: self.endpoints.borrow().values().map(|known| known.given_up.len() as u64).sum(),
            dead: self.dead.get(),
            mails: self.mails.borrow().values().sum(),
        }
    }
}

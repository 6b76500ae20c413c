//! The ports in memory.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::time::Duration;

use onewrite::{Answers, Discrepancy, Failure, Inquiry, Outlook, Result, Slot};
use orderflow_events::Time;

use crate::archive::{Range, Recorded, SlotPage};
use crate::domain::{Glimpse, Letter, LetterId, State};
use crate::jobs::job::Job;
use crate::jobs::reconciliation::{OutboxRow, RowPage};
use crate::jobs::redrive::RedriveId;
use crate::message::{Kept, Message};
use crate::port::{
    Archive, Backlog, Consumers, Depth, Directory, GONE, Gauges, JobStore, LetterStore, Logs, OpenLetters, Outboxes,
    PartStore, Queues, Relays, Since, Stored,
};
use crate::service::Service;

/// Letters, entries and rows that are answered at once, where nobody says otherwise: so few that every list has several pages.
const PAGE: usize = 3;

#[derive(Debug)]
struct JobRecord {
    is_active: bool,
    revision: u64,
    text: String,
}

/// Letters and jobs, and a stack of services, in memory.
#[derive(Debug)]
pub struct MemoryOperations {
    page: usize,
    letters: RefCell<BTreeMap<LetterId, Letter>>,
    /// Index of the letters, by state and place.
    places: RefCell<BTreeMap<(State, String), LetterId>>,
    messages: RefCell<HashMap<(LetterId, String), Kept>>,
    jobs: RefCell<BTreeMap<(&'static str, String), JobRecord>>,
    parts: RefCell<HashMap<(RedriveId, u32), Vec<LetterId>>>,
    sent: RefCell<Vec<(String, Message)>>,
    /// Queues that are gone.
    gone: RefCell<BTreeSet<String>>,
    ages: RefCell<HashMap<String, Duration>>,
    lines: RefCell<HashMap<String, Vec<String>>>,
    services: RefCell<Vec<Service>>,
    outlooks: RefCell<HashMap<(String, String, String), Outlook>>,
    failing: RefCell<HashMap<String, u32>>,
    discrepancies: RefCell<HashMap<(String, String), Discrepancy>>,
    journal: RefCell<Vec<Recorded>>,
    rows: RefCell<HashMap<String, Vec<OutboxRow>>>,
    published: RefCell<Vec<(String, String, u32)>>,
}

impl Default for MemoryOperations {
    fn default() -> Self {
        Self::in_pages_of(PAGE)
    }
}

impl MemoryOperations {
    /// Nothing on record, and a stack without services, which answer so many letters, entries and rows at once.
    #[must_use]
    pub fn in_pages_of(page: usize) -> Self {
        Self {
            page,
            letters: RefCell::default(),
            places: RefCell::default(),
            messages: RefCell::default(),
            jobs: RefCell::default(),
            parts: RefCell::default(),
            sent: RefCell::default(),
            gone: RefCell::default(),
            ages: RefCell::default(),
            lines: RefCell::default(),
            services: RefCell::default(),
            outlooks: RefCell::default(),
            failing: RefCell::default(),
            discrepancies: RefCell::default(),
            journal: RefCell::default(),
            rows: RefCell::default(),
            published: RefCell::default(),
        }
    }

    /// Revision of a letter, 0 where there is none: its `ETag`.
    #[must_use]
    pub fn revision_of(&self, id: &str) -> u64 {
        let letters = self.letters.borrow();
        letters.values().find(|letter| letter.id.as_str() == id).map_or(0, |letter| letter.revision)
    }

    /// Tells that a letter is on record.
    #[must_use]
    pub fn has_letter(&self, id: &LetterId) -> bool {
        self.letters.borrow().contains_key(id)
    }

    /// Takes the queue of that URL away.
    pub fn remove_queue(&self, queue_url: &str) {
        self.gone.borrow_mut().insert(queue_url.to_owned());
    }

    /// Lets a function fail the next times that it is asked.
    pub fn fail(&self, function: &str, times: u32) {
        self.failing.borrow_mut().insert(function.to_owned(), times);
    }

    /// Tells that something is to be done for a job.
    #[must_use]
    pub fn has_active_jobs(&self) -> bool {
        self.jobs.borrow().values().any(|job| job.is_active)
    }

    /// All letters.
    #[must_use]
    pub fn letters(&self) -> Vec<Letter> {
        self.letters.borrow().values().cloned().collect()
    }

    /// Messages that were sent, with the URLs of their queues, in order.
    #[must_use]
    pub fn sent(&self) -> Vec<(String, Message)> {
        self.sent.borrow().clone()
    }

    /// Rows that relays have published once more: the relay, the subject, and the number.
    #[must_use]
    pub fn published(&self) -> Vec<(String, String, u32)> {
        self.published.borrow().clone()
    }

    /// Adds a service to the directory.
    pub fn add_service(&self, service: Service) {
        self.services.borrow_mut().push(service);
    }

    /// Sets the age that was measured of a queue's oldest message.
    pub fn set_oldest(&self, queue_url: &str, age: Duration) {
        self.ages.borrow_mut().insert(queue_url.to_owned(), age);
    }

    /// Adds a line to a log.
    pub fn log(&self, log_group: &str, line: &str) {
        self.lines.borrow_mut().entry(log_group.to_owned()).or_default().push(line.to_owned());
    }

    /// Sets the outlook that an event has at a consumer. Of others it is due.
    pub fn set_outlook(&self, function: &str, source: &str, id: &str, outlook: Outlook) {
        self.outlooks.borrow_mut().insert((function.to_owned(), source.to_owned(), id.to_owned()), outlook);
    }

    /// Has a consumer tell a discrepancy of a subject.
    pub fn set_discrepancy(&self, function: &str, subject: &str, discrepancy: Discrepancy) {
        self.discrepancies.borrow_mut().insert((function.to_owned(), subject.to_owned()), discrepancy);
    }

    /// Puts an event into the journal.
    pub fn record(&self, entry: Recorded) {
        self.journal.borrow_mut().push(entry);
    }

    /// Puts a row into the table of that name.
    pub fn add_row(&self, table: &str, row: OutboxRow) {
        let mut rows = self.rows.borrow_mut();
        let rows = rows.entry(table.to_owned()).or_default();
        rows.push(row);
        rows.sort_by(|one, other| (&one.subject, one.version).cmp(&(&other.subject, other.version)));
    }
}

/// True if a record of that revision may take the place of what is there.
fn may_replace(known: Option<u64>, since: Since) -> bool {
    match (known, since) {
        (None, Since::New) => true,
        (Some(known), Since::Revision(read)) => known == read,
        (None, Since::Revision(_)) | (Some(_), Since::New) => false,
    }
}

fn unreadable(error: &serde_json::Error) -> Failure {
    Failure::permanent(error.to_string())
}

impl LetterStore for MemoryOperations {
    async fn letter(&self, id: &LetterId) -> Result<Option<Letter>> {
        Ok(self.letters.borrow().get(id).cloned())
    }

    async fn letters_of(&self, ids: &[LetterId]) -> Result<Vec<Option<Letter>>> {
        let letters = self.letters.borrow();
        Ok(ids.iter().map(|id| letters.get(id).cloned()).collect())
    }

    async fn put(&self, letter: &Letter, since: Since) -> Result<Stored> {
        let mut letters = self.letters.borrow_mut();
        if !may_replace(letters.get(&letter.id).map(|known| known.revision), since) {
            return Ok(Stored::Changed);
        }
        let mut places = self.places.borrow_mut();
        if let Some(before) = letters.insert(letter.id.clone(), letter.clone()) {
            places.remove(&(before.state, before.place()));
        }
        places.insert((letter.state, letter.place()), letter.id.clone());
        Ok(Stored::Done)
    }

    async fn keep(&self, id: &LetterId, name: &str, message: &Kept) -> Result<()> {
        self.messages.borrow_mut().entry((id.clone(), name.to_owned())).or_insert_with(|| message.clone());
        Ok(())
    }

    async fn message(&self, id: &LetterId, name: &str) -> Result<Option<Kept>> {
        Ok(self.messages.borrow().get(&(id.clone(), name.to_owned())).cloned())
    }

    async fn messages_of(&self, letters: &[&Letter]) -> Result<Vec<Option<Kept>>> {
        let messages = self.messages.borrow();
        let of = |letter: &&Letter| messages.get(&(letter.id.clone(), letter.message.clone())).cloned();
        Ok(letters.iter().map(of).collect())
    }

    async fn page(&self, state: State, after: Option<&str>) -> Result<Vec<Letter>> {
        let (letters, places) = (self.letters.borrow(), self.places.borrow());
        let begin =
            after.map_or(Bound::Included((state, String::new())), |after| Bound::Excluded((state, after.to_owned())));
        let of_state = places.range((begin, Bound::Unbounded)).take_while(|((other, _), _)| *other == state);
        Ok(of_state.take(self.page).filter_map(|(_, id)| letters.get(id).cloned()).collect())
    }
}

impl Backlog for MemoryOperations {
    async fn open_letters(&self) -> Result<Vec<OpenLetters>> {
        let mut open = BTreeMap::<(String, &str), OpenLetters>::new();
        for letter in self.letters.borrow().values().filter(|letter| letter.state.is_open()) {
            let Letter { service, class, failed_at, .. } = letter;
            let known = open.entry((service.clone(), class.as_str())).or_insert_with(|| OpenLetters {
                service: service.clone(),
                class: *class,
                count: 0,
                oldest: *failed_at,
            });
            known.count += 1;
            known.oldest = known.oldest.min(*failed_at);
        }
        Ok(open.into_values().collect())
    }
}

impl PartStore for MemoryOperations {
    async fn keep_part(&self, id: &RedriveId, part: u32, letters: &[LetterId]) -> Result<()> {
        self.parts.borrow_mut().insert((id.clone(), part), letters.to_vec());
        Ok(())
    }

    async fn part(&self, id: &RedriveId, part: u32) -> Result<Vec<LetterId>> {
        let parts = self.parts.borrow();
        let part = parts.get(&(id.clone(), part)).cloned();
        part.ok_or_else(|| Failure::permanent("a redrive has no such part"))
    }
}

impl JobStore for MemoryOperations {
    async fn job<J: Job>(&self, id: &str) -> Result<Option<J>> {
        let jobs = self.jobs.borrow();
        let job = jobs.get(&(J::KIND, id.to_owned()));
        job.map(|job| serde_json::from_str(&job.text).map_err(|error| unreadable(&error))).transpose()
    }

    async fn put_job<J: Job>(&self, job: &J, since: Since) -> Result<Stored> {
        let mut jobs = self.jobs.borrow_mut();
        let key = (J::KIND, job.id().to_owned());
        if !may_replace(jobs.get(&key).map(|known| known.revision), since) {
            return Ok(Stored::Changed);
        }
        let text = serde_json::to_string(job).map_err(|error| unreadable(&error))?;
        jobs.insert(key, JobRecord { is_active: job.is_active(), revision: job.head().revision, text });
        Ok(Stored::Done)
    }

    async fn active<J: Job>(&self) -> Result<Vec<J>> {
        let jobs = self.jobs.borrow();
        let active = jobs.iter().filter(|((kind, _), job)| *kind == J::KIND && job.is_active);
        active.map(|(_, job)| serde_json::from_str(&job.text).map_err(|error| unreadable(&error))).collect()
    }
}

impl Queues for MemoryOperations {
    async fn send(&self, queue_url: &str, messages: &[Message]) -> Result<Vec<Result<()>>> {
        if self.gone.borrow().contains(queue_url) {
            return Ok(messages.iter().map(|_| Err(Failure::permanent(GONE))).collect());
        }
        self.sent.borrow_mut().extend(messages.iter().map(|message| (queue_url.to_owned(), message.clone())));
        Ok(vec![Ok(()); messages.len()])
    }

    async fn depth(&self, queue_url: &str) -> Result<Depth> {
        let visible = self.sent.borrow().iter().filter(|(url, _)| url == queue_url).count();
        Ok(Depth { visible: u32::try_from(visible).unwrap_or(u32::MAX), hidden: 0 })
    }
}

impl Gauges for MemoryOperations {
    async fn oldest(&self, queue_urls: &[&str], _: Time) -> Result<Vec<Option<Duration>>> {
        let ages = self.ages.borrow();
        Ok(queue_urls.iter().map(|url| ages.get(*url).copied()).collect())
    }
}

impl Logs for MemoryOperations {
    async fn lines(&self, log_group: &str, _: &str, _: Time) -> Result<Vec<String>> {
        Ok(self.lines.borrow().get(log_group).cloned().unwrap_or_default())
    }
}

impl Directory for MemoryOperations {
    async fn services(&self) -> Result<Vec<Service>> {
        Ok(self.services.borrow().clone())
    }
}

impl Consumers for MemoryOperations {
    async fn inspect(&self, function: &str, inquiry: &Inquiry) -> Result<Option<Answers>> {
        if let Some(left) = self.failing.borrow_mut().get_mut(function).filter(|left| **left > 0) {
            *left -= 1;
            return Ok(None);
        }
        let outlook = |body: &String| {
            let Glimpse { source: Some(source), id: Some(id), .. } = Glimpse::of(body) else {
                return Outlook::Refused { reason: "it is no event".to_owned() };
            };
            let known = self.outlooks.borrow().get(&(function.to_owned(), source, id)).cloned();
            known.unwrap_or(Outlook::Due)
        };
        let discrepancies = self.discrepancies.borrow();
        let of = |subject: &String| discrepancies.get(&(function.to_owned(), subject.clone())).cloned();
        Ok(Some(Answers {
            events: inquiry.events.iter().map(outlook).collect(),
            subjects: inquiry.subjects.iter().map(|subject| of(&subject.to_string()).into_iter().collect()).collect(),
        }))
    }
}

impl Relays for MemoryOperations {
    async fn publish(&self, relay: &str, rows: &[&OutboxRow]) -> Result<()> {
        let published = rows.iter().map(|row| (relay.to_owned(), row.subject.clone(), row.version));
        self.published.borrow_mut().extend(published);
        Ok(())
    }
}

impl Outboxes for MemoryOperations {
    async fn rows(&self, table: &str, after: Option<&str>) -> Result<RowPage> {
        let rows = self.rows.borrow();
        let rows = rows.get(table).map(Vec::as_slice).unwrap_or_default();
        let begin = after.and_then(|after| after.parse().ok()).unwrap_or(0);
        let end = (begin + self.page).min(rows.len());
        let next = (end < rows.len()).then(|| end.to_string());
        Ok(RowPage { rows: rows[begin..end].to_vec(), next })
    }

    async fn has_rows(&self, table: &str, rows: &[(String, u32)]) -> Result<Vec<bool>> {
        Ok(rows.iter().map(|(subject, version)| self.has_row(table, subject, *version)).collect())
    }

    async fn open(&self, table: &str, before: Time) -> Result<u64> {
        let rows = self.rows.borrow();
        let rows = rows.get(table).into_iter().flatten();
        Ok(rows.filter(|row| row.version == 1 && row.at < before).count() as u64)
    }
}

impl MemoryOperations {
    fn has_row(&self, table: &str, subject: &str, version: u32) -> bool {
        let rows = self.rows.borrow();
        rows.get(table).into_iter().flatten().any(|row| row.subject == subject && row.version == version)
    }
}

impl Archive for MemoryOperations {
    async fn slot(&self, _: &str, slot: Slot, range: Range, after: Option<&str>) -> Result<SlotPage> {
        let journal = self.journal.borrow();
        let is_there = |entry: &&Recorded| {
            let subject = entry.glimpse().subject.unwrap_or_default();
            Slot::of(&subject, entry.at) == slot && (range.from..=range.to).contains(&entry.at)
        };
        let mut entries: Vec<&Recorded> = journal.iter().filter(is_there).collect();
        entries.sort_by_key(|entry| entry.at);
        let begin = after.and_then(|after| after.parse().ok()).unwrap_or(0);
        let end = (begin + self.page).min(entries.len());
        let next = (end < entries.len()).then(|| end.to_string());
        Ok(SlotPage { entries: entries[begin..end].iter().map(|entry| (*entry).clone()).collect(), next })
    }

    async fn of_subject(&self, _: &str, subject: &str) -> Result<Vec<Recorded>> {
        let journal = self.journal.borrow();
        Ok(journal.iter().filter(|entry| entry.glimpse().subject.as_deref() == Some(subject)).cloned().collect())
    }

    async fn has(&self, _: &str, events: &[Glimpse]) -> Result<Vec<bool>> {
        let journal = self.journal.borrow();
        let is_there = |event: &Glimpse| {
            journal.iter().any(|entry| {
                let known = entry.glimpse();
                (known.source, known.id) == (event.source.clone(), event.id.clone())
            })
        };
        Ok(events.iter().map(is_there).collect())
    }
}

//! Ports of the operations on what is simulated: letters and jobs in memory, and the services with their queues, consumers,
//! relays, tables and journal.

use std::rc::Rc;
use std::time::Duration;

use onewrite::memory::MemoryLog;
use onewrite::port::{DeadLetters, OpenSubjects};
use onewrite::{Answers, DeadLetter, Failure, Inquiry, Result, Slot};
use orderflow_events::Time;
use orderflow_operations::{
    Archive, Backlog, Consumers, Depth, Directory, Gauges, Glimpse, Job, JobStore, Kept, Letter, LetterId, LetterStore,
    Logs, MemoryOperations, Message, OpenLetters, OutboxRow, Outboxes, PartStore, Queues, Range, Recorded, RedriveId,
    Relays, RowPage, Service, Since, SlotPage, State, Stored,
};
use serde_json::json;
use simulator::model::queue::{Message as QueueMessage, StandardQueue};
use simulator::model::source::{StreamConsumer, invoke};
use simulator::{Caller, Inspected, count};

use crate::operations::index::JournalIndex;
use crate::safeguards::CONFIRMATION;
use crate::template::{RELAY, template};

/// Neighbour that has letters and jobs on record.
const LETTERS: &str = "letters";

/// Later than the end of any invocation by its own clock, whatever that shows: what takes longer than it may is ended here.
const A_DAY: Duration = Duration::from_hours(24);

/// Rows that are answered at once.
const PAGE: usize = 500;

/// Letters and jobs, as a caller may touch them.
#[derive(Clone)]
pub struct LettersTable {
    /// The caller.
    pub caller: Caller,
    /// Letters and jobs.
    pub store: Rc<MemoryOperations>,
}

impl LettersTable {
    async fn ask<T: 'static, F: Future<Output = Result<T>> + 'static>(
        &self,
        name: &'static str,
        question: impl FnOnce(Rc<MemoryOperations>) -> F + 'static,
    ) -> Result<T> {
        let store = Rc::clone(&self.store);
        self.caller.ask(LETTERS, name, move || question(store)).await
    }
}

impl LetterStore for LettersTable {
    async fn letter(&self, id: &LetterId) -> Result<Option<Letter>> {
        let id = id.clone();
        self.ask("get letter", |store| async move { store.letter(&id).await }).await
    }

    async fn letters_of(&self, ids: &[LetterId]) -> Result<Vec<Option<Letter>>> {
        let ids = ids.to_vec();
        self.ask("get letters", |store| async move { store.letters_of(&ids).await }).await
    }

    async fn put(&self, letter: &Letter, since: Since) -> Result<Stored> {
        let mut letter = letter.clone();
        if let Some(sending) = letter.sending.as_mut().filter(|_| self.caller.run.lacks(CONFIRMATION)) {
            sending.is_confirmed = true;
        }
        let caller = self.caller.clone();
        let effect = move |store: Rc<MemoryOperations>| async move {
            let stored = store.put(&letter, since).await;
            let subject = letter.glimpse.subject.as_deref().unwrap_or_default();
            caller.tell_of(subject, || format!("a letter of {} is {:?}: {stored:?}", letter.service, letter.state));
            stored
        };
        self.ask("put letter", effect).await
    }

    async fn keep(&self, id: &LetterId, name: &str, message: &Kept) -> Result<()> {
        let (id, name, message) = (id.clone(), name.to_owned(), message.clone());
        self.ask("keep message", |store| async move { store.keep(&id, &name, &message).await }).await
    }

    async fn message(&self, id: &LetterId, name: &str) -> Result<Option<Kept>> {
        let (id, name) = (id.clone(), name.to_owned());
        self.ask("get message", |store| async move { store.message(&id, &name).await }).await
    }

    async fn messages_of(&self, letters: &[&Letter]) -> Result<Vec<Option<Kept>>> {
        let letters: Vec<Letter> = letters.iter().map(|letter| (*letter).clone()).collect();
        let question =
            |store: Rc<MemoryOperations>| async move { store.messages_of(&letters.iter().collect::<Vec<_>>()).await };
        self.ask("get messages", question).await
    }

    async fn page(&self, state: State, after: Option<&str>) -> Result<Vec<Letter>> {
        let after = after.map(str::to_owned);
        self.ask("page of letters", move |store| async move { store.page(state, after.as_deref()).await }).await
    }
}

impl Backlog for LettersTable {
    async fn open_letters(&self) -> Result<Vec<OpenLetters>> {
        self.ask("open letters", |store| async move { store.open_letters().await }).await
    }
}

impl PartStore for LettersTable {
    async fn keep_part(&self, id: &RedriveId, part: u32, letters: &[LetterId]) -> Result<()> {
        let (id, letters) = (id.clone(), letters.to_vec());
        self.ask("keep part", move |store| async move { store.keep_part(&id, part, &letters).await }).await
    }

    async fn part(&self, id: &RedriveId, part: u32) -> Result<Vec<LetterId>> {
        let id = id.clone();
        self.ask("get part", move |store| async move { store.part(&id, part).await }).await
    }
}

impl JobStore for LettersTable {
    async fn job<J: Job>(&self, id: &str) -> Result<Option<J>> {
        let id = id.to_owned();
        self.ask("get job", |store| async move { store.job(&id).await }).await
    }

    async fn put_job<J: Job>(&self, job: &J, since: Since) -> Result<Stored> {
        let job = job.clone();
        self.ask("put job", move |store| async move { store.put_job(&job, since).await }).await
    }

    async fn active<J: Job>(&self) -> Result<Vec<J>> {
        self.ask("active jobs", |store| async move { store.active().await }).await
    }
}

/// Dead letters of a collector: what it could not put on record.
#[derive(Clone)]
pub struct OwnLetters {
    /// The caller.
    pub caller: Caller,
    /// The queue.
    pub queue: Rc<StandardQueue>,
}

impl DeadLetters for OwnLetters {
    async fn park(&self, letter: &DeadLetter) -> Result<()> {
        let (queue, letter) = (Rc::clone(&self.queue), letter.clone());
        let effect = move || async move {
            queue.send(to_message(&letter.body, letter.attributes));
            Ok(())
        };
        self.caller.ask("queue", "park", effect).await
    }
}

/// Message for a queue.
fn to_message(body: &str, attributes: std::collections::BTreeMap<String, onewrite::Attribute>) -> QueueMessage {
    let subject = Glimpse::of(body).subject.unwrap_or_default();
    QueueMessage { attributes: Rc::new(attributes), ..QueueMessage::new(Rc::from(subject), Rc::from(body)) }
}

/// Service, as operations reach it.
pub struct Known {
    /// Its name.
    pub name: &'static str,
    /// Its entry in the directory.
    pub service: Service,
    /// Its queue.
    pub queue: Rc<StandardQueue>,
    /// Its consumer.
    pub consumer: Rc<dyn Inspected>,
    /// Its relay.
    pub relay: Option<Rc<dyn StreamConsumer>>,
    /// Its table.
    pub log: Option<Rc<MemoryLog>>,
}

/// Everything around the operations.
pub struct Surroundings {
    /// Services.
    pub services: Vec<Known>,
    /// Journal.
    pub journal: JournalIndex,
}

impl Surroundings {
    /// Service of which something has that name.
    fn of(&self, is: impl Fn(&Service) -> bool) -> Result<&Known> {
        let mut known = self.services.iter().filter(|known| is(&known.service));
        known.next().ok_or_else(|| Failure::permanent("there is nothing of that name"))
    }

    fn log(&self, table: &str) -> Result<Rc<MemoryLog>> {
        let log = self.of(|service| service.table.as_deref() == Some(table))?.log.clone();
        log.ok_or_else(|| Failure::permanent("there is no table of that name"))
    }
}

/// Stack of services, as a caller may touch it.
#[derive(Clone)]
pub struct StackPort {
    /// The caller.
    pub caller: Caller,
    /// The stack.
    pub around: Rc<Surroundings>,
}

impl StackPort {
    async fn ask<T: 'static, F: Future<Output = Result<T>> + 'static>(
        &self,
        neighbour: &'static str,
        name: &'static str,
        question: impl FnOnce(Rc<Surroundings>) -> F + 'static,
    ) -> Result<T> {
        let around = Rc::clone(&self.around);
        self.caller.ask(neighbour, name, move || question(around)).await
    }
}

impl Directory for StackPort {
    async fn services(&self) -> Result<Vec<Service>> {
        let effect = |around: Rc<Surroundings>| async move {
            Ok(around.services.iter().map(|known| known.service.clone()).collect())
        };
        self.ask("directory", "services", effect).await
    }
}

impl Queues for StackPort {
    async fn send(&self, queue_url: &str, messages: &[Message]) -> Result<Vec<Result<()>>> {
        let (caller, url, messages) = (self.caller.clone(), queue_url.to_owned(), messages.to_vec());
        let effect = |around: Rc<Surroundings>| async move {
            let queue = &around.of(|service| service.queue_url == url)?.queue;
            let sent = messages.into_iter().map(|message| {
                let message = to_message(&message.body, message.attributes);
                count(&caller.run.tally.redrives);
                caller.tell_of(&message.subject, || format!("sends to {url}"));
                queue.send(message);
                Ok(())
            });
            Ok(sent.collect())
        };
        self.ask("queue", "send", effect).await
    }

    async fn depth(&self, queue_url: &str) -> Result<Depth> {
        let url = queue_url.to_owned();
        let effect = |around: Rc<Surroundings>| async move {
            let queue = &around.of(|service| service.queue_url == url)?.queue;
            let (all, hidden) = (queue.count(), queue.in_flight());
            let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
            Ok(Depth { visible: number(all - hidden), hidden: number(hidden) })
        };
        self.ask("queue", "depth", effect).await
    }
}

impl Gauges for StackPort {
    async fn oldest(&self, queue_urls: &[&str], _: Time) -> Result<Vec<Option<Duration>>> {
        Ok(vec![None; queue_urls.len()])
    }
}

impl Logs for StackPort {
    async fn lines(&self, _: &str, _: &str, _: Time) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
}

impl Consumers for StackPort {
    async fn inspect(&self, function: &str, inquiry: &Inquiry) -> Result<Option<Answers>> {
        let (run, function, inquiry) = (Rc::clone(&self.caller.run), function.to_owned(), inquiry.clone());
        let effect = |around: Rc<Surroundings>| async move {
            let Known { name, consumer, .. } = around.of(|service| service.function == function)?;
            let (timeout, consumer) = (template().timeout(name), Rc::clone(consumer));
            let deadline = run.executor.now().after(A_DAY);
            let answers = invoke(&run, timeout, async move { consumer.inspect(inquiry, deadline).await });
            Ok(answers.await.and_then(Result::ok))
        };
        self.ask("functions", "inspect", effect).await
    }
}

impl Relays for StackPort {
    async fn publish(&self, relay: &str, rows: &[&OutboxRow]) -> Result<()> {
        let record = |row: &&OutboxRow| {
            let change = json!({ "NewImage": row.image, "SizeBytes": 0, "StreamViewType": "NEW_IMAGE" });
            json!({
                "eventID": format!("{}/{}", row.subject, row.version),
                "eventName": "INSERT",
                "eventSource": "aws:dynamodb",
                "awsRegion": "",
                "dynamodb": change,
            })
        };
        let records = rows.iter().map(|row| serde_json::from_value(record(row)).map(Ok));
        let records: Vec<_> =
            records.collect::<std::result::Result<_, _>>().map_err(|error| Failure::permanent(error.to_string()))?;
        let (run, relay) = (Rc::clone(&self.caller.run), relay.to_owned());
        let effect = |around: Rc<Surroundings>| async move {
            let known = around.of(|service| service.relay.as_deref() == Some(&relay))?;
            let Some(relay) = known.relay.clone() else { return Err(Failure::permanent("there is no such relay")) };
            let timeout = template().timeout(RELAY);
            let deadline = run.executor.now().after(A_DAY);
            match invoke(&run, timeout, async move { relay.run(records, deadline).await }).await {
                Some(Ok(())) => Ok(()),
                Some(Err(_)) | None => Err(Failure::transient("the relay has not published all rows")),
            }
        };
        self.ask("functions", "publish", effect).await
    }
}

impl Outboxes for StackPort {
    async fn rows(&self, table: &str, after: Option<&str>) -> Result<RowPage> {
        let (table, begin) = (table.to_owned(), after.and_then(|after| after.parse().ok()).unwrap_or(0));
        let effect = move |around: Rc<Surroundings>| async move {
            let all = around.log(&table)?.rows();
            let rows = all.iter().skip(begin).take(PAGE).map(|(subject, row)| OutboxRow {
                subject: subject.to_string(),
                version: row.version,
                at: row.at,
                events: row.events.clone(),
                image: json!({
                    "pk": { "S": subject.to_string() },
                    "sk": { "N": row.version.to_string() },
                    "at": { "S": row.at.to_string() },
                    "events": { "S": format!("[{}]", row.events.join(",")) },
                }),
            });
            let next = (begin + PAGE < all.len()).then(|| (begin + PAGE).to_string());
            Ok(RowPage { rows: rows.collect(), next })
        };
        self.ask("table", "page of rows", effect).await
    }

    async fn has_rows(&self, table: &str, rows: &[(String, u32)]) -> Result<Vec<bool>> {
        let (table, wanted) = (table.to_owned(), rows.to_vec());
        let effect = |around: Rc<Surroundings>| async move {
            let all = around.log(&table)?.rows();
            let has = |(subject, version): &(String, u32)| {
                all.iter().any(|(known, row)| known.as_str() == subject && row.version == *version)
            };
            Ok(wanted.iter().map(has).collect())
        };
        self.ask("table", "has rows", effect).await
    }

    async fn open(&self, table: &str, before: Time) -> Result<u64> {
        let table = table.to_owned();
        let effect = move |around: Rc<Surroundings>| async move {
            let log = around.log(&table)?;
            OpenSubjects::count(&*log, before).await
        };
        self.ask("table", "count open", effect).await
    }
}

impl Archive for StackPort {
    async fn slot(&self, _: &str, slot: Slot, range: Range, _: Option<&str>) -> Result<SlotPage> {
        let effect = move |around: Rc<Surroundings>| async move {
            Ok(SlotPage { entries: around.journal.slot(slot, range), next: None })
        };
        self.ask("journal", "slot", effect).await
    }

    async fn of_subject(&self, _: &str, subject: &str) -> Result<Vec<Recorded>> {
        let subject = subject.to_owned();
        let effect = |around: Rc<Surroundings>| async move { Ok(around.journal.of_subject(&subject)) };
        self.ask("journal", "events of", effect).await
    }

    async fn has(&self, _: &str, events: &[Glimpse]) -> Result<Vec<bool>> {
        let events = events.to_vec();
        let effect = |around: Rc<Surroundings>| async move { Ok(around.journal.has(&events)) };
        self.ask("journal", "has events", effect).await
    }
}

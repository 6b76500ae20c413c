//! Runner of reconciliations: page after page, so that whoever goes on after a crash begins with the page that was not
//! counted.

use std::collections::BTreeSet;

use futures::future::{try_join, try_join_all};
use onewrite::port::Clock;
use onewrite::{Discrepancy, Inquiry, Outlook, Result};
use orderflow_events::{EventType, Subject, Time};
use tracing::info;

use crate::archive::Recorded;
use crate::domain::{Glimpse, letter_id_of};
use crate::jobs::change::change;
use crate::jobs::inquiry::{answered, told};
use crate::jobs::reconciliation::{Checked, Finding, OutboxRow, Phase, Reconciliation, RowPage, predecessors};
use crate::message::Message;
use crate::pages;
use crate::port::{Archive, Consumers, Directory, JobStore, LetterStore, Outboxes, Queues, Relays};
use crate::service::{Service, journal_of};

/// Type of the event with which an order begins, and those with which it ends.
const BEGINS: EventType = EventType::OrderCreated;
const ENDS: [EventType; 2] = [EventType::ShipmentCreated, EventType::OrderCancelled];

/// Rows that a relay publishes at once: as many as it takes from a stream.
const PUBLISHED_AT_ONCE: usize = 100;

/// Subjects of one inquiry: each costs its service a read, and a question to the world outside.
const AUDITED_AT_ONCE: usize = 25;

/// Attempts to ask a service, after which it is found not to answer: a function that was killed answers at the next one.
const ATTEMPTS: u32 = 2;

/// Runs reconciliations.
pub(crate) struct Reconciler<S, N, W> {
    store: S,
    stack: N,
    world: W,
}

impl<S, N, W> Reconciler<S, N, W>
where
    S: LetterStore + JobStore,
    N: Archive + Consumers + Directory + Outboxes + Queues + Relays,
    W: Clock,
{
    /// A runner on that store, for that stack.
    pub(crate) fn new(store: S, stack: N, world: W) -> Self {
        Self { store, stack, world }
    }

    /// Takes a reconciliation on by one page. Answers false where it has ended.
    ///
    /// # Errors
    ///
    /// The reason why it does not go on: what was not counted is done once more.
    pub(crate) async fn advance(&self, job: &Reconciliation) -> Result<bool> {
        let services = self.stack.services().await?;
        let outboxes: Vec<String> =
            services.iter().filter(|service| service.outbox().is_some()).map(|service| service.name.clone()).collect();
        let checked = match (journal_of(&services), &job.phase) {
            (None, _) | (_, Phase::Over) => Checked::default(),
            (Some(journal), Phase::Outbox(name)) => match services.iter().find(|service| service.name == *name) {
                Some(service) => self.check_rows(job, journal, &services, service).await?,
                None => Checked::default(),
            },
            (Some(journal), Phase::Journal) => self.check_events(job, journal, &services).await?,
        };
        for Finding { kind, service, order_id, detail, healed } in &checked.findings {
            info!(kind, service, subject = order_id, detail, healed, "found");
        }
        let after = |known: &Reconciliation| {
            // Whoever has lost the job for a while may bring a page that was counted.
            let is_same = known.phase == job.phase && known.cursor == job.cursor;
            is_same.then(|| known.after(checked.clone(), &outboxes))
        };
        let changed = change(&self.store, job.head.id.as_str(), after).await?;
        Ok(changed.is_some_and(|job| job.phase != Phase::Over))
    }

    /// Rows of one outbox: whether one is missing, and whether their events are in the journal.
    async fn check_rows(
        &self,
        job: &Reconciliation,
        journal: &str,
        services: &[Service],
        service: &Service,
    ) -> Result<Checked> {
        let Some((table, relay)) = service.outbox() else { return Ok(Checked::default()) };
        let RowPage { rows, next } = self.stack.rows(table, job.cursor.as_deref()).await?;
        let before = predecessors(&rows);
        let has = self.stack.has_rows(table, &before).await?;
        let gaps = before.into_iter().zip(has).filter(|(_, has)| !has);
        let gaps = gaps.map(|((subject, version), _)| Finding {
            kind: "gap".to_owned(),
            service: Some(service.name.clone()),
            order_id: subject,
            detail: format!("there is row {}, and not row {version}", version + 1),
            healed: false,
        });
        let mut findings: Vec<Finding> = gaps.collect();
        let unpublished = self.unpublished(job, journal, services, &rows).await?;
        if job.heal {
            for rows in unpublished.chunks(PUBLISHED_AT_ONCE) {
                self.stack.publish(relay, rows).await?;
            }
        }
        findings.extend(unpublished.iter().map(|row| Finding {
            kind: "unpublished".to_owned(),
            service: Some(service.name.clone()),
            order_id: row.subject.clone(),
            detail: format!("{} of row {} never reached the journal", types_of(row), row.version),
            healed: job.heal,
        }));
        Ok(Checked { count: rows.len() as u64, findings, next })
    }

    /// Rows with an event that is neither in the journal nor among its letters.
    async fn unpublished<'a>(
        &self,
        job: &Reconciliation,
        journal: &str,
        services: &[Service],
        rows: &'a [OutboxRow],
    ) -> Result<Vec<&'a OutboxRow>> {
        let range = job.range();
        let settled = rows.iter().filter(|row| (range.from..=range.to).contains(&row.at));
        let events: Vec<(&OutboxRow, &String)> =
            settled.flat_map(|row| row.events.iter().map(move |event| (row, event))).collect();
        let glimpses: Vec<Glimpse> = events.iter().map(|(_, event)| Glimpse::of(event)).collect();
        let has = self.stack.has(journal, &glimpses).await?;
        let mut unpublished: Vec<&OutboxRow> = Vec::new();
        for ((row, event), has) in events.into_iter().zip(has) {
            let is_known = unpublished.last().is_some_and(|last| std::ptr::eq(*last, row));
            if !has && !is_known && !self.is_letter(journal_name(services), event).await? {
                unpublished.push(row);
            }
        }
        Ok(unpublished)
    }

    /// Events of the journal: whether their consumers have handled them, and what has become of the orders that began.
    async fn check_events(&self, job: &Reconciliation, journal: &str, services: &[Service]) -> Result<Checked> {
        let page = pages::page(&self.stack, journal, job.range(), job.cursor.as_deref()).await?;
        let begun = begun(&page.entries);
        // Each service is asked by itself, so that one that is slow costs its own time only.
        let consumers = services.iter().filter(|service| service.hears_facts());
        let found = consumers.map(|service| self.ask(job, service, &page.entries, &begun));
        let mut findings = try_join_all(found).await?.concat();
        for (subject, created_at) in begun.iter().filter(|(_, created_at)| *created_at < job.late_before) {
            findings.extend(self.late(journal, subject, *created_at).await?);
        }
        let count = page.entries.len() as u64;
        Ok(Checked { count, findings, next: page.next })
    }

    /// Findings of one service.
    async fn ask(
        &self,
        job: &Reconciliation,
        service: &Service,
        entries: &[Recorded],
        begun: &[(Subject, Time)],
    ) -> Result<Vec<Finding>> {
        let (unhandled, discrepancies) =
            try_join(self.unhandled(job, service, entries), self.discrepancies(job, service, begun)).await?;
        Ok([unhandled, discrepancies].concat())
    }

    async fn unhandled(&self, job: &Reconciliation, service: &Service, entries: &[Recorded]) -> Result<Vec<Finding>> {
        let heard = |entry: &&Recorded| {
            let event_type = entry.glimpse().event_type;
            event_type.is_some_and(|event_type| service.consumes(&event_type))
        };
        let texts: Vec<&str> = entries.iter().filter(heard).map(|entry| entry.text.as_str()).collect();
        let outlooks = told(&self.stack, &service.function, &texts, ATTEMPTS).await?;
        let (mut findings, mut missed) = (Vec::new(), Vec::new());
        for (text, outlook) in texts.into_iter().zip(outlooks) {
            let why = match outlook {
                Some(Outlook::Handled { .. } | Outlook::Nothing | Outlook::Unknown) => continue,
                Some(Outlook::Due) => "it has not handled it".to_owned(),
                Some(Outlook::Early { reason }) => format!("it waits: {reason}"),
                Some(Outlook::Refused { reason }) => format!("it would refuse it: {reason}"),
                None => {
                    let Glimpse { event_type, subject, id, .. } = Glimpse::of(text);
                    let what = format!("{} {}", event_type.unwrap_or_default(), id.unwrap_or_default());
                    findings.push(unanswered(service, subject.unwrap_or_default(), &what));
                    continue;
                }
            };
            // A letter tells of itself.
            if self.is_letter(&service.name, text).await? {
                continue;
            }
            if job.heal {
                missed.push(Message { body: text.to_owned(), ..Message::default() });
            }
            let Glimpse { event_type, subject, id, .. } = Glimpse::of(text);
            findings.push(Finding {
                kind: "unhandled".to_owned(),
                service: Some(service.name.clone()),
                order_id: subject.unwrap_or_default(),
                detail: format!("{} {}: {why}", event_type.unwrap_or_default(), id.unwrap_or_default()),
                healed: job.heal,
            });
        }
        if !missed.is_empty() {
            let sent = self.stack.send(&service.queue_url, &missed).await?;
            sent.into_iter().collect::<Result<()>>()?;
        }
        Ok(findings)
    }

    async fn is_letter(&self, service: &str, text: &str) -> Result<bool> {
        Ok(self.store.letter(&letter_id_of(service, text)).await?.is_some())
    }

    /// Differences between what a service has on record of these orders and what the world outside says.
    async fn discrepancies(
        &self,
        job: &Reconciliation,
        service: &Service,
        begun: &[(Subject, Time)],
    ) -> Result<Vec<Finding>> {
        let (mut findings, mut is_silent) = (Vec::new(), false);
        for begun in begun.chunks(AUDITED_AT_ONCE) {
            let subjects: Vec<Subject> = begun.iter().map(|(subject, _)| subject.clone()).collect();
            let inquiry = Inquiry { events: Vec::new(), subjects, quiet_since: Some(job.to) };
            let attempts = if is_silent { 0 } else { ATTEMPTS };
            let Some(answers) = answered(&self.stack, &service.function, &inquiry, attempts).await? else {
                is_silent = true;
                let of = inquiry.subjects.iter().map(|subject| unanswered(service, subject.to_string(), "the order"));
                findings.extend(of);
                continue;
            };
            for (subject, discrepancies) in inquiry.subjects.iter().zip(answers.subjects) {
                findings.extend(discrepancies.into_iter().map(|Discrepancy { kind, detail }| Finding {
                    kind,
                    service: Some(service.name.clone()),
                    order_id: subject.to_string(),
                    detail,
                    healed: false,
                }));
            }
        }
        Ok(findings)
    }

    async fn late(&self, journal: &str, subject: &Subject, created_at: Time) -> Result<Option<Finding>> {
        let entries = self.stack.of_subject(journal, subject.as_str()).await?;
        let types: Vec<String> = entries.iter().filter_map(|entry| entry.glimpse().event_type).collect();
        if types.iter().any(|event_type| ENDS.iter().any(|end| end.as_str() == event_type)) {
            return Ok(None);
        }
        let minutes = created_at.until(self.world.now()).as_secs() / 60;
        let last = types.last().map(String::as_str).unwrap_or_default();
        Ok(Some(Finding {
            kind: "late".to_owned(),
            service: None,
            order_id: subject.to_string(),
            detail: format!("open for {minutes} minutes; the last of it is {last}"),
            healed: false,
        }))
    }
}

/// Finding that a service does not answer: what it knows of the order is not compared.
fn unanswered(service: &Service, order_id: String, what: &str) -> Finding {
    Finding {
        kind: "unanswered".to_owned(),
        service: Some(service.name.clone()),
        order_id,
        detail: format!("{what}: its function fails when it is asked, twice"),
        healed: false,
    }
}

/// Name of the journal's service, for its letters.
fn journal_name(services: &[Service]) -> &str {
    let mut journals = services.iter().filter(|service| service.table.as_deref() == journal_of(services));
    journals.next().map(|service| service.name.as_str()).unwrap_or_default()
}

/// Orders that begin in these entries, each with the time at which it was put on record.
fn begun(entries: &[Recorded]) -> Vec<(Subject, Time)> {
    let mut known = BTreeSet::new();
    let begins = entries.iter().filter_map(|entry| {
        let Glimpse { event_type, subject, .. } = entry.glimpse();
        let subject = subject.filter(|_| event_type.as_deref() == Some(BEGINS.as_str()))?;
        known.insert(subject.clone()).then_some((Subject::new(subject).ok()?, entry.at))
    });
    begins.collect()
}

fn types_of(row: &OutboxRow) -> String {
    let types = row.events.iter().filter_map(|event| Glimpse::of(event).event_type);
    types.collect::<Vec<_>>().join(", ")
}

//! The ports of the functions, on the models: every call takes time, and may go wrong in every way.

use std::rc::Rc;
use std::time::Duration;

use onewrite::external::simulated::{MemoryRegister, Performed, Register};
use onewrite::external::{Cancel, External, Settled};
use onewrite::memory::{MemoryLeases, MemoryLog, MemoryQueue};
use onewrite::port::{Acquired, Appended, DeadLetters, Leases, Log, Visibility};
use onewrite::{CounterUpdate, DeadLetter, Failure, Result, Row};
use orderflow_events::{Email, OrderId, PaymentId, RefundId, ShipmentId, Sku, Time};
use orderflow_inventory::{Counted, Revision, Stock, StockStore};
use orderflow_journal::{Entry as JournalEntry, JournalStore, MemoryJournal};
use orderflow_notification::{Mail, MailError, Mailer, PhoneNumber, Sms, SmsError};
use orderflow_payment::{Charge, Refund, Verdict};
use orderflow_relay::{Entry, Refusal, Topic};
use orderflow_screening::{Fingerprint, MemorySightings, Sightings};
use orderflow_shipping::{Booking, Parcel, Void};
use orderflow_simulated as simulated;

use crate::audit::Service;
use crate::faults::Kind;
use crate::model::queue::Queues;
use crate::model::source::what;
use crate::model::stream::Stream;
use crate::model::topic::FifoTopic;
use crate::sabotage::Sabotage;
use crate::world::{Site, count, flatten};

/// A service's table, and its stream.
#[derive(Clone)]
pub struct Table {
    /// Who asks.
    pub site: Site,
    /// Whose table it is.
    pub service: Service,
    /// The rows.
    pub log: Rc<MemoryLog>,
    /// What carries new rows to the relay, where there is something to carry.
    pub stream: Option<Rc<Stream>>,
}

impl Log for Table {
    async fn read(&self, order: &OrderId) -> Result<Vec<Row>> {
        let (log, order) = (Rc::clone(&self.log), order.clone());
        let mut rows = flatten(self.site.call("table", "read", move || async move { log.read(&order).await }).await)?;
        if self.site.world.lacks(Sabotage::HandledCheck) {
            for row in &mut rows {
                row.cause.id.clear();
            }
        }
        Ok(rows)
    }

    async fn append(&self, order: &OrderId, row: &Row, updates: &[CounterUpdate]) -> Result<Appended> {
        let world = &self.site.world;
        if !updates.is_empty() && world.faults.strikes(Kind::Conflict) {
            return Ok(Appended::Conflict);
        }
        if row.open && world.lacks(Sabotage::Intent) {
            return Ok(Appended::Done);
        }
        let (table, order, mut row, updates) = (self.clone(), order.clone(), row.clone(), updates.to_vec());
        let effect = move || async move {
            let world = &table.site.world;
            let mut appended = table.log.append(&order, &row, &updates).await;
            while world.lacks(Sabotage::CommitCondition) && appended == Ok(Appended::LostRace) {
                row.version += 1;
                appended = table.log.append(&order, &row, &updates).await;
            }
            world.story.tell_of(order.as_str(), &table.site, || told(&row, &appended));
            if appended == Ok(Appended::Done) {
                world.audit.appended(&table, &order, &row, &updates);
                if let Some(stream) = &table.stream {
                    stream.inserted(&order, &row);
                }
            }
            appended
        };
        flatten(self.site.call("table", "append", effect).await)
    }
}

fn told(row: &Row, appended: &Result<Appended>) -> String {
    let events: Vec<&str> = row.events.iter().map(|event| event.kind().as_str()).collect();
    let change = row.change.as_ref().map(|change| match change {
        serde_json::Value::Object(fields) => fields.keys().next().cloned().unwrap_or_default(),
        other => other.to_string(),
    });
    let what: Vec<&str> = change.iter().map(String::as_str).chain(events).collect();
    match appended {
        Ok(Appended::Done) => format!("row {}: {}", row.version, what.join(", ")),
        other => format!("row {} not written ({}): {other:?}", row.version, what.join(", ")),
    }
}

impl StockStore for Table {
    async fn get(&self, sku: &Sku) -> Result<Option<Stock>> {
        let (log, sku) = (Rc::clone(&self.log), sku.clone());
        flatten(self.site.call("table", "get stock", move || async move { (&*log).get(&sku).await }).await)
    }

    async fn count(&self, sku: &Sku, stock: Stock, since: Revision) -> Result<Counted> {
        let (table, sku) = (self.clone(), sku.clone());
        let effect = move || async move {
            let counted = (&*table.log).count(&sku, stock, since).await;
            if counted == Ok(Counted::Done) {
                table.site.world.audit.counted(&table.log, &sku, stock);
            }
            counted
        };
        flatten(self.site.call("table", "count stock", effect).await)
    }
}

/// A queue and its dead-letter queue.
#[derive(Clone)]
pub struct QueuePort {
    /// Who asks.
    pub site: Site,
    /// The queues.
    pub queues: Queues,
}

impl Visibility for QueuePort {
    async fn set(&self, changes: &[(String, u32)]) -> Result<()> {
        let (queues, changes) = (self.queues.clone(), changes.to_vec());
        flatten(self.site.call("queue", "set visibility", move || async move { queues.set(&changes).await }).await)
    }
}

impl DeadLetters for QueuePort {
    async fn park(&self, letter: &DeadLetter) -> Result<()> {
        let (site, queues, mut letter) = (self.site.clone(), self.queues.clone(), letter.clone());
        if site.world.lacks(Sabotage::ParkedId) {
            letter.deduplication = Some(letter.body.clone());
        }
        let effect = move || async move {
            let order = letter.group.as_deref().unwrap_or_default();
            site.world.story.tell_of(order, &site, || {
                format!("parks {}: {:?}", what(&letter.body), letter.attributes.get("failure-reason"))
            });
            count(&site.world.tally.letters);
            queues.park(&letter).await
        };
        flatten(self.site.call("queue", "park", effect).await)
    }
}

/// The dead letters of the relay, in a standard queue: nothing is known again.
#[derive(Clone)]
pub struct RelayLetters {
    /// Who asks.
    pub site: Site,
    /// The letters.
    pub letters: Rc<MemoryQueue>,
}

impl DeadLetters for RelayLetters {
    async fn park(&self, letter: &DeadLetter) -> Result<()> {
        let (letters, letter) = (Rc::clone(&self.letters), letter.clone());
        flatten(self.site.call("queue", "park", move || async move { letters.park(&letter).await }).await)
    }
}

/// The topic, as the relay may touch it.
#[derive(Clone)]
pub struct TopicPort {
    /// Who asks.
    pub site: Site,
    /// The topic.
    pub topic: Rc<FifoTopic>,
}

impl Topic for TopicPort {
    async fn publish(&self, batch: &[Entry]) -> Result<Vec<Refusal>> {
        let world = &self.site.world;
        let mut refusals = Vec::new();
        let mut taken = Vec::new();
        let partial = world.faults.strikes(Kind::Partial);
        for (index, entry) in batch.iter().enumerate() {
            if partial && world.faults.below(2) == 0 {
                refusals.push(Refusal { index, failure: Failure::transient("InternalError: simulated") });
            } else {
                taken.push(entry.clone());
            }
        }
        if world.lacks(Sabotage::PublishEntries) {
            refusals.clear();
        }
        if taken.is_empty() && !batch.is_empty() {
            return Ok(refusals);
        }
        let (site, topic) = (self.site.clone(), Rc::clone(&self.topic));
        let effect = move || async move {
            for entry in &taken {
                site.world.story.tell_of(entry.group.as_str(), &site, || format!("publishes {}", what(&entry.message)));
            }
            topic.publish(&taken).await
        };
        flatten(self.site.call("topic", "publish", effect).await)?;
        Ok(refusals)
    }

    async fn warm(&self) {}
}

/// Leases.
#[derive(Clone)]
pub struct LeaseTable {
    /// Who asks.
    pub site: Site,
    /// The leases.
    pub leases: Rc<MemoryLeases>,
}

impl Leases for LeaseTable {
    async fn acquire(&self, key: &str, owner: &str, now: Time, until: Time) -> Result<Acquired> {
        let (table, key, owner) = (self.clone(), key.to_owned(), owner.to_owned());
        let effect = move || async move {
            let acquired = table.leases.acquire(&key, &owner, now, until).await;
            if acquired == Ok(Acquired::Mine) {
                table.site.world.audit.leased(&key, &owner, now, until);
            }
            acquired
        };
        flatten(self.site.call("table", "acquire", effect).await)
    }

    async fn complete(&self, key: &str, owner: &str) -> Result<bool> {
        let (table, key, owner) = (self.clone(), key.to_owned(), owner.to_owned());
        let effect = move || async move {
            table.site.world.audit.lease_completed(&key, &owner);
            let owner = table.fenced(&key, owner);
            table.leases.complete(&key, &owner).await
        };
        flatten(self.site.call("table", "complete", effect).await)
    }

    async fn release(&self, key: &str, owner: &str) -> Result<()> {
        let (table, key, owner) = (self.clone(), key.to_owned(), owner.to_owned());
        let effect = move || async move {
            table.site.world.audit.lease_released(&key, &owner);
            let owner = table.fenced(&key, owner);
            table.leases.release(&key, &owner).await
        };
        flatten(self.site.call("table", "release", effect).await)
    }
}

impl LeaseTable {
    /// In whose name a lease is changed: the caller's own, or anybody's who holds it, where nothing keeps them apart.
    fn fenced(&self, key: &str, owner: String) -> String {
        if self.site.world.lacks(Sabotage::LeaseFence) {
            self.site.world.audit.holder(key).unwrap_or(owner)
        } else {
            owner
        }
    }
}

/// The payment provider.
#[derive(Clone)]
pub struct Provider {
    /// Who asks.
    pub site: Site,
    /// The provider's register.
    pub books: Rc<MemoryRegister>,
}

impl Provider {
    async fn ask<T: 'static, F: Future<Output = Result<T>> + 'static>(
        &self,
        name: &'static str,
        question: impl FnOnce(Self) -> F + 'static,
    ) -> Result<T> {
        let provider = self.clone();
        flatten(self.site.call("provider", name, move || question(provider)).await)
    }

    fn company(&self) -> simulated::Provider<&MemoryRegister, TrueTime> {
        simulated::Provider::new(&self.books, TrueTime(self.site.clone()))
    }

    /// Charges once more what was charged before: its idempotency key is not known.
    async fn charge_again(&self, id: &PaymentId) -> Result<()> {
        if let Some(Performed { answer, .. }) = self.books.entry(id.as_str()).await?.performed.pop() {
            let at = self.site.world.executor.now();
            self.books.perform(id.as_str(), &Performed { answer, at }, at).await?;
        }
        Ok(())
    }
}

impl External<Charge> for Provider {
    async fn find(&self, id: &PaymentId) -> Result<Option<Settled<Verdict>>> {
        if self.site.world.lacks(Sabotage::Find) {
            return Ok(None);
        }
        let id = id.clone();
        self.ask("find", move |provider| async move { External::<Charge>::find(&provider.company(), &id).await }).await
    }

    async fn perform(&self, id: &PaymentId, charge: &Charge) -> Result<Settled<Verdict>> {
        let (id, charge) = (id.clone(), charge.clone());
        self.ask("charge", move |provider| async move {
            if provider.site.world.lacks(Sabotage::ProviderKey) {
                provider.charge_again(&id).await?;
            }
            let verdict = provider.company().perform(&id, &charge).await;
            let charges = provider.company().times_charged(&id).await?;
            provider.site.world.audit.charged(&provider.site, &id, charges, &verdict);
            verdict
        })
        .await
    }
}

impl Cancel<Charge> for Provider {
    async fn cancel(&self, id: &PaymentId) -> Result<Settled<Verdict>> {
        let id = id.clone();
        self.ask("cancel", move |provider| async move {
            if provider.site.world.lacks(Sabotage::Fence) {
                let charge = External::<Charge>::find(&provider.company(), &id).await?;
                return Ok(charge.unwrap_or(Settled::Cancelled));
            }
            provider.company().cancel(&id).await
        })
        .await
    }
}

impl External<Refund> for Provider {
    async fn find(&self, id: &(PaymentId, RefundId)) -> Result<Option<()>> {
        if self.site.world.lacks(Sabotage::Find) {
            return Ok(None);
        }
        let id = id.clone();
        self.ask("find", move |provider| async move { External::<Refund>::find(&provider.company(), &id).await }).await
    }

    async fn perform(&self, id: &(PaymentId, RefundId), refund: &Refund) -> Result<()> {
        let (id, refund) = (id.clone(), refund.clone());
        self.ask("refund", move |provider| async move {
            let refunded = provider.company().perform(&id, &refund).await;
            let charges = provider.company().times_charged(&id.0).await?;
            provider.site.world.audit.refunded(&provider.site, &id.0, charges, refunded.is_ok());
            refunded
        })
        .await
    }
}

/// The carrier.
#[derive(Clone)]
pub struct CarrierPort {
    /// Who asks.
    pub site: Site,
    /// The carrier's register.
    pub register: Rc<MemoryRegister>,
    /// The provider, to see that only what is paid for is booked.
    pub provider: Provider,
}

impl CarrierPort {
    async fn ask<T: 'static, F: Future<Output = Result<T>> + 'static>(
        &self,
        name: &'static str,
        question: impl FnOnce(Self) -> F + 'static,
    ) -> Result<T> {
        let carrier = self.clone();
        flatten(self.site.call("carrier", name, move || question(carrier)).await)
    }

    fn company(&self) -> simulated::Carrier<&MemoryRegister, TrueTime> {
        simulated::Carrier::new(&self.register, TrueTime(self.site.clone()))
    }
}

impl External<Booking> for CarrierPort {
    async fn find(&self, id: &ShipmentId) -> Result<Option<Settled<Parcel>>> {
        let id = id.clone();
        self.ask("find", move |carrier| async move { External::<Booking>::find(&carrier.company(), &id).await }).await
    }

    async fn perform(&self, id: &ShipmentId, booking: &Booking) -> Result<Settled<Parcel>> {
        let (id, booking) = (id.clone(), booking.clone());
        self.ask("book", move |carrier| async move {
            let parcel = carrier.company().perform(&id, &booking).await;
            let bookings = carrier.company().times_booked(&id).await?;
            carrier.site.world.audit.booked(&carrier.site, &id, bookings, &carrier.provider.company()).await;
            parcel
        })
        .await
    }
}

impl Cancel<Booking> for CarrierPort {
    async fn cancel(&self, id: &ShipmentId) -> Result<Settled<Parcel>> {
        let id = id.clone();
        self.ask("cancel", move |carrier| async move { carrier.company().cancel(&id).await }).await
    }
}

impl External<Void> for CarrierPort {
    async fn find(&self, id: &ShipmentId) -> Result<Option<()>> {
        let id = id.clone();
        self.ask("find", move |carrier| async move { External::<Void>::find(&carrier.company(), &id).await }).await
    }

    async fn perform(&self, id: &ShipmentId, _: &Void) -> Result<()> {
        let id = id.clone();
        self.ask("void", move |carrier| async move {
            let voided = carrier.company().void(&id).await;
            carrier.site.world.audit.voided(&carrier.site, &id, voided.is_ok());
            voided
        })
        .await
    }
}

/// The clock of others, which is right.
#[derive(Clone)]
pub struct TrueTime(Site);

impl onewrite::port::Clock for TrueTime {
    fn now(&self) -> Time {
        self.0.world.executor.now()
    }

    async fn sleep(&self, duration: Duration) {
        self.0.world.executor.sleep(duration).await;
    }
}

/// Mails and short messages.
#[derive(Clone)]
pub struct Post(pub Site);

impl Mailer for Post {
    async fn send(&self, _: &Email, mail: &Mail) -> Result<(), MailError> {
        let (site, subject) = (self.0.clone(), mail.subject.clone());
        let effect = move || async move { site.world.audit.told(&site, "email", &subject) };
        self.0.call("mail", "send mail", effect).await.map_err(|lost| MailError::Other(lost.into()))
    }
}

impl Sms for Post {
    async fn send(&self, _: &PhoneNumber, text: &str) -> Result<(), SmsError> {
        let (site, text) = (self.0.clone(), text.to_owned());
        let effect = move || async move { site.world.audit.told(&site, "sms", &text) };
        self.0.call("sms", "send SMS", effect).await.map_err(|lost| SmsError::Other(lost.into()))
    }
}

/// The journal's table.
#[derive(Clone)]
pub struct JournalTable {
    /// Who asks.
    pub site: Site,
    /// The entries.
    pub journal: Rc<MemoryJournal>,
}

impl JournalStore for JournalTable {
    async fn append(&self, entry: JournalEntry) -> Result<orderflow_journal::Appended> {
        let journal = Rc::clone(&self.journal);
        flatten(self.site.call("journal", "append", move || async move { journal.append(entry).await }).await)
    }

    async fn warm(&self) {}
}

/// The orders that screening has seen.
#[derive(Clone)]
pub struct SightingsTable {
    /// Who asks.
    pub site: Site,
    /// The sightings.
    pub sightings: Rc<MemorySightings>,
}

impl Sightings for SightingsTable {
    async fn record(&self, whose: &Fingerprint, order: &OrderId, at: Time) -> Result<()> {
        let (sightings, whose, order) = (Rc::clone(&self.sightings), whose.clone(), order.clone());
        let effect = move || async move { sightings.record(&whose, &order, at).await };
        flatten(self.site.call("table", "record sighting", effect).await)
    }

    async fn count(&self, whose: &Fingerprint, around: Time, within: Duration) -> Result<u32> {
        let (sightings, whose) = (Rc::clone(&self.sightings), whose.clone());
        let effect = move || async move { sightings.count(&whose, around, within).await };
        flatten(self.site.call("table", "count sightings", effect).await)
    }
}

//! Ports of the shop's services on what stands in for the world outside: every call takes time, and may go wrong in every
//! way.

use std::collections::BTreeSet;
use std::rc::Rc;

use onewrite::Result;
use onewrite::external::simulated::{MemoryRegister, Performed, Register};
use onewrite::external::{Cancel, External, Settled};
use onewrite::feed::{FeedLog, Mark, Page, RecordKey};
use onewrite::link::{LinkKeySource, LinkKeys};
use onewrite::memory::{MemoryLinkKeys, MemoryLog};
use onewrite::port::{Acquired, DoneParts, Leases, NextOfLease, OpenPage, OpenSubjects};
use orderflow_analytics::{CountStore, Key};
use orderflow_events::{Email, Envelope, PaymentId, RefundId, ShipmentId, Sku, Subject, Text, Time};
use orderflow_inventory::{Counted, Revision, Stock, StockStore};
use orderflow_journal::{Entry as JournalEntry, Events, JournalStore, Kept};
use orderflow_notices::{NoticeStore, State as NoticeState, Stored};
use orderflow_notification::{Mail, MailError, Mailer, PhoneNumber, Sms, SmsError};
use orderflow_orders::{Listed, MemoryPrices, NewPrice, PriceStore, Quote};
use orderflow_payment::{Charge, Refund, Verdict};
use orderflow_shipping::{Booking, Parcel, Void};
use orderflow_simulated::{Carrier, Provider};
use simulator::{Caller, Lost, TrueTime};

use crate::outside::{GONE, OPTED_OUT};
use crate::safeguards::{FENCE, FIND, PROVIDER_KEY};
use crate::shop::Shop;

/// Caller at the shop's outside: each port is one.
#[derive(Clone)]
pub struct Port {
    /// The caller.
    pub caller: Caller,
    /// The shop.
    pub shop: Rc<Shop>,
}

/// Stock of the goods, which stands in inventory's table.
#[derive(Clone)]
pub struct StockTable {
    /// The caller, and the shop.
    pub port: Port,
    /// Table of inventory.
    pub log: Rc<MemoryLog>,
}

impl StockStore for StockTable {
    async fn get(&self, sku: &Sku) -> Result<Option<Stock>> {
        let (log, sku) = (Rc::clone(&self.log), sku.clone());
        self.port.caller.ask("table", "get stock", move || async move { (*log).get(&sku).await }).await
    }

    async fn count(&self, sku: &Sku, stock: Stock, since: Revision, by: Option<&Text>) -> Result<Counted> {
        let (table, sku, by) = (self.clone(), sku.clone(), by.cloned());
        let effect = move || async move {
            let counted = StockStore::count(&*table.log, &sku, stock, since, by.as_ref()).await;
            if counted == Ok(Counted::Done) {
                let Port { caller, shop } = &table.port;
                caller.run.check(shop.audit.counted(&table.log, &sku, stock));
            }
            counted
        };
        self.port.caller.ask("table", "count stock", effect).await
    }
}

/// Price table, and the orders beside it.
#[derive(Clone)]
pub struct PriceTable {
    /// The caller, and the shop.
    pub port: Port,
    /// Table of the prices.
    pub prices: Rc<MemoryPrices<Rc<MemoryLog>>>,
}

impl PriceStore for PriceTable {
    async fn get(&self, sku: &Sku) -> Result<Option<Listed>> {
        let (prices, sku) = (Rc::clone(&self.prices), sku.clone());
        self.port.caller.ask("table", "get price", move || async move { prices.get(&sku).await }).await
    }

    async fn set(&self, sku: &Sku, price: NewPrice<'_>, since: u64) -> Result<bool> {
        let NewPrice { unit_price, by, at } = price;
        let (table, sku, by) = (self.clone(), sku.clone(), by.cloned());
        let effect = move || async move {
            let set = table.prices.set(&sku, NewPrice { unit_price, by: by.as_ref(), at }, since).await;
            if set == Ok(true) {
                table.port.shop.audit.priced(&sku, unit_price);
            }
            set
        };
        self.port.caller.ask("table", "set price", effect).await
    }

    async fn quote(&self, skus: &BTreeSet<&Sku>, order: &Subject) -> Result<Quote> {
        let (prices, order) = (Rc::clone(&self.prices), order.clone());
        let skus: BTreeSet<Sku> = skus.iter().map(|sku| (*sku).clone()).collect();
        let effect = move || async move { prices.quote(&skus.iter().collect(), &order).await };
        self.port.caller.ask("table", "quote prices", effect).await
    }
}

/// Index of the open orders.
#[derive(Clone)]
pub struct OpenIndex {
    /// The caller, and the shop.
    pub port: Port,
    /// Table of the orders.
    pub log: Rc<MemoryLog>,
}

impl OpenSubjects for OpenIndex {
    async fn page(&self, shard: u8, after: Option<&str>) -> Result<OpenPage> {
        let (log, after) = (Rc::clone(&self.log), after.map(ToOwned::to_owned));
        let effect = move || async move { OpenSubjects::page(&*log, shard, after.as_deref()).await };
        self.port.caller.ask("table", "page of open", effect).await
    }

    async fn count(&self, before: Time) -> Result<u64> {
        let log = Rc::clone(&self.log);
        self.port
            .caller
            .ask("table", "count open", move || async move { OpenSubjects::count(&*log, before).await })
            .await
    }

    async fn close(&self, subject: &Subject) -> Result<()> {
        let (log, subject) = (Rc::clone(&self.log), subject.clone());
        self.port.caller.ask("table", "close", move || async move { (*log).close(&subject).await }).await
    }
}

/// Keys of the links to guests' orders.
#[derive(Clone)]
pub struct LinkKeysPort {
    /// The caller.
    pub caller: Caller,
    /// The secret.
    pub keys: Rc<MemoryLinkKeys>,
}

impl LinkKeySource for LinkKeysPort {
    async fn fetch(&self) -> Result<LinkKeys> {
        let keys = Rc::clone(&self.keys);
        self.caller.ask("secrets", "fetch keys", move || async move { keys.fetch().await }).await
    }
}

/// Payment provider.
#[derive(Clone)]
pub struct ProviderPort(pub Port);

impl ProviderPort {
    async fn ask<T: 'static, F: Future<Output = Result<T>> + 'static>(
        &self,
        name: &'static str,
        question: impl FnOnce(Self) -> F + 'static,
    ) -> Result<T> {
        let port = self.clone();
        self.0.caller.ask("provider", name, move || question(port)).await
    }

    fn company(&self) -> Provider<&MemoryRegister, TrueTime> {
        Provider::new(&self.0.shop.outside.provider, TrueTime::of(&self.0.caller.run))
    }

    /// Charges once more what was charged before: its idempotency key is not known.
    async fn charge_again(&self, id: &PaymentId) -> Result<()> {
        let (register, now) = (&self.0.shop.outside.provider, self.0.caller.run.executor.now());
        if let Some(Performed { answer, .. }) = register.entry(id.as_str()).await?.performed.pop() {
            register.perform(id.as_str(), &Performed { answer, at: now }, now).await?;
        }
        Ok(())
    }

    async fn note_charge(&self, id: &PaymentId, charge: &Charge, verdict: &Result<Settled<Verdict>>) -> Result<()> {
        let (Port { caller, shop }, charges) = (&self.0, self.company().times_charged(id).await?);
        self.tell_of(id, || match verdict {
            Ok(Settled::Performed(Verdict::Succeeded(_))) => format!("the provider has charged {charges} times"),
            Ok(Settled::Performed(Verdict::Declined(_)) | Settled::Cancelled) => "the provider has declined".to_owned(),
            Err(failure) => failure.to_string(),
        });
        caller.run.check(shop.audit.charged(id, charges));
        if let Ok(Settled::Performed(Verdict::Declined(_))) = verdict {
            caller.run.check(shop.audit.declined(id, &charge.method));
        }
        caller.run.check(shop.audit.asked_for(id, charge.amount));
        Ok(())
    }

    async fn note_refund(&self, id: &PaymentId, done: bool) -> Result<()> {
        let (Port { caller, shop }, charges) = (&self.0, self.company().times_charged(id).await?);
        self.tell_of(id, || format!("the provider has refunded: {done}"));
        if done {
            caller.run.check(shop.audit.refunded(id, charges));
        }
        Ok(())
    }

    fn tell_of(&self, id: &PaymentId, what: impl FnOnce() -> String) {
        if let Some(order) = self.0.shop.audit.order_of_payment(id) {
            self.0.caller.tell_of(order.as_str(), what);
        }
    }
}

impl External<Charge> for ProviderPort {
    async fn find(&self, id: &PaymentId) -> Result<Option<Settled<Verdict>>> {
        if self.0.caller.run.lacks(FIND) {
            return Ok(None);
        }
        let id = id.clone();
        self.ask("find", move |port| async move { External::<Charge>::find(&port.company(), &id).await }).await
    }

    async fn perform(&self, id: &PaymentId, charge: &Charge) -> Result<Settled<Verdict>> {
        let (id, charge) = (id.clone(), charge.clone());
        self.ask("charge", move |port| async move {
            if port.0.caller.run.lacks(PROVIDER_KEY) {
                port.charge_again(&id).await?;
            }
            let verdict = port.company().perform(&id, &charge).await;
            port.note_charge(&id, &charge, &verdict).await?;
            verdict
        })
        .await
    }
}

impl Cancel<Charge> for ProviderPort {
    async fn cancel(&self, id: &PaymentId) -> Result<Settled<Verdict>> {
        let id = id.clone();
        self.ask("cancel", move |port| async move {
            if port.0.caller.run.lacks(FENCE) {
                let charge = External::<Charge>::find(&port.company(), &id).await?;
                return Ok(charge.unwrap_or(Settled::Cancelled));
            }
            port.company().cancel(&id).await
        })
        .await
    }
}

impl External<Refund> for ProviderPort {
    async fn find(&self, id: &(PaymentId, RefundId)) -> Result<Option<()>> {
        if self.0.caller.run.lacks(FIND) {
            return Ok(None);
        }
        let id = id.clone();
        self.ask("find", move |port| async move { External::<Refund>::find(&port.company(), &id).await }).await
    }

    async fn perform(&self, id: &(PaymentId, RefundId), refund: &Refund) -> Result<()> {
        let (id, refund) = (id.clone(), refund.clone());
        self.ask("refund", move |port| async move {
            let refunded = port.company().perform(&id, &refund).await;
            port.note_refund(&id.0, refunded.is_ok()).await?;
            refunded
        })
        .await
    }
}

/// Carrier.
#[derive(Clone)]
pub struct CarrierPort(pub Port);

impl CarrierPort {
    async fn ask<T: 'static, F: Future<Output = Result<T>> + 'static>(
        &self,
        name: &'static str,
        question: impl FnOnce(Self) -> F + 'static,
    ) -> Result<T> {
        let port = self.clone();
        self.0.caller.ask("carrier", name, move || question(port)).await
    }

    fn company(&self) -> Carrier<&MemoryRegister, TrueTime> {
        Carrier::new(&self.0.shop.outside.carrier, TrueTime::of(&self.0.caller.run))
    }

    fn tell_of(&self, id: &ShipmentId, what: impl FnOnce() -> String) {
        if let Some(order) = self.0.shop.audit.order_of_shipment(id) {
            self.0.caller.tell_of(order.as_str(), what);
        }
    }

    async fn note_booking(&self, id: &ShipmentId) -> Result<()> {
        let (Port { caller, shop }, bookings) = (&self.0, self.company().times_booked(id).await?);
        self.tell_of(id, || format!("the carrier has booked {bookings} times"));
        let provider = ProviderPort(self.0.clone());
        let charges = match shop.audit.order_of_shipment(id) {
            Some(order) => provider.company().times_charged(&PaymentId::of(&order)).await?,
            None => 0,
        };
        caller.run.check(shop.audit.booked(id, bookings, charges, shop.rule));
        Ok(())
    }
}

impl External<Booking> for CarrierPort {
    async fn find(&self, id: &ShipmentId) -> Result<Option<Settled<Parcel>>> {
        let id = id.clone();
        self.ask("find", move |port| async move { External::<Booking>::find(&port.company(), &id).await }).await
    }

    async fn perform(&self, id: &ShipmentId, booking: &Booking) -> Result<Settled<Parcel>> {
        let (id, booking) = (id.clone(), booking.clone());
        self.ask("book", move |port| async move {
            let parcel = port.company().perform(&id, &booking).await;
            port.note_booking(&id).await?;
            parcel
        })
        .await
    }
}

impl Cancel<Booking> for CarrierPort {
    async fn cancel(&self, id: &ShipmentId) -> Result<Settled<Parcel>> {
        let id = id.clone();
        self.ask("cancel", move |port| async move { port.company().cancel(&id).await }).await
    }
}

impl External<Void> for CarrierPort {
    async fn find(&self, id: &ShipmentId) -> Result<Option<()>> {
        let id = id.clone();
        self.ask("find", move |port| async move { External::<Void>::find(&port.company(), &id).await }).await
    }

    async fn perform(&self, id: &ShipmentId, _: &Void) -> Result<()> {
        let id = id.clone();
        self.ask("void", move |port| async move {
            let voided = port.company().void(&id).await;
            port.tell_of(&id, || format!("the carrier has voided: {}", voided.is_ok()));
            voided
        })
        .await
    }
}

/// Mails and short messages.
#[derive(Clone)]
pub struct Post(pub Port);

impl Post {
    async fn post(
        &self,
        neighbour: &'static str,
        name: &'static str,
        recipient: String,
        text: String,
        body: String,
    ) -> Result<(), Lost> {
        let Port { caller, shop } = self.0.clone();
        let effect = move || async move {
            let leases = caller.run.guarantees.leases_given();
            let at = caller.run.executor.now();
            caller.run.check(shop.audit.told(neighbour, &recipient, (&text, &body), (leases, at)));
        };
        self.0.caller.call(neighbour, name, effect).await
    }

    /// Says no, after the time that it takes.
    async fn refuse(&self, neighbour: &'static str) -> Result<(), Lost> {
        self.0.caller.call(neighbour, "refuse", || async {}).await
    }
}

impl Mailer for Post {
    async fn send(&self, recipient: &Email, mail: &Mail) -> Result<(), MailError> {
        if recipient.as_str().starts_with(GONE) {
            self.refuse("mail").await.map_err(|lost| MailError::Other(lost.into()))?;
            return Err(MailError::Unreachable("InvalidParameterValue".to_owned()));
        }
        let sent = self.post("mail", "send mail", recipient.to_ascii(), mail.subject.clone(), mail.text.clone()).await;
        sent.map_err(|lost| MailError::Other(lost.into()))
    }
}

impl Sms for Post {
    async fn send(&self, recipient: &PhoneNumber, text: &str) -> Result<(), SmsError> {
        if recipient.as_str() == OPTED_OUT {
            self.refuse("sms").await.map_err(|lost| SmsError::Other(lost.into()))?;
            return Err(SmsError::Unreachable("OptedOut".to_owned()));
        }
        let sent = self.post("sms", "send SMS", recipient.as_str().to_owned(), text.to_owned(), String::new()).await;
        sent.map_err(|lost| SmsError::Other(lost.into()))
    }
}

/// Table of the counts.
#[derive(Clone)]
pub struct CountTable(pub Port);

impl CountStore for CountTable {
    async fn get(&self, key: &Key) -> Result<Option<String>> {
        let (counts, key) = (Rc::clone(&self.0.shop.outside.counts), key.clone());
        self.0.caller.ask("table", "get count", move || async move { counts.get(&key).await }).await
    }

    async fn range(&self, partition: &str, from: &str, to: &str) -> Result<Vec<(String, String)>> {
        let counts = Rc::clone(&self.0.shop.outside.counts);
        let [partition, from, to] = [partition, from, to].map(str::to_owned);
        let effect = move || async move { counts.range(&partition, &from, &to).await };
        self.0.caller.ask("table", "query counts", effect).await
    }

    async fn put(&self, key: &Key, text: &str) -> Result<()> {
        let (shop, key, text) = (Rc::clone(&self.0.shop), key.clone(), text.to_owned());
        let effect = move || async move {
            let put = shop.outside.counts.put(&key, &text).await;
            shop.counted();
            put
        };
        self.0.caller.ask("table", "put count", effect).await
    }

    async fn replace(&self, key: &Key, before: Option<&str>, text: &str) -> Result<bool> {
        let (shop, key, text) = (Rc::clone(&self.0.shop), key.clone(), text.to_owned());
        let before = before.map(str::to_owned);
        let effect = move || async move {
            let is_replaced = shop.outside.counts.replace(&key, before.as_deref(), &text).await;
            shop.counted();
            is_replaced
        };
        self.0.caller.ask("table", "replace count", effect).await
    }

    async fn warm(&self) {}
}

/// Journal's table.
#[derive(Clone)]
pub struct JournalTable(pub Port);

impl JournalStore for JournalTable {
    async fn append(&self, entry: JournalEntry) -> Result<Kept> {
        let journal = Rc::clone(&self.0.shop.outside.journal);
        self.0.caller.ask("journal", "append", move || async move { journal.append(entry).await }).await
    }

    async fn mark_of(&self, event: &Envelope) -> Result<Option<Mark>> {
        let (journal, event) = (Rc::clone(&self.0.shop.outside.journal), event.clone());
        self.0.caller.ask("journal", "mark of", move || async move { journal.mark_of(&event).await }).await
    }

    async fn warm(&self) {}
}

impl Events for JournalTable {
    async fn texts(&self, keys: &[RecordKey]) -> Result<Vec<Option<String>>> {
        let (journal, keys) = (Rc::clone(&self.0.shop.outside.journal), keys.to_vec());
        self.0.caller.ask("journal", "texts", move || async move { journal.texts(&keys).await }).await
    }
}

/// States of the notices' rules, the leases of their digests, and the way out for those.
#[derive(Clone)]
pub struct NoticesTable(pub Port);

impl NoticeStore for NoticesTable {
    async fn read(&self, rule: &str) -> Result<Option<Stored>> {
        let (notices, rule) = (Rc::clone(&self.0.shop.outside.notices), rule.to_owned());
        self.0.caller.ask("notices", "read rule", move || async move { notices.read(&rule).await }).await
    }

    async fn write(&self, rule: &str, since: u64, state: &NoticeState) -> Result<bool> {
        let notices = Rc::clone(&self.0.shop.outside.notices);
        let (rule, state) = (rule.to_owned(), state.clone());
        let effect = move || async move { notices.write(&rule, since, &state).await };
        self.0.caller.ask("notices", "write rule", effect).await
    }
}

impl Leases for NoticesTable {
    async fn acquire(&self, key: &str, owner: &str, now: Time, until: Time) -> Result<Acquired> {
        let leases = Rc::clone(&self.0.shop.outside.digest_leases);
        let (key, owner) = (key.to_owned(), owner.to_owned());
        let effect = move || async move { leases.acquire(&key, &owner, now, until).await };
        self.0.caller.ask("notices", "acquire", effect).await
    }

    async fn record(&self, key: &str, owner: &str, done: &BTreeSet<&'static str>, next: NextOfLease) -> Result<bool> {
        let leases = Rc::clone(&self.0.shop.outside.digest_leases);
        let (key, owner, done) = (key.to_owned(), owner.to_owned(), done.clone());
        let effect = move || async move { leases.record(&key, &owner, &done, next).await };
        self.0.caller.ask("notices", "record", effect).await
    }

    async fn done(&self, key: &str) -> Result<DoneParts> {
        let (leases, key) = (Rc::clone(&self.0.shop.outside.digest_leases), key.to_owned());
        self.0.caller.ask("notices", "done", move || async move { leases.done(&key).await }).await
    }
}

impl Mailer for NoticesTable {
    async fn send(&self, recipient: &Email, mail: &Mail) -> Result<(), MailError> {
        let digests = Rc::clone(&self.0.shop.outside.digests);
        let (recipient, mail) = (recipient.clone(), mail.clone());
        let effect = move || async move { digests.send(&recipient, &mail).await };
        self.0.caller.call("mail", "send digest", effect).await.map_err(|lost| MailError::Other(lost.into()))?
    }
}

/// Feed of the journal's entries.
#[derive(Clone)]
pub struct FeedTable(pub Port);

impl FeedLog for FeedTable {
    async fn append(&self, shard: u8, position: u64, page: &Page) -> Result<bool> {
        let (feed, page) = (Rc::clone(&self.0.shop.outside.feed), page.clone());
        let shop = Rc::clone(&self.0.shop);
        let effect = move || async move {
            let is_added = feed.append(shard, position, &page).await;
            if is_added == Ok(true) {
                shop.listed(shard, position, &page);
            }
            is_added
        };
        self.0.caller.ask("feed", "append", effect).await
    }

    async fn after(&self, shard: u8, position: u64, most: u16) -> Result<Vec<(u64, Page)>> {
        let feed = Rc::clone(&self.0.shop.outside.feed);
        let effect = move || async move { feed.after(shard, position, most).await };
        self.0.caller.ask("feed", "read", effect).await
    }

    async fn head(&self, shard: u8) -> Result<u64> {
        let feed = Rc::clone(&self.0.shop.outside.feed);
        self.0.caller.ask("feed", "head", move || async move { feed.head(shard).await }).await
    }
}

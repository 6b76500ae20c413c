//! Ports of the shop's services on what stands in for the world outside: every call takes time, and may go wrong in every
//! way.

use std::rc::Rc;
use std::time::Duration;

use onewrite::Result;
use onewrite::memory::MemoryLog;
use orderflow_events::{Email, Money, OrderId, PaymentId, RefundId, ShipmentId, Sku, Time};
use orderflow_inventory::{Counted, Revision, Stock, StockStore};
use orderflow_journal::{Entry as JournalEntry, JournalStore};
use orderflow_notification::mail::{Mail, MailError, Mailer};
use orderflow_notification::sms::{PhoneNumber, Sms, SmsError};
use orderflow_payment::provider::{Charge, ChargeRequest, PaymentProvider, ProviderError, Verdict};
use orderflow_payment::simulation::{Books, MemoryBooks, Simulation as ProviderSimulation};
use orderflow_screening::Fingerprint;
use orderflow_screening::sightings::Sightings;
use orderflow_shipping::carrier::{Booking, BookingRequest, Carrier, CarrierError};
use orderflow_shipping::simulation::{MemoryRegister, Register, Simulation as CarrierSimulation};
use simulator::{Caller, Lost, TrueTime};

use crate::safeguards::{FENCE, FIND, PROVIDER_KEY};
use crate::shop::Shop;

/// Caller at the shop's outside: each port is one.
#[derive(Clone)]
pub struct Port {
    /// Who asks.
    pub caller: Caller,
    /// The shop.
    pub shop: Rc<Shop>,
}

/// Stock of the goods, which stands in inventory's table.
#[derive(Clone)]
pub struct StockTable {
    /// Who asks, and whose shop it is.
    pub port: Port,
    /// Table of inventory.
    pub log: Rc<MemoryLog>,
}

impl StockStore for StockTable {
    async fn get(&self, sku: &Sku) -> Result<Option<Stock>> {
        let (log, sku) = (Rc::clone(&self.log), sku.clone());
        self.port.caller.ask("table", "get stock", move || async move { (&*log).get(&sku).await }).await
    }

    async fn count(&self, sku: &Sku, stock: Stock, since: Revision) -> Result<Counted> {
        let (table, sku) = (self.clone(), sku.clone());
        let effect = move || async move {
            let counted = (&*table.log).count(&sku, stock, since).await;
            if counted == Ok(Counted::Done) {
                let Port { caller, shop } = &table.port;
                caller.run.check(shop.audit.counted(&table.log, &sku, stock));
            }
            counted
        };
        self.port.caller.ask("table", "count stock", effect).await
    }
}

/// Payment provider.
#[derive(Clone)]
pub struct Provider(pub Port);

impl Provider {
    async fn ask<T, F>(
        &self,
        name: &'static str,
        question: impl FnOnce(Self) -> F + 'static,
    ) -> Result<T, ProviderError>
    where
        F: Future<Output = Result<T, ProviderError>> + 'static,
        T: 'static,
    {
        let provider = self.clone();
        let answer = self.0.caller.call("provider", name, move || question(provider)).await;
        answer.map_err(|lost: Lost| ProviderError::Unavailable(lost.reason().to_owned()))?
    }

    fn books(&self) -> &MemoryBooks {
        &self.0.shop.outside.books
    }

    fn simulation(&self) -> ProviderSimulation<&MemoryBooks, TrueTime> {
        ProviderSimulation::new(self.books(), TrueTime::of(&self.0.caller.run))
    }

    /// Forgets that it was asked to charge, so that it charges again.
    async fn forget(&self, payment: &PaymentId) -> Result<(), ProviderError> {
        let now = self.0.caller.run.executor.now();
        if let Some((verdict, _)) = self.books().entry(payment).await?.charge {
            self.books().enter_charge(payment, &verdict, now, now).await?;
        }
        Ok(())
    }

    async fn note_charge(
        &self,
        payment: &PaymentId,
        verdict: &Result<Verdict, ProviderError>,
    ) -> Result<(), ProviderError> {
        let (Port { caller, shop }, charges) = (&self.0, self.books().entry(payment).await?.charges);
        if let Some(order) = shop.audit.order_of_payment(payment) {
            caller.tell_of(order.as_str(), || match verdict {
                Ok(Verdict::Succeeded(_)) => format!("the provider has charged {charges} times"),
                Ok(Verdict::Declined(_) | Verdict::Cancelled) => "the provider has declined".to_owned(),
                Err(error) => error.to_string(),
            });
        }
        caller.run.check(shop.audit.charged(payment, charges));
        Ok(())
    }

    async fn note_refund(&self, payment: &PaymentId, done: bool) -> Result<(), ProviderError> {
        let (Port { caller, shop }, charges) = (&self.0, self.books().entry(payment).await?.charges);
        if let Some(order) = shop.audit.order_of_payment(payment) {
            caller.tell_of(order.as_str(), || format!("the provider has refunded: {done}"));
        }
        if done {
            caller.run.check(shop.audit.refunded(payment, charges));
        }
        Ok(())
    }
}

impl PaymentProvider for Provider {
    async fn charge(&self, request: &ChargeRequest) -> Result<Verdict, ProviderError> {
        let request = request.clone();
        self.ask("charge", move |provider| async move {
            if provider.0.caller.run.lacks(PROVIDER_KEY) {
                provider.forget(&request.payment).await?;
            }
            let verdict = provider.simulation().charge(&request).await;
            provider.note_charge(&request.payment, &verdict).await?;
            verdict
        })
        .await
    }

    async fn find(&self, payment: &PaymentId) -> Result<Option<Charge>, ProviderError> {
        if self.0.caller.run.lacks(FIND) {
            return Ok(None);
        }
        let payment = payment.clone();
        self.ask("find", move |provider| async move { provider.simulation().find(&payment).await }).await
    }

    async fn cancel(&self, payment: &PaymentId) -> Result<Verdict, ProviderError> {
        let payment = payment.clone();
        self.ask("cancel", move |provider| async move {
            if provider.0.caller.run.lacks(FENCE) {
                let charge = provider.simulation().find(&payment).await?;
                return Ok(charge.map_or(Verdict::Cancelled, |charge| charge.verdict));
            }
            provider.simulation().cancel(&payment).await
        })
        .await
    }

    async fn refund(&self, payment: &PaymentId, refund: &RefundId, amount: Money) -> Result<(), ProviderError> {
        let (payment, refund) = (payment.clone(), refund.clone());
        self.ask("refund", move |provider| async move {
            let refunded = provider.simulation().refund(&payment, &refund, amount).await;
            provider.note_refund(&payment, refunded.is_ok()).await?;
            refunded
        })
        .await
    }
}

/// Carrier.
#[derive(Clone)]
pub struct CarrierPort(pub Port);

impl CarrierPort {
    async fn ask<T, F>(&self, name: &'static str, question: impl FnOnce(Self) -> F + 'static) -> Result<T, CarrierError>
    where
        F: Future<Output = Result<T, CarrierError>> + 'static,
        T: 'static,
    {
        let carrier = self.clone();
        let answer = self.0.caller.call("carrier", name, move || question(carrier)).await;
        answer.map_err(|lost: Lost| CarrierError::Unavailable(lost.reason().to_owned()))?
    }

    fn register(&self) -> &MemoryRegister {
        &self.0.shop.outside.register
    }

    fn simulation(&self) -> CarrierSimulation<&MemoryRegister, TrueTime> {
        CarrierSimulation::new(self.register(), TrueTime::of(&self.0.caller.run))
    }

    fn tell_of(&self, shipment: &ShipmentId, what: impl FnOnce() -> String) {
        if let Some(order) = self.0.shop.audit.order_of_shipment(shipment) {
            self.0.caller.tell_of(order.as_str(), what);
        }
    }

    async fn note_booking(&self, shipment: &ShipmentId) -> Result<(), CarrierError> {
        let Port { caller, shop } = &self.0;
        let bookings = self.register().entry(shipment).await?.bookings;
        self.tell_of(shipment, || format!("the carrier has booked {bookings} times"));
        let charges = match shop.audit.order_of_shipment(shipment) {
            Some(order) => shop.outside.books.entry(&PaymentId::of(&order)).await.map_or(0, |entry| entry.charges),
            None => 0,
        };
        caller.run.check(shop.audit.booked(shipment, bookings, charges));
        Ok(())
    }
}

impl Carrier for CarrierPort {
    async fn book(&self, request: &BookingRequest) -> Result<Booking, CarrierError> {
        let request = request.clone();
        self.ask("book", move |carrier| async move {
            let booking = carrier.simulation().book(&request).await;
            carrier.note_booking(&request.shipment).await?;
            booking
        })
        .await
    }

    async fn find(&self, shipment: &ShipmentId) -> Result<Option<Booking>, CarrierError> {
        let shipment = shipment.clone();
        self.ask("find", move |carrier| async move { carrier.simulation().find(&shipment).await }).await
    }

    async fn cancel(&self, shipment: &ShipmentId) -> Result<Booking, CarrierError> {
        let shipment = shipment.clone();
        self.ask("cancel", move |carrier| async move { carrier.simulation().cancel(&shipment).await }).await
    }

    async fn void(&self, shipment: &ShipmentId) -> Result<(), CarrierError> {
        let shipment = shipment.clone();
        self.ask("void", move |carrier| async move {
            let voided = carrier.simulation().void(&shipment).await;
            carrier.tell_of(&shipment, || format!("the carrier has voided: {}", voided.is_ok()));
            voided
        })
        .await
    }
}

/// Mails and short messages.
#[derive(Clone)]
pub struct Post(pub Port);

impl Post {
    async fn post(&self, neighbour: &'static str, name: &'static str, what: String) -> Result<(), Lost> {
        let Port { caller, shop } = self.0.clone();
        let effect = move || async move {
            let leases = caller.run.guarantees.leases_given();
            caller.run.check(shop.audit.told(neighbour, &what, leases));
        };
        self.0.caller.call(neighbour, name, effect).await
    }
}

impl Mailer for Post {
    async fn send(&self, _: &Email, mail: &Mail) -> Result<(), MailError> {
        let sent = self.post("mail", "send mail", mail.subject.clone()).await;
        sent.map_err(|lost| MailError::Other(lost.into()))
    }
}

impl Sms for Post {
    async fn send(&self, _: &PhoneNumber, text: &str) -> Result<(), SmsError> {
        let sent = self.post("sms", "send SMS", text.to_owned()).await;
        sent.map_err(|lost| SmsError::Other(lost.into()))
    }
}

/// Journal's table.
#[derive(Clone)]
pub struct JournalTable(pub Port);

impl JournalStore for JournalTable {
    async fn append(&self, entry: JournalEntry) -> Result<orderflow_journal::Appended> {
        let journal = Rc::clone(&self.0.shop.outside.journal);
        self.0.caller.ask("journal", "append", move || async move { journal.append(entry).await }).await
    }

    async fn warm(&self) {}
}

/// Orders that screening has seen.
#[derive(Clone)]
pub struct SightingsTable(pub Port);

impl Sightings for SightingsTable {
    async fn record(&self, whose: &Fingerprint, order: &OrderId, at: Time) -> Result<()> {
        let sightings = Rc::clone(&self.0.shop.outside.sightings);
        let (whose, order) = (whose.clone(), order.clone());
        let effect = move || async move { sightings.record(&whose, &order, at).await };
        self.0.caller.ask("table", "record sighting", effect).await
    }

    async fn count(&self, whose: &Fingerprint, around: Time, within: Duration) -> Result<u32> {
        let (sightings, whose) = (Rc::clone(&self.0.shop.outside.sightings), whose.clone());
        let effect = move || async move { sightings.count(&whose, around, within).await };
        self.0.caller.ask("table", "count sightings", effect).await
    }
}

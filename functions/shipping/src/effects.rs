//! Effects of the service: they ask the carrier for what the domain wants done, once.

use onewrite::external::{External, Settled, cancel, perform_once};
use onewrite::personal::{KeyRing, Keys};
use onewrite::port::{Clock, Random};
use onewrite::{Attempt, Delivery, Discrepancy, Effects, Result};
use orderflow_events::{HoldFlagged, Person, ShipmentId};

use crate::domain::{Answer, Effect, Recipient, Shipping, State};
use crate::port::{Booking, Carrier, Parcel, Void};

/// Effects of shipping, on a carrier.
#[derive(Debug)]
pub struct CarrierEffects<C, K, W> {
    carrier: C,
    keys: KeyRing<K, W>,
    rule: HoldFlagged,
}

impl<C: Carrier, K: Keys, W: Clock + Random> CarrierEffects<C, K, W> {
    /// Effects on that carrier, which is told the recipients that these keys open, in a stack that holds flagged orders or does not.
    pub fn new(carrier: C, keys: KeyRing<K, W>, rule: HoldFlagged) -> Self {
        Self { carrier, keys, rule }
    }

    /// Books, once. Nobody ships to nowhere: where the recipient is erased, only a booking that was made before is an answer.
    async fn book(&self, shipment: ShipmentId, recipient: &Recipient, attempt: Attempt) -> Result<Answer> {
        let Recipient { customer, personal } = recipient;
        if let Some(Person { shipping_address: address, .. }) = self.keys.open(customer.as_str(), personal).await? {
            let booked = perform_once(&self.carrier, &shipment, &Booking { address }, attempt).await?;
            return Ok(answer(shipment, booked));
        }
        let booked = External::<Booking>::find(&self.carrier, &shipment).await?;
        Ok(booked.map_or(Answer::NoRecipient, |booked| answer(shipment, booked)))
    }
}

impl<C: Carrier, K: Keys, W: Clock + Random> Effects<Shipping> for CarrierEffects<C, K, W> {
    /// The rule is the stack's, and says nothing of whether the carrier answers.
    fn asks_neighbour(&self, effect: &Effect) -> bool {
        match effect {
            Effect::AskRule => false,
            Effect::Book { .. } | Effect::Cancel { .. } | Effect::Void { .. } => true,
        }
    }

    async fn perform(&self, effect: Effect, attempt: Attempt, _: &Delivery<'_>) -> Result<Answer> {
        match effect {
            Effect::AskRule => Ok(Answer::Rule(self.rule)),
            Effect::Book { shipment, recipient } => self.book(shipment, &recipient, attempt).await,
            Effect::Cancel { shipment } => {
                let cancelled = cancel::<Booking>(&self.carrier, &shipment).await?;
                Ok(answer(shipment, cancelled))
            }
            Effect::Void { shipment } => {
                perform_once(&self.carrier, &shipment, &Void, attempt).await?;
                Ok(Answer::Voided)
            }
        }
    }

    /// A label that the carrier has made or voided, and whose outcome never came on record.
    async fn audit(&self, state: &State) -> Result<Vec<Discrepancy>> {
        let (kind, detail) = match state {
            State::Booking { shipment, .. } => {
                let booking = External::<Booking>::find(&self.carrier, shipment).await?;
                let Some(Settled::Performed(parcel)) = booking else { return Ok(Vec::new()) };
                ("label", format!("{shipment} was booked with {}, and no row says so", parcel.carrier))
            }
            State::Voiding { shipment } => {
                let voided = External::<Void>::find(&self.carrier, shipment).await?;
                if voided.is_none() {
                    return Ok(Vec::new());
                }
                ("void", format!("{shipment} was voided, and no row says so"))
            }
            State::Unknown
            | State::Ready { .. }
            | State::Cleared { .. }
            | State::Held { .. }
            | State::Shipped { .. }
            | State::Cancelled
            | State::Voided => return Ok(Vec::new()),
        };
        Ok(vec![Discrepancy { kind: kind.to_owned(), detail }])
    }
}

fn answer(shipment: ShipmentId, booking: Settled<Parcel>) -> Answer {
    match booking {
        Settled::Performed(Parcel { carrier, tracking_number }) => {
            Answer::Booked { shipment, carrier, tracking_number }
        }
        Settled::Cancelled => Answer::Cancelled,
    }
}

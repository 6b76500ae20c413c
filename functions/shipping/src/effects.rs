//! The effects of the service: they ask the carrier for what the domain wants done.
//!
//! ```text
//!   intent on record ──► find ──► book ──► outcome on record
//!                         │         └─ a crash here: the next attempt finds the booking
//!                         └─ left out by the attempt that wrote the intent: there is nothing to find yet
//! ```

use onewrite::{Attempt, Delivery, Effects, Result};
use orderflow_events::ShipmentId;

use crate::carrier::{Booking, BookingRequest, Carrier};
use crate::domain::{Answer, Effect, Shipping};

/// CarrierEffects on a carrier.
#[derive(Clone, Debug)]
pub struct CarrierEffects<C> {
    carrier: C,
}

impl<C: Carrier> Effects<Shipping> for CarrierEffects<C> {
    async fn perform(&self, effect: Effect, attempt: Attempt, _: &Delivery<'_>) -> Result<Answer> {
        match effect {
            Effect::Book { shipment, address } => self.book(BookingRequest { shipment, address }, attempt).await,
            Effect::Cancel { shipment } => Ok(answer(&shipment, self.carrier.cancel(&shipment).await?)),
            Effect::Void { shipment } => self.void(&shipment, attempt).await,
        }
    }
}

impl<C: Carrier> CarrierEffects<C> {
    /// CarrierEffects on that carrier.
    pub fn new(carrier: C) -> Self {
        Self { carrier }
    }

    async fn book(&self, request: BookingRequest, attempt: Attempt) -> Result<Answer> {
        if attempt == Attempt::Retry
            && let Some(booking) = self.carrier.find(&request.shipment).await?
        {
            return Ok(answer(&request.shipment, booking));
        }
        let booking = self.carrier.book(&request).await?;
        Ok(answer(&request.shipment, booking))
    }

    async fn void(&self, shipment: &ShipmentId, attempt: Attempt) -> Result<Answer> {
        if attempt == Attempt::Retry
            && let Some(Booking::Made { voided: true, .. }) = self.carrier.find(shipment).await?
        {
            return Ok(Answer::Voided);
        }
        self.carrier.void(shipment).await?;
        Ok(Answer::Voided)
    }
}

/// Whether it was voided since makes no difference here: it was booked, and that is to be told.
fn answer(shipment: &ShipmentId, booking: Booking) -> Answer {
    match booking {
        Booking::Made { carrier, tracking_number, voided: _ } => {
            Answer::Booked { shipment: shipment.clone(), carrier, tracking_number }
        }
        Booking::Cancelled => Answer::Cancelled,
    }
}

//! The hands of the service: they ask the carrier for what the domain wants done.
//!
//! ```text
//!   intent on record ──► find ──► book ──► outcome on record
//!                         │         └─ a crash here: the next attempt finds the booking
//!                         └─ left out by the attempt that wrote the intent: there is nothing to find yet
//! ```

use orderflow_consumer::{Delivery, Effects, Outcome, Standing};
use orderflow_contracts::ShipmentId;

use crate::carrier::{Booking, BookingRequest, Carrier};
use crate::domain::{Answer, Effect, Shipping};

/// Hands on a carrier.
#[derive(Clone, Debug)]
pub struct Hands<C> {
    carrier: C,
}

impl<C: Carrier> Effects<Shipping> for Hands<C> {
    async fn perform(&self, effect: Effect, standing: Standing, _: &Delivery<'_>) -> Outcome<Answer> {
        match effect {
            Effect::Book { shipment, address } => self.book(BookingRequest { shipment, address }, standing).await,
            Effect::Cancel { shipment } => Ok(answer(&shipment, self.carrier.cancel(&shipment).await?)),
            Effect::Void { shipment } => self.void(&shipment, standing).await,
        }
    }
}

impl<C: Carrier> Hands<C> {
    /// Hands on that carrier.
    pub fn new(carrier: C) -> Self {
        Self { carrier }
    }

    async fn book(&self, request: BookingRequest, standing: Standing) -> Outcome<Answer> {
        if standing == Standing::Found
            && let Some(booking) = self.carrier.find(&request.shipment).await?
        {
            return Ok(answer(&request.shipment, booking));
        }
        let booking = self.carrier.book(&request).await?;
        Ok(answer(&request.shipment, booking))
    }

    async fn void(&self, shipment: &ShipmentId, standing: Standing) -> Outcome<Answer> {
        if standing == Standing::Found
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

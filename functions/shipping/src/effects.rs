//! Effects of the service: they ask the carrier for what the domain wants done, once.

use onewrite::external::{Settled, cancel, perform_once};
use onewrite::{Attempt, Delivery, Effects, Result};
use orderflow_events::ShipmentId;

use crate::domain::{Answer, Effect, Shipping};
use crate::port::{Booking, Carrier, Parcel, Void};

/// Effects of shipping, on a carrier.
#[derive(Clone, Debug)]
pub struct CarrierEffects<C> {
    carrier: C,
}

impl<C: Carrier> CarrierEffects<C> {
    /// Effects on that carrier.
    pub fn new(carrier: C) -> Self {
        Self { carrier }
    }
}

impl<C: Carrier> Effects<Shipping> for CarrierEffects<C> {
    async fn perform(&self, effect: Effect, attempt: Attempt, _: &Delivery<'_>) -> Result<Answer> {
        match effect {
            Effect::Book { shipment, address } => {
                let booked = perform_once(&self.carrier, &shipment, &Booking { address }, attempt).await?;
                Ok(answer(shipment, booked))
            }
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
}

fn answer(shipment: ShipmentId, booking: Settled<Parcel>) -> Answer {
    match booking {
        Settled::Performed(Parcel { carrier, tracking_number }) => {
            Answer::Booked { shipment, carrier, tracking_number }
        }
        Settled::Cancelled => Answer::Cancelled,
    }
}

//! Effects of the service: they ask the carrier for what the domain wants done, once.

use onewrite::external::{External, Settled, cancel, perform_once};
use onewrite::{Attempt, Delivery, Discrepancy, Effects, Result};
use orderflow_events::{HoldFlagged, ShipmentId};

use crate::domain::{Answer, Effect, Shipping, State};
use crate::port::{Booking, Carrier, Parcel, Void};

/// Effects of shipping, on a carrier.
#[derive(Clone, Debug)]
pub struct CarrierEffects<C> {
    carrier: C,
    rule: HoldFlagged,
}

impl<C: Carrier> CarrierEffects<C> {
    /// Effects on that carrier, in a stack that holds flagged orders or does not.
    pub fn new(carrier: C, rule: HoldFlagged) -> Self {
        Self { carrier, rule }
    }
}

impl<C: Carrier> Effects<Shipping> for CarrierEffects<C> {
    /// The rule is the stack's, and no business of the carrier's.
    fn known(&self, effect: &Effect) -> Option<Answer> {
        match effect {
            Effect::AskRule => Some(Answer::Rule(self.rule)),
            Effect::Book { .. } | Effect::Cancel { .. } | Effect::Void { .. } => None,
        }
    }

    async fn perform(&self, effect: Effect, attempt: Attempt, _: &Delivery<'_>) -> Result<Answer> {
        match effect {
            Effect::AskRule => Ok(Answer::Rule(self.rule)),
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

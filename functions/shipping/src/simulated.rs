//! Adapter to the simulated carrier.

use onewrite::Result;
use onewrite::external::simulated::Register;
use onewrite::external::{Cancel, External, Settled};
use onewrite::port::Clock;
use orderflow_events::ShipmentId;
use orderflow_simulated::{Carrier, Parcel as Simulated};

use crate::port::{Booking, Parcel, Void};

impl<G: Register, C: Clock> External<Booking> for Carrier<G, C> {
    async fn find(&self, id: &ShipmentId) -> Result<Option<Settled<Parcel>>> {
        Ok(self.find_booking(id).await?.map(parcel))
    }

    async fn perform(&self, id: &ShipmentId, Booking { address }: &Booking) -> Result<Settled<Parcel>> {
        self.book(id, address).await.map(parcel)
    }
}

impl<G: Register, C: Clock> Cancel<Booking> for Carrier<G, C> {
    async fn cancel(&self, id: &ShipmentId) -> Result<Settled<Parcel>> {
        self.cancel_booking(id).await.map(parcel)
    }
}

impl<G: Register, C: Clock> External<Void> for Carrier<G, C> {
    async fn find(&self, id: &ShipmentId) -> Result<Option<()>> {
        Ok(self.is_voided(id).await?.then_some(()))
    }

    async fn perform(&self, id: &ShipmentId, _: &Void) -> Result<()> {
        self.void(id).await
    }
}

fn parcel(booking: Settled<Simulated>) -> Settled<Parcel> {
    booking.map(|Simulated { carrier, tracking_number }| Parcel { carrier, tracking_number })
}

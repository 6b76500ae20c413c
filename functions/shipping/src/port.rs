//! Port to the carrier: somebody else's API, in our words.

use onewrite::external::{Cancel, External, Request, Settled};
use orderflow_events::{Address, ShipmentId, Text};

/// A company that carries parcels, such as DHL or UPS: implemented by whatever books, cancels and voids.
pub trait Carrier: Cancel<Booking> + External<Void> {}

impl<T: Cancel<Booking> + External<Void>> Carrier for T {}

/// Booking of a parcel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booking {
    /// Address of the recipient.
    pub address: Address,
}

impl Request for Booking {
    const NAME: &'static str = "book";
    type Id = ShipmentId;
    type Answer = Settled<Parcel>;
}

/// Parcel that a carrier has taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    /// Carrier that takes it: many a carrier's API is a broker's.
    pub carrier: Text,
    /// Number to follow it by.
    pub tracking_number: Text,
}

/// Void of a booking, which the carrier refuses when the goods are on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Void;

impl Request for Void {
    const NAME: &'static str = "void";
    type Id = ShipmentId;
    type Answer = ();
}

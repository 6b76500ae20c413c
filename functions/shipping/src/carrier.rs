//! What this service needs of a carrier: someone else's API, told in our words.

use onewrite::{Failure, FailureKind};
use orderflow_events::{Address, ShipmentId, Text};

/// A company that carries parcels, such as DHL or UPS.
///
/// It makes sure that a booking that is repeated under the same id is made once, but only for a while. What it has
/// booked or cancelled it never forgets. So a booking is repeated only after [`Carrier::find`] has said that it did not
/// arrive.
pub trait Carrier {
    /// Books, or says that it was cancelled: both are answers.
    ///
    /// # Errors
    ///
    /// It is unknown whether it was booked, or the carrier refuses to.
    async fn book(&self, request: &BookingRequest) -> Result<Booking, CarrierError>;

    /// The booking of that id, as of now; `None` if the carrier has never heard of it.
    ///
    /// # Errors
    ///
    /// The carrier cannot be asked.
    async fn find(&self, shipment: &ShipmentId) -> Result<Option<Booking>, CarrierError>;

    /// Sees to it that nothing is booked under that id from now on, by whatever request, however late it arrives. What
    /// was booked before stays, and is the answer.
    ///
    /// # Errors
    ///
    /// It is unknown whether it was cancelled.
    async fn cancel(&self, shipment: &ShipmentId) -> Result<Booking, CarrierError>;

    /// Gives up a booking.
    ///
    /// # Errors
    ///
    /// It is unknown whether it was given up, or the carrier refuses to, as when the goods are on their way.
    async fn void(&self, shipment: &ShipmentId) -> Result<(), CarrierError>;
}

/// What is to be carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookingRequest {
    /// Our id of the shipment, and the idempotency key.
    pub shipment: ShipmentId,
    /// Where it goes.
    pub address: Address,
}

/// What came of a booking that was asked for, or cancelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Booking {
    /// It is booked.
    Made {
        /// Who carries it: many a carrier's API is a broker's.
        carrier: Text,
        /// The number to follow it by.
        tracking_number: Text,
        /// Whether it was given up.
        voided: bool,
    },
    /// It was not booked, and never will be: it was cancelled first.
    Cancelled,
}

/// Why a carrier did not do what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CarrierError {
    /// It is down, or too busy, or too slow. It may have done what it was asked for.
    #[error("the carrier is unavailable: {0}")]
    Unavailable(String),
    /// It does not let us in.
    #[error("the carrier does not accept this account: {0}")]
    NotAdmitted(String),
    /// It will not do it, now or ever.
    #[error("the carrier refuses: {0}")]
    Refused(String),
}

impl From<CarrierError> for Failure {
    fn from(error: CarrierError) -> Self {
        let kind = match &error {
            CarrierError::Unavailable(_) => FailureKind::Transient,
            CarrierError::NotAdmitted(_) => FailureKind::Misconfigured,
            CarrierError::Refused(_) => FailureKind::Permanent,
        };
        Self::new(kind, error.to_string())
    }
}

impl<T: Carrier> Carrier for &T {
    async fn book(&self, request: &BookingRequest) -> Result<Booking, CarrierError> {
        T::book(self, request).await
    }

    async fn find(&self, shipment: &ShipmentId) -> Result<Option<Booking>, CarrierError> {
        T::find(self, shipment).await
    }

    async fn cancel(&self, shipment: &ShipmentId) -> Result<Booking, CarrierError> {
        T::cancel(self, shipment).await
    }

    async fn void(&self, shipment: &ShipmentId) -> Result<(), CarrierError> {
        T::void(self, shipment).await
    }
}

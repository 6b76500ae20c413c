//! A simulated carrier: it carries nothing, and otherwise behaves like one.
//!
//! What becomes of a booking is chosen by the postal code that it goes to. No real one looks like these:
//!
//! | postal code | what happens |
//! |---|---|
//! | `SIM-UNAVAILABLE-N`, N = 1–9 | the first N attempts fail in passing, then booked |
//! | `SIM-REFUSED` | the carrier refuses to book, for ever |
//! | `SIM-NO-VOID` | booked, and the carrier refuses to void it |
//! | any other | booked |
//!
//! It is as honest as real ones about repeated requests: for 24 hours a repetition gets the first answer, and after
//! that it is a new request. It is booked once more then; voiding is refused, for it is voided already. What was
//! cancelled is never booked.
//!
//! It keeps no address: nothing that it is asked later needs one.

#[cfg(any(test, feature = "testing"))]
mod conformance;
mod dynamo;
mod memory;

use std::time::Duration;

use onewrite::port::Clock;
use orderflow_events::{Address, ShipmentId, Text, Time};

#[cfg(any(test, feature = "testing"))]
pub use conformance::check_conformance;
pub use dynamo::DynamoRegister;
pub use memory::MemoryRegister;

use crate::carrier::{Booking, BookingRequest, Carrier, CarrierError};

/// How long a repeated request is recognised.
pub const KEY_LIFETIME: Duration = Duration::from_hours(24);

/// The simulated carrier, on its register.
#[derive(Clone, Debug)]
pub struct Simulation<R, W> {
    register: R,
    clock: W,
}

/// The carrier's register: what it has under each shipment id.
pub trait Register {
    /// What is there now.
    ///
    /// # Errors
    ///
    /// The register cannot be read.
    async fn entry(&self, shipment: &ShipmentId) -> Result<Entry, CarrierError>;

    /// Counts an attempt to book, and answers how many there were with it.
    ///
    /// # Errors
    ///
    /// It is unknown whether it was counted.
    async fn count_attempt(&self, shipment: &ShipmentId) -> Result<u32, CarrierError>;

    /// Enters a booking, unless there is one that was made after `forgotten`, or it was cancelled. Answers whether it was
    /// entered.
    ///
    /// # Errors
    ///
    /// It is unknown whether it was entered.
    async fn enter_booking(&self, shipment: &ShipmentId, booked: Booked, forgotten: Time)
    -> Result<bool, CarrierError>;

    /// Enters that it was cancelled, unless there is a booking. To enter it twice is to enter it once.
    ///
    /// # Errors
    ///
    /// It is unknown whether it was entered.
    async fn enter_cancellation(&self, shipment: &ShipmentId) -> Result<(), CarrierError>;

    /// Enters that it was given up at `now`, unless it was before. Answers whether it was entered.
    ///
    /// # Errors
    ///
    /// It is unknown whether it was entered.
    async fn enter_void(&self, shipment: &ShipmentId, now: Time) -> Result<bool, CarrierError>;
}

/// What the register has under one shipment id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// The last booking.
    pub booked: Option<Booked>,
    /// How often it was booked. More than once is what a client of the carrier must never cause.
    pub bookings: u32,
    /// Whether it was cancelled before it was booked.
    pub cancelled: bool,
    /// When it was given up.
    pub voided_at: Option<Time>,
}

/// A booking in the register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Booked {
    /// When it was made.
    pub at: Time,
    /// Whether it may be given up.
    pub voidable: bool,
}

impl<R: Register, W: Clock> Simulation<R, W> {
    /// A carrier with this register, and this clock to forget by.
    pub fn new(register: R, clock: W) -> Self {
        Self { register, clock }
    }

    async fn first(&self, shipment: &ShipmentId) -> Result<Booking, CarrierError> {
        let first = self.find(shipment).await?;
        first.ok_or_else(|| CarrierError::Unavailable("the register contradicts itself".to_owned()))
    }

    /// The moment up to which requests are forgotten by `now`.
    fn forgotten(now: Time) -> Time {
        let lifetime = i64::try_from(KEY_LIFETIME.as_millis()).unwrap_or(i64::MAX);
        Time::from_millis(now.as_millis().saturating_sub(lifetime))
    }
}

impl<R: Register, W: Clock> Carrier for Simulation<R, W> {
    async fn book(&self, request: &BookingRequest) -> Result<Booking, CarrierError> {
        let shipment = &request.shipment;
        let voidable = match Behaviour::at(&request.address) {
            Behaviour::Books { failures, voidable } => {
                if failures > 0 && self.register.count_attempt(shipment).await? <= failures {
                    return Err(CarrierError::Unavailable("simulated".to_owned()));
                }
                voidable
            }
            Behaviour::Refuses => return refused("it does not deliver there"),
        };
        let at = self.clock.now();
        if self.register.enter_booking(shipment, Booked { at, voidable }, Self::forgotten(at)).await? {
            return Ok(booking(shipment, false));
        }
        self.first(shipment).await
    }

    async fn find(&self, shipment: &ShipmentId) -> Result<Option<Booking>, CarrierError> {
        let Entry { booked, cancelled, voided_at, .. } = self.register.entry(shipment).await?;
        let booking = booked.map(|_| booking(shipment, voided_at.is_some()));
        Ok(booking.or(cancelled.then_some(Booking::Cancelled)))
    }

    async fn cancel(&self, shipment: &ShipmentId) -> Result<Booking, CarrierError> {
        self.register.enter_cancellation(shipment).await?;
        self.first(shipment).await
    }

    async fn void(&self, shipment: &ShipmentId) -> Result<(), CarrierError> {
        match self.register.entry(shipment).await?.booked {
            Some(Booked { voidable: true, .. }) => {}
            Some(Booked { voidable: false, .. }) => return refused("the goods are on their way"),
            None => return refused("there is no shipment of that id"),
        }
        let now = self.clock.now();
        if self.register.enter_void(shipment, now).await? {
            return Ok(());
        }
        match self.register.entry(shipment).await?.voided_at {
            Some(at) if at > Self::forgotten(now) => Ok(()),
            Some(_) | None => refused("the shipment is voided already"),
        }
    }
}

fn refused<T>(why: &str) -> Result<T, CarrierError> {
    Err(CarrierError::Refused(why.to_owned()))
}

/// The tracking number is the shipment's id in another dress.
fn booking(shipment: &ShipmentId, voided: bool) -> Booking {
    let digits: String = shipment.as_str().chars().skip("shp_".len()).take(14).collect();
    Booking::Made {
        carrier: Text::shortened("Simulated Parcel Service"),
        tracking_number: Text::shortened(&format!("SPS{}", digits.to_uppercase())),
        voided,
    }
}

impl<T: Register> Register for &T {
    async fn entry(&self, shipment: &ShipmentId) -> Result<Entry, CarrierError> {
        T::entry(self, shipment).await
    }

    async fn count_attempt(&self, shipment: &ShipmentId) -> Result<u32, CarrierError> {
        T::count_attempt(self, shipment).await
    }

    async fn enter_booking(
        &self,
        shipment: &ShipmentId,
        booked: Booked,
        forgotten: Time,
    ) -> Result<bool, CarrierError> {
        T::enter_booking(self, shipment, booked, forgotten).await
    }

    async fn enter_cancellation(&self, shipment: &ShipmentId) -> Result<(), CarrierError> {
        T::enter_cancellation(self, shipment).await
    }

    async fn enter_void(&self, shipment: &ShipmentId, now: Time) -> Result<bool, CarrierError> {
        T::enter_void(self, shipment, now).await
    }
}

/// What an address makes the simulation do.
enum Behaviour {
    /// Books, after so many failures that pass.
    Books { failures: u32, voidable: bool },
    /// Refuses.
    Refuses,
}

impl Behaviour {
    fn at(address: &Address) -> Self {
        match address.postal_code.as_str() {
            "SIM-REFUSED" => Self::Refuses,
            "SIM-NO-VOID" => Self::Books { failures: 0, voidable: false },
            other => match other.strip_prefix("SIM-UNAVAILABLE-").map(str::as_bytes) {
                Some([digit @ b'1'..=b'9']) => Self::Books { failures: u32::from(digit - b'0'), voidable: true },
                Some(_) | None => Self::Books { failures: 0, voidable: true },
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use onewrite::memory::VirtualTime;

    use super::*;

    #[test]
    fn the_simulation_in_memory_conforms() {
        let world = VirtualTime::new(1);
        let carrier = Simulation::new(MemoryRegister::default(), &world);
        check_conformance(&carrier, &world).now_or_never().unwrap().unwrap();
    }
}

//! A simulated carrier: it carries nothing, and otherwise behaves like one.
//!
//! The end of a booking is chosen by the postal code that it goes to. No real one looks like these:
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

use onewrite::external::Settled;
use onewrite::external::simulated::{Register, Simulated};
use onewrite::port::Clock;
use onewrite::{Failure, Result};
use orderflow_events::{Address, ShipmentId, Text};
use serde::{Deserialize, Serialize};

/// Simulated carrier: shipments, each of which may be given up.
#[derive(Clone, Debug)]
pub struct Carrier<G, C> {
    memory: Simulated<G, C>,
}

/// Parcel that was booked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    /// Carrier that takes it: many a carrier's API is a broker's.
    pub carrier: Text,
    /// Number to follow it by.
    pub tracking_number: Text,
}

/// Booking as it is on record.
#[derive(Serialize, Deserialize)]
struct Booked {
    voidable: bool,
}

impl<G: Register, C: Clock> Carrier<G, C> {
    /// A carrier with this register, and this clock to forget by.
    pub fn new(register: G, clock: C) -> Self {
        Self { memory: Simulated::new(register, clock) }
    }

    /// Books, or says that it was cancelled: both are answers.
    ///
    /// # Errors
    ///
    /// Transient or permanent, as the postal code asks for; or those of the register.
    pub async fn book(&self, id: &ShipmentId, address: &Address) -> Result<Settled<Parcel>> {
        let voidable = match Behaviour::at(address) {
            Behaviour::Books { failures, voidable } => {
                if self.memory.fails(id.as_str(), failures).await? {
                    return Err(Failure::unavailable("the carrier is unavailable: simulated"));
                }
                voidable
            }
            Behaviour::Refuses => return refused("it does not deliver there"),
        };
        Ok(self.memory.perform(id.as_str(), Booked { voidable }).await?.map(|_| parcel(id)))
    }

    /// The booking of that id; `None` if none was asked for.
    ///
    /// # Errors
    ///
    /// Those of the register.
    pub async fn find_booking(&self, id: &ShipmentId) -> Result<Option<Settled<Parcel>>> {
        let booked: Option<Settled<Booked>> = self.memory.find(id.as_str()).await?;
        Ok(booked.map(|booked| booked.map(|_| parcel(id))))
    }

    /// Sees to it that nothing is booked under that id, unless it was before.
    ///
    /// # Errors
    ///
    /// Those of the register.
    pub async fn cancel_booking(&self, id: &ShipmentId) -> Result<Settled<Parcel>> {
        Ok(self.memory.cancel::<Booked>(id.as_str()).await?.map(|_| parcel(id)))
    }

    /// Number of times that it was booked under that id. More than once is what a client must never cause.
    ///
    /// # Errors
    ///
    /// Those of the register.
    pub async fn times_booked(&self, id: &ShipmentId) -> Result<usize> {
        Ok(self.memory.history::<Booked>(id.as_str()).await?.len())
    }

    /// Gives up a booking.
    ///
    /// # Errors
    ///
    /// Permanent where there is no booking, or none that can be given up; or those of the register.
    pub async fn void(&self, id: &ShipmentId) -> Result<()> {
        match self.memory.find(id.as_str()).await? {
            Some(Settled::Performed(Booked { voidable: true })) => {}
            Some(Settled::Performed(Booked { voidable: false })) => return refused("the goods are on their way"),
            Some(Settled::Cancelled) | None => return refused("there is no shipment of that id"),
        }
        let voided = self.memory.perform_for_good(&void_of(id), ()).await?;
        voided.map_or_else(|| refused("the shipment is voided already"), Ok)
    }

    /// Tells that a booking was given up.
    ///
    /// # Errors
    ///
    /// Those of the register.
    pub async fn is_voided(&self, id: &ShipmentId) -> Result<bool> {
        Ok(!self.memory.history::<()>(&void_of(id)).await?.is_empty())
    }
}

/// The tracking number is the shipment's id in another dress.
fn parcel(id: &ShipmentId) -> Parcel {
    let digits: String = id.as_str().chars().skip("shp_".len()).take(14).collect();
    Parcel {
        carrier: Text::shortened("Simulated Parcel Service"),
        tracking_number: Text::shortened(&format!("SPS{}", digits.to_uppercase())),
    }
}

/// The key of a shipment's voiding in the register.
fn void_of(id: &ShipmentId) -> String {
    format!("void#{id}")
}

fn refused<T>(why: &str) -> Result<T> {
    Err(Failure::permanent(format!("the carrier refuses: {why}")))
}

/// Reaction to an address.
enum Behaviour {
    /// Books, after so many failures that pass.
    Books { failures: u32, voidable: bool },
    /// Refuses.
    Refuses,
}

impl Behaviour {
    fn at(address: &Address) -> Self {
        match address.postal_code.as_ref().map_or("", Text::as_str) {
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
    use futures::executor::block_on;
    use onewrite::FailureKind;
    use onewrite::external::simulated::{KEY_LIFETIME, MemoryRegister};
    use onewrite::memory::VirtualTime;
    use orderflow_events::{OrderId, sample};

    use super::*;

    fn carrier(world: &VirtualTime) -> Carrier<MemoryRegister, &VirtualTime> {
        Carrier::new(MemoryRegister::default(), world)
    }

    fn shipment(order: &str) -> ShipmentId {
        ShipmentId::of(&OrderId::new(order).unwrap())
    }

    fn address(postal_code: &str) -> Address {
        let address = sample::person().shipping_address;
        Address { postal_code: Text::new(postal_code).ok(), ..address }
    }

    #[test]
    fn a_parcel_has_a_tracking_number_of_its_own() {
        let world = VirtualTime::new(1);
        let carrier = carrier(&world);
        let [one, other] = ["a", "b"].map(|order| {
            let booked = block_on(carrier.book(&shipment(order), &address("10115"))).unwrap();
            let Settled::Performed(parcel) = booked else { panic!("it was cancelled") };
            parcel.tracking_number.to_string()
        });
        assert!(one.starts_with("SPS") && other.starts_with("SPS") && one != other, "{one} {other}");
    }

    #[test]
    fn the_postal_code_chooses_the_end() {
        let world = VirtualTime::new(1);
        let carrier = carrier(&world);
        for (postal_code, failures, last) in [
            ("10115", 0, None),
            ("SIM-NO-VOID", 0, None),
            ("SIM-UNAVAILABLE-0", 0, None),
            ("SIM-UNAVAILABLE-10", 0, None),
            ("SIM-UNAVAILABLE-2", 2, None),
            ("SIM-UNAVAILABLE-9", 9, None),
            ("SIM-REFUSED", 0, Some(FailureKind::Permanent)),
        ] {
            let id = shipment(postal_code);
            let book = || block_on(carrier.book(&id, &address(postal_code))).map_err(|failure| failure.kind()).err();
            for _ in 0..failures {
                assert_eq!(book(), Some(FailureKind::Unavailable), "{postal_code}");
            }
            for _ in 0..2 {
                assert_eq!(book(), last, "{postal_code}");
            }
            assert_eq!(block_on(carrier.times_booked(&id)), Ok(usize::from(last.is_none())), "{postal_code}");
        }
    }

    #[test]
    fn a_booking_whose_key_is_forgotten_is_made_again() {
        let world = VirtualTime::new(1);
        let carrier = carrier(&world);
        let book = |postal_code| block_on(carrier.book(&shipment("a"), &address(postal_code))).unwrap();
        let (first, again) = (book("10115"), book("SIM-NO-VOID"));
        assert_eq!((&first, block_on(carrier.times_booked(&shipment("a")))), (&again, Ok(1)));
        world.pass(KEY_LIFETIME);
        book("SIM-NO-VOID");
        assert_eq!(block_on(carrier.times_booked(&shipment("a"))), Ok(2));
        assert!(block_on(carrier.void(&shipment("a"))).is_err(), "the new one is on its way");
    }

    #[test]
    fn a_shipment_is_voided_once() {
        let world = VirtualTime::new(1);
        let carrier = carrier(&world);
        let void = |order| block_on(carrier.void(&shipment(order))).map_err(|failure| failure.kind());
        let refused = Err(FailureKind::Permanent);
        assert_eq!(void("a"), refused, "before it is booked");
        for (order, postal_code) in [("a", "10115"), ("b", "SIM-NO-VOID")] {
            block_on(carrier.book(&shipment(order), &address(postal_code))).unwrap();
        }
        block_on(carrier.cancel_booking(&shipment("c"))).unwrap();
        assert_eq!(void("b"), refused, "it is on its way");
        assert_eq!(void("c"), refused, "it was cancelled");
        assert_eq!(block_on(carrier.is_voided(&shipment("a"))), Ok(false));
        for _ in 0..2 {
            assert_eq!(void("a"), Ok(()));
        }
        world.pass(KEY_LIFETIME);
        assert_eq!(void("a"), refused, "the repetition is forgotten");
        assert_eq!(block_on(carrier.is_voided(&shipment("a"))), Ok(true), "what was done is not");
    }
}

//! What the simulated carrier promises, whatever its register is kept in.

use std::error::Error;

use onewrite::memory::VirtualTime;
use orderflow_events::{Address, OrderId, ShipmentId, Text};

use super::KEY_LIFETIME;
use crate::carrier::{Booking, BookingRequest, Carrier, CarrierError};

/// Runs the simulated carrier through all that it promises. Its register must be empty, and its clock the `world`'s.
///
/// # Errors
///
/// The carrier failed where it should not have.
///
/// # Panics
///
/// The carrier answered otherwise than it promises.
pub async fn check_conformance(carrier: &impl Carrier, world: &VirtualTime) -> Result<(), Box<dyn Error>> {
    addresses_decide(carrier).await?;
    passing_failures_pass(carrier).await?;
    what_is_cancelled_is_never_booked(carrier, world).await?;
    shipments_are_voided_once(carrier, world).await?;
    repetitions_are_forgotten(carrier, world).await
}

async fn addresses_decide(carrier: &impl Carrier) -> Result<(), Box<dyn Error>> {
    for (order, postal_code) in [("a", "10115"), ("b", "SIM-NO-VOID"), ("c", "SIM-UNAVAILABLE-0")] {
        let request = request(order, postal_code)?;
        assert_eq!(carrier.find(&request.shipment).await?, None, "{postal_code}");
        let booking = carrier.book(&request).await?;
        assert!(tracking_number(&booking).as_str().starts_with("SPS"), "{postal_code}");
        assert_eq!(carrier.book(&request).await?, booking, "{postal_code} again");
        assert_eq!(carrier.find(&request.shipment).await?, Some(booking), "{postal_code}");
    }
    let refused = request("d", "SIM-REFUSED")?;
    assert!(matches!(carrier.book(&refused).await, Err(CarrierError::Refused(_))));
    assert_eq!(carrier.find(&refused.shipment).await?, None);
    let (one, other) = (request("a", "10115")?, request("b", "10115")?);
    assert_ne!(tracking_number(&carrier.book(&one).await?), tracking_number(&carrier.book(&other).await?));
    Ok(())
}

/// That of a booking that was made, and not given up.
fn tracking_number(booking: &Booking) -> &Text {
    let Booking::Made { tracking_number, voided: false, .. } = booking else { panic!("{booking:?}") };
    tracking_number
}

fn voided(booking: Booking) -> Booking {
    match booking {
        Booking::Made { carrier, tracking_number, .. } => Booking::Made { carrier, tracking_number, voided: true },
        Booking::Cancelled => panic!("it was cancelled"),
    }
}

async fn what_is_cancelled_is_never_booked(carrier: &impl Carrier, world: &VirtualTime) -> Result<(), Box<dyn Error>> {
    let (new, before, given_up) = (request("k", "10115")?, request("l", "10115")?, request("m", "10115")?);
    let booking = carrier.book(&before).await?;
    let given_up_booking = voided(carrier.book(&given_up).await?);
    carrier.void(&given_up.shipment).await?;
    world.pass(KEY_LIFETIME);
    for _ in 0..2 {
        assert_eq!(carrier.cancel(&new.shipment).await?, Booking::Cancelled);
        assert_eq!(carrier.book(&new).await?, Booking::Cancelled);
        assert_eq!(carrier.cancel(&before.shipment).await?, booking, "what was booked before is not undone");
        assert_eq!(carrier.cancel(&given_up.shipment).await?, given_up_booking);
        world.pass(KEY_LIFETIME);
    }
    assert_eq!(carrier.find(&new.shipment).await?, Some(Booking::Cancelled));
    assert!(matches!(carrier.void(&new.shipment).await, Err(CarrierError::Refused(_))), "nothing was booked");
    Ok(())
}

async fn passing_failures_pass(carrier: &impl Carrier) -> Result<(), Box<dyn Error>> {
    for (order, postal_code, failures) in [("e", "SIM-UNAVAILABLE-2", 2), ("f", "SIM-UNAVAILABLE-9", 9)] {
        let request = request(order, postal_code)?;
        for _ in 0..failures {
            assert!(matches!(carrier.book(&request).await, Err(CarrierError::Unavailable(_))), "{postal_code}");
            assert_eq!(carrier.find(&request.shipment).await?, None, "what failed was not booked");
        }
        let booking = carrier.book(&request).await?;
        assert_eq!(carrier.book(&request).await?, booking, "{postal_code}");
    }
    Ok(())
}

async fn shipments_are_voided_once(carrier: &impl Carrier, world: &VirtualTime) -> Result<(), Box<dyn Error>> {
    let (shipped, stubborn) = (request("g", "10115")?, request("h", "SIM-NO-VOID")?);
    let refused =
        async |request: &BookingRequest| matches!(carrier.void(&request.shipment).await, Err(CarrierError::Refused(_)));
    assert!(refused(&shipped).await, "before it is booked");
    let booking = carrier.book(&shipped).await?;
    carrier.void(&shipped.shipment).await?;
    carrier.void(&shipped.shipment).await?;
    let voided = Some(voided(booking));
    assert_eq!(carrier.find(&shipped.shipment).await?, voided);
    world.pass(KEY_LIFETIME);
    assert!(refused(&shipped).await, "the repetition is forgotten");
    assert_eq!(carrier.find(&shipped.shipment).await?, voided, "what was done is not");
    let booking = carrier.book(&stubborn).await?;
    assert!(refused(&stubborn).await, "it is on its way");
    assert_eq!(carrier.find(&stubborn.shipment).await?, Some(booking));
    Ok(())
}

async fn repetitions_are_forgotten(carrier: &impl Carrier, world: &VirtualTime) -> Result<(), Box<dyn Error>> {
    let first = request("i", "10115")?;
    let changed = request("i", "SIM-NO-VOID")?;
    carrier.book(&first).await?;
    carrier.book(&changed).await?;
    carrier.void(&first.shipment).await?;
    let (first, changed) = (request("j", "10115")?, request("j", "SIM-NO-VOID")?);
    let booking = carrier.book(&first).await?;
    world.pass(KEY_LIFETIME);
    assert_eq!(carrier.find(&first.shipment).await?, Some(booking), "a booking is found for ever");
    carrier.book(&changed).await?;
    assert!(matches!(carrier.void(&first.shipment).await, Err(CarrierError::Refused(_))), "a new booking");
    Ok(())
}

fn request(order: &str, postal_code: &str) -> Result<BookingRequest, Box<dyn Error>> {
    let address = Address {
        name: Text::new("Ada")?,
        line1: Text::new("Road 1")?,
        line2: None,
        city: Text::new("Berlin")?,
        region: None,
        postal_code: Text::new(postal_code)?,
        country: Text::new("DE")?,
    };
    Ok(BookingRequest { shipment: ShipmentId::of(&OrderId::new(order)?), address })
}

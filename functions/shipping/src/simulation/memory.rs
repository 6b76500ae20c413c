//! The carrier's register in memory.

use std::cell::RefCell;
use std::collections::HashMap;

use orderflow_events::{ShipmentId, Time};

use super::{Booked, Entry, Register};
use crate::carrier::CarrierError;

/// Entries and attempts by shipment id.
#[derive(Debug, Default)]
pub struct MemoryRegister {
    entries: RefCell<HashMap<ShipmentId, Entry>>,
    attempts: RefCell<HashMap<ShipmentId, u32>>,
}

impl Register for MemoryRegister {
    async fn entry(&self, shipment: &ShipmentId) -> Result<Entry, CarrierError> {
        Ok(self.entries.borrow().get(shipment).copied().unwrap_or_default())
    }

    async fn count_attempt(&self, shipment: &ShipmentId) -> Result<u32, CarrierError> {
        let mut attempts = self.attempts.borrow_mut();
        let count = attempts.entry(shipment.clone()).or_default();
        *count += 1;
        Ok(*count)
    }

    async fn enter_booking(
        &self,
        shipment: &ShipmentId,
        booked: Booked,
        forgotten: Time,
    ) -> Result<bool, CarrierError> {
        let mut entries = self.entries.borrow_mut();
        let entry = entries.entry(shipment.clone()).or_default();
        if entry.cancelled || entry.booked.is_some_and(|booked| booked.at > forgotten) {
            return Ok(false);
        }
        entry.booked = Some(booked);
        entry.bookings += 1;
        Ok(true)
    }

    async fn enter_cancellation(&self, shipment: &ShipmentId) -> Result<(), CarrierError> {
        let mut entries = self.entries.borrow_mut();
        let entry = entries.entry(shipment.clone()).or_default();
        entry.cancelled = entry.booked.is_none();
        Ok(())
    }

    async fn enter_void(&self, shipment: &ShipmentId, now: Time) -> Result<bool, CarrierError> {
        let mut entries = self.entries.borrow_mut();
        let entry = entries.entry(shipment.clone()).or_default();
        if entry.voided_at.is_some() {
            return Ok(false);
        }
        entry.voided_at = Some(now);
        Ok(true)
    }
}

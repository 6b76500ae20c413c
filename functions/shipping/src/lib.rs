//! Shipping: books the carrier once an order is paid, and voids the shipment if the order is cancelled.
//!
//! The way of an order through here is in [`domain`], which is pure. [`carrier`] is what this service needs of the
//! company that carries the goods, [`effects`] asks it, and [`simulation`] stands in for it.

pub mod carrier;
pub mod domain;
pub mod effects;
pub mod simulation;

#[cfg(test)]
mod tests;

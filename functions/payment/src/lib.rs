//! Payment: charges an order once its goods are reserved, and gives the money back if the order is cancelled.
//!
//! The way of an order through here is in [`domain`], which is pure. [`provider`] is what this service needs of the
//! company that moves the money, [`effects`] asks it, and [`simulation`] stands in for it.

pub mod domain;
pub mod effects;
pub mod provider;
pub mod simulation;

#[cfg(test)]
mod tests;

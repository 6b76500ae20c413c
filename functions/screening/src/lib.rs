//! Screening: looks at every new order for signs of fraud, and says so when there are enough of them. It stops nothing:
//! what follows from a flag is for others to decide.
//!
//! Which signs there are, and what each of them counts, is in [`rules`]. [`domain`] asks how many orders of the same
//! customer and the same email address were [`sightings`] of late, and [`Fingerprint`] is what it remembers them by.

pub mod domain;
mod fingerprint;
pub mod rules;
mod settings;
pub mod sightings;

pub use fingerprint::Fingerprint;
pub use settings::Settings;

#[cfg(test)]
mod tests;

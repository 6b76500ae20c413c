//! Simulated companies: a payment [`Provider`] and a [`Carrier`] that move nothing, and otherwise behave like real ones.
//!
//! Each has an API in its own words, as a real company's client library has. The services know nothing of them: their
//! adapters, which are built by the feature `simulated` of each service, translate. A shop with a contract writes an
//! adapter to its company instead, and builds without that feature.

mod carrier;
mod provider;

pub use carrier::{Carrier, Parcel};
pub use provider::{Provider, Verdict};

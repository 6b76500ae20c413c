//! Screening: looks at every new order for signs of fraud, and says so when there are enough of them. It stops nothing:
//! what follows from a flag is for others to decide. Where a stack holds flagged orders, it also says which may be shipped: those
//! that it does not flag, and those that a person clears, by the `api`.
//!
//! Which signs there are, and what each of them counts, is in `rules`. `domain` asks how many orders of the same
//! customer and the same email address were seen of late, which the toolkit's `Occurrences` count, and [`Fingerprint`] is what it
//! remembers them by.

mod api;
mod domain;
mod effects;
mod fingerprint;
mod rules;
mod settings;

pub use api::ScreeningApi;
#[cfg(feature = "schema")]
pub use api::schemas;
pub use domain::Screening;
pub use effects::SightingEffects;
pub use fingerprint::{Fingerprint, Fingerprints};
pub use settings::Settings;

#[cfg(test)]
mod tests;

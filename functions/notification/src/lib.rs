//! Notification: tells the customer by mail, and by SMS where there is a phone, what becomes of an order.
//!
//! It publishes nothing. What it knows of an order are two rows: whom to tell, and that the order was cancelled. Neither
//! a mail nor an SMS has an idempotency key, so each message on each channel is sent behind a lease of its own: at least
//! once, and again only after a crash between sending it and recording that, or when the answer to it was lost.
//!
//! - [`domain`] decides what is told: pure, and without IO.
//! - [`wording`] finds the words, from the templates in `templates/`.
//! - [`messenger`] tells it, by [`mail`] and [`sms`].

pub mod aws;
pub mod domain;
pub mod mail;
#[cfg(any(test, feature = "testing"))]
pub mod memory;
pub mod messenger;
mod settings;
pub mod sms;
pub mod wording;

pub use settings::Settings;

#[cfg(test)]
mod fixture;

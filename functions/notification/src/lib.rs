//! Notification: tells the customer by mail, and by SMS where there is a phone, what becomes of an order.
//!
//! It publishes nothing. What it knows of an order are two rows: whom to tell, and that the order was cancelled. Neither
//! a mail nor an SMS has an idempotency key, so each message on each channel is sent behind a lease of its own: at least
//! once, and again only after a crash between sending it and recording that, or when the answer to it was lost.
//!
//! - `domain` decides what is told: pure, and without IO.
//! - `wording` finds the words, from the templates in `templates/`.
//! - `effects` tells it, by the channels of `port`.

mod aws;
mod domain;
mod effects;
#[cfg(any(test, feature = "testing"))]
mod memory;
mod port;
mod settings;
mod wording;

pub use aws::{SesMailer, SnsSms};
pub use domain::Notification;
pub use effects::Messenger;
#[cfg(any(test, feature = "testing"))]
pub use memory::{MemoryMailer, MemorySms};
pub use port::{Mail, MailError, Mailer, PhoneNumber, Sms, SmsError};
pub use settings::Settings;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

//! Notification: tells the customer by mail, and by SMS where there is a phone, what becomes of an order.
//!
//! One mail leaves when the goods are reserved, and one when they are shipped or the order is cancelled: none for goods that
//! nobody has, and none for a payment of nothing. Short messages go to the countries of a setting only.
//!
//! It publishes nothing. What it knows of an order are three rows at most: whom to tell, that the order was cancelled, and
//! that somebody cannot be reached, which is an outcome and no dead letter. Neither a mail nor an SMS has an idempotency key,
//! so the messages about an event are handed over behind one lease, which has on record what each channel has taken: at least
//! once, and again only after a crash between handing it over and recording that, when the answer to it was lost, or where nothing can be
//! recorded for seconds.
//!
//! - `domain` decides what is told: pure, and without IO.
//! - `wording` finds the words, from the templates in `templates/`; `amount` writes amounts, `phone` reads numbers.
//! - `effects` tells it, by the channels of `port`, mails at the pace of `pacing`, and to each `recipient` so many in a day.

mod aws;
mod domain;
mod effects;
#[cfg(any(test, feature = "testing"))]
mod memory;
mod pacing;
mod phone;
mod port;
mod recipient;
mod settings;
mod wording;

pub use aws::{SesMailer, SnsSms};
pub use domain::{Channel, Notification, State};
pub use effects::{MailLinks, Messenger, TOLD_WITHIN};
#[cfg(any(test, feature = "testing"))]
pub use memory::{MemoryMailer, MemorySms};
pub use pacing::Pacing;
pub use phone::PhoneNumber;
pub use port::{Mail, MailError, Mailer, Sms, SmsError};
pub use recipient::Limits;
pub use settings::{ConfigurationSet, Countries, LinkSettings, Number, Settings, ShopUrl};

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

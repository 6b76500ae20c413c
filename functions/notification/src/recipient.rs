//! Recipients of messages, by whom the messages of a day are counted: nobody can have the shop fill somebody else's mailbox, or
//! spend its money on short messages, by placing orders.

use std::time::Duration;

use data_encoding::HEXLOWER;
use orderflow_events::{Email, Time};
use sha2::{Digest, Sha256};

use crate::phone::PhoneNumber;
use crate::settings::Number;

/// Bytes of a digest that are kept of a recipient: enough that no two are the same by chance.
const RECIPIENT_BYTES: usize = 16;

/// The same of a message among those of one recipient and day. A set of twenty has half a kilobyte, and so a write costs one unit.
const MESSAGE_BYTES: usize = 8;

/// Messages that one recipient may get in a day, of the clock in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Mails.
    pub mails: Number,
    /// Short messages.
    pub texts: Number,
}

/// Recipient of messages on one channel, as a digest, which names nobody.
///
/// It is a hash without a secret: whoever may read the table can find out whether somebody they know has had a message that day. A
/// key would have to be kept where those could read it, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recipient(String);

impl Recipient {
    /// That of a mailbox, however its address is written.
    pub(crate) fn of_email(email: &Email) -> Self {
        Self(format!("email#{}", digest(&email.mailbox(), RECIPIENT_BYTES)))
    }

    /// That of a telephone number.
    pub(crate) fn of_phone(number: &PhoneNumber) -> Self {
        Self(format!("sms#{}", digest(number.as_str(), RECIPIENT_BYTES)))
    }

    /// Key of the allowance of the day that `now` is in.
    pub(crate) fn on(&self, now: Time) -> String {
        let Self(whose) = self;
        let day = now.as_millis().div_euclid(DAY_MS);
        format!("{whose}#{day}")
    }
}

/// Member of an allowance: a message, by the event that it tells of.
pub(crate) fn member(event: &str) -> String {
    digest(event, MESSAGE_BYTES)
}

/// Time from which on nobody asks for the day any more that `now` is in.
pub(crate) fn expiry(now: Time) -> Time {
    now.after(DAY * 2)
}

const DAY_MS: i64 = 86_400_000;
const DAY: Duration = Duration::from_hours(24);

fn digest(text: &str, bytes: usize) -> String {
    HEXLOWER.encode(&Sha256::digest(text)[..bytes])
}

#[cfg(test)]
mod tests {
    use orderflow_events::Country;

    use super::*;

    fn email(address: &str) -> Recipient {
        Recipient::of_email(&Email::new(address).unwrap())
    }

    fn phone(number: &str) -> Recipient {
        let (number, country) = (number.parse().unwrap(), Country::new("DE").unwrap());
        Recipient::of_phone(&PhoneNumber::of(&number, country).unwrap())
    }

    #[test]
    fn one_mailbox_is_one_recipient_and_so_is_one_number() {
        for same in ["ada@example.com", "Ada@Example.COM", "ada+1@example.com", "ada+2@example.com"] {
            assert_eq!(email(same), email("ada@example.com"), "{same}");
        }
        assert_ne!(email("bob@example.com"), email("ada@example.com"));
        assert_eq!(phone("030 123456"), phone("+49 30 123456"));
        assert_ne!(phone("030 123457"), phone("030 123456"));
    }

    #[test]
    fn each_day_has_an_allowance_that_names_nobody() {
        let on = |millis| email("ada@example.com").on(Time::from_millis(millis));
        let day_ms = 86_400_000;
        assert_eq!(on(0), on(day_ms - 1));
        assert_ne!(on(day_ms - 1), on(day_ms));
        assert_eq!(on(day_ms), "email#b5fc85e55755f9e0d030a10ab4429b6b#1");
        assert_eq!(member("orderflow/orders#0193a5c0").len(), 16);
    }
}

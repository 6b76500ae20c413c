//! Ports to the channels: the ways out for mails and short messages.

use std::time::Duration;

use auto_impl::auto_impl;
use onewrite::{Failure, FailureKind};
use orderflow_events::Email;

use crate::phone::PhoneNumber;

/// Longest wait for a quota of a day, and for somebody who lets mails out again: SES counts the last 24 hours at any moment, so
/// that some of the quota comes back all the time. With five or six receives a day a message outlasts three days of it.
const LASTING_WAIT: Duration = Duration::from_hours(6);

/// A mail without its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// The subject line: one line, without control characters.
    pub subject: String,
    /// The body as plain text.
    pub text: String,
    /// The same as HTML.
    pub html: String,
}

/// Sends mails.
#[auto_impl(&)]
pub trait Mailer {
    /// Sends `mail` to `recipient`. Sending it twice sends it twice.
    ///
    /// # Errors
    ///
    /// It was not sent, or it is unknown whether it was.
    async fn send(&self, recipient: &Email, mail: &Mail) -> Result<(), MailError>;
}

/// Failure to send a mail. No variant has an address in it, for failures are logged and parked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// The address is none that mail can be sent to. Has the service's code.
    #[error("the address was refused ({0})")]
    Unreachable(String),
    /// The service does not take the mail, today or tomorrow. Has the service's code.
    #[error("the mail was refused ({0})")]
    Refused(String),
    /// The sender is not verified; or, while the account is in the sandbox, the recipient is not.
    #[error("the sender is not verified, or the account is in the sandbox and may not write to everyone")]
    NotVerified,
    /// Somebody has stopped all sending.
    #[error("sending is paused")]
    Paused,
    /// More was sent in this second than the account may.
    #[error("the rate of mails is exceeded")]
    TooFast,
    /// As much was sent in the last 24 hours as the account may.
    #[error("the quota of mails a day is used up")]
    QuotaUsedUp,
    /// Something else, which may have nothing to do with mail.
    #[error("{0}")]
    Other(Failure),
}

impl From<MailError> for Failure {
    fn from(error: MailError) -> Self {
        let reason = error.to_string();
        match error {
            MailError::Unreachable(_) | MailError::Refused(_) => Self::permanent(reason),
            // In the sandbox this is about one recipient, and nobody but a person can mend it: they should hear of it soon.
            MailError::NotVerified => Self::new(FailureKind::Misconfigured, reason),
            MailError::Paused => Self::new(FailureKind::Misconfigured, reason).not_before(LASTING_WAIT),
            MailError::TooFast => Self::transient(reason),
            MailError::QuotaUsedUp => Self::transient(reason).not_before(LASTING_WAIT),
            MailError::Other(failure) => failure,
        }
    }
}

/// Hands short messages over.
#[auto_impl(&)]
pub trait Sms {
    /// Hands `text` over, to be sent to `recipient`. To do it twice sends it twice. Nobody says here whether it was sent: a
    /// service that has taken it may still drop it, such as at the end of its monthly spending limit.
    ///
    /// # Errors
    ///
    /// It was not taken, or it is unknown whether it was.
    async fn send(&self, recipient: &PhoneNumber, text: &str) -> Result<(), SmsError>;
}

/// Failure to hand a short message over. No variant has a number in it, for failures are logged and parked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SmsError {
    /// The number is none that can be reached, or its owner wants no messages. Has the service's code.
    #[error("the number was refused ({0})")]
    Unreachable(String),
    /// Something else, which may have nothing to do with short messages.
    #[error("{0}")]
    Other(Failure),
}

impl From<SmsError> for Failure {
    fn from(error: SmsError) -> Self {
        match error {
            SmsError::Unreachable(_) => Self::permanent(error.to_string()),
            SmsError::Other(failure) => failure,
        }
    }
}

//! Ports to the channels: the ways out for mails and short messages.

use auto_impl::auto_impl;
use onewrite::{Failure, FailureKind};
use orderflow_events::Email;

use crate::phone::PhoneNumber;

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
    /// Something else, which may have nothing to do with mail.
    #[error("{0}")]
    Other(Failure),
}

impl From<MailError> for Failure {
    fn from(error: MailError) -> Self {
        let kind = match &error {
            MailError::Unreachable(_) | MailError::Refused(_) => FailureKind::Permanent,
            MailError::NotVerified | MailError::Paused => FailureKind::Misconfigured,
            MailError::Other(failure) => failure.kind(),
        };
        Self::new(kind, error.to_string())
    }
}

/// Sends short messages.
#[auto_impl(&)]
pub trait Sms {
    /// Sends `text` to `recipient`. Sending it twice sends it twice.
    ///
    /// # Errors
    ///
    /// It was not sent, or it is unknown whether it was.
    async fn send(&self, recipient: &PhoneNumber, text: &str) -> Result<(), SmsError>;
}

/// Failure to send a short message. No variant has a number in it, for failures are logged and parked.
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
        let kind = match &error {
            SmsError::Unreachable(_) => FailureKind::Permanent,
            SmsError::Other(failure) => failure.kind(),
        };
        Self::new(kind, error.to_string())
    }
}

//! Ports to the channels: the ways out for mails and short messages.

use auto_impl::auto_impl;
use onewrite::{Failure, FailureKind};
use orderflow_events::{Email, Text};

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
    /// The service takes neither the address nor the mail, today or tomorrow. Has the service's code.
    #[error("the address or the mail was refused ({0})")]
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
            MailError::Refused(_) => FailureKind::Permanent,
            MailError::NotVerified | MailError::Paused => FailureKind::Misconfigured,
            MailError::Other(failure) => failure.kind(),
        };
        Self::new(kind, error.to_string())
    }
}

/// A telephone number of E.164: `+` and 8 to 15 digits, the first of which begins a country code and is not 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhoneNumber(String);

impl PhoneNumber {
    /// The number that `text` is, if it is one. What a customer wrote differently cannot be guessed: without a country
    /// code the message might reach a stranger.
    #[must_use]
    pub fn of(text: &Text) -> Option<Self> {
        let digits = text.as_str().strip_prefix('+')?;
        let valid = (8..=15).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0');
        valid.then(|| Self(text.to_string()))
    }

    /// The number itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
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
    /// The service takes neither the number nor the message, today or tomorrow. Has the service's code.
    #[error("the number or the message was refused ({0})")]
    Refused(String),
    /// Something else, which may have nothing to do with short messages.
    #[error("{0}")]
    Other(Failure),
}

impl From<SmsError> for Failure {
    fn from(error: SmsError) -> Self {
        let kind = match &error {
            SmsError::Refused(_) => FailureKind::Permanent,
            SmsError::Other(failure) => failure.kind(),
        };
        Self::new(kind, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_number_of_e164_can_be_reached() {
        for (text, good) in [
            ("+12345678", true),
            ("+4930123456", true),
            ("+123456789012345", true),
            ("+1234567", false),
            ("+1234567890123456", false),
            ("4930123456", false),
            ("030 123456", false),
            ("+49 30 123456", false),
            ("+0930123456", false),
            ("+49\u{663}0123456", false),
            ("+", false),
        ] {
            assert_eq!(PhoneNumber::of(&Text::new(text).unwrap()).is_some(), good, "{text}");
        }
    }
}

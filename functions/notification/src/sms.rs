//! Short messages, and the way out for them.

use onewrite::{Failure, FailureKind};
use orderflow_events::Text;

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
pub trait Sms {
    /// Sends `text` to `recipient`. Sending it twice sends it twice.
    ///
    /// # Errors
    ///
    /// It was not sent, or it is unknown whether it was.
    async fn send(&self, recipient: &PhoneNumber, text: &str) -> Result<(), SmsError>;
}

impl<T: Sms> Sms for &T {
    async fn send(&self, recipient: &PhoneNumber, text: &str) -> Result<(), SmsError> {
        T::send(self, recipient, text).await
    }
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

//! Mails, and the way out for them.

use onewrite::{Failure, FailureKind};
use orderflow_events::Email;

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
pub trait Mailer {
    /// Sends `mail` to `recipient`. Sending it twice sends it twice.
    ///
    /// # Errors
    ///
    /// It was not sent, or it is unknown whether it was.
    async fn send(&self, recipient: &Email, mail: &Mail) -> Result<(), MailError>;
}

impl<T: Mailer> Mailer for &T {
    async fn send(&self, recipient: &Email, mail: &Mail) -> Result<(), MailError> {
        T::send(self, recipient, mail).await
    }
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

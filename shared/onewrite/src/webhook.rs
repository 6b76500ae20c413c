//! Webhooks: events posted to receivers of strangers, signed by [Standard Webhooks](https://www.standardwebhooks.com).
//!
//! A receiver is hostile until shown otherwise. Its URL is `https` and nothing but a URL ([`Target`]); what its name resolves to is
//! looked at by who connects, who connects to that very address ([`is_public`]); no redirect is followed, and of an answer a few
//! bytes are read, within a time. [`Secrets`] sign each message, with those before the current one, too, while they are replaced.
//!
//! ```
//! use envelope::Time;
//! use onewrite::webhook::{Loopback, Secret, Secrets, Target};
//!
//! let target = Target::new("https://partner.example/hooks?branch=1", Loopback::Refused)?;
//! assert_eq!(target.to_string(), "https://partner.example/hooks?branch=1");
//! for inner in ["http://partner.example/", "https://169.254.169.254/latest", "https://0x7f.1/", "https://[::ffff:10.0.0.1]/"] {
//!     assert!(Target::new(inner, Loopback::Refused).is_err(), "{inner}");
//! }
//!
//! let secrets = Secrets::new(Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")?, None);
//! let headers = secrets.headers("msg_1", Time::new("2026-11-29T09:00:00Z")?, "{}");
//! assert_eq!(headers.map(|(name, _)| name), ["webhook-id", "webhook-timestamp", "webhook-signature"]);
//! # Ok::<(), envelope::Invalid>(())
//! ```

mod address;
mod secret;
mod target;
#[cfg(test)]
mod tests;

pub use address::is_public;
pub use secret::{Secret, Secrets};
pub use target::{Loopback, Target};

/// Answer of a receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Status of HTTP.
    pub status: u16,
    /// Beginning of the body, in which whatever is no text is replaced.
    pub beginning: String,
}

impl Answer {
    /// Tells that the receiver has taken the event.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Reason why there is no answer. None of them says anything of an address or of what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// None of the addresses of its name is public: nothing was sent.
    #[error("its address is not public")]
    NotPublic,
    /// There is no connection: the name is not known, nobody listens, or the certificate is not valid.
    #[error("it cannot be reached")]
    Unreachable,
    /// The time was up before the answer.
    #[error("it does not answer in time")]
    TooSlow,
}

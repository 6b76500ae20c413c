//! Secrets, and the signatures that are made with them.

use std::fmt;

use data_encoding::BASE64;
use envelope::{Invalid, Time};
use ring::hmac;

use crate::port::Random;

/// Beginning of a secret's text.
const PREFIX: &str = "whsec_";

/// Length of a secret that is made here, in bytes.
const BYTES: usize = 32;

/// Secret of an endpoint, which the receiver knows, too. It does not show in its `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// The secret that a text is: `whsec_`, and 24 to 64 bytes in base64.
    ///
    /// # Errors
    ///
    /// It is none. The rule does not repeat it.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        let bytes = text.strip_prefix(PREFIX).and_then(|text| BASE64.decode(text.as_bytes()).ok());
        let bytes = bytes.filter(|bytes| (24..=64).contains(&bytes.len()));
        bytes.map(Self).ok_or_else(|| Invalid::rule(format!("must be {PREFIX} and 24 to 64 bytes in base64")))
    }

    /// A new one.
    #[must_use]
    pub fn random(random: &impl Random) -> Self {
        let mut bytes = vec![0; BYTES];
        random.fill(&mut bytes);
        Self(bytes)
    }

    /// Its text, for its owner alone.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{PREFIX}{}", BASE64.encode(&self.0))
    }

    fn sign(&self, signed: &str) -> String {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.0), signed.as_bytes());
        format!("v1,{}", BASE64.encode(tag.as_ref()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Secrets of an endpoint: the one that counts, and the one before it, while it is being replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secrets {
    current: Secret,
    previous: Option<Secret>,
}

impl Secrets {
    /// Those secrets.
    #[must_use]
    pub const fn new(current: Secret, previous: Option<Secret>) -> Self {
        Self { current, previous }
    }

    /// Headers of a message with that id, sent at that time, with that body: a signature by each secret, so that a receiver who knows
    /// either takes it. The id stays the same when it is sent again; the time does not.
    #[must_use]
    pub fn headers(&self, id: &str, at: Time, body: &str) -> [(&'static str, String); 3] {
        let timestamp = at.as_millis().div_euclid(1_000).to_string();
        let signed = format!("{id}.{timestamp}.{body}");
        let secrets = [Some(&self.current), self.previous.as_ref()];
        let signatures: Vec<String> = secrets.into_iter().flatten().map(|secret| secret.sign(&signed)).collect();
        [("webhook-id", id.to_owned()), ("webhook-timestamp", timestamp), ("webhook-signature", signatures.join(" "))]
    }
}

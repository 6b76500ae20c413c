//! Secrets, and the signatures that are made with them: by HMAC-SHA-256, whose secret the receiver knows, or by Ed25519, whose
//! public key is all that they need.

use std::fmt;

use data_encoding::BASE64;
use envelope::{Invalid, Time};
use ring::hmac;
use ring::signature::{Ed25519KeyPair, KeyPair};

use crate::port::Random;

/// Beginning of the text of a secret of HMAC.
const PREFIX: &str = "whsec_";

/// Beginning of the text of a private key of Ed25519.
const PRIVATE: &str = "whsk_";

/// Beginning of the text of a public key.
const PUBLIC: &str = "whpk_";

/// Length of a secret that is made here, in bytes.
const BYTES: usize = 32;

/// Secret of an endpoint. It does not show in its `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Kind);

#[derive(Clone, PartialEq, Eq)]
enum Kind {
    /// The receiver knows it, too.
    Hmac(Vec<u8>),
    /// Seed of a private key, which nobody else knows.
    Ed25519([u8; BYTES]),
}

impl Secret {
    /// The secret that a text is: `whsec_`, and 24 to 64 bytes in base64; or `whsk_`, and the 32 bytes of a private key.
    ///
    /// # Errors
    ///
    /// It is none. The rule does not repeat it.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        let bytes = |prefix| text.strip_prefix(prefix).and_then(|text: &str| BASE64.decode(text.as_bytes()).ok());
        let seed = bytes(PRIVATE).and_then(|bytes| bytes.try_into().ok()).map(Kind::Ed25519);
        let bytes = bytes(PREFIX).filter(|bytes| (24..=64).contains(&bytes.len()));
        let kind = bytes.map(Kind::Hmac).or(seed);
        kind.map(Self).ok_or_else(|| Invalid::rule(format!("must be {PREFIX} and 24 to 64 bytes in base64")))
    }

    /// A new one of HMAC.
    #[must_use]
    pub fn random(random: &impl Random) -> Self {
        let mut bytes = vec![0; BYTES];
        random.fill(&mut bytes);
        Self(Kind::Hmac(bytes))
    }

    /// A new private key of Ed25519.
    #[must_use]
    pub fn random_ed25519(random: &impl Random) -> Self {
        let mut seed = [0; BYTES];
        random.fill(&mut seed);
        Self(Kind::Ed25519(seed))
    }

    /// Its text: that of HMAC for its owner alone, that of a private key for nobody.
    #[must_use]
    pub fn text(&self) -> String {
        match &self.0 {
            Kind::Hmac(bytes) => format!("{PREFIX}{}", BASE64.encode(bytes)),
            Kind::Ed25519(seed) => format!("{PRIVATE}{}", BASE64.encode(seed)),
        }
    }

    /// The public key that a receiver verifies with, `whpk_` and 32 bytes in base64; none of HMAC.
    #[must_use]
    pub fn public(&self) -> Option<String> {
        let Kind::Ed25519(seed) = &self.0 else { return None };
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
        Some(format!("{PUBLIC}{}", BASE64.encode(pair.public_key().as_ref())))
    }

    /// The signature of a text. There is one: each seed of that length makes a key.
    fn sign(&self, signed: &str) -> Option<String> {
        match &self.0 {
            Kind::Hmac(bytes) => {
                let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, bytes), signed.as_bytes());
                Some(format!("v1,{}", BASE64.encode(tag.as_ref())))
            }
            Kind::Ed25519(seed) => {
                let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
                Some(format!("v1a,{}", BASE64.encode(pair.sign(signed.as_bytes()).as_ref())))
            }
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Secrets of an endpoint: the one that counts, and those before it, while they are being replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secrets {
    current: Secret,
    previous: Vec<Secret>,
}

impl Secrets {
    /// Those secrets. A message has a signature by each, of up to 92 characters, in the order in which they are named.
    #[must_use]
    pub fn new(current: Secret, previous: impl IntoIterator<Item = Secret>) -> Self {
        Self { current, previous: previous.into_iter().collect() }
    }

    /// Headers of a message with that id, sent at that time, with that body: a signature by each secret, so that a receiver who knows
    /// any of them takes it. The id stays the same when it is sent again; the time does not.
    #[must_use]
    pub fn headers(&self, id: &str, at: Time, body: &str) -> [(&'static str, String); 3] {
        let timestamp = at.as_millis().div_euclid(1_000).to_string();
        let signed = format!("{id}.{timestamp}.{body}");
        let secrets = std::iter::once(&self.current).chain(&self.previous);
        let signatures: Vec<String> = secrets.filter_map(|secret| secret.sign(&signed)).collect();
        [("webhook-id", id.to_owned()), ("webhook-timestamp", timestamp), ("webhook-signature", signatures.join(" "))]
    }
}

//! Signed links: a text in a URL that lets its holder do something with one subject, until a time, without a token.
//!
//! ```text
//!   1.<key id>.<issued, ms>.<expires, ms>.<HMAC-SHA256 of all before it and of the subject, base64url>
//! ```
//!
//! The subject is not in the text: it is what the holder asks about, and the signature says whether the link is for it. A
//! stack has two keys, so that a key can be replaced while the links of the one before still count. [`LinkKeys`] is pure;
//! [`Links`] keeps the keys at hand.

use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use envelope::Time;
use ring::hmac;

use crate::failure::{Failure, FailureKind, Result};
use crate::key_cache::{KeyCache, Limits};

/// Version of the text.
const VERSION: &str = "1";

/// Longest text that is looked at, in bytes: one has 82, and a few more in 250 years.
const MAX_BYTES: usize = 96;

/// The least length of a key, in bytes: that of the digest, as RFC 2104 asks.
const MIN_KEY_BYTES: usize = 32;

/// Length of a key's id, in bytes. It tells two keys apart; of two that have the same one the first one counts.
const KEY_ID_BYTES: usize = 6;

/// Age at which the keys are fetched again: so soon a key that was taken away counts no more.
const REFRESH_AFTER: Duration = Duration::from_mins(5);

/// Age up to which keys count while they cannot be fetched again.
const USABLE_FOR: Duration = Duration::from_hours(1);

/// Keys of links: one that signs, and the one before it, which counts still.
#[derive(Clone, Debug)]
pub struct LinkKeys {
    current: Key,
    previous: Option<Key>,
}

/// A key and its id. The key does not show in its `Debug`.
#[derive(Clone, Debug)]
struct Key {
    id: String,
    key: hmac::Key,
}

/// Link to a subject that is genuine. It may have expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Time at which it was issued, by which it can be revoked.
    pub issued_at: Time,
    /// Time from which on it counts no more.
    pub expires_at: Time,
}

impl Link {
    /// True once its time is over.
    #[must_use]
    pub fn has_expired(&self, now: Time) -> bool {
        self.expires_at <= now
    }
}

/// Refusal of a link. None of them repeats anything of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkRefusal {
    /// It has not the form of a link.
    #[error("it is no link")]
    Malformed,
    /// It is signed by a key that is not known.
    #[error("its key is not known")]
    UnknownKey,
    /// The signature is another's, or of another subject.
    #[error("its signature is not valid")]
    Signature,
}

impl Key {
    fn new(secret: &[u8]) -> Result<Self> {
        if secret.len() < MIN_KEY_BYTES {
            let reason = format!("a key of links has fewer than {MIN_KEY_BYTES} bytes");
            return Err(Failure::new(FailureKind::Misconfigured, reason));
        }
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let id = BASE64URL_NOPAD.encode(&hmac::sign(&key, b"key id").as_ref()[..KEY_ID_BYTES]);
        Ok(Self { id, key })
    }
}

impl LinkKeys {
    /// Keys of these secrets, each of at least 32 bytes.
    ///
    /// # Errors
    ///
    /// A secret is too short.
    pub fn new(current: &[u8], previous: Option<&[u8]>) -> Result<Self> {
        Ok(Self { current: Key::new(current)?, previous: previous.map(Key::new).transpose()? })
    }

    /// Signs a link to `subject`. The same link has the same text while the key is the same.
    #[must_use]
    pub fn sign(&self, subject: &str, link: Link) -> String {
        let Link { issued_at, expires_at } = link;
        let key = &self.current;
        let head = format!("{VERSION}.{}.{}.{}", key.id, issued_at.as_millis(), expires_at.as_millis());
        let signature = hmac::sign(&key.key, &signed(&head, subject));
        format!("{head}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
    }

    /// The link to `subject` that a text is, if it is signed by one of the keys. Signatures are compared in constant time.
    ///
    /// # Errors
    ///
    /// The first reason why it does not count.
    pub fn verify(&self, text: &str, subject: &str) -> std::result::Result<Link, LinkRefusal> {
        let (head, signature) =
            text.rsplit_once('.').filter(|_| text.len() <= MAX_BYTES).ok_or(LinkRefusal::Malformed)?;
        let fields: Vec<&str> = head.split('.').collect();
        let [VERSION, key_id, issued_at, expires_at] = *fields.as_slice() else { return Err(LinkRefusal::Malformed) };
        let (Some(issued_at), Some(expires_at)) = (time(issued_at), time(expires_at)) else {
            return Err(LinkRefusal::Malformed);
        };
        let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).map_err(|_| LinkRefusal::Malformed)?;
        let mut keys = [Some(&self.current), self.previous.as_ref()].into_iter().flatten();
        let key = keys.find(|key| key.id == key_id).ok_or(LinkRefusal::UnknownKey)?;
        hmac::verify(&key.key, &signed(head, subject), &signature).map_err(|_| LinkRefusal::Signature)?;
        Ok(Link { issued_at, expires_at })
    }
}

/// Bytes that are signed. The head has four fields without a point in them, so that no other head and subject come to the
/// same.
fn signed(head: &str, subject: &str) -> Vec<u8> {
    format!("link.{head}.{subject}").into_bytes()
}

fn time(millis: &str) -> Option<Time> {
    millis.parse().ok().map(Time::from_millis)
}

/// Port to the keys of links.
pub trait LinkKeySource {
    /// The keys as of now.
    ///
    /// # Errors
    ///
    /// They cannot be fetched.
    fn fetch(&self) -> impl Future<Output = Result<LinkKeys>>;
}

impl<S: LinkKeySource> LinkKeySource for &S {
    fn fetch(&self) -> impl Future<Output = Result<LinkKeys>> {
        S::fetch(self)
    }
}

/// Keys of nobody: where there are no links.
#[derive(Clone, Copy, Debug)]
pub enum NoLinkKeys {}

impl LinkKeySource for NoLinkKeys {
    async fn fetch(&self) -> Result<LinkKeys> {
        match *self {}
    }
}

/// Links of a stack: its keys, fetched on first need and kept at hand for five minutes, and how long a link lives.
#[derive(Debug)]
pub struct Links<S = NoLinkKeys> {
    source: S,
    lifetime: Duration,
    keys: KeyCache<LinkKeys>,
}

impl<S: LinkKeySource> Links<S> {
    /// Links by those keys, each of which lives so long.
    pub fn new(source: S, lifetime: Duration) -> Self {
        let limits = Limits { name: "keys of links", refresh_after: REFRESH_AFTER, usable_for: USABLE_FOR };
        Self { source, lifetime, keys: KeyCache::new(limits) }
    }

    /// Signer of links. It has its keys: to sign cannot fail.
    ///
    /// # Errors
    ///
    /// The keys cannot be fetched.
    pub async fn signer(&self, now: Time) -> Result<LinkSigner> {
        Ok(LinkSigner { keys: self.keys.get(now, self.source.fetch()).await?, lifetime: self.lifetime })
    }

    /// The link to `subject` that a text is. Where its key is not known the keys are fetched again, ten times a minute at the
    /// most: somebody may have replaced one.
    ///
    /// # Errors
    ///
    /// The keys cannot be fetched: nobody can tell. Inside, the reason why it is no link to `subject`.
    pub async fn verify(&self, text: &str, subject: &str, now: Time) -> Result<std::result::Result<Link, LinkRefusal>> {
        let keys = self.keys.get(now, self.source.fetch()).await?;
        match keys.verify(text, subject) {
            Err(LinkRefusal::UnknownKey) => {
                Ok(self.keys.get_anew(now, self.source.fetch()).await?.verify(text, subject))
            }
            verified => Ok(verified),
        }
    }
}

/// Signer of links.
#[derive(Clone, Debug)]
pub struct LinkSigner {
    keys: Arc<LinkKeys>,
    lifetime: Duration,
}

impl LinkSigner {
    /// Text of a link to `subject` that is issued at that time.
    #[must_use]
    pub fn sign(&self, subject: &str, issued_at: Time) -> String {
        self.keys.sign(subject, Link { issued_at, expires_at: issued_at.after(self.lifetime) })
    }
}

#[cfg(test)]
mod tests;

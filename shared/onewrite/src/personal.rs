//! Personal data that can be erased from what is never changed: sealed with a key for each person, and erased with the key.
//!
//! Rows, events, dead letters, logs and backups keep what is sealed for as long as they like. One table has the keys, and only
//! who needs a person may read it. [`seal`] and [`open`] are pure, for what an event has, and so are [`seal_text`] and
//! [`open_text`] for texts of any length; [`KeyRing`] fetches the keys, and keeps those that open at hand for a minute.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use auto_impl::auto_impl;
use data_encoding::BASE64URL_NOPAD;
use envelope::{KeyName, NONCE_BYTES, Personal, SealedParts, Time, sealed_header};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::failure::{Failure, FailureKind, Result};
use crate::port::{Clock, Random};

/// Length of a secret, in bytes.
const SECRET_BYTES: usize = 32;

/// Length of what a name is made of, in bytes: no two keys have the same.
const NAME_BYTES: usize = 16;

/// Time for which a key is at hand: so long an erased one may open what was sealed with it.
pub const KEY_AT_HAND: Duration = Duration::from_mins(1);

/// Most keys at hand, some 200 bytes each.
const MAX_KEYS_AT_HAND: usize = 1_000;

/// Key of one person, for AES-256-GCM. The secret does not show in its `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    name: KeyName,
    secret: [u8; SECRET_BYTES],
    expires_at: Option<Time>,
}

impl Key {
    /// A key of that name.
    ///
    /// # Errors
    ///
    /// A secret has 32 bytes, and this one has not.
    pub fn new(name: KeyName, secret: &[u8]) -> Result<Self> {
        let rule = || Failure::new(FailureKind::Misconfigured, format!("a key has {SECRET_BYTES} bytes"));
        Ok(Self { name, secret: secret.try_into().map_err(|_| rule())?, expires_at: None })
    }

    /// A new key: name and secret are drawn.
    ///
    /// # Errors
    ///
    /// None: what is drawn has the form of a name.
    pub fn draw(random: &impl Random) -> Result<Self> {
        let (mut name, mut secret) = ([0; NAME_BYTES], [0; SECRET_BYTES]);
        random.fill(&mut name);
        random.fill(&mut secret);
        let name = KeyName::new(BASE64URL_NOPAD.encode(&name)).map_err(|rule| Failure::permanent(rule.to_string()))?;
        Ok(Self { name, secret, expires_at: None })
    }

    /// The same key, of which nobody has any use after that time, to the second. Whoever stores it erases it then, or some time
    /// later: for tidiness, and so nothing relies on it.
    #[must_use]
    pub fn until(self, time: Time) -> Self {
        let seconds = time.as_millis() / 1_000;
        Self { expires_at: Some(Time::from_millis(seconds * 1_000)), ..self }
    }

    /// The time after which nobody has any use of it, if there is one.
    #[must_use]
    pub const fn expires_at(&self) -> Option<Time> {
        self.expires_at
    }

    /// Its name: the `kid` of what is sealed with it.
    #[must_use]
    pub const fn name(&self) -> &KeyName {
        &self.name
    }

    /// The secret, for the one who stores it.
    #[must_use]
    pub const fn secret(&self) -> &[u8] {
        &self.secret
    }

    fn cipher(&self) -> Result<LessSafeKey> {
        let key = UnboundKey::new(&AES_256_GCM, &self.secret);
        key.map(LessSafeKey::new).map_err(|_| Failure::permanent("the cipher does not take the key"))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("name", &self.name.as_str()).finish_non_exhaustive()
    }
}

/// Port to the keys: one for each owner, who is a person by the id that the application has for them.
///
/// It is read by those who need a person, and by nobody else. It has no backup, for a key that is restored brings a person back.
#[auto_impl(&, Rc)]
pub trait Keys {
    /// The key of `owner`, if there is one.
    ///
    /// # Errors
    ///
    /// The keys cannot be read.
    async fn find(&self, owner: &str) -> Result<Option<Key>>;

    /// The key of `owner`; where there is none, `fresh` becomes it at that time. Of many at once all get the same.
    ///
    /// # Errors
    ///
    /// It is unknown whether `fresh` has become the key.
    async fn find_or_create(&self, owner: &str, fresh: &Key, now: Time) -> Result<Key>;

    /// Erases the key of `owner`, for ever; answers whether there was one.
    ///
    /// # Errors
    ///
    /// It is unknown whether it is erased.
    async fn erase(&self, owner: &str) -> Result<bool>;
}

/// Seals `data`. Two of the same key must not have the same `nonce`: it is drawn, or counted.
///
/// # Errors
///
/// `data` cannot be written as JSON, or is too long. Both are permanent, and neither repeats anything of it.
pub fn seal<T: Serialize>(data: &T, key: &Key, nonce: [u8; NONCE_BYTES]) -> Result<Personal<T>> {
    let header = sealed_header(&key.name);
    // An error of serde may have a value in it.
    let text = serde_json::to_vec(data).map_err(|_| Failure::permanent("personal data cannot be written"))?;
    let parts = SealedParts { header: &header, nonce, ciphertext_and_tag: encrypt(text, &header, key, nonce)? };
    Personal::from_parts(&parts).map_err(|rule| Failure::permanent(format!("sealed personal data {rule}")))
}

/// Opens what was sealed with `key`.
///
/// # Errors
///
/// It was sealed with another key, has been changed since, or is no `T`. All are permanent, and none repeats anything of it.
pub fn open<T: DeserializeOwned>(sealed: &Personal<T>, key: &Key) -> Result<T> {
    let parts = sealed.parts().map_err(|rule| Failure::permanent(format!("sealed personal data {rule}")))?;
    let SealedParts { header, nonce, ciphertext_and_tag } = parts;
    // An error of serde may have a value in it.
    serde_json::from_slice(&decrypt(ciphertext_and_tag, header, key, nonce)?).map_err(|_| not_understood())
}

/// Text of any length, sealed as [`Personal`] is. It is for what an application stores, and no event has it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedText {
    kid: KeyName,
    nonce: String,
    text: String,
}

impl SealedText {
    /// Name of the key that it is sealed with.
    #[must_use]
    pub fn key_name(&self) -> &str {
        self.kid.as_str()
    }
}

impl fmt::Debug for SealedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedText").field("key_name", &self.key_name()).finish_non_exhaustive()
    }
}

/// Seals a text. Two of the same key must not have the same `nonce`: it is drawn, or counted.
///
/// # Errors
///
/// None: a cipher takes 64 GB.
pub fn seal_text(text: &str, key: &Key, nonce: [u8; NONCE_BYTES]) -> Result<SealedText> {
    let sealed = encrypt(text.as_bytes().to_vec(), &sealed_header(&key.name), key, nonce)?;
    let [nonce, text] = [&nonce[..], &sealed].map(|bytes| BASE64URL_NOPAD.encode(bytes));
    Ok(SealedText { kid: key.name.clone(), nonce, text })
}

/// Opens a text that was sealed with `key`.
///
/// # Errors
///
/// It was sealed with another key, or has been changed since. Both are permanent, and neither repeats anything of it.
pub fn open_text(sealed: &SealedText, key: &Key) -> Result<String> {
    let bytes = |text: &str| BASE64URL_NOPAD.decode(text.as_bytes()).ok();
    let nonce = bytes(&sealed.nonce).and_then(|nonce| nonce.try_into().ok()).ok_or_else(not_understood)?;
    let text = bytes(&sealed.text).ok_or_else(not_understood)?;
    let opened = decrypt(text, &sealed_header(&sealed.kid), key, nonce)?;
    String::from_utf8(opened).map_err(|_| not_understood())
}

fn not_understood() -> Failure {
    Failure::permanent("sealed personal data is not understood")
}

fn encrypt(mut text: Vec<u8>, header: &str, key: &Key, nonce: [u8; NONCE_BYTES]) -> Result<Vec<u8>> {
    let (nonce, header) = (Nonce::assume_unique_for_key(nonce), Aad::from(header.as_bytes()));
    let sealed = key.cipher()?.seal_in_place_append_tag(nonce, header, &mut text);
    sealed.map_err(|_| Failure::permanent("personal data cannot be sealed"))?;
    Ok(text)
}

fn decrypt(mut text: Vec<u8>, header: &str, key: &Key, nonce: [u8; NONCE_BYTES]) -> Result<Vec<u8>> {
    let (nonce, header) = (Nonce::assume_unique_for_key(nonce), Aad::from(header.as_bytes()));
    let opened = key.cipher()?.open_in_place(nonce, header, &mut text).map(|opened| opened.len());
    let length = opened.map_err(|_| Failure::permanent("sealed personal data is not what was sealed with its key"))?;
    text.truncate(length);
    Ok(text)
}

/// Keys of all persons, as a function uses them.
///
/// What is sealed is always sealed with the key that there is now: a key at hand might have been erased in the meantime, and
/// nobody could ever open it. To open, a key may be up to a minute old ([`KEY_AT_HAND`]).
#[derive(Debug)]
pub struct KeyRing<K, W> {
    keys: K,
    world: W,
    at_hand: Mutex<HashMap<String, (Key, Time)>>,
}

impl<K: Keys, W: Clock + Random> KeyRing<K, W> {
    /// Keys in `keys`, by the time and the chance of `world`.
    pub fn new(keys: K, world: W) -> Self {
        Self { keys, world, at_hand: Mutex::default() }
    }

    /// Seals data of `owner`, whose key is made where there is none.
    ///
    /// # Errors
    ///
    /// The key cannot be had, or those of [`seal`].
    pub async fn seal<T: Serialize>(&self, owner: &str, data: &T) -> Result<Personal<T>> {
        let key = self.sealing_key(owner, Key::draw(&self.world)?).await?;
        seal(data, &key, self.nonce())
    }

    /// Seals a text of `owner`, whose key is made where there is none: for ever, or until `expires_at`.
    ///
    /// # Errors
    ///
    /// The key cannot be had.
    pub async fn seal_text(&self, owner: &str, text: &str, expires_at: Option<Time>) -> Result<SealedText> {
        let fresh = Key::draw(&self.world)?;
        let fresh = expires_at.into_iter().fold(fresh, Key::until);
        let key = self.sealing_key(owner, fresh).await?;
        seal_text(text, &key, self.nonce())
    }

    /// Opens a text of `owner`; none where nobody can any more, since the key is erased, or another one than it was.
    ///
    /// # Errors
    ///
    /// The keys cannot be read, or those of [`open_text`].
    pub async fn open_text(&self, owner: &str, sealed: &SealedText) -> Result<Option<String>> {
        let key = self.key(owner, sealed.key_name()).await?;
        key.map(|key| open_text(sealed, &key)).transpose()
    }

    /// Opens data of `owner`; none where nobody can any more, since the key is erased, or another one than it was.
    ///
    /// # Errors
    ///
    /// The keys cannot be read, or those of [`open`].
    pub async fn open<T: DeserializeOwned>(&self, owner: &str, sealed: &Personal<T>) -> Result<Option<T>> {
        let key = self.key(owner, sealed.key_name()).await?;
        key.map(|key| open(sealed, &key)).transpose()
    }

    /// The key of `owner`, made where there is none: for what is not sealed, such as a keyed digest. It may be a minute old.
    ///
    /// # Errors
    ///
    /// The key cannot be had.
    pub async fn key_of(&self, owner: &str) -> Result<Key> {
        let now = self.world.now();
        let at_hand = self.at_hand().get(owner).filter(|(_, since)| since.until(now) < KEY_AT_HAND).cloned();
        if let Some((key, _)) = at_hand {
            return Ok(key);
        }
        let key = match self.keys.find(owner).await? {
            Some(key) => key,
            None => self.keys.find_or_create(owner, &Key::draw(&self.world)?, now).await?,
        };
        self.keep(owner, &key, now);
        Ok(key)
    }

    /// Name of the key that `owner` has now: what is sealed with another one nobody can open any more.
    ///
    /// # Errors
    ///
    /// The keys cannot be read.
    pub async fn name_of(&self, owner: &str) -> Result<Option<KeyName>> {
        Ok(self.keys.find(owner).await?.map(|key| key.name))
    }

    /// Erases the key of `owner`, for ever; answers whether there was one. Other functions may have it at hand for a minute more.
    ///
    /// # Errors
    ///
    /// It is unknown whether it is erased.
    pub async fn erase(&self, owner: &str) -> Result<bool> {
        self.at_hand().remove(owner);
        self.keys.erase(owner).await
    }

    /// The key that there is now, to seal with.
    async fn sealing_key(&self, owner: &str, fresh: Key) -> Result<Key> {
        let now = self.world.now();
        let key = self.keys.find_or_create(owner, &fresh, now).await?;
        self.keep(owner, &key, now);
        Ok(key)
    }

    fn nonce(&self) -> [u8; NONCE_BYTES] {
        let mut nonce = [0; NONCE_BYTES];
        self.world.fill(&mut nonce);
        nonce
    }

    /// The key of `owner`, if it has that name.
    async fn key(&self, owner: &str, name: &str) -> Result<Option<Key>> {
        let now = self.world.now();
        let at_hand = self.at_hand().get(owner).cloned();
        if let Some((key, since)) = at_hand
            && key.name.as_str() == name
            && since.until(now) < KEY_AT_HAND
        {
            return Ok(Some(key));
        }
        let found = self.keys.find(owner).await?;
        match &found {
            Some(key) => self.keep(owner, key, now),
            None => drop(self.at_hand().remove(owner)),
        }
        Ok(found.filter(|key| key.name.as_str() == name))
    }

    /// The keys at hand. They are never held over a call, and whole even where a thread has died with them.
    fn at_hand(&self) -> MutexGuard<'_, HashMap<String, (Key, Time)>> {
        self.at_hand.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, owner: &str, key: &Key, now: Time) {
        let mut at_hand = self.at_hand();
        if at_hand.len() >= MAX_KEYS_AT_HAND {
            at_hand.retain(|_, (_, since)| since.until(now) < KEY_AT_HAND);
        }
        if at_hand.len() >= MAX_KEYS_AT_HAND {
            at_hand.clear();
        }
        at_hand.insert(owner.to_owned(), (key.clone(), now));
    }
}

#[cfg(test)]
mod tests;

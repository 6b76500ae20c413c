//! Sealing of dead letters: a message that may have a person in clear is stored so that an erasure reaches it.
//!
//! Facts of ours have nobody in clear, and are kept as they are. Whatever else has come into a queue may name anybody, above all at the
//! doors, where orders come in as others have written them. It is sealed with the key of the customer who is in it, and where
//! nobody can tell who that is with one of the stack's, which has an end.

use std::time::Duration;

use onewrite::personal::{KeyRing, Keys};
use onewrite::port::{Clock, Random};
use onewrite::{Failure, Result};
use orderflow_events::{Event, Payload, Text, Time};
use serde_json::Value;

use crate::domain::{Letter, LetterId, Origin, unwrapped};
use crate::message::{Kept, Message};
use crate::port::LetterStore;

/// Time for which a message can be opened at least of which nobody can tell whose it is.
pub const UNOWNED_KEPT: Duration = Duration::from_hours(90 * 24);

/// The longest month: so long one key seals what nobody can tell whose it is.
const MONTH: Duration = Duration::from_hours(31 * 24);

/// What an opened message that cannot be opened is said to be.
pub(crate) const ERASED: &str = "it is erased: nobody can open it any more";

/// Persons in clear that a message may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Persons {
    /// None.
    Nobody,
    /// One customer of that id.
    Customer(Text),
    /// Nobody can tell.
    Unknown,
}

impl Persons {
    /// Persons in the body of a message that has come from there; `is_door` is true where others send what they have
    /// written themselves.
    #[must_use]
    pub fn of(body: &str, origin: Origin, is_door: bool) -> Self {
        if origin == Origin::Relay {
            // A row of ours.
            return Self::Nobody;
        }
        let document = unwrapped(body);
        if !is_door && document.as_ref().is_some_and(has_nobody) {
            return Self::Nobody;
        }
        // An id that nobody may have is no owner of a key.
        let customer = document.as_ref().and_then(|document| document["data"]["customer"]["id"].as_str());
        customer.and_then(|id| Text::new(id).ok()).map_or(Self::Unknown, Self::Customer)
    }
}

/// Tells of a document that it is an event, and nobody is in clear in it.
fn has_nobody(document: &Value) -> bool {
    Event::from_value(document).is_ok_and(|event| match event.data {
        Payload::OrderCreated(created) => created.details.personal.sealed().is_some(),
        _ => true,
    })
}

/// Keeps a message of a letter, sealed where that letter [is](Letter::is_sealed).
///
/// # Errors
///
/// It is unknown whether it is kept.
pub(crate) async fn keep<R: Keys, W: Clock + Random>(
    store: &impl LetterStore,
    keys: &KeyRing<R, W>,
    letter: &Letter,
    message: &Message,
    now: Time,
) -> Result<()> {
    let (owner, expires_at) = match letter.persons_in(&message.body) {
        Persons::Nobody => {
            return store.keep(&letter.id, &message.digest(), &Kept::Clear(message.clone())).await;
        }
        Persons::Customer(id) => (id.to_string(), None),
        // No customer has an id with a tab in it.
        Persons::Unknown => (format!("\tletters {:.7}", now.to_string()), Some(now.after(MONTH + UNOWNED_KEPT))),
    };
    let text = serde_json::to_string(message).map_err(|_| Failure::permanent("a message cannot be written"))?;
    let sealed = keys.seal_text(&owner, &text, expires_at).await?;
    store.keep(&letter.id, &message.digest(), &Kept::Sealed { owner, message: sealed }).await
}

/// A message of a letter by its name; none where nobody can open it any more.
///
/// # Errors
///
/// The store or the keys cannot be read, or there is no message of that name.
pub(crate) async fn message<R: Keys, W: Clock + Random>(
    store: &impl LetterStore,
    keys: &KeyRing<R, W>,
    id: &LetterId,
    name: &str,
) -> Result<Option<Message>> {
    match store.message(id, name).await?.ok_or_else(|| Failure::permanent("a letter has no message"))? {
        Kept::Clear(message) => Ok(Some(message)),
        Kept::Sealed { owner, message } => {
            let opened = keys.open_text(&owner, &message).await?;
            // An error of serde may have a value in it.
            let message = opened.map(|text| serde_json::from_str(&text)).transpose();
            message.map_err(|_| Failure::permanent("a message is not understood"))
        }
    }
}

/// Body of a letter; none where nobody can open it any more.
///
/// # Errors
///
/// Those of [`message`].
pub(crate) async fn body<R: Keys, W: Clock + Random>(
    store: &impl LetterStore,
    keys: &KeyRing<R, W>,
    letter: &Letter,
) -> Result<Option<String>> {
    match &letter.short_body {
        Some(body) => Ok(Some(body.clone())),
        None => Ok(message(store, keys, &letter.id, &letter.message).await?.map(|message| message.body)),
    }
}

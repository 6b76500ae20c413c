//! Sealing of dead letters: a message that may have a person in clear is stored so that an erasure reaches it.
//!
//! Facts of ours have nobody in clear, and are kept as they are. Whatever else has come into a queue may name anybody, above all at the
//! doors, where orders come in as others have written them. It is sealed with the key of the customer who is in it, and where
//! nobody can tell who that is with one of the stack's, which has an end.

use std::time::Duration;

use futures::future::join_all;
use onewrite::personal::{KeyRing, Keys};
use onewrite::port::{Clock, Random};
use onewrite::{Failure, Result};
use orderflow_events::Time;

use crate::domain::{Letter, LetterId, sealed_name};
use crate::message::{Kept, Message};
use crate::persons::{Persons, UNOWNED_KEPT};
use crate::port::LetterStore;

/// The longest month: so long one key seals what nobody can tell whose it is.
const MONTH: Duration = Duration::from_hours(31 * 24);

/// Reason for which a message is not there any more.
pub(crate) const ERASED: &str = "it is erased: nobody can open it any more";

/// Keeps a message that a letter has, sealed where that letter [is](Letter::is_sealed), and says its name in the letter.
///
/// # Errors
///
/// It is unknown whether it is kept.
pub(crate) async fn keep<R: Keys, W: Clock + Random>(
    store: &impl LetterStore,
    keys: &KeyRing<R, W>,
    letter: &mut Letter,
    message: &Message,
    now: Time,
) -> Result<()> {
    let (name, kept) = sealed(keys, letter, message, now).await?;
    letter.message = name;
    store.keep(&letter.id, &letter.message, &kept).await
}

/// A message as it is kept with a letter, and the name that it has then. One that is sealed with another key has another name: so it is
/// kept beside what nobody can open any more, and not taken for it.
///
/// # Errors
///
/// The key cannot be had.
pub(crate) async fn sealed<R: Keys, W: Clock + Random>(
    keys: &KeyRing<R, W>,
    letter: &Letter,
    message: &Message,
    now: Time,
) -> Result<(String, Kept)> {
    let (owner, expires_at) = match letter.persons_in(&message.body) {
        Persons::Nobody => return Ok((message.digest(), Kept::Clear(message.clone()))),
        Persons::Customer(id) => (id.to_string(), None),
        // No customer has an id with a tab in it.
        Persons::Unknown => (format!("\tletters {:.7}", now.to_string()), Some(now.after(MONTH + UNOWNED_KEPT))),
    };
    let text = serde_json::to_string(message).map_err(|_| Failure::permanent("a message cannot be written"))?;
    let sealed = keys.seal_text(&owner, &text, expires_at).await?;
    Ok((sealed_name(message, sealed.key_name()), Kept::Sealed { owner, message: sealed }))
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
    opened(keys, store.message(id, name).await?).await
}

/// The messages that letters have now, in their order; none where nobody can open it any more.
///
/// # Errors
///
/// The store cannot be read, and of each: those of [`message`].
pub(crate) async fn messages<R: Keys, W: Clock + Random>(
    store: &impl LetterStore,
    keys: &KeyRing<R, W>,
    letters: &[&Letter],
) -> Result<Vec<Result<Option<Message>>>> {
    let kept = store.messages_of(letters).await?;
    Ok(join_all(kept.into_iter().map(|kept| opened(keys, kept))).await)
}

async fn opened<R: Keys, W: Clock + Random>(keys: &KeyRing<R, W>, kept: Option<Kept>) -> Result<Option<Message>> {
    match kept.ok_or_else(|| Failure::permanent("a letter has no message"))? {
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

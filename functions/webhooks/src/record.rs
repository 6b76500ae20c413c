//! Endpoints on record: how they are changed, and their secrets.

use std::time::Duration;

use onewrite::personal::{KeyRing, Keys, SealedText};
use onewrite::port::{Clock, Random};
use onewrite::webhook::{Secret, Secrets};
use onewrite::{Failure, Result, backoff_seconds};
use orderflow_events::Time;

use crate::domain::Endpoint;
use crate::port::Endpoints;

/// Longest pause between two attempts, in seconds.
const MAX_PAUSE_SECONDS: u32 = 4 * 3_600;

/// Number of the attempt of the back-off that the first pause is as long as: up to half a minute.
const FIRST_PAUSE: u32 = 5;

/// Number of attempts at a change that collides with others.
const MAX_RACES: u32 = 20;

/// Changes an endpoint as it is now, if `change` says so: what it has become. Where others are faster it is asked again.
///
/// # Errors
///
/// It is unknown whether it was changed, or others were always faster.
pub(crate) async fn change(
    endpoints: &impl Endpoints,
    id: &str,
    change: impl Fn(&mut Endpoint) -> bool,
) -> Result<Option<Endpoint>> {
    try_change(endpoints, id, |endpoint| Ok::<_, Failure>(change(endpoint))).await
}

/// The same, of a change that may be refused with a reason.
///
/// # Errors
///
/// That reason, and those of [`change`].
pub(crate) async fn try_change<E: From<Failure>>(
    endpoints: &impl Endpoints,
    id: &str,
    change: impl Fn(&mut Endpoint) -> Result<bool, E>,
) -> Result<Option<Endpoint>, E> {
    let mut tried = None;
    for _ in 0..MAX_RACES {
        let Some(mut endpoint) = endpoints.get(id).await?.filter(|it| it.id == id) else { return Ok(None) };
        if tried.as_ref() == Some(&endpoint) {
            // Nobody was faster: the answer to the first attempt was lost, and it was made again.
            return Ok(tried);
        }
        if !change(&mut endpoint)? {
            return Ok(None);
        }
        let is_put = endpoints.put(&endpoint).await?;
        endpoint.revision += 1;
        if is_put {
            return Ok(Some(endpoint));
        }
        tried = Some(endpoint);
    }
    Err(Failure::transient(format!("a change of a webhook lost {MAX_RACES} races")).into())
}

/// The secrets that sign for an endpoint at that time.
///
/// # Errors
///
/// The key cannot be had, or is not that which they are sealed with.
pub(crate) async fn secrets_of<K: Keys, W: Clock + Random>(
    keys: &KeyRing<K, W>,
    endpoint: &Endpoint,
    now: Time,
) -> Result<Secrets> {
    let current = open(keys, &endpoint.id, &endpoint.secret).await?;
    let mut previous = Vec::new();
    for sealed in endpoint.still_signing(now) {
        previous.push(open(keys, &endpoint.id, sealed).await?);
    }
    Ok(Secrets::new(current, previous))
}

async fn open<K: Keys, W: Clock + Random>(keys: &KeyRing<K, W>, id: &str, sealed: &SealedText) -> Result<Secret> {
    let text = keys.open_text(id, sealed).await?;
    let secret = text.and_then(|text| Secret::new(&text).ok());
    secret.ok_or_else(|| Failure::permanent("the secret of a webhook cannot be opened"))
}

/// Time until the next attempt, after so many.
pub(crate) fn pause(attempts: u32, random: &impl Random) -> Duration {
    Duration::from_secs(backoff_seconds(attempts + FIRST_PAUSE + 1, MAX_PAUSE_SECONDS, random).into())
}

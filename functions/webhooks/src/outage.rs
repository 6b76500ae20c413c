//! Outages: the owner of an endpoint that was disabled by what it answers is told by a mail, once for the outage.
//!
//! That somebody is to be told comes on record with the outage itself. Whoever tells has it in hand for as long as they may be at
//! work, by a conditional write, and puts on record that it is done by another: so a mail is sent again only after a crash between
//! the two, or when its answer was lost.

use onewrite::personal::{KeyRing, Keys};
use onewrite::port::{Clock, Random};
use onewrite::{Failure, Result};
use orderflow_events::{Email, Time};
use orderflow_notification::Mailer;
use tracing::{info, warn};

use crate::domain::{Endpoint, TRIED_FOR, Untold};
use crate::port::Endpoints;
use crate::record::{change, pause};
use crate::wording;

/// Tells the owner of an endpoint of its outage, if that is due and nobody else does. A mail that cannot be sent now is tried again for
/// three days; one that never can be is given up, for nobody but its owner can mend the address. Of more outages of one owner's endpoints
/// than there may be mails in an hour it tells later.
///
/// # Errors
///
/// The store or the keys cannot be reached, or the mail was not sent. It is tried again.
pub(crate) async fn tell<K: Keys, W: Clock + Random>(
    endpoints: &impl Endpoints,
    keys: &KeyRing<K, W>,
    mailer: &impl Mailer,
    world: &W,
    (id, deadline): (&str, Time),
) -> Result<()> {
    let all = endpoints.roster().await?.endpoints;
    let now = world.now();
    if all.iter().any(|endpoint| endpoint.id == id && !endpoint.may_be_told(&all, now)) {
        warn!(endpoint = id, "the owner is told later: there were too many mails");
        return change(endpoints, id, |endpoint| endpoint.tell_later(now)).await.map(drop);
    }
    let taken = change(endpoints, id, |endpoint| endpoint.tell(world.now(), deadline).is_some()).await?;
    let Some((endpoint, in_hand)) = taken.and_then(|endpoint| Some((endpoint.clone(), endpoint.untold?))) else {
        return Ok(());
    };
    let sent = send(keys, mailer, &endpoint, &in_hand).await;
    let now = world.now();
    let is_in_time = now < in_hand.since.after(TRIED_FOR);
    let again_at = match &sent {
        Err(failure) if failure.kind().is_retryable() && is_in_time => Some(now.after(pause(in_hand.attempts, world))),
        Ok(()) | Err(_) => None,
    };
    change(endpoints, id, |endpoint| endpoint.told(&in_hand, again_at)).await?;
    match sent {
        Ok(()) => info!(endpoint = id, "the owner is told"),
        Err(failure) if again_at.is_some() => return Err(failure),
        Err(failure) => warn!(endpoint = id, reason = failure.reason(), "the owner cannot be told"),
    }
    Ok(())
}

async fn send<K: Keys, W: Clock + Random>(
    keys: &KeyRing<K, W>,
    mailer: &impl Mailer,
    endpoint: &Endpoint,
    in_hand: &Untold,
) -> Result<()> {
    let nobody = || Failure::permanent("the address cannot be opened");
    let sealed = endpoint.contact.as_ref().ok_or_else(nobody)?;
    let address = keys.open_text(&endpoint.id, sealed).await?.ok_or_else(nobody)?;
    let address = Email::new(address).map_err(|_| nobody())?;
    let mail = wording::outage(endpoint, in_hand).map_err(|error| Failure::permanent(error.to_string()))?;
    mailer.send(&address, &mail).await.map_err(Failure::from)
}

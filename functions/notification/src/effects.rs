//! Effects of the service: each message goes out once on each channel.

use std::cell::Cell;

use onewrite::port::{Clock, Leases, Random};
use onewrite::{Attempt, Delivery, Effects, Failure, FailureKind, Lease, Leased, Result, with_lease};
use orderflow_events::Time;
use tracing::{info, warn};

use crate::domain::{Channel, Notification, Tell, Told};
use crate::phone::PhoneNumber;
use crate::port::{MailError, Mailer, Sms, SmsError};
use crate::settings::Countries;
use crate::wording;

/// Effects of notification: the channels, and the leases that keep their messages from being sent twice.
pub struct Messenger<M, S, L, W> {
    mailer: M,
    sms: S,
    sms_countries: Countries,
    leases: L,
    world: W,
}

/// End of an attempt to send that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    /// There is nothing more to send on the channel.
    Done,
    /// Nobody can be reached there.
    Unreachable,
}

impl<M: Mailer, S: Sms, L: Leases, W: Clock + Random> Messenger<M, S, L, W> {
    /// A messenger on these channels, with short messages to the numbers of these countries.
    pub fn new(mailer: M, sms: S, sms_countries: Countries, leases: L, world: W) -> Self {
        Self { mailer, sms, sms_countries, leases, world }
    }

    async fn by_mail(&self, tell: &Tell, until: Time) -> Result<Sent> {
        if tell.customer.unreachable.contains(&Channel::Email) {
            return Ok(Sent::Done);
        }
        self.once(Channel::Email, tell, until, async {
            let contact = &tell.customer.contact;
            let mail = wording::mail(&tell.order, contact, &tell.message);
            let mail = mail.map_err(|error| Failure::permanent(format!("the mail cannot be written: {error}")))?;
            match self.mailer.send(&contact.email, &mail).await {
                Ok(()) => Ok(Sent::Done),
                Err(MailError::Unreachable(_)) => Ok(Sent::Unreachable),
                Err(error) => Err(error.into()),
            }
        })
        .await
    }

    async fn by_sms(&self, tell: &Tell, until: Time) -> Result<Sent> {
        let contact = &tell.customer.contact;
        let Some(phone) = &contact.phone else { return Ok(Sent::Done) };
        if self.sms_countries.0.is_empty() || tell.customer.unreachable.contains(&Channel::Sms) {
            return Ok(Sent::Done);
        }
        let Some(recipient) = PhoneNumber::of(phone, contact.country) else { return Ok(unreachable(Channel::Sms)) };
        if !recipient.country().is_some_and(|country| self.sms_countries.0.contains(&country)) {
            info!("no SMS: the number is of a country that gets none");
            return Ok(Sent::Done);
        }
        self.once(Channel::Sms, tell, until, async {
            match self.sms.send(&recipient, &wording::sms(&tell.order, contact, &tell.message)).await {
                Ok(()) => Ok(Sent::Done),
                Err(SmsError::Unreachable(_)) => Ok(Sent::Unreachable),
                Err(error) => Err(error.into()),
            }
        })
        .await
    }

    /// Sends on one channel, unless that is done already. Where nobody is reached the lease is released, not done: should
    /// the process die before that is on record, the next attempt finds it out again.
    async fn once(
        &self,
        channel: Channel,
        tell: &Tell,
        until: Time,
        send: impl Future<Output = Result<Sent>>,
    ) -> Result<Sent> {
        let key = format!("{}#{}#{}", tell.cause.source, tell.cause.id, channel.as_str());
        let end = Cell::new(Sent::Done);
        let effect = async {
            end.set(send.await?);
            if end.get() == Sent::Done { Ok(()) } else { Err(Failure::permanent("nobody is reached")) }
        };
        match with_lease(&self.leases, &self.world, Lease { key, until }, effect).await {
            Err(_) if end.get() == Sent::Unreachable => return Ok(unreachable(channel)),
            Ok(Leased::Now) => info!(channel = channel.as_str(), "sent"),
            Ok(Leased::Before) => info!(channel = channel.as_str(), "sent before"),
            Err(failure) => return Err(failure.during(channel.as_str())),
        }
        Ok(Sent::Done)
    }
}

/// The line that is counted: what customers write is no alarm, but many of them at once are.
fn unreachable(channel: Channel) -> Sent {
    warn!(channel = channel.as_str(), "unreachable");
    Sent::Unreachable
}

impl<M: Mailer, S: Sms, L: Leases, W: Clock + Random> Effects<Notification> for Messenger<M, S, L, W> {
    /// The channels know nothing of each other: when one fails the other is not stopped, and when the event comes again
    /// because of the one, the other finds its lease done.
    async fn perform(&self, tell: Tell, _: Attempt, delivery: &Delivery<'_>) -> Result<Told> {
        let (mail, sms) = tokio::join!(self.by_mail(&tell, delivery.deadline), self.by_sms(&tell, delivery.deadline));
        let (mail, sms) = both(mail, sms)?;
        let channels = [(Channel::Email, mail), (Channel::Sms, sms)].into_iter();
        Ok(Told {
            unreachable: channels.filter(|(_, sent)| *sent == Sent::Unreachable).map(|(channel, _)| channel).collect(),
        })
    }
}

/// The result of two channels together. A failure that may pass counts for more than one that cannot: else the event
/// would be parked at once, and with it the message that would have gone out a moment later.
fn both<T>(one: Result<T>, other: Result<T>) -> Result<(T, T)> {
    match (one, other) {
        (Ok(one), Ok(other)) => Ok((one, other)),
        (Ok(_), Err(failure)) | (Err(failure), Ok(_)) => Err(failure),
        (Err(one), Err(other)) => {
            let kind = if urgency(one.kind()) >= urgency(other.kind()) { one.kind() } else { other.kind() };
            Err(Failure::new(kind, format!("{one}; {other}")))
        }
    }
}

const fn urgency(kind: FailureKind) -> u8 {
    match kind {
        FailureKind::Misconfigured => 2,
        FailureKind::Transient => 1,
        FailureKind::Permanent => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worse_of_two_failures_counts_and_both_are_told() {
        let failed = |kind| Err::<(), _>(Failure::new(kind, "x"));
        let result = |kind| Err(Failure::new(kind, "x"));
        for (one, other, kind) in [
            (FailureKind::Permanent, FailureKind::Permanent, FailureKind::Permanent),
            (FailureKind::Permanent, FailureKind::Transient, FailureKind::Transient),
            (FailureKind::Transient, FailureKind::Misconfigured, FailureKind::Misconfigured),
            (FailureKind::Misconfigured, FailureKind::Permanent, FailureKind::Misconfigured),
        ] {
            assert_eq!(both(failed(one), failed(other)), Err(Failure::new(kind, "x; x")));
            assert_eq!(both(failed(other), failed(one)), Err(Failure::new(kind, "x; x")));
            assert_eq!(both(failed(one), Ok(())), result(one));
            assert_eq!(both(Ok(()), failed(one)), result(one));
        }
        assert_eq!(both(Ok(1), Ok(2)), Ok((1, 2)));
    }
}

//! Effects of the service: each message goes out once on each channel.

use onewrite::port::{Clock, Leases, Random};
use onewrite::{Attempt, Delivery, Effects, Failure, FailureKind, Lease, Leased, Result, with_lease};
use orderflow_events::Time;
use tracing::{info, warn};

use crate::domain::{Notification, Tell};
use crate::port::{Mailer, PhoneNumber, Sms};
use crate::wording;

/// Effects of notification: the channels, and the leases that keep their messages from being sent twice.
pub struct Messenger<M, S, L, W> {
    mailer: M,
    sms: S,
    leases: L,
    world: W,
}

impl<M: Mailer, S: Sms, L: Leases, W: Clock + Random> Messenger<M, S, L, W> {
    /// A messenger on these channels.
    pub fn new(mailer: M, sms: S, leases: L, world: W) -> Self {
        Self { mailer, sms, leases, world }
    }

    async fn by_mail(&self, tell: &Tell, until: Time) -> Result<()> {
        self.once("email", tell, until, async {
            let mail = wording::mail(&tell.order, &tell.message);
            let mail = mail.map_err(|error| Failure::permanent(format!("the mail cannot be written: {error}")))?;
            Ok(self.mailer.send(&tell.contact.email, &mail).await?)
        })
        .await
    }

    async fn by_sms(&self, tell: &Tell, until: Time) -> Result<()> {
        let Some(phone) = &tell.contact.phone else { return Ok(()) };
        let Some(recipient) = PhoneNumber::of(phone) else {
            warn!("no SMS: the customer's phone is not a number of E.164");
            return Ok(());
        };
        self.once("sms", tell, until, async {
            Ok(self.sms.send(&recipient, &wording::sms(&tell.order, &tell.message)).await?)
        })
        .await
    }

    /// Sends on one channel, unless that is done already.
    async fn once(
        &self,
        channel: &'static str,
        tell: &Tell,
        until: Time,
        send: impl Future<Output = Result<()>>,
    ) -> Result<()> {
        let key = format!("{}#{}#{channel}", tell.cause.source, tell.cause.id);
        match with_lease(&self.leases, &self.world, Lease { key, until }, send).await {
            Ok(Leased::Now) => info!(channel, "sent"),
            Ok(Leased::Before) => info!(channel, "sent before"),
            Err(failure) => return Err(failure.during(channel)),
        }
        Ok(())
    }
}

impl<M: Mailer, S: Sms, L: Leases, W: Clock + Random> Effects<Notification> for Messenger<M, S, L, W> {
    /// The channels know nothing of each other: when one fails the other is not stopped, and when the event comes again
    /// because of the one, the other finds its lease done.
    async fn perform(&self, tell: Tell, _: Attempt, delivery: &Delivery<'_>) -> Result<()> {
        let (mail, sms) = tokio::join!(self.by_mail(&tell, delivery.deadline), self.by_sms(&tell, delivery.deadline));
        both(mail, sms)
    }
}

/// The result of two channels together. A failure that may pass counts for more than one that cannot: else the event
/// would be parked at once, and with it the message that would have gone out a moment later.
fn both(one: Result<()>, other: Result<()>) -> Result<()> {
    match (one, other) {
        (Ok(()), result) | (result, Ok(())) => result,
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
        let failed = |kind| Err(Failure::new(kind, "x"));
        for (one, other, kind) in [
            (FailureKind::Permanent, FailureKind::Permanent, FailureKind::Permanent),
            (FailureKind::Permanent, FailureKind::Transient, FailureKind::Transient),
            (FailureKind::Transient, FailureKind::Misconfigured, FailureKind::Misconfigured),
            (FailureKind::Misconfigured, FailureKind::Permanent, FailureKind::Misconfigured),
        ] {
            assert_eq!(both(failed(one), failed(other)), Err(Failure::new(kind, "x; x")));
            assert_eq!(both(failed(other), failed(one)), Err(Failure::new(kind, "x; x")));
            assert_eq!(both(failed(one), Ok(())), failed(one));
            assert_eq!(both(Ok(()), failed(one)), failed(one));
        }
        assert_eq!(both(Ok(()), Ok(())), Ok(()));
    }
}

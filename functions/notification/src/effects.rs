//! Effects of the service: each message is handed over once on each channel.
//!
//! Whom it goes to is sealed, and opened here. Where nobody can open that any more there is nobody to tell: an outcome.

use std::cell::RefCell;
use std::time::Duration;

use onewrite::link::{LinkKeySource, Links, NoLinkKeys};
use onewrite::personal::{KeyRing, Keys};
use onewrite::port::{Allowances, Clock, Leases, Random};
use onewrite::telemetry::{Measure, Observation, Unit, observe};
use onewrite::{
    Attempt, Delivery, Effects, Failure, FailureKind, LEASE_KEPT, Lease, Leased, Part, Result, with_lease_of_parts,
};
use orderflow_events::{Person, Text, link_to, withdrawal_at};
use tracing::{info, warn};

use crate::domain::{Channel, Notification, Tell, Told};
use crate::pacing::Pacing;
use crate::phone::PhoneNumber;
use crate::port::{MailError, Mailer, Sms, SmsError};
use crate::recipient::{Limits, Recipient, expiry, member};
use crate::settings::{Countries, LinkSettings, Number, ShopUrl};
use crate::wording::{self, MailedLinks};

/// Greatest age of an event that a customer is told of: some days less than [its lease is kept](LEASE_KEPT).
pub const TOLD_WITHIN: Duration = Duration::from_hours(40 * 24);

const _: () = assert!(TOLD_WITHIN.as_secs() < LEASE_KEPT.as_secs());

/// Effects of notification: the channels, and the leases that keep their messages from being sent twice.
pub struct Messenger<M, S, L, P, W, K = NoLinkKeys> {
    mailer: M,
    pacing: Pacing,
    sms: S,
    sms_countries: Countries,
    leases: L,
    keys: KeyRing<P, W>,
    world: W,
    limits: Option<Limits>,
    links: Option<MailLinks<K>>,
    shop_url: ShopUrl,
}

/// Links in the mails to guests, and the URL of the shop that they lead to.
#[derive(Debug)]
pub struct MailLinks<K> {
    links: Links<K>,
    shop_url: String,
}

impl<K: LinkKeySource> MailLinks<K> {
    /// Links as these settings want them, signed by those keys.
    #[must_use]
    pub fn new(settings: &LinkSettings, keys: K) -> Self {
        Self { links: Links::new(keys, settings.lifetime()), shop_url: settings.shop_url.to_string() }
    }
}

/// Number of a customer, for short messages.
enum Phone {
    /// There is none that gets any.
    None,
    /// It is one that nobody can be reached by.
    Unreachable,
    /// It is this.
    Of(PhoneNumber),
}

impl<M: Mailer, S: Sms, L: Leases + Allowances, P: Keys, W: Clock + Random> Messenger<M, S, L, P, W> {
    /// A messenger on these channels to the customers that these keys open, with mails at this pace, and short messages to the
    /// numbers of these countries.
    pub fn new(
        mailer: M,
        pacing: Pacing,
        sms: S,
        sms_countries: Countries,
        leases: L,
        keys: KeyRing<P, W>,
        world: W,
    ) -> Self {
        let (limits, links, shop_url) = (None, None, ShopUrl::default());
        Self { mailer, pacing, sms, sms_countries, leases, keys, world, limits, links, shop_url }
    }
}

impl<M: Mailer, S: Sms, L: Leases + Allowances, P: Keys, W: Clock + Random, K: LinkKeySource>
    Messenger<M, S, L, P, W, K>
{
    /// The same messenger, whose mails to guests have links, if there are to be any.
    #[must_use]
    pub fn with_links<T: LinkKeySource>(self, links: Option<MailLinks<T>>) -> Messenger<M, S, L, P, W, T> {
        let Self { mailer, pacing, sms, sms_countries, leases, keys, world, limits, links: _, shop_url } = self;
        Messenger { mailer, pacing, sms, sms_countries, leases, keys, world, limits, links, shop_url }
    }

    /// The same messenger, whose mails to those who sign in say where the pages of the shop are, if it has any.
    #[must_use]
    pub fn with_shop(self, shop_url: ShopUrl) -> Self {
        Self { shop_url, ..self }
    }

    /// The same messenger, of whom each recipient gets no more than that in a day.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits: Some(limits), ..self }
    }

    /// Takes a place for the message among those of its recipient and day, once, however often it is tried; false where there is
    /// none left. It is counted before it is sent, so that of many at once no more are sent than may be.
    async fn admits(&self, most: impl Fn(&Limits) -> Number, recipient: Recipient, tell: &Tell) -> Result<bool> {
        let Some(limits) = &self.limits else { return Ok(true) };
        let (now, Number(most)) = (self.world.now(), most(limits));
        self.leases.admit(&recipient.on(now), &member(&key_of(tell)), most, expiry(now)).await
    }

    fn is_old(&self, tell: &Tell) -> bool {
        tell.at.until(self.world.now()) > TOLD_WITHIN
    }

    /// True where nothing is left to be put on record of a customer whom nobody knows any more: it is on record that nobody reaches them,
    /// or the event has come again, of which they were told when somebody knew them still.
    async fn is_told(&self, tell: &Tell) -> Result<bool> {
        let is_unreachable = tell.customer.unreachable.contains(&Channel::Email);
        Ok(is_unreachable || self.leases.done(&key_of(tell)).await?.has(Channel::Email.as_str()))
    }

    /// Customer to tell; none where nobody knows them any more.
    async fn open(&self, tell: &Tell) -> Result<Option<Person>> {
        let contact = &tell.customer.contact;
        self.keys.open(contact.customer.as_str(), &contact.personal).await
    }

    fn number(&self, tell: &Tell, person: &Person) -> Phone {
        let contact = &tell.customer.contact;
        let Some(phone) = &person.phone else { return Phone::None };
        if self.sms_countries.0.is_empty() || tell.customer.unreachable.contains(&Channel::Sms) {
            return Phone::None;
        }
        let Some(number) = PhoneNumber::of(phone, contact.country) else { return Phone::Unreachable };
        if !number.country().is_some_and(|country| self.sms_countries.0.contains(&country)) {
            info!("no SMS: the number is of a country that gets none");
            return Phone::None;
        }
        Phone::Of(number)
    }

    /// The links of a mail to a guest, who has no other way to the order. Whoever signs in has one, and a link that lets in would
    /// be a second that is weaker: it lets in whom the mail is passed on to. They are told where to withdraw, which the law wants
    /// to be easy to find.
    async fn links(&self, tell: &Tell) -> Result<MailedLinks> {
        if !tell.customer.contact.is_guest() {
            let page = |shop: &Text| withdrawal_at(shop.as_str(), &tell.order, None);
            return Ok(MailedLinks { order: None, withdrawal: self.shop_url.0.as_ref().map(page) });
        }
        let Some(MailLinks { links, shop_url }) = &self.links else { return Ok(MailedLinks::default()) };
        let now = self.world.now();
        let access = links.signer(now).await?.sign(tell.order.as_str(), now);
        let order = Some(link_to(shop_url, &tell.order, &access));
        Ok(MailedLinks { order, withdrawal: Some(withdrawal_at(shop_url, &tell.order, Some(&access))) })
    }

    /// Sends the mail, for which the caller has a turn. What SES finds too fast waits in place for another: given back, it
    /// would come again with all others, and have lost a receive.
    async fn mail(&self, tell: &Tell, person: &Person, delivery: &Delivery<'_>) -> Result<(), MailError> {
        let links = self.links(tell).await.map_err(MailError::Other)?;
        let total = tell.customer.contact.total;
        let mail = wording::mail(&tell.order, &person.name, total, &tell.message, &links)
            .map_err(|error| MailError::Other(unwritten(&error)))?;
        loop {
            match self.mailer.send(&person.email, &mail).await {
                Err(MailError::TooFast) => {
                    self.pacing.pause(&self.world);
                    self.pacing.turn(&self.world, delivery).await.map_err(MailError::Other)?;
                }
                sent => return sent,
            }
        }
    }
}

impl<M: Mailer, S: Sms, L: Leases + Allowances, P: Keys, W: Clock + Random, K: LinkKeySource>
    Messenger<M, S, L, P, W, K>
{
    fn mail_part<'a>(
        &'a self,
        tell: &'a Tell,
        person: &'a Person,
        delivery: &'a Delivery<'_>,
        untold: &'a Untold,
    ) -> Part<'a> {
        let send = async move {
            if !self.admits(|limits| limits.mails, Recipient::of_email(&person.email), tell).await? {
                self.pacing.give_back();
                return Err(untold.limited(Channel::Email));
            }
            self.mail(tell, person, delivery).await.map_err(|error| match error {
                MailError::Unreachable(_) => untold.unreachable(Channel::Email),
                error => error.into(),
            })
        };
        (Channel::Email.as_str(), Box::pin(send))
    }

    fn sms_part<'a>(&'a self, tell: &'a Tell, person: &Person, untold: &'a Untold) -> Option<Part<'a>> {
        let number = match self.number(tell, person) {
            Phone::None => return None,
            Phone::Unreachable => {
                untold.unreachable(Channel::Sms);
                return None;
            }
            Phone::Of(number) => number,
        };
        let send = async move {
            if !self.admits(|limits| limits.texts, Recipient::of_phone(&number), tell).await? {
                return Err(untold.limited(Channel::Sms));
            }
            let text = wording::sms(&tell.order, tell.customer.contact.total, &tell.message)
                .map_err(|error| unwritten(&error))?;
            self.sms.send(&number, &text).await.map_err(|error| match error {
                SmsError::Unreachable(_) => untold.unreachable(Channel::Sms),
                SmsError::Other(failure) => failure,
            })
        };
        Some((Channel::Sms.as_str(), Box::pin(send)))
    }
}

fn unwritten(error: &askama::Error) -> Failure {
    Failure::permanent(format!("the message cannot be written: {error}"))
}

/// Channels by which nothing is told. What customers write is no alarm, and neither is one who gets nothing more, but many of them
/// at once are: each has a line, and the latter a metric. The failures leave the part of the lease undone.
#[derive(Default)]
struct Untold(RefCell<Told>);

impl Untold {
    /// Adds a channel by which nobody is reached.
    fn unreachable(&self, channel: Channel) -> Failure {
        warn!(channel = channel.as_str(), "unreachable");
        self.0.borrow_mut().unreachable.insert(channel);
        Failure::permanent("nobody is reached")
    }

    /// Adds a channel by which the recipient gets nothing more that day.
    fn limited(&self, channel: Channel) -> Failure {
        warn!(channel = channel.as_str(), "limited");
        let dimensions = [("Service", "notification"), ("Channel", channel.as_str())];
        let measures = [Measure { name: "Limited", unit: Unit::Count, value: 1.0 }];
        observe(None, &Observation::Measured { dimensions: &dimensions, measures: &measures });
        self.0.borrow_mut().limited.insert(channel);
        Failure::permanent("the recipient has had enough for a day")
    }

    fn is_by(&self, channel: &str) -> bool {
        let told = self.0.borrow();
        told.unreachable.union(&told.limited).any(|untold| untold.as_str() == channel)
    }
}

impl<M: Mailer, S: Sms, L: Leases + Allowances, P: Keys, W: Clock + Random, K: LinkKeySource> Effects<Notification>
    for Messenger<M, S, L, P, W, K>
{
    /// Tells the customer by each channel that may reach them, all as parts of one lease. Where nobody is reached, or gets nothing
    /// more that day, the part is not done: should the process die before that is on record, the next attempt finds it out again.
    ///
    /// Of what is older than the leases nobody knows any more whether it was told, and it is no news: nobody is told of it.
    async fn perform(&self, tell: Tell, _: Attempt, delivery: &Delivery<'_>) -> Result<Told> {
        if self.is_old(&tell) {
            info!("too old to tell anybody of");
            return Ok(Told::default());
        }
        let Some(person) = self.open(&tell).await? else {
            let is_told = self.is_told(&tell).await?;
            info!(is_told, "nobody to tell: the customer is erased");
            return Ok(Told { is_erased: !is_told, ..Told::default() });
        };
        let (untold, mut parts) = (Untold::default(), Vec::new());
        if !tell.customer.unreachable.contains(&Channel::Email) {
            // Before the lease: who has no turn leaves no trace. The short message goes with its mail.
            self.pacing.turn(&self.world, delivery).await?;
            parts.push(self.mail_part(&tell, &person, delivery, &untold));
        }
        parts.extend(self.sms_part(&tell, &person, &untold));
        if !parts.is_empty() {
            let lease = Lease { key: key_of(&tell), until: delivery.deadline };
            let results = with_lease_of_parts(&self.leases, &self.world, lease, parts).await?;
            let results = results.into_iter().filter(|(channel, _)| !untold.is_by(channel));
            results.map(|(channel, result)| handed_over(channel, result)).fold(Ok(()), both)?;
        }
        Ok(untold.0.take())
    }

    async fn is_performed(&self, tell: &Tell) -> Result<bool> {
        if self.is_old(tell) {
            return Ok(true);
        }
        let Some(person) = self.open(tell).await? else { return self.is_told(tell).await };
        let by_mail = (!tell.customer.unreachable.contains(&Channel::Email)).then_some(Channel::Email);
        let by_sms = matches!(self.number(tell, &person), Phone::Of(_)).then_some(Channel::Sms);
        if by_mail.or(by_sms).is_none() {
            return Ok(true);
        }
        // Of a channel that has turned out to reach nobody the part is never done, and so not all of the lease.
        let done = self.leases.done(&key_of(tell)).await?;
        Ok(by_mail.into_iter().chain(by_sms).all(|channel| done.has(channel.as_str())))
    }
}

fn key_of(tell: &Tell) -> String {
    format!("{}#{}", tell.cause.source, tell.cause.id)
}

/// Logs what a channel has taken. Whether it arrives, nobody says here.
fn handed_over(channel: &str, result: Result<Leased>) -> Result<()> {
    match result {
        Ok(Leased::Now) => info!(channel, "handed over"),
        Ok(Leased::Before) => info!(channel, "handed over before"),
        Err(failure) => return Err(failure.during(channel)),
    }
    Ok(())
}

/// The result of two channels together. A failure that may pass counts for more than one that cannot: else the event
/// would be parked at once, and with it the message that would have gone out a moment later. The longer wait counts, for
/// until then the event would only come again in vain.
fn both(one: Result<()>, other: Result<()>) -> Result<()> {
    match (one, other) {
        (Ok(()), result) | (result, Ok(())) => result,
        (Err(one), Err(other)) => {
            let kind = if urgency(one.kind()) >= urgency(other.kind()) { one.kind() } else { other.kind() };
            let failure = Failure::new(kind, format!("{one}; {other}"));
            Err(one.wait().max(other.wait()).map_or(failure.clone(), |wait| failure.not_before(wait)))
        }
    }
}

const fn urgency(kind: FailureKind) -> u8 {
    match kind {
        FailureKind::Misconfigured => 4,
        FailureKind::Unavailable => 3,
        FailureKind::Transient => 2,
        FailureKind::Deferred => 1,
        FailureKind::Permanent => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_worse_of_two_failures_counts_and_both_are_told() {
        let failed = |kind| Err(Failure::new(kind, "x"));
        let result = |kind| Err(Failure::new(kind, "x"));
        for (one, other, kind) in [
            (FailureKind::Permanent, FailureKind::Permanent, FailureKind::Permanent),
            (FailureKind::Permanent, FailureKind::Transient, FailureKind::Transient),
            (FailureKind::Transient, FailureKind::Misconfigured, FailureKind::Misconfigured),
            (FailureKind::Transient, FailureKind::Unavailable, FailureKind::Unavailable),
            (FailureKind::Deferred, FailureKind::Transient, FailureKind::Transient),
            (FailureKind::Permanent, FailureKind::Deferred, FailureKind::Deferred),
            (FailureKind::Misconfigured, FailureKind::Permanent, FailureKind::Misconfigured),
        ] {
            assert_eq!(both(failed(one), failed(other)), Err(Failure::new(kind, "x; x")));
            assert_eq!(both(failed(other), failed(one)), Err(Failure::new(kind, "x; x")));
            assert_eq!(both(failed(one), Ok(())), result(one));
            assert_eq!(both(Ok(()), failed(one)), result(one));
        }
        assert_eq!(both(Ok(()), Ok(())), Ok(()));
        let [hours, minutes] = [Duration::from_hours(6), Duration::from_mins(1)];
        let lasting = |wait| Err(Failure::transient("x").not_before(wait));
        for other in [lasting(minutes), failed(FailureKind::Transient)] {
            assert_eq!(both(lasting(hours), other).unwrap_err().wait(), Some(hours));
        }
    }
}

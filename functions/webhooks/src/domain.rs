//! Endpoint of a webhook, and what becomes of it: pure.
//!
//! An endpoint has a cursor of the feed. All that it wanted up to there was posted, or is noted as waiting for another attempt. So
//! nothing is copied for it in advance: an endpoint that is down waits at its cursor, and one that is disabled finds all that it has
//! missed after it.

use std::time::Duration;

use onewrite::envelope::{Pattern, parse};
use onewrite::feed::Cursor;
use onewrite::personal::SealedText;
use onewrite::webhook::{Answer, Unanswered};
use orderflow_events::{Text, Time};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Time for which an event is tried, and an endpoint may fail.
pub const TRIED_FOR: Duration = Duration::from_hours(72);

/// Time for which a secret signs, too, once another has taken its place.
pub const BOTH_SIGN_FOR: Duration = Duration::from_hours(24);

/// Time between two mails about outages of one endpoint, at least: whoever makes it come and go sends somebody no more of them.
pub const MAILS_APART: Duration = Duration::from_hours(1);

/// Most mails about outages of the endpoints of one owner within [`MAILS_APART`]: whose address it is nobody has proved.
pub const MAX_MAILS_OF_OWNER: usize = 10;

/// Time after which what is left of a deleted endpoint is cleared: longer than anybody who does not know of it yet is at work, and than
/// its mails count.
pub const CLEARED_AFTER: Duration = Duration::from_hours(1);

/// Time for which an endpoint is left alone that cannot be worked for: shorter than a period of the alarm, which so lasts as long.
pub const UNABLE_PAUSE: Duration = Duration::from_mins(4);

/// Most secrets before the current one that sign, too: a signature of each is in the header of a message.
pub const MAX_PREVIOUS: usize = 5;

/// Most patterns before the current one that count for what an endpoint has not got yet.
pub const MAX_EARLIER: usize = 5;

/// Endpoint: a URL that gets the events that match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// Its id, `whk_` and some letters and digits.
    pub id: String,
    /// Revision of the record; 0 of one that is not on record.
    #[serde(skip)]
    pub revision: u64,
    /// Subject of whom it belongs to; none where access is open.
    pub owner: Option<Text>,
    /// URL that is posted to.
    pub url: String,
    /// Event pattern of what it gets; all events, where there is none.
    #[serde(rename = "match")]
    pub pattern: Option<Value>,
    /// Words of its owner.
    pub description: Option<Text>,
    /// Tells that an event of an order is posted once those before it are taken or given up.
    pub in_order: bool,
    /// Time at which it was made.
    pub created_at: Time,
    /// Secret that signs.
    pub secret: SealedText,
    /// Public key of the secret, where that is a private key of Ed25519; none where it is one of HMAC.
    pub public_key: Option<String>,
    /// Secrets before it, the earliest first, each with the time from which on it signs no more. They are sealed with the key of the
    /// current one.
    pub previous: Vec<(SealedText, Time)>,
    /// Reason why it gets nothing, and since when.
    pub disabled: Option<(Disabled, Time)>,
    /// Place of the feed up to which it has got all, but for what waits.
    pub cursor: Cursor,
    /// Number of times that somebody has said that there is something for it.
    pub wakes: u64,
    /// Time at which it is to be looked at; none while there is nothing for it.
    pub due: Option<Time>,
    /// Attempt that is at work for it, and the time after which it has died.
    pub hold: Option<(String, Time)>,
    /// Failures since it has last taken anything, if there are any.
    pub failing: Option<Failing>,
    /// Time since when nobody can work for it, for a reason that stays, such as a key that is lost.
    #[serde(default)]
    pub unable_since: Option<Time>,
    /// Tells that there may be events that wait for another attempt.
    pub has_waiting: bool,
    /// Tells that all that wait are tried at once, for there is a reason to think that they are taken now.
    pub hurries: bool,
    /// Mail address that is told of its outages, sealed.
    pub contact: Option<SealedText>,
    /// Outage that nobody was told of yet.
    pub untold: Option<Untold>,
    /// Time at which the last mail about an outage was taken in hand.
    pub told_at: Option<Time>,
    /// Patterns before the current one, the earliest first, each with the place of the feed up to which it counts.
    #[serde(default)]
    pub earlier: Vec<(Option<Value>, Cursor)>,
    /// Place of the feed up to which events are sent again, while they are.
    pub resending: Option<Cursor>,
    /// Last act of an operator.
    pub operator: Option<Act>,
    /// Time at which it was deleted, and the subject of whom it was deleted by. For everybody but those who clear it up it is gone.
    pub deleted: Option<(Time, Option<Text>)>,
}

/// Outage that the owner of an endpoint is to be told of. It comes on record with the outage, by the same write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Untold {
    /// Time at which somebody may tell of it: before that somebody is about to, or it has to wait.
    pub due: Time,
    /// Number of attempts.
    pub attempts: u32,
    /// Reason of the outage.
    pub reason: Disabled,
    /// Time of it.
    pub since: Time,
}

/// Act of an operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Act {
    /// Time of it.
    pub at: Time,
    /// Subject of whom it was; none where access is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<Text>,
    /// Kind of act.
    pub what: What,
}

/// Kind of act of an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum What {
    /// Switch it on.
    Enabled,
    /// Switch it off.
    Disabled,
    /// Delete it.
    Deleted,
}

/// Reason why an endpoint gets nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Disabled {
    /// Its owner has said so.
    ByOwner,
    /// An operator has said so: its owner cannot switch it on.
    ByOperator,
    /// It has taken nothing for three days.
    Dead,
    /// It has answered `410 Gone`.
    Gone,
}

/// Failures of an endpoint without a success between them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failing {
    /// Time of the first.
    pub since: Time,
    /// Number of rounds in which it has taken nothing.
    pub rounds: u32,
    /// Number of events that it was asked to take for the first time, and has not. One may be to blame itself.
    #[serde(default)]
    pub refused_new: u32,
    /// Tells that some of the last round were such events. Else the next of them need not wait.
    #[serde(default)]
    pub had_new: bool,
    /// Its cursor before the first: after it is all that it has missed.
    pub missed_after: Cursor,
}

/// Event on its way to an endpoint, or at its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// Id of the event.
    pub event_id: String,
    /// Key of the event in the journal.
    pub key: (String, String),
    /// Type of the event.
    #[serde(rename = "type")]
    pub event_type: String,
    /// Place among those that wait: of what was noted earlier it is smaller.
    pub place: u64,
    /// State that it is in.
    pub state: DeliveryState,
    /// Number of attempts.
    pub attempts: u32,
    /// Time of the first attempt; before that, at which it was noted.
    pub first_at: Time,
    /// Time of the last attempt.
    pub last_at: Option<Time>,
    /// Time of the next attempt.
    pub next_at: Option<Time>,
    /// Status of the last answer.
    pub status: Option<u16>,
    /// Beginning of the last answer, or why there was none.
    pub answer: Option<String>,
}

/// State of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum DeliveryState {
    /// It is tried again.
    Waiting,
    /// The receiver has taken it.
    Delivered,
    /// It was given up.
    Failed,
}

/// Result of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The receiver has taken it.
    Taken,
    /// It has not.
    Refused,
    /// It wants no more, ever.
    Gone,
}

/// Result of a round: what was posted to an endpoint at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Round {
    /// Cursor and wakes that the endpoint had before.
    pub before: (Cursor, u64),
    /// Cursor after what was looked at.
    pub cursor: Cursor,
    /// Tells that the feed had nothing after it.
    pub is_feed_end: bool,
    /// Tells that nothing after it can be taken on: there is nothing, or no room for it.
    pub is_end: bool,
    /// Results of the attempts.
    pub attempts: Vec<Attempt>,
    /// Number of those that were the first at their event.
    pub new: u32,
    /// Earliest time of another attempt at what waits, if there is any.
    pub next_at: Option<Time>,
    /// Time that an endpoint is left alone for, if it has taken nothing.
    pub pause: Duration,
}

/// Test of an event by a pattern. That was looked at when it was named: one that is not understood lets nothing through.
fn test_of(pattern: Option<&Value>) -> impl Fn(&Value) -> bool + use<> {
    let pattern = pattern.map(parse::<Pattern>);
    move |event| pattern.as_ref().is_none_or(|pattern| pattern.as_ref().is_ok_and(|it| it.matches(event)))
}

impl Endpoint {
    /// An endpoint of nobody that is made now, and gets all events after that place of the feed. It is awake: whoever looks through
    /// the feed at this moment may not know of it.
    #[must_use]
    pub const fn new(id: String, url: String, secret: SealedText, cursor: Cursor, now: Time) -> Self {
        Self {
            id,
            revision: 0,
            owner: None,
            url,
            pattern: None,
            description: None,
            in_order: false,
            created_at: now,
            secret,
            public_key: None,
            previous: Vec::new(),
            disabled: None,
            cursor,
            wakes: 0,
            due: Some(now),
            hold: None,
            failing: None,
            unable_since: None,
            has_waiting: false,
            hurries: false,
            contact: None,
            untold: None,
            told_at: None,
            earlier: Vec::new(),
            resending: None,
            operator: None,
            deleted: None,
        }
    }

    /// Test of an event of the feed, by the cursors before and after it: true of one that the endpoint gets. Each event is held
    /// against the pattern of its time.
    pub fn condition(&self) -> impl Fn(&Value, &Cursor, &Cursor) -> bool + use<> {
        let tests = self.earlier.iter().map(|(pattern, until)| (test_of(pattern.as_ref()), until.clone()));
        let (tests, latest) = (tests.collect::<Vec<_>>(), test_of(self.pattern.as_ref()));
        move |event, before, after| {
            // An event moves one shard: one that is within a place moves nothing beyond it.
            let is_within = |until: &Cursor| until.furthest(before) == until.furthest(after);
            match tests.iter().find(|(_, until)| is_within(until)) {
                Some((test, _)) => test(event),
                None => latest(event),
            }
        }
    }

    /// Its URL without the query, which may be a secret.
    #[must_use]
    pub fn plain_url(&self) -> &str {
        self.url.split(['?', '#']).next().unwrap_or_default()
    }

    /// Tells that somebody has to be at work for it: to post, to tell its owner of an outage, or to clear up what is left of it.
    #[must_use]
    pub fn needs_somebody(&self, now: Time) -> bool {
        self.is_due(now) || self.is_to_be_told(now) || self.is_to_be_cleared(now)
    }

    /// Tells that somebody has to post to it.
    #[must_use]
    pub fn is_due(&self, now: Time) -> bool {
        self.disabled.is_none() && self.due.is_some_and(|due| due <= now) && !self.is_held(now)
    }

    fn is_held(&self, now: Time) -> bool {
        self.hold.as_ref().is_some_and(|(_, until)| now < *until)
    }

    /// There is something for it after `place`, and nothing between its cursor and that which it has not got, unless it is awake:
    /// then it looks for itself. An endpoint that fails is left alone as long as before, if it has refused something new lately; so is
    /// one that nobody can work for.
    pub fn wake(&mut self, place: &Cursor, now: Time) {
        self.wakes += 1;
        if self.due.is_none() {
            self.cursor = self.cursor.furthest(place);
        }
        let is_left_alone = self.unable_since.is_some() || self.failing.as_ref().is_some_and(|failing| failing.had_new);
        self.due = match self.due {
            Some(due) if is_left_alone => Some(due),
            due => Some(due.map_or(now, |due| due.min(now))),
        };
    }

    /// Lets `holder` work for it until then, if it is due, or they do already. Whoever has died at work may have noted something.
    pub fn hold(&mut self, holder: &str, now: Time, until: Time) -> bool {
        if self.is_held_by(holder) {
            return true;
        }
        let is_due = self.is_due(now);
        if is_due {
            self.has_waiting |= self.hold.is_some();
            self.hold = Some((holder.to_owned(), until));
        }
        is_due
    }

    /// Tells that `holder` works for it.
    #[must_use]
    pub fn is_held_by(&self, holder: &str) -> bool {
        self.disabled.is_none() && self.hold.as_ref().is_some_and(|(held_by, _)| held_by == holder)
    }

    /// Nobody can work for it, for a reason that stays: it is left alone for a while, whatever happens.
    pub fn give_up(&mut self, now: Time) {
        self.unable_since.get_or_insert(now);
        self.due = Some(now.after(UNABLE_PAUSE));
    }

    /// A round is over. It sleeps only if nobody has woken it since that began; whoever has sent it to another place of the feed
    /// meanwhile is right.
    pub fn advance(&mut self, round: &Round, now: Time) {
        let (cursor, wakes) = &round.before;
        let is_where_it_was = self.cursor == *cursor;
        if is_where_it_was {
            self.cursor = round.cursor.clone();
        }
        (self.unable_since, self.has_waiting) = (None, round.next_at.is_some());
        if round.is_feed_end || self.resending.as_ref().is_some_and(|until| self.has_passed(until)) {
            self.resending = None;
        }
        let was_failing = self.failing.is_some();
        let is_nothing_left = round.is_end && round.next_at.is_none();
        if round.attempts.contains(&Attempt::Taken) || round.attempts.is_empty() && is_nothing_left {
            self.failing = None;
        } else {
            self.fails_on(round, now);
        }
        self.hurries = was_failing && self.failing.is_none();
        if self.failing.is_none() {
            // While it fails its cursor may go back.
            let cursor = &self.cursor;
            self.earlier.retain(|(_, until)| cursor.furthest(until) != *cursor);
        }
        let is_dead = |failing: &Failing| failing.refused_new > 1 && failing.since.after(TRIED_FOR) <= now;
        let is_dead = self.failing.as_ref().is_some_and(is_dead);
        if is_dead || round.attempts.contains(&Attempt::Gone) {
            // It is over, and all that it has noted is known.
            self.hold = None;
        }
        if round.attempts.contains(&Attempt::Gone) {
            self.disable(Disabled::Gone, now);
        } else if is_dead {
            self.disable(Disabled::Dead, now);
        } else if self.failing.is_some() {
            let is_nothing_to_try = round.attempts.is_empty() && round.is_end && self.wakes == *wakes;
            let next_at = round.next_at.filter(|_| is_nothing_to_try);
            self.due = Some(next_at.unwrap_or_else(|| now.after(round.pause)));
        } else if is_where_it_was && round.is_end && self.wakes == *wakes && !self.hurries {
            self.due = round.next_at;
        } else {
            self.due = Some(now);
        }
    }

    /// It has taken nothing in a round. What only waits begins no failing: it has pauses of its own.
    fn fails_on(&mut self, round: &Round, now: Time) {
        if round.new > 0 {
            let missed_after = round.before.0.clone();
            self.failing.get_or_insert(Failing { since: now, rounds: 0, refused_new: 0, had_new: true, missed_after });
        }
        if let Some(failing) = &mut self.failing {
            failing.rounds += u32::from(!round.attempts.is_empty());
            failing.refused_new = failing.refused_new.saturating_add(round.new);
            failing.had_new = round.new > 0;
        }
    }

    /// It gets nothing any more, and finds what it has missed after its cursor. Of an outage its owner is to be told, if they have
    /// named an address.
    pub fn disable(&mut self, reason: Disabled, now: Time) {
        let is_outage = match reason {
            Disabled::Dead | Disabled::Gone => true,
            Disabled::ByOwner | Disabled::ByOperator => false,
        };
        if self.disabled.is_none() && is_outage {
            let due = self.told_at.map_or(now, |at| now.max(at.after(MAILS_APART)));
            self.untold = self.contact.is_some().then_some(Untold { due, attempts: 0, reason, since: now });
        }
        // An operator has the last word.
        let is_by_operator = self.is_disabled_by_operator();
        if self.disabled.is_none() || reason == Disabled::ByOperator && !is_by_operator {
            self.disabled = Some((reason, now));
        }
        if let Some(failing) = self.failing.take() {
            self.cursor = self.cursor.nearest(&failing.missed_after);
        }
        self.has_waiting |= self.hold.is_some();
        (self.due, self.hold) = (None, None);
    }

    /// Tells that an operator has disabled it.
    #[must_use]
    pub fn is_disabled_by_operator(&self) -> bool {
        self.disabled.is_some_and(|(reason, _)| reason == Disabled::ByOperator)
    }

    /// Its owner has it get what it has missed, and what comes then: they know of its outage.
    pub fn enable(&mut self, now: Time) {
        self.untold = None;
        self.enable_for_owner(now);
    }

    /// Somebody else does: its owner is still to be told of its outage.
    pub fn enable_for_owner(&mut self, now: Time) {
        if self.disabled.take().is_some() {
            self.begin_anew(now);
        }
    }

    /// Tells that its owner is to be told of an outage, and nobody is about to.
    #[must_use]
    pub fn is_to_be_told(&self, now: Time) -> bool {
        self.deleted.is_none() && self.untold.as_ref().is_some_and(|untold| untold.due <= now)
    }

    /// Tells that its owner may be told now, by what there is of all endpoints: there are not too many mails about those of one owner. Of
    /// many that are due at once the first are told of, so that whoever asks for another of them answers the same.
    #[must_use]
    pub fn may_be_told(&self, all: &[Self], now: Time) -> bool {
        let own = || all.iter().filter(|it| it.owner == self.owner);
        let told = own().filter(|it| it.told_at.is_some_and(|at| now < at.after(MAILS_APART))).count();
        let is_before = |it: &&Self| it.is_to_be_told(now) && it.id < self.id;
        told + own().filter(is_before).count() < MAX_MAILS_OF_OWNER
    }

    /// Its owner is told later, if that is due: they were told of enough.
    pub fn tell_later(&mut self, now: Time) -> bool {
        let is_due = self.is_to_be_told(now);
        if let Some(untold) = self.untold.as_mut().filter(|_| is_due) {
            untold.due = now.after(MAILS_APART);
        }
        is_due
    }

    /// Somebody is about to tell its owner of an outage, if that is due: until then nobody else is. What they have in hand. The mail
    /// counts from now on, whatever somebody does meanwhile.
    pub fn tell(&mut self, now: Time, until: Time) -> Option<Untold> {
        let is_due = self.is_to_be_told(now);
        let untold = self.untold.as_mut().filter(|_| is_due)?;
        (untold.due, untold.attempts) = (until, untold.attempts + 1);
        self.told_at = Some(now);
        self.untold.clone()
    }

    /// Its owner was told by those who have that in hand; or was not, and they are again after a pause, if there is one. Tells
    /// whether it was still theirs.
    pub fn told(&mut self, in_hand: &Untold, again_at: Option<Time>) -> bool {
        let is_theirs = self.untold.as_ref() == Some(in_hand);
        if is_theirs {
            self.untold = again_at.map(|due| Untold { due, ..in_hand.clone() });
        }
        is_theirs
    }

    /// Another address is told of its outages, or none. If a mail to the one before is under way, the new one gets its own, as late as
    /// that of another outage.
    pub fn set_contact(&mut self, contact: Option<SealedText>) {
        if self.contact == contact {
            return;
        }
        self.contact = contact;
        self.untold = self.untold.take().filter(|_| self.contact.is_some());
        if let (Some(untold), Some(at)) = (&mut self.untold, self.told_at) {
            (untold.due, untold.attempts) = (at.after(MAILS_APART), 0);
        }
    }

    /// Another pattern counts for what happens after `end`, a cursor of the end of the feed; up to there it is the one before. All up to
    /// `seen` was told to it. Answers false where too many patterns count for what it has not got yet, and changes nothing.
    pub fn listen(&mut self, pattern: Option<Value>, (seen, end): (&Cursor, &Cursor), now: Time) -> bool {
        if self.pattern == pattern {
            return true;
        }
        if self.disabled.is_none() && self.due.is_none() {
            // Asleep: it wants nothing of what it was not told of.
            self.cursor = self.cursor.furthest(seen);
        }
        let is_behind = !self.has_passed(end) || self.failing.is_some();
        if is_behind && self.earlier.len() >= MAX_EARLIER {
            return false;
        }
        let before = std::mem::replace(&mut self.pattern, pattern);
        if is_behind {
            self.earlier.push((before, end.clone()));
        }
        // Whoever is at work for it, or looks through the feed, does not know of it.
        self.has_waiting |= self.hold.take().is_some();
        self.wakes += 1;
        if self.disabled.is_none() {
            self.due = Some(self.due.map_or(now, |due| due.min(now)));
        }
        true
    }

    fn has_passed(&self, place: &Cursor) -> bool {
        self.cursor.furthest(place) == self.cursor
    }

    /// It is gone, by the word of that subject, and is cleared up later. What may be a secret of its owner is not kept.
    pub fn delete(&mut self, by: Option<&Text>, now: Time) {
        if self.deleted.is_none() {
            self.disable(Disabled::ByOwner, now);
            self.url = self.plain_url().to_owned();
            (self.untold, self.contact) = (None, None);
            self.deleted = Some((now, by.cloned()));
        }
    }

    /// Tells that it is deleted, and that nobody is at work for it any more who does not know.
    #[must_use]
    pub fn is_to_be_cleared(&self, now: Time) -> bool {
        self.deleted.as_ref().is_some_and(|(at, _)| at.after(CLEARED_AFTER) <= now)
    }

    /// Begins anew: whatever was the matter with it is over, as far as anybody knows. What is under way counts no more.
    pub fn begin_anew(&mut self, now: Time) {
        (self.hold, self.has_waiting) = (None, true);
        (self.failing, self.unable_since) = (None, None);
        self.hurries = true;
        self.wakes += 1;
        if self.disabled.is_none() {
            self.due = Some(now);
        }
    }

    /// It gets again what is after that place, up to the end of the feed and then on, by its current pattern. Answers false, and changes
    /// nothing, while it still gets what it has asked for before.
    pub fn resend(&mut self, after: Cursor, end: &Cursor, now: Time) -> bool {
        if self.resending.is_some() && self.disabled.is_none() {
            return false;
        }
        self.cursor = after;
        self.earlier.clear();
        self.resending = Some(end.clone());
        self.begin_anew(now);
        true
    }

    /// Another secret signs from now on, and for a day the one before it as well; those before that do until their own day is over,
    /// so that who has lost the answer may ask again. Beyond [`MAX_PREVIOUS`] the earliest goes. Where it is sealed with another key those
    /// before are lost, and with them the address that was sealed with that; it is worked for at once, for this may be what it took.
    pub fn rotate(&mut self, secret: SealedText, public_key: Option<String>, now: Time) {
        if self.secret == secret {
            return;
        }
        if self.contact.as_ref().is_some_and(|contact| contact.key_name() != secret.key_name()) {
            self.set_contact(None);
        }
        if self.unable_since.take().is_some() && self.disabled.is_none() {
            self.due = Some(now);
        }
        self.public_key = public_key;
        self.previous.push((std::mem::replace(&mut self.secret, secret), now.after(BOTH_SIGN_FOR)));
        let key = self.secret.key_name();
        self.previous.retain(|(secret, until)| now < *until && secret.key_name() == key);
        if self.previous.len() > MAX_PREVIOUS {
            self.previous.remove(0);
        }
    }

    /// Secrets before the current one that sign at that time as well, the latest first.
    pub fn still_signing(&self, now: Time) -> impl Iterator<Item = &SealedText> {
        self.previous.iter().rev().filter(move |(_, until)| now < *until).map(|(secret, _)| secret)
    }
}

impl Delivery {
    /// The delivery of an event that was never tried.
    #[must_use]
    pub fn new(event: &Value, key: (String, String), place: u64, now: Time) -> Self {
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        Self {
            event_id: text("id"),
            key,
            event_type: text("type"),
            place,
            state: DeliveryState::Waiting,
            attempts: 0,
            first_at: now,
            last_at: None,
            next_at: Some(now),
            status: None,
            answer: None,
        }
    }

    /// The subject of its event, within which order is kept.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.key.0
    }

    /// It was tried: what became of it. Where it was not taken it comes again after `pause`, unless its time is over.
    pub fn tried(&mut self, answer: &Result<Answer, Unanswered>, pause: Duration, now: Time) -> Attempt {
        if self.attempts == 0 {
            self.first_at = now;
        }
        self.attempts += 1;
        self.last_at = Some(now);
        (self.status, self.answer) = match answer {
            Ok(answer) => (Some(answer.status), Some(answer.beginning.clone())),
            Err(why) => (None, Some(why.to_string())),
        };
        let attempt = match answer {
            Ok(answer) if answer.is_taken() => Attempt::Taken,
            Ok(Answer { status: 410, .. }) => Attempt::Gone,
            Ok(_) | Err(Unanswered::NotPublic | Unanswered::Unreachable | Unanswered::TooSlow) => Attempt::Refused,
        };
        (self.state, self.next_at) = match attempt {
            Attempt::Taken => (DeliveryState::Delivered, None),
            Attempt::Refused | Attempt::Gone if self.first_at.after(TRIED_FOR) <= now => (DeliveryState::Failed, None),
            Attempt::Refused | Attempt::Gone => (DeliveryState::Waiting, Some(now.after(pause))),
        };
        attempt
    }

    /// It was tried, and is not tried again, whatever became of it.
    pub fn tried_once(&mut self, answer: &Result<Answer, Unanswered>, now: Time) {
        if self.tried(answer, Duration::ZERO, now) != Attempt::Taken {
            (self.state, self.next_at) = (DeliveryState::Failed, None);
        }
    }
}

#[cfg(test)]
mod tests;

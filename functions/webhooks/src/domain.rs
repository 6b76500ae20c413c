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

/// Time for which the secret before the current one signs, too.
pub const BOTH_SIGN_FOR: Duration = Duration::from_hours(24);

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
    /// Secret before it, and the time from which on it signs no more.
    pub previous: Option<(SealedText, Time)>,
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
    /// Tells that there may be events that wait for another attempt.
    pub has_waiting: bool,
    /// Tells that all that wait are tried at once, for there is a reason to think that they are taken now.
    pub hurries: bool,
}

/// Reason why an endpoint gets nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Disabled {
    /// Its owner has said so.
    ByOwner,
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
    /// Tells that there was nothing after it.
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

impl Endpoint {
    /// Test of an event: true of one that the endpoint gets.
    pub fn condition(&self) -> impl Fn(&Value) -> bool + use<> {
        let pattern = self.pattern.as_ref().map(parse::<Pattern>);
        // It was looked at when it was named: one that is not understood lets nothing through.
        move |event| pattern.as_ref().is_none_or(|pattern| pattern.as_ref().is_ok_and(|it| it.matches(event)))
    }

    /// Tells that somebody has to be at work for it.
    #[must_use]
    pub fn is_due(&self, now: Time) -> bool {
        self.disabled.is_none() && self.due.is_some_and(|due| due <= now) && !self.is_held(now)
    }

    fn is_held(&self, now: Time) -> bool {
        self.hold.as_ref().is_some_and(|(_, until)| now < *until)
    }

    /// There is something for it after `place`, and nothing between its cursor and that which it has not got, unless it is awake:
    /// then it looks for itself. An endpoint that fails is left alone as long as before, if it has refused something new lately.
    pub fn wake(&mut self, place: &Cursor, now: Time) {
        self.wakes += 1;
        if self.due.is_none() {
            self.cursor = self.cursor.furthest(place);
        }
        let is_left_alone = self.failing.as_ref().is_some_and(|failing| failing.had_new);
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

    /// A round is over. It sleeps only if nobody has woken it since that began; whoever has sent it to another place of the feed
    /// meanwhile is right.
    pub fn advance(&mut self, round: &Round, now: Time) {
        let (cursor, wakes) = &round.before;
        let is_where_it_was = self.cursor == *cursor;
        if is_where_it_was {
            self.cursor = round.cursor.clone();
        }
        self.has_waiting = round.next_at.is_some();
        let was_failing = self.failing.is_some();
        let is_nothing_left = round.is_end && round.next_at.is_none();
        if round.attempts.contains(&Attempt::Taken) || round.attempts.is_empty() && is_nothing_left {
            self.failing = None;
        } else {
            self.fails_on(round, now);
        }
        self.hurries = was_failing && self.failing.is_none();
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

    /// It gets nothing any more, and finds what it has missed after its cursor.
    pub fn disable(&mut self, reason: Disabled, now: Time) {
        if self.disabled.is_none() {
            self.disabled = Some((reason, now));
        }
        if let Some(failing) = self.failing.take() {
            self.cursor = self.cursor.nearest(&failing.missed_after);
        }
        self.has_waiting |= self.hold.is_some();
        (self.due, self.hold) = (None, None);
    }

    /// It gets what it has missed, and what comes then.
    pub fn enable(&mut self, now: Time) {
        if self.disabled.take().is_some() {
            self.begin_anew(now);
        }
    }

    /// Begins anew: whatever was the matter with it is over, as far as anybody knows. What is under way counts no more.
    pub fn begin_anew(&mut self, now: Time) {
        (self.hold, self.has_waiting) = (None, true);
        self.failing = None;
        self.hurries = true;
        self.wakes += 1;
        if self.disabled.is_none() {
            self.due = Some(now);
        }
    }

    /// It gets again what is after that place.
    pub fn resend(&mut self, after: Cursor, now: Time) {
        self.cursor = after;
        self.begin_anew(now);
    }

    /// Another secret signs from now on, and for a day the one before it as well.
    pub fn rotate(&mut self, secret: SealedText, now: Time) {
        if self.secret == secret {
            return;
        }
        self.previous = Some((std::mem::replace(&mut self.secret, secret), now.after(BOTH_SIGN_FOR)));
    }

    /// Secrets that sign at that time.
    #[must_use]
    pub fn secrets(&self, now: Time) -> (&SealedText, Option<&SealedText>) {
        let previous = self.previous.as_ref().filter(|(_, until)| now < *until);
        (&self.secret, previous.map(|(secret, _)| secret))
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

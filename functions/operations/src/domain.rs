//! Dead letter and its life: waiting, sent back, handled, parked again, dropped.

use onewrite::envelope::{derive_id, text_type, token};
use onewrite::{Attribute, REDRIVE};
use orderflow_events::{Invalid, Time};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::message::Message;
use crate::persons::{Persons, UNOWNED_KEPT, unwrapped};

text_type!(
    /// Id of a dead letter.
    LetterId,
    letter_id_rule,
    { "type": "string", "maxLength": 64, "pattern": "^let_[a-z0-9]+$", "examples": ["let_1ez6m7xhq1v6vjcndwmdyvsfys"] }
);

fn letter_id_rule(text: &str) -> Result<(), Invalid> {
    id_rule("let_", text)
}

/// Rule of an id with that prefix, which is derived or drawn by us.
pub(crate) fn id_rule(prefix: &str, text: &str) -> Result<(), Invalid> {
    let rest = text.strip_prefix(prefix).unwrap_or_default();
    token(rest, "[a-z0-9]", |byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        .map_err(|_| Invalid::rule(format!("must be an id that begins with {prefix}")))
}

/// The most bytes of a body that is stored with its letter, too, so that a list need not ask for each.
const MAX_SHORT: usize = 4_096;

/// The most entries of a history that are kept: the first, and the latest.
const MAX_HISTORY: usize = 200;

/// The most characters of a reason that a history repeats; the letter itself has the whole.
const MAX_WHY: usize = 200;

/// SQS takes ten attributes with a message (its quota).
const MAX_ATTRIBUTES: usize = 10;

/// State of a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// Nobody has done anything about it.
    Waiting,
    /// It was sent back, and what became of it is not known yet.
    Sent,
    /// Its service has handled it: there is a row that says so.
    Handled,
    /// It was sent back, and has failed again.
    ParkedAgain,
    /// Somebody has decided that nothing is to be done about it.
    Dropped,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Waiting, Self::Sent, Self::Handled, Self::ParkedAgain, Self::Dropped];

    /// The state as it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sent => "sent",
            Self::Handled => "handled",
            Self::ParkedAgain => "parkedAgain",
            Self::Dropped => "dropped",
        }
    }

    /// True where somebody has to do something about it.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Waiting | Self::ParkedAgain)
    }
}

/// Class of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Class {
    /// It can never succeed.
    Permanent,
    /// A passing cause did not pass.
    Exhausted,
    /// No consumer has said anything: SQS itself, or SNS, has moved the message.
    None,
}

impl Class {
    /// The class as it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Permanent => "permanent",
            Self::Exhausted => "exhausted",
            Self::None => "none",
        }
    }
}

/// Kind of the queue that a letter was collected from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Origin {
    /// Dead-letter queue of a consumer.
    Consumer,
    /// Queue of what the topic could not deliver.
    Undeliverable,
    /// Dead-letter queue of a relay: a row, which is no message of any queue, and cannot be sent back to one.
    Relay,
}

/// Place that a letter is sent back to, and who can tell that it is handled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Destination {
    /// URL of the service's queue.
    pub queue_url: String,
    /// Name of the service's consumer, which can tell what it has handled.
    pub function: String,
    /// True of a journal, which takes events of types that nobody knows.
    pub is_journal: bool,
    /// True of a door, to which others send what they have written themselves.
    pub is_door: bool,
}

impl Message {
    /// The same as it is sent back for the `sends`-th time as that letter: the mark is the letter's id, a slash, and how often
    /// it has been sent back. A message that has all attributes that SQS takes
    /// goes without the mark; when it comes back it is known by its body.
    #[must_use]
    pub fn redriven(&self, letter: &LetterId, sends: u32) -> Self {
        let mut message = self.clone();
        if message.attributes.len() < MAX_ATTRIBUTES {
            let mark = Attribute::Text("String".to_owned(), format!("{letter}/{sends}"));
            message.attributes.insert(REDRIVE.to_owned(), mark);
        }
        message
    }

    /// Takes the mark of [`Message::redriven`] off.
    pub(crate) fn take_mark(&mut self) -> Option<(LetterId, u32)> {
        let Some(Attribute::Text(_, mark)) = self.attributes.get(REDRIVE) else { return None };
        let (letter, sends) = mark.split_once('/')?;
        let mark = (LetterId::new(letter).ok()?, sends.parse().ok()?);
        self.attributes.remove(REDRIVE);
        Some(mark)
    }
}

/// Event in a body, as far as anybody can tell: its body may be a letter because it is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Glimpse {
    /// The attribute `type`.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub event_type: Option<String>,
    /// The attribute `subject`; of a row its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The attribute `source`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The attribute `id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

impl Glimpse {
    /// Looks into a body.
    #[must_use]
    pub fn of(body: &str) -> Self {
        let Some(document) = unwrapped(body) else { return Self::default() };
        let text = |value: &Value| value.as_str().filter(|text| text.len() <= 1_024).map(str::to_owned);
        let subject = text(&document["subject"]);
        // A relay's letter is a row.
        let key = || text(&document["row"]["pk"]);
        Self {
            event_type: text(&document["type"]),
            subject: subject.or_else(key),
            source: text(&document["source"]),
            id: text(&document["id"]),
        }
    }

    /// As much of it as has nobody in it, whatever somebody has written there: type and subject, where they have the form of
    /// such.
    fn without_persons(self) -> Self {
        let is_token = |text: &String| {
            token(text, "[A-Za-z0-9_-]", |byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)).is_ok()
        };
        Self {
            event_type: self.event_type.filter(is_token),
            subject: self.subject.filter(is_token),
            source: None,
            id: None,
        }
    }
}

/// Entry of a letter's history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Time of the change.
    pub at: Time,
    /// Author of the change: the subject of a caller, or a function.
    pub by: String,
    /// The change: `parked`, `sent`, `handled`, `parkedAgain`, `edited`, `dropped`.
    pub what: String,
    /// The reason, where one was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Of an edit, the name of the body that it has replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced: Option<String>,
}

/// Last time that a letter was sent back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sending {
    /// The job.
    pub redrive: String,
    /// Time of the decision.
    pub at: Time,
    /// False from the decision until SQS has taken the message: who finds it so sends it, perhaps once more.
    pub is_confirmed: bool,
}

/// Dead letter without its message, which is stored beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Letter {
    /// Its id.
    pub id: LetterId,
    /// Its state.
    pub state: State,
    /// The service whose message it is.
    pub service: String,
    /// Kind of the queue that it was in.
    pub origin: Origin,
    /// ARN of that queue.
    pub source_queue: String,
    /// Place that it is sent back to.
    pub destination: Destination,
    /// Class of the latest failure.
    pub class: Class,
    /// Reason of the latest failure.
    pub reason: String,
    /// Time of the first failure.
    pub failed_at: Time,
    /// Function that has failed; empty where nobody has said.
    pub function: String,
    /// Times that the message was handed out before it was collected, as far as SQS says.
    pub receives: u32,
    /// The event in the body, as far as it has nobody in it.
    pub glimpse: Glimpse,
    /// Name of its message: the digest of the body, and of one that is sealed a hyphen and the name of the key, too.
    pub message: String,
    /// True if its message is sealed.
    pub is_sealed: bool,
    /// Time until which its message can be opened at least, where nobody can tell whose it is ([`UNOWNED_KEPT`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readable_until: Option<Time>,
    /// The body, if it is short, and the message is not sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub short_body: Option<String>,
    /// Number of times that it was sent back.
    pub sends: u32,
    /// The last of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sending: Option<Sending>,
    /// All that has happened to it.
    pub history: Vec<Entry>,
    /// Number of its changes: two readings of one revision are of one letter.
    pub revision: u64,
}

/// Message that has arrived in a queue of dead letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The service.
    pub service: String,
    /// Kind of the queue.
    pub origin: Origin,
    /// ARN of the queue.
    pub source_queue: String,
    /// Place that it is sent back to.
    pub destination: Destination,
    /// The message.
    pub message: Message,
    /// Class of its failure.
    pub class: Class,
    /// Reason of its failure.
    pub reason: String,
    /// Time of the failure.
    pub failed_at: Time,
    /// Function that has failed; empty where nobody has said.
    pub function: String,
    /// Times that it was handed out.
    pub receives: u32,
    /// The letter as which it was sent back, and for the how-manieth time, if it says so.
    pub mark: Option<(LetterId, u32)>,
}

impl Arrival {
    /// Id of the letter that it becomes: that of all copies of one message, and of no other. SQS may hand out a message twice,
    /// and a consumer whose answer was lost parks it twice.
    #[must_use]
    pub fn letter_id(&self) -> LetterId {
        letter_id(&self.service, self.origin, &self.message)
    }

    /// Author of the failure, for a history.
    fn by(&self) -> &str {
        if self.function.is_empty() { "sqs" } else { &self.function }
    }

    fn letter(&self, id: LetterId) -> Letter {
        let mut letter = Letter {
            id,
            state: State::Waiting,
            service: self.service.clone(),
            origin: self.origin,
            source_queue: self.source_queue.clone(),
            destination: self.destination.clone(),
            class: self.class,
            reason: self.reason.clone(),
            failed_at: self.failed_at,
            function: self.function.clone(),
            receives: self.receives,
            glimpse: Glimpse::default(),
            message: String::new(),
            is_sealed: false,
            readable_until: None,
            short_body: None,
            sends: 0,
            sending: None,
            history: Vec::new(),
            revision: 1,
        };
        letter.take(&self.message, self.failed_at);
        letter.note(self.failed_at, self.by(), "parked", Some(&self.reason));
        letter
    }
}

fn letter_id(service: &str, origin: Origin, message: &Message) -> LetterId {
    let origin = if origin == Origin::Relay { "relay" } else { "queue" };
    let id = derive_id("let_", &[service, origin, &message.digest()]);
    LetterId::new(id).unwrap_or_else(|_| unreachable!("a derived id keeps the rule"))
}

/// Id of the letter that a message of that body becomes, or became, at that service.
#[must_use]
pub fn letter_id_of(service: &str, body: &str) -> LetterId {
    let message = Message { body: body.to_owned(), ..Message::default() };
    letter_id(service, Origin::Consumer, &message)
}

/// Between the digest and the name of the key, in the name of a message that is sealed. No digest has it.
const SEALED_WITH: char = '-';

/// Name of a message that is sealed with the key of that name.
pub(crate) fn sealed_name(message: &Message, key: &str) -> String {
    format!("{}{SEALED_WITH}{key}", message.digest())
}

/// Digest and name of the key that the name of a message says; no key of one that is in clear.
fn name_parts(name: &str) -> (&str, Option<&str>) {
    name.split_once(SEALED_WITH).map_or((name, None), |(digest, key)| (digest, Some(key)))
}

/// Change that a letter's state does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a letter that is {} cannot be {what}", state.as_str())]
pub struct Refused {
    /// State of the letter.
    pub state: State,
    /// The change, in the past tense.
    pub what: &'static str,
}

impl Letter {
    /// Letter after the arrival of a message, which is its own or that of a new one; `None` where nothing changes, as by a
    /// copy.
    ///
    /// A copy is told from a relapse by the number in its mark, where it has one, else by the time of its failure.
    #[must_use]
    pub fn collected(known: Option<&Self>, id: LetterId, arrival: &Arrival) -> Option<Self> {
        let Some(known) = known else { return Some(arrival.letter(id)) };
        match known.state {
            State::Sent if known.is_relapse(arrival) => Some(known.relapsed(arrival)),
            State::Dropped if arrival.mark.is_none() && arrival.failed_at > known.changed_at() => {
                let mut letter = known.next(State::Waiting);
                letter.fail(arrival);
                letter.note(arrival.failed_at, arrival.by(), "parked", Some(&arrival.reason));
                Some(letter)
            }
            // What is handled is on record; whatever else of it fails has nothing left to do.
            State::Sent | State::Dropped | State::Waiting | State::ParkedAgain | State::Handled => None,
        }
    }

    /// True if its message has the body of that one.
    #[must_use]
    pub(crate) fn is_of(&self, message: &Message) -> bool {
        name_parts(&self.message).0 == message.digest()
    }

    /// True if the owner of its message has another key now, so that nobody can open it any more; `name` is that of one of its messages as it
    /// would be sealed now. Where both had never the same key, as where an edit has named somebody else, nobody can tell.
    #[must_use]
    pub(crate) fn is_shut(&self, name: &str) -> bool {
        let (_, key) = name_parts(&self.message);
        let (digest, key_now) = name_parts(name);
        let replaced = self.history.iter().filter_map(|entry| entry.replaced.as_ref());
        replaced.chain([&self.message]).any(|known| name_parts(known) == (digest, key)) && key != key_now
    }

    /// Letter with the message of an arrival in the place of its own, which nobody can open any more; `collected` is what it is after that
    /// arrival otherwise. Whoever waits for something to be done about it waits on, for that message. `None` where nothing changes:
    /// it is handled, or dropped, and the arrival is a copy.
    #[must_use]
    pub(crate) fn renewed(&self, collected: Option<Self>, arrival: &Arrival) -> Option<Self> {
        let mut letter = match (collected, self.state) {
            (Some(letter), _) => letter,
            (None, State::Handled | State::Dropped) => return None,
            (None, state @ (State::Waiting | State::Sent | State::ParkedAgain)) => {
                let mut letter = self.next(state);
                letter.fail(arrival);
                letter.note(arrival.failed_at, arrival.by(), "parked", Some(&arrival.reason));
                letter
            }
        };
        if !self.is_of(&arrival.message)
            && let Some(entry) = letter.history.last_mut()
        {
            entry.replaced = Some(self.message.clone());
        }
        letter.take(&arrival.message, arrival.failed_at);
        Some(letter)
    }

    fn is_relapse(&self, arrival: &Arrival) -> bool {
        match (&arrival.mark, &self.sending) {
            (Some((_, sends)), _) => *sends == self.sends,
            (None, Some(sending)) => arrival.failed_at > sending.at,
            (None, None) => true,
        }
    }

    fn relapsed(&self, arrival: &Arrival) -> Self {
        let mut letter = self.next(State::ParkedAgain);
        letter.fail(arrival);
        letter.note(arrival.failed_at, arrival.by(), "parkedAgain", Some(&arrival.reason));
        letter
    }

    /// Says the latest failure.
    fn fail(&mut self, arrival: &Arrival) {
        (self.class, self.reason) = (arrival.class, arrival.reason.clone());
        (self.function, self.receives) = (arrival.function.clone(), arrival.receives);
    }

    /// Letter that is about to be sent back.
    ///
    /// # Errors
    ///
    /// It is not open, or comes from no queue.
    pub fn claimed(&self, redrive: &str, by: &str, now: Time) -> Result<Self, Refused> {
        if !self.state.is_open() || self.origin == Origin::Relay {
            return Err(Refused { state: self.state, what: "sent back" });
        }
        let mut letter = self.next(State::Sent);
        letter.sends += 1;
        letter.sending = Some(Sending { redrive: redrive.to_owned(), at: now, is_confirmed: false });
        letter.note(now, by, "sent", Some(redrive));
        Ok(letter)
    }

    /// Letter that its queue has taken.
    #[must_use]
    pub fn confirmed(&self) -> Self {
        let mut letter = self.next(self.state);
        if let Some(sending) = &mut letter.sending {
            sending.is_confirmed = true;
        }
        letter
    }

    /// Letter that its queue will never take.
    #[must_use]
    pub fn unsendable(&self, reason: &str, now: Time) -> Self {
        let mut letter = self.next(State::ParkedAgain);
        reason.clone_into(&mut letter.reason);
        letter.note(now, "operations", "parkedAgain", Some(reason));
        letter
    }

    /// Letter that its service has handled, in its row of that number or because nothing is left to be done; `None` where
    /// nothing changes.
    #[must_use]
    pub fn handled(&self, row: Option<u32>, now: Time) -> Option<Self> {
        match self.state {
            State::Waiting | State::Sent | State::ParkedAgain => {
                let mut letter = self.next(State::Handled);
                let why = row.map_or_else(|| "nothing is left to be done".to_owned(), |row| format!("row {row}"));
                letter.note(now, &self.service, "handled", Some(&why));
                Some(letter)
            }
            State::Handled | State::Dropped => None,
        }
    }

    /// Letter with another message.
    ///
    /// # Errors
    ///
    /// It is not open.
    pub fn edited(&self, message: &Message, by: &str, why: &str, now: Time) -> Result<Self, Refused> {
        if !self.state.is_open() || self.origin == Origin::Relay {
            return Err(Refused { state: self.state, what: "edited" });
        }
        let mut letter = self.next(State::Waiting);
        letter.note(now, by, "edited", Some(why));
        if let Some(entry) = letter.history.last_mut() {
            entry.replaced = Some(self.message.clone());
        }
        letter.take(message, now);
        Ok(letter)
    }

    /// Letter about which nothing is to be done; `None` where that is so already.
    ///
    /// # Errors
    ///
    /// It is not open.
    pub fn dropped(&self, by: &str, why: &str, now: Time) -> Result<Option<Self>, Refused> {
        match self.state {
            State::Waiting | State::ParkedAgain => {
                let mut letter = self.next(State::Dropped);
                letter.note(now, by, "dropped", Some(why));
                Ok(Some(letter))
            }
            State::Dropped => Ok(None),
            State::Sent | State::Handled => Err(Refused { state: self.state, what: "dropped" }),
        }
    }

    /// Persons in clear that a body of its message may have. An edit may have anybody, wherever a schema has room for a text or
    /// looks away.
    pub(crate) fn persons_in(&self, body: &str) -> Persons {
        // A row of ours has nobody in clear.
        if self.origin == Origin::Relay {
            return Persons::Nobody;
        }
        let is_edited = self.history.iter().any(|entry| entry.replaced.is_some());
        Persons::of(body, self.destination.is_door || is_edited)
    }

    /// Place among all letters: the oldest failure comes first.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}#{}", self.failed_at, self.id)
    }

    /// Has that message from then on; it is sealed no earlier.
    fn take(&mut self, message: &Message, at: Time) {
        let glimpse = Glimpse::of(&message.body);
        let persons = self.persons_in(&message.body);
        self.is_sealed = persons != Persons::Nobody;
        self.readable_until = (persons == Persons::Unknown).then(|| at.after(UNOWNED_KEPT));
        self.message = message.digest();
        self.short_body = (!self.is_sealed && message.body.len() <= MAX_SHORT).then(|| message.body.clone());
        self.glimpse = if self.is_sealed { glimpse.without_persons() } else { glimpse };
    }

    fn next(&self, state: State) -> Self {
        Self { state, revision: self.revision + 1, ..self.clone() }
    }

    fn changed_at(&self) -> Time {
        self.history.last().map_or(self.failed_at, |entry| entry.at)
    }

    fn note(&mut self, at: Time, by: &str, what: &str, why: Option<&str>) {
        let why = why.map(|why| why.chars().take(MAX_WHY).collect());
        self.history.push(Entry { at, by: by.to_owned(), what: what.to_owned(), why, replaced: None });
        if self.history.len() > MAX_HISTORY {
            self.history.remove(1);
        }
    }
}

#[cfg(test)]
mod tests;

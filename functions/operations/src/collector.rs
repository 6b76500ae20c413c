//! Collector: takes every message out of the queues of dead letters, and puts it on record.

use std::collections::BTreeMap;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use futures::future::join_all;
use onewrite::personal::{KeyRing, Keys};
use onewrite::port::{Clock, DeadLetters, Random};
use onewrite::telemetry::{Observation, observe};
use onewrite::{Attribute, DeadLetter, Failure, FoundFailure, FoundLetter, Result};
use orderflow_events::Time;
use tracing::{error, info, warn};

use crate::domain::{Arrival, Class, Destination, Letter, LetterId, Origin, State};
use crate::gauges::{count, dimensions};
use crate::message::Message;
use crate::port::{LetterStore, Since, Stored};
use crate::sealing::{keep, sealed};

/// Number of attempts at a letter that others are changing.
const MAX_RACES: u32 = 10;

/// Receive at which a message that cannot be put on record goes to the collector's own dead-letter queue. A store that is
/// down for the time of so many visibility timeouts is a case for a person.
const MAX_RECEIVES: u32 = 100;

/// Settings of the collector of one service.
#[derive(Clone, Debug)]
pub struct Post {
    /// The service.
    pub service: String,
    /// Place that its letters are sent back to.
    pub destination: Destination,
    /// ARN of the queue of what its topic could not deliver.
    pub undeliverable_queue_arn: String,
    /// ARN of the dead-letter queue of its relay, if it has one.
    pub relay_dlq_arn: Option<String>,
    /// Name of this function.
    pub function: String,
}

/// Collector of the letters of one service.
pub struct Collector<S, R, Q, W> {
    store: S,
    keys: KeyRing<R, W>,
    own_letters: Q,
    world: W,
    post: Post,
}

impl<S: LetterStore, R: Keys, Q: DeadLetters, W: Clock + Random> Collector<S, R, Q, W> {
    /// The collector that puts letters in that store, sealed with those keys where somebody may be in them; what it cannot goes
    /// to `own_letters`.
    pub fn new(store: S, keys: KeyRing<R, W>, own_letters: Q, world: W, post: Post) -> Self {
        Self { store, keys, own_letters, world, post }
    }

    /// Puts the messages of one invocation on record. Those that are not come again.
    pub async fn run(&self, event: SqsEvent) -> SqsBatchResponse {
        let outcomes = join_all(event.records.iter().map(|record| self.run_record(record))).await;
        let mut response = SqsBatchResponse::default();
        for (record, outcome) in event.records.into_iter().zip(outcomes) {
            if let Err(failure) = outcome {
                warn!(reason = failure.reason(), "a letter is not on record");
                response.add_failure(record.message_id.unwrap_or_default());
            }
        }
        response
    }

    async fn run_record(&self, record: &SqsMessage) -> Result<()> {
        let arrival = self.arrival(record);
        let Err(failure) = self.collect(&arrival).await else { return Ok(()) };
        if failure.kind().is_retryable() && receives_of(record) < MAX_RECEIVES {
            return Err(failure);
        }
        error!(
            reason = failure.reason(),
            "a letter cannot be put on record: it goes to the collector's own dead letters"
        );
        let letter = DeadLetter::about(record, &failure, &self.post.function, self.world.now());
        self.own_letters.park(&letter).await
    }

    /// Puts a message on record: as the letter that it was sent back as, or as that of its body.
    ///
    /// # Errors
    ///
    /// It is unknown whether it is on record.
    pub async fn collect(&self, arrival: &Arrival) -> Result<()> {
        for _ in 0..MAX_RACES {
            let (id, known) = self.known(arrival).await?;
            let collected = Letter::collected(known.as_ref(), id, arrival);
            let (letter, has_message) = match &known {
                Some(known) if self.is_shut(known, arrival).await? => (known.renewed(collected, arrival), false),
                Some(_) => (collected, true),
                None => (collected, false),
            };
            let Some(mut letter) = letter else { return Ok(()) };
            let since = known.as_ref().map_or(Since::New, |known| Since::Revision(known.revision));
            // Before the letter says so: who dies between them leaves a message that no letter has, and all is done once more.
            if !has_message {
                keep(&self.store, &self.keys, &mut letter, &arrival.message, self.world.now()).await?;
            }
            if self.store.put(&letter, since).await? == Stored::Done {
                info!(letter = letter.id.as_str(), state = letter.state.as_str(), "letter on record");
                if since == Since::New {
                    let (dimensions, measures) = (dimensions(&letter.service, letter.class), [count("Letters", 1)]);
                    observe(None, &Observation::Measured { dimensions: &dimensions, measures: &measures });
                }
                return Ok(());
            }
        }
        Err(Failure::transient(format!("a letter lost {MAX_RACES} races")))
    }

    /// Tells of a known letter that nobody can open its message any more, or that nobody promises it. A collector may open nothing: it
    /// compares the name of the key with that of the key which the owner has now.
    async fn is_shut(&self, known: &Letter, arrival: &Arrival) -> Result<bool> {
        let now = self.world.now();
        match known.readable_until {
            _ if !known.is_sealed || known.state == State::Handled => Ok(false),
            Some(until) => Ok(until <= now),
            None => {
                let (name, _) = sealed(&self.keys, known, &arrival.message, now).await?;
                Ok(known.is_shut(&name))
            }
        }
    }

    /// The letter that a message belongs to, and its id.
    async fn known(&self, arrival: &Arrival) -> Result<(LetterId, Option<Letter>)> {
        // Anybody may write a mark: it counts for the message that was sent under it alone.
        if let Some((id, _)) = &arrival.mark
            && let Some(known) = self.store.letter(id).await?
            && known.is_of(&arrival.message)
        {
            return Ok((id.clone(), Some(known)));
        }
        let id = arrival.letter_id();
        let known = self.store.letter(&id).await?;
        Ok((id, known))
    }

    fn arrival(&self, record: &SqsMessage) -> Arrival {
        let FoundLetter { body, attributes, failure } = FoundLetter::from(record);
        let source_queue = record.event_source_arn.clone().unwrap_or_default();
        let origin = self.origin_of(&source_queue);
        let mut message = Message { body, attributes };
        let mark = message.take_mark();
        let (sent_at, now) = (sent_at(record), self.world.now());
        let failure = failure.unwrap_or_else(|| FoundFailure {
            class: String::new(),
            reason: unsaid(origin, &message.attributes),
            at: sent_at,
            function: String::new(),
        });
        Arrival {
            service: self.post.service.clone(),
            origin,
            source_queue,
            destination: self.post.destination.clone(),
            message,
            class: match failure.class.as_str() {
                "permanent" => Class::Permanent,
                "exhausted" => Class::Exhausted,
                _ => Class::None,
            },
            reason: failure.reason,
            failed_at: failure.at.or(sent_at).unwrap_or(now),
            function: failure.function,
            receives: receives_of(record),
            mark,
        }
    }

    fn origin_of(&self, queue_arn: &str) -> Origin {
        if self.post.relay_dlq_arn.as_deref() == Some(queue_arn) {
            Origin::Relay
        } else if self.post.undeliverable_queue_arn == queue_arn {
            Origin::Undeliverable
        } else {
            Origin::Consumer
        }
    }
}

/// Reason of a letter about which no consumer has said anything.
fn unsaid(origin: Origin, attributes: &BTreeMap<String, Attribute>) -> String {
    match (origin, attributes.get("ErrorMessage")) {
        (Origin::Undeliverable, Some(Attribute::Text(_, message))) => format!("not delivered: {message}"),
        (Origin::Undeliverable, _) => "the topic could not deliver it".to_owned(),
        (Origin::Consumer | Origin::Relay, _) => "the function died each time, or never had a slot to run".to_owned(),
    }
}

fn system_number<T: std::str::FromStr>(record: &SqsMessage, name: &str) -> Option<T> {
    record.attributes.get(name)?.parse().ok()
}

fn receives_of(record: &SqsMessage) -> u32 {
    system_number(record, "ApproximateReceiveCount").unwrap_or(1)
}

fn sent_at(record: &SqsMessage) -> Option<Time> {
    system_number(record, "SentTimestamp").map(Time::from_millis)
}

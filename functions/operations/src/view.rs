//! Letters and redrives as the API shows them.

use std::collections::BTreeMap;

use data_encoding::BASE64;
use onewrite::Attribute;
use orderflow_events::Time;
use serde::Serialize;

use crate::domain::{Class, Entry, Letter, LetterId, Message, State};
use crate::reason::general;
use crate::redrive::{Progress, Redrive, RedriveId};

/// A letter.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Brief {
    /// Its id.
    id: LetterId,
    /// The service whose message it is.
    service: String,
    /// Its state.
    state: State,
    /// Class of the latest failure.
    class: Class,
    /// Reason of the latest failure.
    reason: String,
    /// Type of the event.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    event_type: Option<String>,
    /// The order.
    #[serde(skip_serializing_if = "Option::is_none")]
    order_id: Option<String>,
    /// Time of the first failure.
    failed_at: Time,
    /// Times that the message was handed out before it was collected.
    receives: u32,
    /// Body of the message.
    body: String,
}

impl Brief {
    pub(crate) fn of(letter: &Letter, body: String) -> Self {
        Self {
            id: letter.id.clone(),
            service: letter.service.clone(),
            state: letter.state,
            class: letter.class,
            reason: letter.reason.clone(),
            event_type: letter.glimpse.event_type.clone(),
            order_id: letter.glimpse.subject.clone(),
            failed_at: letter.failed_at,
            receives: letter.receives,
            body,
        }
    }
}

/// Letters, the oldest failure first.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Page {
    /// The letters.
    pub(crate) letters: Vec<Brief>,
    /// Cursor of the next page, where there may be one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

/// A letter with all that is known of it.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Whole {
    #[serde(flatten)]
    brief: Brief,
    /// Function that has failed; empty where nobody has said.
    function: String,
    /// ARN of the queue that it was collected from.
    source_queue: String,
    /// Attributes of the message; of a binary one its base 64.
    attributes: BTreeMap<String, String>,
    /// All that has happened to it.
    history: Vec<Entry>,
    /// Bodies that were replaced, by the names that the history has for them.
    earlier: BTreeMap<String, String>,
}

impl Whole {
    pub(crate) fn of(letter: &Letter, message: Message, earlier: BTreeMap<String, String>) -> Self {
        let shown = |attribute: &Attribute| match attribute {
            Attribute::Text(_, text) => text.clone(),
            Attribute::Binary(_, bytes) => BASE64.encode(bytes),
        };
        Self {
            function: letter.function.clone(),
            source_queue: letter.source_queue.clone(),
            attributes: message.attributes.iter().map(|(name, value)| (name.clone(), shown(value))).collect(),
            history: letter.history.clone(),
            earlier,
            brief: Brief::of(letter, message.body),
        }
    }
}

/// Letters that have failed for the same reason.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Group {
    /// The service.
    service: String,
    /// Type of the event.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    event_type: Option<String>,
    /// Class of the failure.
    class: Class,
    /// Reason of the failure, without the numbers and ids in it.
    reason: String,
    /// Number of letters.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    count: u32,
    /// Time of the first failure of all.
    oldest: Time,
}

/// Groups of the letters about which something has to be done.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Groups {
    /// The groups, the largest first.
    groups: Vec<Group>,
}

impl Groups {
    pub(crate) fn of(letters: &[Letter]) -> Self {
        let mut groups = BTreeMap::<_, Group>::new();
        for letter in letters {
            let (event_type, reason) = (letter.glimpse.event_type.clone(), general(&letter.reason));
            let key = (letter.service.clone(), event_type.clone(), letter.class, reason.clone());
            let new = || Group {
                service: letter.service.clone(),
                event_type,
                class: letter.class,
                reason,
                count: 0,
                oldest: letter.failed_at,
            };
            let group = groups.entry(key).or_insert_with(new);
            group.count += 1;
            group.oldest = group.oldest.min(letter.failed_at);
        }
        let mut groups: Vec<Group> = groups.into_values().collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.count));
        Self { groups }
    }
}

/// A redrive that was taken on.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Taken {
    /// Its id; none of a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<RedriveId>,
    /// Number of its letters.
    pub(crate) total: u32,
}

/// Progress of a redrive.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Told {
    /// Its id.
    id: RedriveId,
    /// Its state.
    state: Progress,
    /// Number of its letters.
    total: u32,
    /// Letters that were sent back.
    sent: u32,
    /// Letters that are handled.
    handled: u32,
    /// Letters that were parked again.
    parked_again: u32,
    /// Letters that were not sent.
    left: u32,
    /// Caller who has asked for it.
    by: String,
    /// Time of the request.
    at: Time,
}

impl Told {
    pub(crate) fn of(redrive: &Redrive) -> Self {
        Self {
            id: redrive.id.clone(),
            state: redrive.progress,
            total: redrive.total,
            sent: redrive.sent,
            handled: redrive.handled,
            parked_again: redrive.parked_again,
            left: redrive.left(),
            by: redrive.by.clone(),
            at: redrive.at,
        }
    }
}

//! Partners: who has webhooks, and how their receivers answer.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::time::Duration;

use orderflow_events::Time;
use serde_json::{Value, json};

/// Partner with a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partner {
    /// Types of the events that they want; all, where there are none.
    pub types: &'static [&'static str],
    /// Tells that order counts.
    pub in_order: bool,
    /// Manner of their receiver.
    pub manner: Manner,
}

/// Manner of a receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// It takes all.
    Ready,
    /// It takes all, but for every fifth post.
    Picky,
    /// It takes nothing for so long, since it has got something for the first time.
    Down(Duration),
    /// It takes nothing until all else is over.
    Dead,
    /// It answers nobody, ever.
    Hanging,
    /// It takes all; its owner disables the webhook, enables it again, and has all sent once more.
    Paused,
}

impl Partner {
    /// Partner that wants all events, and takes them.
    pub const READY: Self = Self { types: &[], in_order: false, manner: Manner::Ready };

    /// One whose receiver never answers.
    pub const HANGING: Self = Self { manner: Manner::Hanging, ..Self::READY };

    /// One for whom order counts, and who does not take everything at once.
    pub const IN_ORDER: Self = Self { in_order: true, manner: Manner::Picky, ..Self::READY };

    /// One who is down for some time.
    #[must_use]
    pub const fn down(duration: Duration) -> Self {
        Self { types: &["PaymentProcessed", "OrderCancelled"], manner: Manner::Down(duration), ..Self::READY }
    }

    /// One who takes nothing, until somebody sees to it.
    pub const DEAD: Self = Self { types: &["OrderCreated"], manner: Manner::Dead, ..Self::READY };

    /// One who wants nothing for a while.
    pub const PAUSED: Self = Self { types: &["ShipmentCreated"], manner: Manner::Paused, ..Self::READY };

    /// One of each manner that there is in a shop.
    pub const OF_A_SHOP: [Self; 5] =
        [Self::READY, Self::IN_ORDER, Self::down(Duration::from_hours(5)), Self::DEAD, Self::PAUSED];

    /// Request for a webhook of theirs.
    pub(super) fn request(&self, url: &str) -> Value {
        let mut request = json!({ "url": url, "inOrder": self.in_order, "contact": owner_of(url) });
        if !self.types.is_empty() {
            request["match"] = json!({ "type": self.types });
        }
        request
    }
}

/// Mail address of the owner of the webhook with that URL: each has one of its own.
pub(super) fn owner_of(url: &str) -> String {
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let (host, attempt) = url.rsplit_once('/').unwrap_or((url, ""));
    format!("owner-{}-{}@partner.example", digits(host), digits(attempt))
}

/// Receivers of the partners.
#[derive(Debug, Default)]
pub(super) struct Partners {
    receivers: RefCell<HashMap<String, Receiver>>,
    /// Tells that those who were dead are no more.
    are_revived: Cell<bool>,
}

#[derive(Debug)]
struct Receiver {
    manner: Manner,
    posts: u64,
    first_at: Option<Time>,
}

impl Partners {
    /// A receiver at that URL.
    pub(super) fn add(&self, url: &str, manner: Manner) {
        self.receivers.borrow_mut().insert(url.to_owned(), Receiver { manner, posts: 0, first_at: None });
    }

    /// From now on those take all that were dead.
    pub(super) fn revive(&self) {
        self.are_revived.set(true);
    }

    /// Status of the answer to a post; none, where there is no answer.
    pub(super) fn answer(&self, url: &str, now: Time) -> Option<u16> {
        let mut receivers = self.receivers.borrow_mut();
        let Some(receiver) = receivers.get_mut(url) else { return Some(404) };
        receiver.posts += 1;
        let first_at = *receiver.first_at.get_or_insert(now);
        let refused = if receiver.posts.is_multiple_of(3) { None } else { Some(503) };
        match receiver.manner {
            Manner::Ready | Manner::Paused => Some(204),
            Manner::Picky if receiver.posts.is_multiple_of(5) => Some(500),
            Manner::Down(duration) if now < first_at.after(duration) => refused,
            Manner::Dead if !self.are_revived.get() => refused,
            Manner::Hanging if !self.are_revived.get() => None,
            Manner::Picky | Manner::Down(_) | Manner::Dead | Manner::Hanging => Some(200),
        }
    }
}

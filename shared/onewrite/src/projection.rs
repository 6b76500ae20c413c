//! Projection: a read model of all that happens.

use envelope::Envelope;

use crate::failure::Result;
use crate::handle::{Delivery, Handle, Handled};
use crate::inspect::Outlook;

/// Read model that takes every event, whatever its type, and knows those that it has.
pub trait Project {
    /// Puts `event` into the model, unless it is there. Events come again, and in any order: so it is one write, on the
    /// condition that the event is not there yet. `delivery` has the event's text as it was published.
    ///
    /// # Errors
    ///
    /// It is unknown whether the event is in the model; or it can never be.
    async fn project(&self, event: &Envelope, delivery: &Delivery<'_>) -> Result<Projected>;

    /// Tells that `event` is in the model.
    ///
    /// # Errors
    ///
    /// The model cannot be read.
    async fn has(&self, event: &Envelope) -> Result<bool>;

    /// Opens the connection, so that the first event need not wait for it. Whether it works out shows soon enough.
    async fn warm(&self);
}

/// Result of putting an event into a read model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Projected {
    /// It is there now.
    Now,
    /// It had been there before: nothing was done.
    Before,
}

/// Handler of every event of a topic, for a read model. The attributes are all that must be right of an event: what its
/// type says is for those who know it.
///
/// ```
/// # use std::cell::RefCell;
/// # use std::collections::BTreeMap;
/// use onewrite::envelope::Envelope;
/// use onewrite::memory::sample::{self, Library};
/// use onewrite::{Delivery, Handle, Handled, Project, Projected, Projection, Result};
///
/// /// Events of each type, each counted once.
/// #[derive(Default)]
/// struct Counts(RefCell<BTreeMap<(String, String), String>>);
///
/// impl Project for Counts {
///     async fn project(&self, event: &Envelope, _: &Delivery<'_>) -> Result<Projected> {
///         let key = (event.context.source.to_string(), event.context.id.to_string());
///         let before = self.0.borrow_mut().insert(key, event.event_type.clone());
///         Ok(if before.is_none() { Projected::Now } else { Projected::Before })
///     }
///
///     async fn has(&self, event: &Envelope) -> Result<bool> {
///         Ok(self.0.borrow().contains_key(&(event.context.source.to_string(), event.context.id.to_string())))
///     }
///
///     async fn warm(&self) {}
/// }
///
/// let said = sample::event::<Library>(sample::requested("req_1"));
/// let text = serde_json::to_string(&said)?;
/// let event = Envelope::from_value(&serde_json::from_str(&text)?, said.context.time).expect("it has all attributes");
/// let delivery = Delivery { text: &text, deadline: said.context.time };
/// let counts = Projection::new(Counts::default());
/// # futures::executor::block_on(async {
/// assert_eq!(counts.handle(&event, &delivery).await, Ok(Handled::Changed));
/// assert_eq!(counts.handle(&event, &delivery).await, Ok(Handled::Duplicate));
/// # });
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Projection<P>(P);

impl<P: Project> Projection<P> {
    /// The handler for that model.
    pub fn new(model: P) -> Self {
        Self(model)
    }
}

impl<P: Project> Handle for Projection<P> {
    type Incoming = Envelope;

    fn consumes(&self, _: &Envelope) -> bool {
        true
    }

    async fn warm(&self) {
        self.0.warm().await;
    }

    async fn handle(&self, event: &Envelope, delivery: &Delivery<'_>) -> Result<Handled> {
        Ok(match self.0.project(event, delivery).await? {
            Projected::Now => Handled::Changed,
            Projected::Before => Handled::Duplicate,
        })
    }

    async fn outlook(&self, event: &Envelope) -> Result<Outlook> {
        Ok(if self.0.has(event).await? { Outlook::Handled { row: None } } else { Outlook::Due })
    }
}

//! Service of a stack: its queues, and its function.

use std::rc::Rc;

use envelope::Time;
use futures::future::LocalBoxFuture;
use onewrite::{Answers, Inquiry, Result};

use crate::model::queue::StandardQueue;

/// Service of a stack.
pub struct Service {
    /// Its name.
    pub name: &'static str,
    /// Queue that its messages come from.
    pub queue: Rc<StandardQueue>,
    /// Queue of messages that cannot be handled.
    pub dead_letters: Rc<StandardQueue>,
    /// Queue of messages that cannot be delivered.
    pub undeliverable: Rc<StandardQueue>,
    /// Its function, which can be asked.
    pub consumer: Rc<dyn Inspected>,
}

/// Consumer that can be asked what it would do.
pub trait Inspected {
    /// Answers an inquiry.
    fn inspect(&self, inquiry: Inquiry, deadline: Time) -> LocalBoxFuture<'_, Result<Answers>>;
}

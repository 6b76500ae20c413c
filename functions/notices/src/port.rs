//! Port to the states of the rules.

use auto_impl::auto_impl;
use onewrite::Result;

use crate::domain::State;

/// Store of the states of rules, by their keys.
#[auto_impl(&, Rc)]
pub trait NoticeStore {
    /// State of a rule; none of one that has not begun.
    ///
    /// # Errors
    ///
    /// The store cannot be read, or a state is not understood.
    async fn read(&self, rule: &str) -> Result<Option<Stored>>;

    /// Puts the state of a rule in the place of that revision, 0 where there was none; answers whether it did. Else somebody was
    /// faster, and nothing was done.
    ///
    /// # Errors
    ///
    /// It is unknown whether it was put.
    async fn write(&self, rule: &str, since: u64, state: &State) -> Result<bool>;
}

/// State of a rule as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Revision, from 1 on.
    pub revision: u64,
    /// The state.
    pub state: State,
}

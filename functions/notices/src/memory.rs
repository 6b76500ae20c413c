//! States of rules in memory.

use std::cell::RefCell;
use std::collections::HashMap;

use onewrite::Result;

use crate::domain::State;
use crate::port::{NoticeStore, Stored};

/// States in memory, by the keys of their rules.
#[derive(Debug, Default)]
pub struct MemoryNotices {
    states: RefCell<HashMap<String, Stored>>,
}

impl NoticeStore for MemoryNotices {
    async fn read(&self, rule: &str) -> Result<Option<Stored>> {
        Ok(self.states.borrow().get(rule).cloned())
    }

    async fn write(&self, rule: &str, since: u64, state: &State) -> Result<bool> {
        let mut states = self.states.borrow_mut();
        let is_as_read = states.get(rule).map_or(0, |stored| stored.revision) == since;
        if is_as_read {
            states.insert(rule.to_owned(), Stored { revision: since + 1, state: state.clone() });
        }
        Ok(is_as_read)
    }
}

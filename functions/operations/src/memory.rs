//! The ports in memory.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

use onewrite::{Failure, Result};

use crate::domain::{Destination, Glimpse, Letter, LetterId, Message, State};
use crate::port::{LetterStore, Queues, Records, RedriveStore, Since, Stored};
use crate::redrive::{Redrive, RedriveId};

/// Letters that are answered at once.
const PAGE: usize = 3;

/// Letters, redrives, queues and records of services in memory.
#[derive(Debug, Default)]
pub struct MemoryOperations {
    letters: RefCell<BTreeMap<LetterId, Letter>>,
    messages: RefCell<HashMap<(LetterId, String), Message>>,
    redrives: RefCell<BTreeMap<RedriveId, Redrive>>,
    parts: RefCell<HashMap<(RedriveId, u32), Vec<LetterId>>>,
    sent: RefCell<Vec<(String, Message)>>,
    rows: RefCell<HashMap<(String, String), u32>>,
}

impl MemoryOperations {
    /// All letters.
    #[must_use]
    pub fn letters(&self) -> Vec<Letter> {
        self.letters.borrow().values().cloned().collect()
    }

    /// Messages that were sent, with the URLs of their queues, in order.
    #[must_use]
    pub fn sent(&self) -> Vec<(String, Message)> {
        self.sent.borrow().clone()
    }

    /// Notes that a service has handled an event in its row of that number.
    pub fn handle(&self, source: &str, id: &str, row: u32) {
        self.rows.borrow_mut().insert((source.to_owned(), id.to_owned()), row);
    }
}

/// True if a record of that revision may take the place of what is there.
fn may_replace(known: Option<u64>, since: Since) -> bool {
    match (known, since) {
        (None, Since::New) => true,
        (Some(known), Since::Revision(read)) => known == read,
        (None, Since::Revision(_)) | (Some(_), Since::New) => false,
    }
}

impl LetterStore for MemoryOperations {
    async fn letter(&self, id: &LetterId) -> Result<Option<Letter>> {
        Ok(self.letters.borrow().get(id).cloned())
    }

    async fn put(&self, letter: &Letter, since: Since) -> Result<Stored> {
        let mut letters = self.letters.borrow_mut();
        if !may_replace(letters.get(&letter.id).map(|known| known.revision), since) {
            return Ok(Stored::Changed);
        }
        letters.insert(letter.id.clone(), letter.clone());
        Ok(Stored::Done)
    }

    async fn keep(&self, id: &LetterId, message: &Message) -> Result<()> {
        self.messages.borrow_mut().entry((id.clone(), message.digest())).or_insert_with(|| message.clone());
        Ok(())
    }

    async fn message(&self, id: &LetterId, name: &str) -> Result<Option<Message>> {
        Ok(self.messages.borrow().get(&(id.clone(), name.to_owned())).cloned())
    }

    async fn page(&self, state: State, after: Option<&str>) -> Result<Vec<Letter>> {
        let letters = self.letters.borrow();
        let mut letters: Vec<_> = letters.values().filter(|letter| letter.state == state).collect();
        letters.retain(|letter| after.is_none_or(|after| letter.place().as_str() > after));
        letters.sort_by_key(|letter| letter.place());
        Ok(letters.into_iter().take(PAGE).cloned().collect())
    }
}

impl RedriveStore for MemoryOperations {
    async fn redrive(&self, id: &RedriveId) -> Result<Option<Redrive>> {
        Ok(self.redrives.borrow().get(id).cloned())
    }

    async fn put_redrive(&self, redrive: &Redrive, since: Since) -> Result<Stored> {
        let mut redrives = self.redrives.borrow_mut();
        if !may_replace(redrives.get(&redrive.id).map(|known| known.revision), since) {
            return Ok(Stored::Changed);
        }
        redrives.insert(redrive.id.clone(), redrive.clone());
        Ok(Stored::Done)
    }

    async fn keep_part(&self, id: &RedriveId, part: u32, letters: &[LetterId]) -> Result<()> {
        self.parts.borrow_mut().insert((id.clone(), part), letters.to_vec());
        Ok(())
    }

    async fn part(&self, id: &RedriveId, part: u32) -> Result<Vec<LetterId>> {
        let parts = self.parts.borrow();
        let part = parts.get(&(id.clone(), part)).cloned();
        part.ok_or_else(|| Failure::permanent("a redrive has no such part"))
    }

    async fn active(&self) -> Result<Vec<Redrive>> {
        Ok(self.redrives.borrow().values().filter(|redrive| redrive.is_active()).cloned().collect())
    }
}

impl Queues for MemoryOperations {
    async fn send(&self, queue_url: &str, message: &Message) -> Result<()> {
        self.sent.borrow_mut().push((queue_url.to_owned(), message.clone()));
        Ok(())
    }
}

impl Records for MemoryOperations {
    async fn row_of(&self, _: &Destination, event: &Glimpse) -> Result<Option<u32>> {
        let (Some(source), Some(id)) = (&event.source, &event.id) else { return Ok(None) };
        Ok(self.rows.borrow().get(&(source.clone(), id.clone())).copied())
    }
}

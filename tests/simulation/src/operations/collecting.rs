//! Collector of one service's dead letters, as an event source invokes it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use futures::future::LocalBoxFuture;
use onewrite::{Attribute, FoundLetter, REDRIVE};
use orderflow_events::Time;
use orderflow_operations::{Collector, LetterId, MemoryOperations, letter_id_of};
use simulator::model::source::Consumer;
use simulator::ports::KeyTable;
use simulator::{Caller, Run, Violation};

use crate::operations::ports::{LettersTable, OwnLetters};
use crate::safeguards::RECORD_FIRST;

/// Collector, and the store that must have what it has taken out of a queue.
pub struct Collecting {
    /// The service.
    pub service: &'static str,
    /// The run.
    pub run: Rc<Run>,
    /// The store.
    pub store: Rc<MemoryOperations>,
    /// The collector itself.
    pub collector: Collector<LettersTable, KeyTable, OwnLetters, Caller>,
    /// Messages that it was handed, by the letter that it becomes, as they lay in their queue: what is kept may be sealed.
    pub seen: RefCell<HashMap<LetterId, FoundLetter>>,
    /// Letters that it could not put on record.
    pub own_letters: OwnLetters,
}

impl Consumer for Collecting {
    fn run(&self, event: SqsEvent, _: Time) -> LocalBoxFuture<'_, SqsBatchResponse> {
        Box::pin(async move {
            let records = event.records.clone();
            for record in &records {
                let found = FoundLetter::from(record);
                let id = letter_id_of(self.service, &found.body);
                self.seen.borrow_mut().entry(id).or_insert(found);
            }
            let mut response = self.collector.run(event).await;
            if self.run.lacks(RECORD_FIRST) {
                response.batch_item_failures.clear();
            }
            let failed = |record: &SqsMessage| {
                let id = record.message_id.as_deref();
                response.batch_item_failures.iter().any(|failure| Some(failure.item_identifier.as_str()) == id)
            };
            for record in records.iter().filter(|record| !failed(record)) {
                self.run.check(self.is_on_record(record));
            }
            response
        })
    }
}

impl Collecting {
    /// A message leaves its queue only once it is on record, as a letter or among the collector's own.
    fn is_on_record(&self, record: &SqsMessage) -> Result<(), Violation> {
        let FoundLetter { body, attributes, .. } = FoundLetter::from(record);
        let mark = match attributes.get(REDRIVE) {
            Some(Attribute::Text(_, mark)) => mark.split_once('/').and_then(|(id, _)| LetterId::new(id).ok()),
            Some(Attribute::Binary(..)) | None => None,
        };
        let ids = [Some(letter_id_of(self.service, &body)), mark];
        let is_letter = ids.into_iter().flatten().any(|id| self.store.has_letter(&id));
        if is_letter || self.own_letters.queue.look().iter().any(|letter| *letter.body == body) {
            return Ok(());
        }
        Err(Violation::new(format!("a dead letter of {} is gone, and on record nowhere: {body}", self.service)))
    }
}

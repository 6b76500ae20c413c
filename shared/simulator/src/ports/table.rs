//! Table of a service.

use std::rc::Rc;

use envelope::Subject;
use onewrite::memory::MemoryLog;
use onewrite::port::{Appended, Log};
use onewrite::{CounterUpdate, Result, Row};
use serde_json::Value;

use crate::caller::Caller;
use crate::faults::FaultKind;
use crate::head::Head;
use crate::model::stream::Stream;
use crate::observer::Append;
use crate::run::Run;
use crate::safeguard::Safeguard;

/// Table of a service, and its stream, as one caller may touch it.
#[derive(Clone)]
pub struct Table {
    /// The caller.
    pub caller: Caller,
    /// Name of the service.
    pub service: &'static str,
    /// The rows.
    pub log: Rc<MemoryLog>,
    /// Stream that carries new rows to the relay, where there is one.
    pub stream: Option<Rc<Stream>>,
}

impl Log for Table {
    async fn read(&self, subject: &Subject) -> Result<Vec<Row>> {
        let (log, subject) = (Rc::clone(&self.log), subject.clone());
        let mut rows = self.caller.ask("table", "read", move || async move { log.read(&subject).await }).await?;
        if self.caller.run.lacks(Safeguard::HANDLED_CHECK) {
            for row in &mut rows {
                row.cause.id.clear();
            }
        }
        Ok(rows)
    }

    async fn append(&self, subject: &Subject, row: &Row, updates: &[CounterUpdate]) -> Result<Appended> {
        let run = &self.caller.run;
        if !updates.is_empty() && run.faults.strikes(FaultKind::Conflict) {
            return Ok(Appended::Conflict);
        }
        if row.unfinished && run.lacks(Safeguard::INTENT) {
            return Ok(Appended::Done);
        }
        let (table, subject, mut row, updates) = (self.clone(), subject.clone(), row.clone(), updates.to_vec());
        let effect = move || async move {
            let run = &table.caller.run;
            let mut appended = table.log.append(&subject, &row, &updates).await;
            while run.lacks(Safeguard::COMMIT_CONDITION) && appended == Ok(Appended::LostRace) {
                row.version += 1;
                appended = table.log.append(&subject, &row, &updates).await;
            }
            table.caller.tell_of(subject.as_str(), || described(&row, &appended));
            if appended == Ok(Appended::Done) {
                table.note(run, &subject, &row, &updates);
            }
            appended
        };
        self.caller.ask("table", "append", effect).await
    }
}

impl Table {
    /// Notes a row that was added.
    fn note(&self, run: &Run, subject: &Subject, row: &Row, updates: &[CounterUpdate]) {
        for event in &row.events {
            run.check(run.guarantees.committed(subject.as_str(), Head::of(event).id.into_owned()));
        }
        let append = Append { service: self.service, subject, row, updates, table: &self.log };
        run.check(run.observer.appended(&append));
        if let Some(stream) = &self.stream {
            stream.inserted(subject, row);
        }
    }
}

/// Row for the trace: the names of its change and its events.
fn described(row: &Row, appended: &Result<Appended>) -> String {
    let change = row.change.as_ref().map(|change| match change {
        Value::Object(fields) => fields.keys().next().cloned().unwrap_or_default(),
        other => other.to_string(),
    });
    let events = row.events.iter().map(|event| Head::of(event).described());
    let what: Vec<String> = change.into_iter().chain(events).collect();
    match appended {
        Ok(Appended::Done) => format!("row {}: {}", row.version, what.join(", ")),
        other => format!("row {} not written ({}): {other:?}", row.version, what.join(", ")),
    }
}

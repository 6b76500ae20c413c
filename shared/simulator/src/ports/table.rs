//! Table of a service.

use std::rc::Rc;

use envelope::Subject;
use onewrite::memory::MemoryLog;
use onewrite::port::{Addition, Appended, Log, OwnedSubjects};
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

    async fn append_all(&self, additions: &[Addition<'_>]) -> Result<Appended> {
        let run = &self.caller.run;
        if additions.iter().any(|addition| !addition.updates.is_empty()) && run.faults.strikes(FaultKind::Conflict) {
            return Ok(Appended::Conflict);
        }
        if additions.iter().all(|addition| addition.row.unfinished) && run.lacks(Safeguard::INTENT) {
            return Ok(Appended::Done);
        }
        let (table, mut rows) = (self.clone(), additions.iter().map(NewRow::of).collect::<Vec<_>>());
        let effect = move || async move {
            let run = &table.caller.run;
            let mut appended = table.append_rows(&rows).await;
            while run.lacks(Safeguard::COMMIT_CONDITION) && appended == Ok(Appended::LostRace) {
                for new in &mut rows {
                    new.row.version += 1;
                }
                appended = table.append_rows(&rows).await;
            }
            for NewRow { subject, row, .. } in &rows {
                table.caller.tell_of(subject.as_str(), || described(row, &appended));
            }
            if appended == Ok(Appended::Done) {
                table.note(run, &rows);
            }
            appended
        };
        self.caller.ask("table", "append", effect).await
    }
}

impl OwnedSubjects for Table {
    async fn owned_by(&self, owner: &str) -> Result<Vec<Subject>> {
        let (log, owner) = (Rc::clone(&self.log), owner.to_owned());
        self.caller.ask("table", "owned", move || async move { log.owned_by(&owner).await }).await
    }
}

/// Row on its way, which may arrive when its sender is gone.
struct NewRow {
    subject: Subject,
    row: Row,
    updates: Vec<CounterUpdate>,
}

impl NewRow {
    fn of(addition: &Addition<'_>) -> Self {
        let Addition { subject, row, updates } = *addition;
        Self { subject: subject.clone(), row: row.clone(), updates: updates.to_vec() }
    }

    fn addition(&self) -> Addition<'_> {
        Addition { subject: &self.subject, row: &self.row, updates: &self.updates }
    }
}

impl Table {
    async fn append_rows(&self, rows: &[NewRow]) -> Result<Appended> {
        let additions: Vec<_> = rows.iter().map(NewRow::addition).collect();
        self.log.append_all(&additions).await
    }

    /// Notes the rows that one write has added.
    fn note(&self, run: &Run, rows: &[NewRow]) {
        run.last_appended.replace(rows.last().map(|row| row.subject.clone()));
        for NewRow { subject, row, .. } in rows {
            for event in &row.events {
                run.check(run.guarantees.committed(subject.as_str(), Head::of(event).id.into_owned()));
            }
        }
        let appends = rows.iter().map(NewRow::addition);
        let appends: Vec<_> =
            appends.map(|addition| Append { service: self.service, addition, table: &self.log }).collect();
        run.check(run.observer.appended(&appends));
        if let Some(stream) = &self.stream {
            for new in rows {
                stream.inserted(&new.subject, &new.row);
            }
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

//! Reconciliation: a job that compares what the services have on record with each other and with the world outside.
//!
//! ```text
//!   outbox of each service ──► its rows: one after the other, without a gap, and each of their events in the journal
//!   journal ──► each event, at each of its consumers: handled; each order: ended in time, and as the world outside has it
//! ```

use std::collections::BTreeSet;

use onewrite::envelope::text_type;
use orderflow_events::{Invalid, Time};
use serde::{Deserialize, Serialize};

use crate::archive::Range;
use crate::domain::id_rule;
use crate::jobs::job::{Head, Job, Progress};

text_type!(
    /// Id of a reconciliation.
    ReconciliationId,
    reconciliation_id_rule,
    { "type": "string", "maxLength": 64, "pattern": "^rec_[a-z0-9]+$", "examples": ["rec_1ez6m7xhq1v6vjcndwmdyvsfys"] }
);

fn reconciliation_id_rule(text: &str) -> Result<(), Invalid> {
    id_rule("rec_", text)
}

/// The most findings that are told one by one. Whoever has more has one cause, and mends that first.
pub(crate) const MAX_FINDINGS: usize = 500;

/// Reconciliation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reconciliation {
    /// Head: all that jobs have in common.
    #[serde(flatten)]
    pub head: Head<ReconciliationId>,
    /// True where what can be healed is healed.
    pub heal: bool,
    /// Beginning of what is compared.
    pub from: Time,
    /// End of what is compared. What is younger is under way.
    pub to: Time,
    /// Orders that were created before this time should have ended.
    pub late_before: Time,
    /// Its phase.
    pub phase: Phase,
    /// Cursor of the phase's next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Rows and events that were looked at.
    pub checked: u64,
    /// Findings.
    pub findings: Vec<Finding>,
    /// Number of findings that are not told.
    pub untold: u64,
}

/// Phase of a reconciliation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// The rows of the service of that name.
    Outbox(String),
    /// The journal.
    Journal,
    /// It is over.
    Over,
}

/// Finding of a reconciliation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Its kind: `unpublished`, `gap`, `unhandled`, `unanswered`, `late`, `unreadable`, or a kind of the service's own, such as `charge`.
    pub kind: String,
    /// The service that it was found at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The order.
    pub order_id: String,
    /// The finding in a sentence.
    pub detail: String,
    /// True where it was published or sent once more.
    pub healed: bool,
}

/// Results of one page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Rows or events that were looked at.
    pub count: u64,
    /// Findings.
    pub findings: Vec<Finding>,
    /// Cursor of the next page of the phase.
    pub next: Option<String>,
}

impl Reconciliation {
    /// A reconciliation of that range, of a stack in which services of these names have an outbox.
    #[must_use]
    pub fn new(
        head: Head<ReconciliationId>,
        is_healing: bool,
        range: Range,
        late_before: Time,
        outboxes: &[String],
    ) -> Self {
        Self {
            head,
            heal: is_healing,
            from: range.from,
            to: range.to,
            late_before,
            phase: Self::first_phase(outboxes),
            cursor: None,
            checked: 0,
            findings: Vec::new(),
            untold: 0,
        }
    }

    /// The range of time that is compared.
    #[must_use]
    pub const fn range(&self) -> Range {
        Range { from: self.from, to: self.to }
    }

    /// Phase that comes first among the services with an outbox of these names.
    fn first_phase(outboxes: &[String]) -> Phase {
        outboxes.iter().min().map_or(Phase::Journal, |first| Phase::Outbox(first.clone()))
    }

    /// Reconciliation after a page, of a stack in which services of these names have an outbox.
    #[must_use]
    pub fn after(&self, page: Checked, outboxes: &[String]) -> Self {
        let mut job = Self { cursor: page.next, ..self.revised() };
        job.checked += page.count;
        for finding in page.findings {
            if job.findings.len() < MAX_FINDINGS {
                job.findings.push(finding);
            } else {
                job.untold += 1;
            }
        }
        if job.cursor.is_none() {
            job.phase = match &self.phase {
                // Whoever is in the directory now: a service may have come, or gone, since the job began.
                Phase::Outbox(name) => match outboxes.iter().filter(|other| *other > name).min() {
                    Some(next) => Phase::Outbox(next.clone()),
                    None => Phase::Journal,
                },
                Phase::Journal | Phase::Over => Phase::Over,
            };
        }
        if job.phase == Phase::Over && job.head.progress == Progress::Running {
            job.head.progress = Progress::Done;
        }
        job
    }
}

impl Job for Reconciliation {
    const KIND: &'static str = "reconciliation";

    type Id = ReconciliationId;

    fn head(&self) -> &Head<ReconciliationId> {
        &self.head
    }

    fn head_mut(&mut self) -> &mut Head<ReconciliationId> {
        &mut self.head
    }

    fn is_active(&self) -> bool {
        self.phase != Phase::Over
    }

    fn cut_off(&mut self) {
        self.phase = Phase::Over;
    }
}

/// Row of an outbox, as far as a reconciliation needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxRow {
    /// Its subject.
    pub subject: String,
    /// Its number.
    pub version: u32,
    /// Time of writing.
    pub at: Time,
    /// The events that are published because of it.
    pub events: Vec<String>,
    /// The row as DynamoDB writes it, with what its relay needs.
    pub image: serde_json::Value,
}

/// Rows of an outbox, those of one subject together and in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowPage {
    /// The rows.
    pub rows: Vec<OutboxRow>,
    /// Cursor of the next page.
    pub next: Option<String>,
}

/// Rows that must be there because the next one is in the page, and that are not in it themselves: a page may begin in the
/// middle of a subject.
#[must_use]
pub(crate) fn predecessors(rows: &[OutboxRow]) -> Vec<(String, u32)> {
    let here: BTreeSet<(&str, u32)> = rows.iter().map(|row| (row.subject.as_str(), row.version)).collect();
    let before = rows.iter().filter(|row| row.version > 1).map(|row| (row.subject.as_str(), row.version - 1));
    before.filter(|row| !here.contains(row)).map(|(subject, version)| (subject.to_owned(), version)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(subject: &str, version: u32) -> OutboxRow {
        let image = serde_json::Value::Null;
        OutboxRow { subject: subject.to_owned(), version, at: Time::from_millis(0), events: Vec::new(), image }
    }

    fn reconciliation(outboxes: &[String]) -> Reconciliation {
        let at = Time::from_millis(0);
        let head = Head::new(ReconciliationId::new("rec_1").unwrap(), "ada", at);
        Reconciliation::new(head, false, Range { from: at, to: at }, at, outboxes)
    }

    #[test]
    fn of_each_row_the_one_before_must_be_there() {
        assert_eq!(predecessors(&[row("a", 1), row("a", 2), row("b", 1)]), []);
        let expected = [("a".to_owned(), 2), ("b".to_owned(), 1)];
        assert_eq!(predecessors(&[row("a", 1), row("a", 3), row("b", 2), row("a", 4)]), expected);
    }

    #[test]
    fn every_outbox_is_looked_at_and_then_the_journal() {
        let names = ["payment", "orders", "shipping"].map(str::to_owned);
        let mut job = reconciliation(&names);
        let mut phases = vec![job.phase.clone()];
        while job.is_active() {
            job = job.after(Checked { next: Some("2".to_owned()), count: 1, ..Checked::default() }, &names);
            assert_eq!(Some(&job.phase), phases.last(), "there is another page");
            job = job.after(Checked { count: 1, ..Checked::default() }, &names);
            phases.push(job.phase.clone());
        }
        let outbox = |name: &str| Phase::Outbox(name.to_owned());
        let expected = [outbox("orders"), outbox("payment"), outbox("shipping"), Phase::Journal, Phase::Over];
        assert_eq!(phases, expected);
        assert_eq!((job.head.progress, job.checked), (Progress::Done, 8));
        assert_eq!(reconciliation(&[]).phase, Phase::Journal);
    }

    #[test]
    fn findings_beyond_the_most_are_counted() {
        let finding = Finding {
            kind: "gap".to_owned(),
            service: None,
            order_id: "ord_1".to_owned(),
            detail: String::new(),
            healed: false,
        };
        let findings = vec![finding; MAX_FINDINGS + 3];
        let job = reconciliation(&[]).after(Checked { findings, ..Checked::default() }, &[]);
        assert_eq!((job.findings.len(), job.untold), (MAX_FINDINGS, 3));
    }
}

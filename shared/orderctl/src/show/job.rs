//! Jobs: how far they are, and what has become of them.

use std::fmt::Write as _;

use crate::documents::{Finding, Job};
use crate::show::table::{NONE, table};
use crate::text::shown;

/// Kind of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Sends letters back.
    Redrive,
    /// Sends events of the journal to one service.
    Replay,
    /// Compares what all services have on record.
    Reconciliation,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Redrive, Self::Replay, Self::Reconciliation];

    /// Name of its resource.
    pub(crate) const fn resource(self) -> &'static str {
        match self {
            Self::Redrive => "redrives",
            Self::Replay => "replays",
            Self::Reconciliation => "reconciliations",
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Redrive => "redrive",
            Self::Replay => "replay",
            Self::Reconciliation => "reconciliation",
        }
    }
}

/// Progress of a job in one line.
pub(crate) fn progress(kind: Kind, job: &Job) -> String {
    let total = job.total.map(|total| format!(" of {total}")).unwrap_or_default();
    match kind {
        Kind::Reconciliation => {
            format!("{}{total} checked, {} found", job.checked.unwrap_or_default(), job.found())
        }
        Kind::Redrive | Kind::Replay => {
            format!("{}{total} sent, {} handled, {} parked again", job.sent, job.handled, job.parked_again)
        }
    }
}

/// Units of work that are done, of all; none where nobody knows how many there are.
pub(crate) fn done_of(kind: Kind, job: &Job) -> Option<(u64, u64)> {
    let done = match kind {
        Kind::Reconciliation => job.checked.unwrap_or_default(),
        Kind::Redrive | Kind::Replay => job.handled + job.parked_again,
    };
    job.total.map(|total| (done, total))
}

/// A job and its fate, one line or two.
pub(crate) fn fate(kind: Kind, job: &Job) -> String {
    let name = kind.name();
    let state = match job.state.as_str() {
        "running" => "goes on",
        "done" => "is done",
        "stopped" => "was stopped",
        "relapsed" => "has stopped, for a letter was parked again",
        other => other,
    };
    let mut text = format!("The {name} {} {}: {}", shown(&job.id), shown(state), progress(kind, job));
    if kind != Kind::Reconciliation {
        if job.refused > 0 {
            let _infallible = write!(text, ", {} would be refused and were not sent", job.refused);
        }
        let _infallible = write!(text, ", {} left", job.left);
        if job.is_over() && job.open() > 0 {
            let _infallible = write!(text, "\nNothing is known yet of {} that were sent", job.open());
        }
    }
    text + "."
}

/// A job whole: its fate, and all that it has found.
pub(crate) fn whole(kind: Kind, job: &Job) -> String {
    let mut text = fate(kind, job);
    if let (Some(by), Some(at)) = (&job.by, job.at) {
        let _infallible = write!(text, "\nAsked for by {} at {at}.", shown(by));
    }
    if !job.findings.is_empty() {
        let _infallible = write!(text, "\n\n{}", findings(&job.findings));
        if job.untold > 0 {
            let _infallible = write!(text, "\nand {} more.", job.untold);
        }
    }
    text
}

fn findings(findings: &[Finding]) -> String {
    let text = |text: Option<&String>| text.map_or_else(|| NONE.to_owned(), |text| shown(text));
    let row = |finding: &Finding| {
        vec![
            shown(&finding.kind),
            text(finding.service.as_ref()),
            text(finding.order_id.as_ref()),
            if finding.healed { "yes" } else { "no" }.to_owned(),
            shown(&finding.detail),
        ]
    };
    table(&["KIND", "SERVICE", "ORDER", "HEALED", "DETAIL"], &[], findings.iter().map(row))
}

/// True of a job that leaves somebody something to do: letters that were parked again, events that would be, or findings that are
/// not healed.
pub(crate) fn has_findings(job: &Job) -> bool {
    let has_relapses = job.state == "relapsed" || job.parked_again > 0 || job.refused > 0;
    has_relapses || job.untold > 0 || job.findings.iter().any(|finding| !finding.healed)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn job(document: Value) -> Job {
        serde_json::from_value(document).unwrap()
    }

    fn redrive(state: &str, [sent, handled, parked_again, left]: [u64; 4]) -> Job {
        job(json!({ "id": "red_1", "state": state, "total": 40, "sent": sent, "handled": handled,
            "parkedAgain": parked_again, "left": left, "by": "ada", "at": "2026-11-22T09:00:00.000Z", "news": 1 }))
    }

    #[test]
    fn a_redrive_says_how_many_were_handled_parked_again_and_left() {
        for (state, numbers, text, is_over, has) in [
            ("running", [12, 10, 0, 28], "goes on: 12 of 40 sent, 10 handled, 0 parked again, 28 left.", false, false),
            ("done", [40, 40, 0, 0], "is done: 40 of 40 sent, 40 handled, 0 parked again, 0 left.", true, false),
            (
                "relapsed",
                [3, 1, 1, 37],
                "has stopped, for a letter was parked again: 3 of 40 sent, 1 handled, 1 parked again, 37 left\n\
                 Nothing is known yet of 1 that were sent.",
                true,
                true,
            ),
            ("done", [40, 38, 2, 0], "is done: 40 of 40 sent, 38 handled, 2 parked again, 0 left.", true, true),
            ("stopped", [4, 4, 0, 36], "was stopped: 4 of 40 sent, 4 handled, 0 parked again, 36 left.", true, false),
        ] {
            let job = redrive(state, numbers);
            assert_eq!(fate(Kind::Redrive, &job), format!("The redrive red_1 {text}"));
            assert_eq!((job.is_over(), has_findings(&job)), (is_over, has), "{state}");
            assert_eq!(done_of(Kind::Redrive, &job), Some((numbers[1] + numbers[2], 40)));
        }
    }

    #[test]
    fn a_reconciliation_shows_what_it_has_found() {
        let finding = json!({ "kind": "gap", "service": "payment", "orderId": "ord_1", "detail": "row 3 is missing", "healed": false });
        let charge = json!({ "kind": "charge", "orderId": "ord_2", "detail": "no outcome", "healed": true });
        let job = job(json!({ "id": "rec_1", "state": "done", "checked": 900, "findings": [finding, charge],
            "by": "ada", "at": "2026-11-22T09:00:00Z" }));
        assert_eq!(
            whole(Kind::Reconciliation, &job),
            "The reconciliation rec_1 is done: 900 checked, 2 found.\nAsked for by ada at 2026-11-22T09:00:00.000Z.\n\n\
             KIND    SERVICE  ORDER  HEALED  DETAIL\n\
             gap     payment  ord_1  no      row 3 is missing\n\
             charge  -        ord_2  yes     no outcome"
        );
        assert!(has_findings(&job));
        assert_eq!(done_of(Kind::Reconciliation, &job), None);
    }

    #[test]
    fn a_replay_says_what_would_be_refused() {
        let job =
            job(json!({ "id": "rep_1", "service": "shipping", "state": "done", "total": 5, "sent": 2, "handled": 4,
            "parkedAgain": 0, "refused": 1, "left": 0, "by": "ada", "at": "2026-11-22T09:00:00Z" }));
        assert_eq!(
            fate(Kind::Replay, &job),
            "The replay rep_1 is done: 2 of 5 sent, 4 handled, 0 parked again, 1 would be refused and were not sent, 0 left."
        );
        assert!(has_findings(&job));
    }

    #[test]
    fn findings_that_were_too_many_to_be_told_count() {
        let job = job(json!({ "id": "rec_1", "state": "done", "checked": 9, "findings": [
            { "kind": "late", "orderId": "ord_1", "detail": "x", "healed": true } ], "untold": 7 }));
        let text = whole(Kind::Reconciliation, &job);
        assert!(text.contains("9 checked, 8 found") && text.ends_with("\nand 7 more."), "{text}");
        assert!(has_findings(&job));
    }

    #[test]
    fn what_is_healed_leaves_nothing_to_do() {
        let healed = json!({ "kind": "unpublished", "orderId": "ord_1", "detail": "", "healed": true });
        assert!(!has_findings(&job(json!({ "id": "rec_1", "state": "done", "checked": 1, "findings": [healed] }))));
        assert!(!has_findings(&job(json!({ "id": "rec_1", "state": "done", "checked": 1, "findings": [] }))));
    }
}

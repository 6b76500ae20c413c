//! The suite of [`OwnedSubjects`].

use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::Trial;
use onewrite::aws::DynamoLog;
use onewrite::memory::MemoryLog;
use onewrite::port::{Appended, Log, OwnedSubjects};
use onewrite::{Cause, Row};
use orderflow_events::{Subject, Time};

use crate::aws::Aws;

pub(crate) fn trials(aws: &Arc<Aws>) -> Vec<Trial> {
    crate::suite::suite!(
        aws,
        MemoryLog::default,
        on_aws,
        [
            nobody_owns_what_was_never_begun,
            subjects_are_found_by_their_owner_by_time,
            what_has_no_owner_is_nobodys,
            more_than_a_page_is_found_whole,
        ]
    )
}

async fn on_aws(aws: &Aws) -> DynamoLog {
    DynamoLog::new(aws.clients().0, aws.table_with_owner_index().await)
}

async fn begin(log: &impl Log, subject: &str, owner: Option<&str>, second: u64) {
    for version in [1, 2] {
        let cause = Cause { source: "s".to_owned(), id: version.to_string(), event_type: "K".to_owned(), by: None };
        let row = Row {
            version,
            at: Time::from_millis(1_767_225_600_000).after(Duration::from_secs(second)),
            cause,
            owner: owner.filter(|_| version == 1).map(ToOwned::to_owned),
            unfinished: false,
            change: None,
            events: Vec::new(),
        };
        assert_eq!(log.append(&Subject::new(subject).unwrap(), &row, &[]).await, Ok(Appended::Done));
    }
}

async fn owned(index: &impl OwnedSubjects, owner: &str) -> Vec<String> {
    index.owned_by(owner).await.unwrap().iter().map(ToString::to_string).collect()
}

async fn nobody_owns_what_was_never_begun(bench: &(impl Log + OwnedSubjects)) {
    assert_eq!(owned(bench, "ada").await, Vec::<String>::new());
}

async fn subjects_are_found_by_their_owner_by_time(bench: &(impl Log + OwnedSubjects)) {
    for (subject, owner, second) in [("c", "ada", 3), ("a", "ada", 2), ("b", "bob", 1), ("d", "ada", 1)] {
        begin(bench, subject, Some(owner), second).await;
    }
    assert_eq!(owned(bench, "ada").await, ["d", "a", "c"]);
    assert_eq!(owned(bench, "bob").await, ["b"]);
    assert_eq!(owned(bench, "Ada").await, Vec::<String>::new());
}

async fn what_has_no_owner_is_nobodys(bench: &(impl Log + OwnedSubjects)) {
    begin(bench, "a", None, 1).await;
    assert_eq!(owned(bench, "ada").await, Vec::<String>::new());
}

async fn more_than_a_page_is_found_whole(bench: &(impl Log + OwnedSubjects)) {
    let subjects: Vec<String> = (0..60).map(|number| format!("ord_{number:02}")).collect();
    for (second, subject) in (0..).zip(&subjects) {
        begin(bench, subject, Some("ada"), second).await;
    }
    assert_eq!(owned(bench, "ada").await, subjects);
}

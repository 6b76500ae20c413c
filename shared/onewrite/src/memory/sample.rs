//! Sample application, to try the toolkit with: the events of a library, in which a reader requests a book, and the service
//! that puts it on the shelf.

use std::convert::Infallible;

use envelope::{Event, Subject, Text, consumes, events, reads};
use serde::{Deserialize, Serialize};

use crate::decider::{Decider, Decision, Step};

pub use envelope::sample::{another_event, event};

/// Source of the loans service, the one that the samples are about.
pub const LOANS: envelope::Source = envelope::Source::from_static("library/loans");

events! {
    /// The types of the library's events.
    pub enum LibraryType;
    /// Data of the library's events.
    pub enum Library in "urn:library", about request_id: Subject as "requestId", schemas "sample" {
        /// A reader requests a book.
        BookRequested from "library/desk" or anyone: { 1: BookRequested },
        /// The book is on the shelf for the reader.
        BookReady from "library/shelf": { 1: BookReady },
        /// The reader does not want it any more.
        RequestCancelled from "library/desk": { 1: RequestCancelled },
        /// The reader has the book, and has paid for it.
        BookLent from LOANS: { 1: BookLent },
        /// The reader has their money back.
        FeeReturned from LOANS: { 1: FeeReturned },
    }
}

/// A reader requests a book.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BookRequested {
    /// The request.
    pub request_id: Subject,
    /// The book.
    pub title: Text,
    /// The reader: a person.
    pub reader: Text,
    /// Notes for the desk.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Text>,
}

impl envelope::Read for BookRequested {
    fn read(node: &envelope::Node<'_>, faults: &mut envelope::Faults) -> Option<Self> {
        node.object(faults)?;
        let (request_id, title) = (node.required("requestId", faults), node.required("title", faults));
        let reader = node.required("reader", faults);
        let notes = node.field("notes").value().map(|_| node.list("notes", 2_000, faults));
        Some(Self {
            request_id: request_id?,
            title: title?,
            reader: reader?,
            notes: notes.unwrap_or(Some(Vec::new()))?,
        })
    }
}

/// The book is on the shelf for the reader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BookReady {
    /// The request.
    pub request_id: Subject,
    /// Copies that are on the shelf, at least one.
    pub copies: i64,
}

impl envelope::Read for BookReady {
    fn read(node: &envelope::Node<'_>, faults: &mut envelope::Faults) -> Option<Self> {
        node.object(faults)?;
        let request_id = node.required("requestId", faults);
        let copies = node.field("copies").integer(1, 99, faults);
        Some(Self { request_id: request_id?, copies: copies? })
    }
}

/// The reader does not want the book any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestCancelled {
    /// The request.
    pub request_id: Subject,
}

reads!(RequestCancelled { request_id: required("requestId") });

/// The reader has the book.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BookLent {
    /// The request.
    pub request_id: Subject,
    /// The loan.
    pub loan_id: Text,
}

reads!(BookLent { request_id: required("requestId"), loan_id: required("loanId") });

/// The reader has their money back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FeeReturned {
    /// The request.
    pub request_id: Subject,
    /// The loan.
    pub loan_id: Text,
}

reads!(FeeReturned { request_id: required("requestId"), loan_id: required("loanId") });

consumes!(
    /// Events that the shelf takes.
    pub enum ShelfHeard in Library { BookRequested }
);

/// Puts a requested book on the shelf: the smallest service that publishes. Its state is whether it has.
#[derive(Clone, Copy, Debug)]
pub enum Shelf {}

impl Decider for Shelf {
    const SOURCE: envelope::Source = envelope::Source::from_static("library/shelf");
    type Heard = ShelfHeard;
    type State = bool;
    type Change = bool;
    type Effect = Infallible;
    type Reply = Infallible;

    fn evolve(_: bool, is_ready: bool) -> bool {
        is_ready
    }

    fn decide(is_ready: &bool, event: &Event<ShelfHeard>, _: Option<&Infallible>) -> Decision<Self> {
        let ShelfHeard::BookRequested(BookRequested { request_id, .. }) = &event.data;
        let ready = BookReady { request_id: request_id.clone(), copies: 1 };
        Ok(if *is_ready { Step::Nothing } else { Step::record(true).publishing(ready) })
    }
}

/// A request for a book.
///
/// # Panics
///
/// If `request` is no subject.
#[must_use]
#[expect(clippy::expect_used, reason = "a sample that is wrong should be noticed at once")]
pub fn requested(request: &str) -> BookRequested {
    BookRequested {
        request_id: Subject::new(request).expect("a subject"),
        title: Text::shortened("The Analytical Engine"),
        reader: Text::shortened("Ada Lovelace"),
        notes: Vec::new(),
    }
}

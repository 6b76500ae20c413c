//! The library of the toolkit's samples on the simulator: two services, one of which collects a fee.

#![expect(clippy::expect_used, reason = "all of it is tests, though Clippy does not see any in its helpers")]

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use onewrite::envelope::{Event, Source, Subject, Text};
use onewrite::memory::MemoryLeases;
use onewrite::memory::sample::{self, BookLent, BookReady, BookRequested, Library, LibraryType, Shelf};
use onewrite::{Attempt, Decider, Decision, Delivery, Effects, On, Rejection, Result, Step};
use serde::{Deserialize, Serialize};
use simulator::ports::LeaseTable;
use simulator::{
    Append, Caller, FaultKind, FaultKinds, Observer, Plan, Report, Rest, Run, Safeguard, Shrunk, Stack, Trace,
    Violation, search, simulate, types_of,
};

mod loans {
    use super::*;

    onewrite::consumes!(pub(crate) enum Heard in Library { BookRequested, BookReady });
}

mod desk {
    use super::*;

    onewrite::consumes!(pub(crate) enum Heard in Library { BookLent });
}

/// Collects the fee for a book that is on the shelf, and lends it.
enum Loans {}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
enum Loan {
    #[default]
    Unknown,
    Requested,
    Collecting,
    Lent,
}

/// The fee is collected.
struct Collect(Subject);

impl Decider for Loans {
    const SOURCE: Source = sample::LOANS;
    type Heard = loans::Heard;
    type State = Loan;
    type Change = Loan;
    type Effect = Collect;
    type Reply = ();

    fn evolve(_: Loan, loan: Loan) -> Loan {
        loan
    }

    fn decide(state: &Loan, event: &Event<loans::Heard>, collected: Option<&()>) -> Decision<Self> {
        let subject = &event.context.subject;
        // Somebody else may have put on record meanwhile that it is lent.
        if collected.is_some() && *state != Loan::Lent {
            let lent = BookLent { request_id: subject.clone(), loan_id: Text::shortened("loan_1") };
            return Ok(Step::record(Loan::Lent).publishing(lent));
        }
        Ok(match (state, &event.data) {
            (Loan::Unknown, loans::Heard::BookRequested(_)) => Step::record(Loan::Requested),
            (Loan::Unknown, loans::Heard::BookReady(_)) => return Err(Rejection::TooEarly("no request yet")),
            (Loan::Requested, loans::Heard::BookReady(_)) => Step::record_intent(Loan::Collecting),
            (Loan::Collecting, loans::Heard::BookReady(_)) => Step::Perform(Collect(subject.clone())),
            (_, loans::Heard::BookRequested(_)) | (Loan::Lent, _) => Step::Nothing,
        })
    }
}

/// Invariants of the library, and what stands outside its services.
#[derive(Default)]
struct Books {
    /// Fees that were collected, by request.
    fees: RefCell<HashMap<String, u32>>,
    /// Books that were lent, by request.
    lent: RefCell<HashMap<String, u32>>,
    mails: RefCell<u64>,
    leases: Rc<MemoryLeases>,
}

impl Observer for Books {
    fn appended(&self, appends: &[Append<'_>]) -> Result<(), Violation> {
        appends.iter().try_for_each(|Append { addition, .. }| {
            let lent = addition.row.events.iter().any(|event| event.contains(&LibraryType::BookLent.to_string()));
            once(&self.lent, addition.subject.as_str(), lent, "a book was lent twice")
        })
    }

    fn at_rest(&self, rest: &Rest<'_>) -> Result<(), Violation> {
        let (fees, lent) = (self.fees.borrow(), self.lent.borrow());
        let unlent = fees.keys().find(|request| !lent.contains_key(*request));
        assert!(rest.letters.is_empty() && rest.tables.len() == 2);
        unlent.map_or(Ok(()), |request| Err(Violation::of(request, "a fee was collected, and no book was lent")))
    }

    fn footprint(&self) -> Vec<(&'static str, u64)> {
        vec![("fees", self.fees.borrow().len() as u64), ("mails", *self.mails.borrow())]
    }
}

fn once(of: &RefCell<HashMap<String, u32>>, subject: &str, happens: bool, what: &str) -> Result<(), Violation> {
    let mut of = of.borrow_mut();
    if !happens || *of.entry(subject.to_owned()).and_modify(|count| *count += 1).or_insert(1) == 1 {
        return Ok(());
    }
    Err(Violation::of(subject, what))
}

/// The desk, where fees are paid: it knows a request again.
struct Desk {
    caller: Caller,
    books: Rc<Books>,
}

impl Effects<Loans> for Desk {
    async fn perform(&self, Collect(subject): Collect, attempt: Attempt, _: &Delivery<'_>) -> Result<()> {
        let (books, request) = (Rc::clone(&self.books), subject.to_string());
        if attempt == Attempt::Retry {
            let paid = move || async move { books.fees.borrow().contains_key(&request) };
            if self.caller.call("desk", "find", paid).await? {
                return Ok(());
            }
        }
        let (run, books, request) = (Rc::clone(&self.caller.run), Rc::clone(&self.books), subject.to_string());
        let pay = move || async move {
            let is_new = !books.fees.borrow().contains_key(&request);
            run.check(once(&books.fees, &request, is_new, "a fee was collected twice"));
        };
        Ok(self.caller.call("desk", "collect", pay).await?)
    }
}

fn start(run: &Rc<Run>, books: &Rc<Books>, requests: u64) -> Rc<Stack> {
    let stack = Stack::builder(run)
        .service::<Shelf>("shelf")
        .service_with::<Loans, _>("loans", |caller| Desk { caller: caller.clone(), books: Rc::clone(books) })
        .consumer("mail", Some(types_of::<desk::Heard>()), |caller| {
            let (books, post) = (Rc::clone(books), caller.clone());
            let leases = LeaseTable { caller: caller.clone(), leases: Rc::clone(&books.leases) };
            On::new("mail", leases, caller.clone(), async move |_: &Event<desk::Heard>, _: &Delivery<'_>| {
                let books = Rc::clone(&books);
                Ok(post.call("post", "send", move || async move { *books.mails.borrow_mut() += 1 }).await?)
            })
        })
        .start();
    for number in 0..requests {
        let request = sample::event::<Library>(sample::requested(&format!("req_{number}")));
        stack.publish_after(number * 20, &request);
    }
    stack
}

fn library(plan: &Plan, trace: Trace) -> Report {
    let books = Rc::<Books>::default();
    simulate(plan, trace, Rc::clone(&books) as _, |run| start(run, &books, plan.subjects))
}

/// Runs so many plans without a safeguard, until an invariant breaks.
fn breaks(plan: Plan, runs: u64) -> Shrunk {
    *search(&plan, runs, library).expect_err("an invariant that breaks")
}

#[test]
fn every_invariant_holds_under_every_fault() {
    let report = search(&Plan::new(1, 25), 24, library).unwrap_or_else(|shrunk| panic!("{shrunk}"));
    for kind in FaultKind::ALL.iter().filter(|kind| !matches!(kind, FaultKind::Conflict)) {
        assert!(report.faults[*kind as usize] > 0, "{kind} never happened");
    }
    assert!(report.retries > 0 && report.letters > 0 && report.redrives > 0);
}

#[test]
fn a_condition_a_check_and_the_names_of_failures_are_missed() {
    let kinds = FaultKinds::ALL.without(FaultKind::Poison);
    for (safeguard, what) in [
        (Safeguard::COMMIT_CONDITION, "lent twice"),
        (Safeguard::PUBLISH_ENTRIES, "never reached the topic"),
        (Safeguard::ITEM_FAILURES, "no book was lent"),
    ] {
        let Shrunk { violation, plan, .. } = breaks(Plan { kinds, without: Some(safeguard), ..Plan::new(1, 25) }, 100);
        assert!(violation.what.contains(what), "without {}: {}", safeguard.what, violation.what);
        assert!(plan.subjects < 25, "{plan:?}");
    }
}

/// A storm finds what takes several faults at one lease: a release that comes late, and a holder who is slow.
#[test]
fn a_lease_is_given_to_one_at_a_time() {
    let kinds = [FaultKind::Refused, FaultKind::Late, FaultKind::Slow, FaultKind::Doubled];
    let kinds = kinds.into_iter().fold(FaultKinds::NONE, FaultKinds::with);
    let plan = Plan { kinds, intensity: Some(100), without: Some(Safeguard::LEASE_FENCE), ..Plan::new(1, 25) };
    let Shrunk { violation, .. } = breaks(plan, 1_000);
    assert!(violation.what.contains("while somebody else held it"), "{}", violation.what);
}

#[test]
fn a_trace_tells_who_did_what() {
    let report = library(&Plan::of_one(None), Trace::of("req_0"));
    assert_eq!(report.violation, None);
    for told in ["receives BookRequested (1)", "row 1: true, BookReady", "publishes BookLent"] {
        assert!(report.trace.contains(told), "the trace does not tell {told}:\n{}", report.trace);
    }
}

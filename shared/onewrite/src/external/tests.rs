use std::cell::Cell;

use futures::FutureExt;

use super::conformance::{check_cancel, check_external, check_register};
use super::simulated::{MemoryRegister, Simulated};
use super::*;
use crate::failure::{Failure, FailureKind};
use crate::memory::{Pace, Paced, VirtualTime};

/// Prints a page.
struct Print(&'static str);

impl Request for Print {
    const NAME: &'static str = "print";
    type Id = &'static str;
    type Answer = Settled<String>;
}

/// A printer, on a simulated register.
struct Printer {
    memory: Simulated<MemoryRegister, VirtualTime>,
    is_down: Cell<bool>,
}

impl Printer {
    fn new() -> Self {
        let memory = Simulated::new(MemoryRegister::default(), VirtualTime::new(1));
        Self { memory, is_down: Cell::new(false) }
    }

    fn printed(&self) -> Vec<String> {
        self.memory.history("page 1").now_or_never().unwrap().unwrap()
    }
}

impl External<Print> for Printer {
    async fn find(&self, id: &&'static str) -> Result<Option<Settled<String>>> {
        if self.is_down.get() {
            return Err(Failure::transient("the printer is off"));
        }
        self.memory.find(id).await
    }

    async fn perform(&self, id: &&'static str, Print(page): &Print) -> Result<Settled<String>> {
        if page.is_empty() {
            return Err(Failure::permanent("the printer takes no empty page"));
        }
        self.memory.perform(id, (*page).to_owned()).await
    }
}

impl Cancel<Print> for Printer {
    async fn cancel(&self, id: &&'static str) -> Result<Settled<String>> {
        if self.is_down.get() {
            return Err(Failure::transient("the printer is off"));
        }
        self.memory.cancel(id).await
    }
}

#[test]
fn the_attempt_that_wrote_the_intent_asks_nothing_first_and_every_other_does() {
    for (attempt, printed) in [(Attempt::First, &["text"][..]), (Attempt::Retry, &[])] {
        let (printer, pace) = (Printer::new(), Pace::until("before find"));
        let paced = Paced { port: &printer, pace: &pace };
        let _ = perform_once(&paced, &"page 1", &Print("text"), attempt).now_or_never();
        assert_eq!(printer.printed(), printed, "{attempt:?}");
    }
}

#[test]
fn a_retry_finds_what_an_earlier_attempt_did_and_else_performs_it() {
    let printer = Printer::new();
    for (attempt, page) in [(Attempt::Retry, "first"), (Attempt::Retry, "second")] {
        let answer = perform_once(&printer, &"page 1", &Print(page), attempt).now_or_never().unwrap();
        assert_eq!(answer, Ok(Settled::Performed("first".to_owned())));
    }
    assert_eq!(printer.printed(), ["first"]);
}

#[test]
fn a_retry_that_cannot_ask_performs_nothing() {
    let printer = Printer::new();
    printer.is_down.set(true);
    let failure = perform_once(&printer, &"page 1", &Print("text"), Attempt::Retry).now_or_never().unwrap();
    assert_eq!(failure, Err(Failure::transient("print: the printer is off")));
    assert_eq!(printer.printed(), [""; 0]);
}

#[test]
fn a_cancelled_intent_is_not_performed_and_a_performed_one_is_told() {
    let printer = Printer::new();
    let cancelled = cancel::<Print>(&printer, &"page 1").now_or_never().unwrap();
    assert_eq!(cancelled, Ok(Settled::Cancelled));
    for attempt in [Attempt::First, Attempt::Retry] {
        let late = perform_once(&printer, &"page 1", &Print("text"), attempt).now_or_never().unwrap();
        assert_eq!(late, Ok(Settled::Cancelled), "{attempt:?}");
    }
    assert_eq!(printer.printed(), [""; 0]);
    let performed = perform_once(&printer, &"page 2", &Print("text"), Attempt::First).now_or_never().unwrap();
    assert_eq!(cancel::<Print>(&printer, &"page 2").now_or_never().unwrap(), performed);
}

#[test]
fn failures_keep_their_kind_and_say_what_failed() {
    let printer = Printer::new();
    let refused = perform_once(&printer, &"page 1", &Print(""), Attempt::First).now_or_never().unwrap();
    assert_eq!(refused, Err(Failure::permanent("print: the printer takes no empty page")));
    printer.is_down.set(true);
    let unknown = cancel::<Print>(&printer, &"page 1").now_or_never().unwrap();
    assert_eq!(unknown, Err(Failure::new(FailureKind::Transient, "cancel print: the printer is off")));
}

#[test]
fn the_register_in_memory_and_a_company_on_it_conform() {
    check_register(&MemoryRegister::default()).now_or_never().unwrap().unwrap();
    let printer = Printer::new();
    check_external(&printer, &"page 0", &Print("text")).now_or_never().unwrap().unwrap();
    let pages = [(&"page 1", &Print("text")), (&"page 2", &Print("text"))];
    check_cancel(&printer, pages[0], pages[1]).now_or_never().unwrap().unwrap();
}

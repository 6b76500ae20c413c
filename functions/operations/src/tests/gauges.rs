//! Metrics of letters.

use std::cell::RefCell;
use std::rc::Rc;

use onewrite::telemetry::{Observation, Observe, observed_by};

use super::*;
use crate::observe_letters;

/// Measurements, each with the values of its dimensions.
#[derive(Default)]
struct Measured(RefCell<Vec<(String, Vec<String>, f64)>>);

impl Observe for Measured {
    fn observe(&self, _: Option<&str>, observation: &Observation<'_>) {
        if let Observation::Measured { dimensions, measures } = observation {
            let values: Vec<String> = dimensions.iter().map(|(_, value)| (*value).to_owned()).collect();
            let measured = measures.iter().map(|measure| (measure.name.to_owned(), values.clone(), measure.value));
            self.0.borrow_mut().extend(measured);
        }
    }
}

fn measured(work: impl Future<Output = ()>) -> Vec<(String, Vec<String>, f64)> {
    let all = Rc::new(Measured::default());
    block_on(observed_by(Rc::clone(&all) as _, work));
    all.0.take()
}

fn gauges(stack: &Stack) -> Vec<(String, Vec<String>, f64)> {
    measured(async { observe_letters(&stack.ports, stack.world.now()).await.unwrap() })
}

fn of(name: &str, dimensions: &[&str], value: f64) -> (String, Vec<String>, f64) {
    (name.to_owned(), dimensions.iter().map(|value| (*value).to_owned()).collect(), value)
}

#[test]
fn a_new_letter_is_told_once_however_often_it_is_collected() {
    let stack = Stack::new();
    let arrival = stack.arrival(message(1, "good"), None);
    let told = measured(async {
        for _ in 0..3 {
            stack.collect(&arrival, &Pace::of(u32::MAX)).await.unwrap();
        }
    });
    assert_eq!(told, [of("Letters", &["payment", "permanent"], 1.0)]);
}

#[test]
fn letters_for_which_somebody_has_to_do_something_are_told_and_that_there_are_none() {
    let none = [of("LettersWaiting", &[], 0.0), of("OldestLetterSeconds", &[], 0.0), of("OldestLetterShare", &[], 0.0)];
    let stack = Stack::new();
    assert_eq!(gauges(&stack), none);

    stack.park(message(1, "good"), None);
    stack.world.pass(Duration::from_hours(7 * 24));
    for (number, class) in [(2, Class::Exhausted), (3, Class::Permanent), (4, Class::Permanent), (5, Class::None)] {
        let arrival = Arrival { class, ..stack.arrival(message(number, "good"), None) };
        block_on(stack.collect(&arrival, &Pace::of(u32::MAX))).unwrap();
    }
    let expected = [
        of("LettersWaiting", &[], 5.0),
        of("OldestLetterSeconds", &[], 7.0 * 86_400.0),
        of("OldestLetterShare", &[], 0.5),
        of("LettersWaiting", &["payment", "exhausted"], 1.0),
        of("LettersWaiting", &["payment", "none"], 1.0),
        of("LettersWaiting", &["payment", "permanent"], 3.0),
    ];
    assert_eq!(gauges(&stack), expected);

    stack.world.pass(Duration::from_hours(30 * 24));
    assert_eq!(gauges(&stack)[2], of("OldestLetterShare", &[], 1.0), "it is kept on record longer than in a queue");
}

#[test]
fn a_flood_of_one_service_hides_no_letter_of_another() {
    let stack = Stack::with_letters(300);
    stack.world.pass(Duration::from_mins(1));
    let mut arrival = Arrival { class: Class::Exhausted, ..stack.arrival(message(301, "good"), None) };
    "shipping".clone_into(&mut arrival.service);
    block_on(stack.collect(&arrival, &Pace::of(u32::MAX))).unwrap();
    CALLS_MADE.take();
    let pace = Pace::of(u32::MAX);
    let told = measured(async {
        observe_letters(&Paced { port: &stack.ports, pace: &pace }, stack.world.now()).await.unwrap();
    });
    assert_eq!(told[0], of("LettersWaiting", &[], 301.0));
    for (service, class, number) in [("payment", "permanent", 300.0), ("shipping", "exhausted", 1.0)] {
        assert!(told.contains(&of("LettersWaiting", &[service, class], number)), "{told:?}");
    }
    assert_eq!(CALLS_MADE.take(), BTreeMap::from([("open_letters", 1)]), "no letter is read for it");
}

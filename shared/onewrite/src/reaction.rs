//! Stateless service: says something on what it hears, once.

use std::convert::Infallible;

use envelope::{Event, Heard, Source};

use crate::decider::{Decider, Decision, Step};

/// Service that publishes a fact on what it hears, and need not know what was before: "say `BookReady` on
/// `BookRequested`".
///
/// Each event that it hears leaves a row, with what was said on it, and so an event that comes again is a duplicate. What has
/// to know what was before, or acts on the world outside, is a [`Decider`]; every reaction is one without a state.
///
/// ```
/// # use futures::executor::block_on;
/// use onewrite::memory::sample::{self, BookReady, BookRequested, Library};
/// use onewrite::memory::{MemoryLog, VirtualTime};
/// use onewrite::{Delivery, Event, Handle, Handled, Ledger, NoEffects, Process, Reaction, consumes};
///
/// consumes!(enum Heard in Library { BookRequested });
///
/// enum Shelf {}
///
/// impl Reaction for Shelf {
///     const SOURCE: envelope::Source = envelope::Source::from_static("library/shelf");
///     type Heard = Heard;
///
///     fn react(event: &Event<Heard>) -> Option<Library> {
///         let Heard::BookRequested(BookRequested { request_id, .. }) = &event.data;
///         Some(BookReady { request_id: request_id.clone(), copies: 1 }.into())
///     }
/// }
///
/// let (log, world) = (MemoryLog::default(), VirtualTime::new(1));
/// let shelf = Process::<Shelf, _, _, _>::new(Ledger::new(&log, &world), NoEffects);
/// let requested = sample::event::<Library>(sample::requested("req_1"));
/// for handled in [Handled::Changed, Handled::Duplicate] {
///     let delivery = Delivery { text: "", deadline: requested.context.time };
///     assert_eq!(block_on(shelf.handle(&requested, &delivery)), Ok(handled));
/// }
/// assert_eq!(log.published::<Library>().len(), 1);
/// ```
pub trait Reaction {
    /// The `source` of the events that the service publishes.
    const SOURCE: Source;
    /// The events that the service takes: see [`consumes!`](envelope::consumes).
    type Heard: Heard;

    /// The fact that is published because of `event`, if there is one.
    fn react(event: &Event<Self::Heard>) -> Option<<Self::Heard as Heard>::Contract>;
}

impl<R: Reaction> Decider for R {
    const SOURCE: Source = <R as Reaction>::SOURCE;
    type Heard = <R as Reaction>::Heard;
    type State = ();
    type Change = ();
    type Effect = Infallible;
    type Reply = Infallible;

    fn evolve((): (), (): ()) {}

    fn decide((): &(), event: &Event<<R as Reaction>::Heard>, _: Option<&Infallible>) -> Decision<Self> {
        let step = Step::record(());
        Ok(match R::react(event) {
            Some(fact) => step.publishing(fact),
            None => step,
        })
    }
}

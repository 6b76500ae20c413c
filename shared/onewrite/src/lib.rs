//! What every orderflow function stands on: exactly-once effects on at-least-once delivery.
//!
//! A queue delivers an event at least once, in an order that is never assumed, to functions that may die at any line.
//! A service says what an event means, as a pure [`Decider`]; this crate does the rest:
//!
//! - [`Batch`] takes the records of an SQS invocation apart, runs the orders side by side, retries what may pass with
//!   exponential back-off, and parks in a dead-letter queue what cannot.
//! - [`Process`] handles one event: read the order's rows, fold them, decide, and commit the decision together with the
//!   events that it publishes on the next version. That one conditional write is the idempotency record, the change of
//!   state, the audit trail and the outbox.
//! - [`Failure`] is transient or permanent, and every error says which.
//!
//! All IO, time and chance are behind the narrow traits in [`port`]. [`aws`] has them for real, [`memory`] in memory.
//!
//! # A service
//!
//! This one gives a point for each unit of money that was paid, and takes them back with a refund. Here it is whole, with a
//! test in memory:
//!
//! ```
//! use std::convert::Infallible;
//!
//! use onewrite::memory::{Bench, MemoryLog, Pace, Paced, Redelivery, VirtualTime, sample};
//! use onewrite::{Decider, Delivery, Handle, Handled, FailureKind, Ledger, NoEffects, Result, Process, Rejection, Step};
//! use orderflow_events::{Event, EventType, OrderId, Payload, PaymentId, PaymentProcessed, PaymentRefunded, RefundId};
//! use orderflow_events::{Money, Source, Time};
//! use serde::{Deserialize, Serialize};
//!
//! struct Loyalty;
//!
//! #[derive(Clone, Copy, Debug, Default, PartialEq)]
//! enum State {
//!     #[default]
//!     Unpaid,
//!     Rewarded,
//!     Withdrawn,
//! }
//!
//! #[derive(Clone, PartialEq, Serialize, Deserialize)]
//! enum Change {
//!     Rewarded { points: i64 },
//!     Withdrawn,
//! }
//!
//! impl Decider for Loyalty {
//!     const SOURCE: Source = Source::from_static("orderflow/loyalty");
//!     const CONSUMES: &'static [EventType] = &[EventType::PaymentProcessed, EventType::PaymentRefunded];
//!     type State = State;
//!     type Change = Change;
//!     type Effect = Infallible;
//!     type Reply = Infallible;
//!
//!     fn evolve(_: State, change: Change) -> State {
//!         match change {
//!             Change::Rewarded { .. } => State::Rewarded,
//!             Change::Withdrawn => State::Withdrawn,
//!         }
//!     }
//!
//!     fn decide(state: &State, event: &Event, _: Option<&Infallible>) -> Result<Step<Change, Infallible>, Rejection> {
//!         match (state, &event.data) {
//!             (State::Unpaid, Payload::PaymentProcessed(paid)) => {
//!                 Ok(Step::record(Change::Rewarded { points: paid.amount.amount() / 100 }))
//!             }
//!             // Redriven events come in any order: this one is tried again until the payment is known.
//!             (State::Unpaid, _) => Err(Rejection::TooEarly("no PaymentProcessed yet")),
//!             (State::Rewarded, Payload::PaymentRefunded(_)) => Ok(Step::record(Change::Withdrawn)),
//!             (State::Rewarded | State::Withdrawn, _) => Ok(Step::Nothing),
//!         }
//!     }
//! }
//!
//! struct Service {
//!     log: MemoryLog,
//!     world: VirtualTime,
//! }
//!
//! impl Bench for Service {
//!     fn log(&self) -> &MemoryLog {
//!         &self.log
//!     }
//!
//!     async fn attempt(&self, event: &Event, pace: &Pace) -> Result<Handled> {
//!         let ledger = Ledger::new(Paced { port: &self.log, pace }, &self.world);
//!         let delivery = Delivery { text: "", deadline: Time::from_millis(i64::MAX) };
//!         Process::<Loyalty, _, _, _>::new(ledger, NoEffects).handle(event, &delivery).await
//!     }
//! }
//!
//! let (order_id, amount) = (OrderId::new("ord_1")?, Money::new(1990, "EUR")?);
//! let (payment_id, refund_id) = (PaymentId::of(&order_id), RefundId::of(&order_id));
//! let paid = PaymentProcessed { order_id: order_id.clone(), payment_id: payment_id.clone(), amount };
//! let [paid, refunded] = [
//!     sample::event(paid),
//!     sample::event(PaymentRefunded { order_id: order_id.clone(), payment_id, refund_id, amount }),
//! ];
//!
//! let service = Service { log: MemoryLog::default(), world: VirtualTime::new(1) };
//! assert_eq!(service.handle(&refunded), Err(FailureKind::Transient));
//! assert_eq!(service.handle(&paid), Ok(Handled::Changed));
//! assert_eq!(service.handle(&paid), Ok(Handled::Duplicate));
//!
//! // Wherever it crashes, and in whatever order the events come again, it ends the same.
//! for pauses in 0..10 {
//!     let service = Service { log: MemoryLog::default(), world: VirtualTime::new(1) };
//!     service.deliver(&[refunded.clone(), paid.clone()], &[pauses], Redelivery::BehindAllOthers);
//!     let history = futures::executor::block_on(Ledger::new(&service.log, &service.world).load::<Loyalty>(&order_id));
//!     assert_eq!(history.expect("it can be read").state, State::Withdrawn);
//! }
//! # Ok::<(), orderflow_events::Invalid>(())
//! ```
//!
//! Its function is wiring only, and reads its settings from the variables that the template sets:
//!
//! ```no_run
//! use onewrite::aws::{DynamoLog, System, consume, sdk_config};
//! use onewrite::config::{Environment, QueueSettings};
//! use onewrite::{Ledger, NoEffects, Process, telemetry};
//! # use std::convert::Infallible;
//! # use onewrite::{Decider, Rejection, Step};
//! # use orderflow_events::{Event, EventType, Source};
//! # struct Loyalty;
//! # impl Decider for Loyalty {
//! #     const SOURCE: Source = Source::from_static("orderflow/loyalty");
//! #     const CONSUMES: &'static [EventType] = &[];
//! #     type State = ();
//! #     type Change = ();
//! #     type Effect = Infallible;
//! #     type Reply = Infallible;
//! #     fn evolve((): (), (): ()) {}
//! #     fn decide((): &(), _: &Event, _: Option<&Infallible>) -> Result<Step<(), Infallible>, Rejection> {
//! #         Ok(Step::Nothing)
//! #     }
//! # }
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), lambda_runtime::Error> {
//!     telemetry::init();
//!     let settings = Environment::of_process().read(|environment| {
//!         let (queue, table) = (QueueSettings::read(environment), environment.text("TABLE_NAME"));
//!         Some((queue?, table?))
//!     });
//!     let (queue, table) = settings?;
//!     let aws = sdk_config()?;
//!     let ledger = Ledger::new(DynamoLog::new(aws_sdk_dynamodb::Client::new(&aws), table), System);
//!     consume(queue, Process::<Loyalty, _, _, _>::new(ledger, NoEffects), &aws).await
//! }
//! ```

pub mod aws;
mod backoff;
mod batch;
pub mod config;
mod decider;
pub mod external;
mod failure;
pub mod http;
mod lease;
mod ledger;
pub mod memory;
mod message;
mod park;
pub mod port;
mod process;
#[cfg(test)]
mod properties;
mod row;
mod self_check;
pub mod telemetry;
mod trace;

pub use backoff::backoff_seconds;
pub use batch::{Batch, Delivery, Handle, Handled, serve};
pub use decider::{Attempt, Commit, CounterUpdate, Decider, Effects, InsufficientCounter, NoEffects, Rejection, Step};
pub use failure::{Failure, FailureKind, Result};
pub use lease::{Lease, Leased, with_lease};
pub use ledger::{Committed, History, Ledger, Origin};
pub use message::Incoming;
pub use park::{Attribute, DeadLetter};
pub use process::Process;
pub use row::{Cause, Row};
pub use trace::TraceParent;

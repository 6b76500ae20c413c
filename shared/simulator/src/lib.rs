#![doc = include_str!("../README.md")]

mod at_rest;
mod caller;
pub mod executor;
mod faults;
mod guarantees;
mod head;
pub mod model;
mod observer;
mod operator;
mod outage;
mod plan;
pub mod ports;
mod report;
mod run;
mod safeguard;
mod search;
mod service;
mod settings;
mod simulate;
mod stack;
mod trace;

pub use caller::{Caller, Lost, TrueTime};
pub use faults::{FaultKind, FaultKinds, Faults, PlannedFault};
pub use guarantees::{Guarantees, Violation};
pub use observer::{Append, Observer, Rest};
pub use operator::{Operator, Which};
pub use plan::Plan;
pub use report::Report;
pub use run::{Run, Tally, count};
pub use safeguard::Safeguard;
pub use search::{Shrunk, search, shrink};
pub use service::{Inspected, Service};
pub use settings::{RelaySettings, Settings};
pub use simulate::simulate;
pub use stack::{Builder, Stack, types_of};
pub use trace::Trace;

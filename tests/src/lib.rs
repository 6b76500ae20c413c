//! A shop on a deployed stack, seen from outside, for all tests that cross services.

#![allow(clippy::expect_used, clippy::missing_panics_doc, reason = "a test says by a panic what is wrong")]

mod alarms;
mod api_double;
mod browser;
mod call;
mod calls;
mod capacity;
mod cognito;
mod collector;
mod double;
mod emulator;
mod function;
mod issuer;
mod letter;
mod logs;
mod orderctl;
mod orders;
mod patience;
mod pattern;
mod process;
mod proxy;
mod receiver;
mod script;
mod shop;
mod tally;
mod twin;

pub use alarms::{Alarm, Datum, JOBS, OPEN_ORDERS, OnCall};
pub use api_double::ApiDouble;
pub use browser::{chromium, node_packages};
pub use call::{AwsService, Call, entries};
pub use capacity::{item_bytes, read_units, write_units};
pub use cognito::UserPool;
pub use collector::{Rotel, collector, note_try, too_many_lost};
pub use double::Double;
pub use emulator::{Channel, Emulator, Gap};
pub use issuer::Issuer;
pub use letter::Letter;
pub use orderctl::{Orderctl, Ran};
pub use orders::{FULFILLED, NOTICES, PARTNER_ARN, PARTNER_PATTERN, event, foreign_order, order};
pub use patience::{LASTING, PATIENCE, answered, eventually};
pub use pattern::matches;
pub use process::FunctionProcess;
pub use proxy::{Answer, Arrived, Dropped, Interceptor, Proxy, free_port, whole};
pub use receiver::{Answering, Message, Receiver};
pub use shop::{INTAKE, Item, SERVICES, Service, Shop, queues};
pub use tally::{Counted, PerEvent, Tally, Units, to_f64};
pub use twin::Twin;

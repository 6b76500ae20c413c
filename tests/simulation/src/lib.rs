//! The whole system in one thread and in virtual time, under every fault, from a seed that replays.
//!
//! What runs here is what runs in Lambda: the handlers, the ledger, the batches, the relay and the domain code of every
//! function, unchanged. Their ports lead to models of AWS ([`model`]) that are as strict as the real thing; the suites of
//! `tests/conformance` run over both. Between a function and its neighbours stands [`world::Site::call`], where things go
//! wrong: a process dies before, during or after a call, an answer is lost, a request arrives minutes later.
//!
//! After every step the invariants that hold at every moment are checked ([`audit`]), against what is really there; and
//! once all is quiet, those that hold then ([`quiet`]).

pub mod audit;
pub mod customers;
pub mod episode;
pub mod executor;
pub mod faults;
pub mod model;
mod outage;
pub mod ports;
pub mod quiet;
pub mod sabotage;
pub mod shrink;
pub mod stack;
pub mod story;
pub mod world;

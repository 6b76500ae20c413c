#![doc = include_str!("../README.md")]

#[cfg(feature = "http")]
pub mod access;
#[cfg(feature = "aws")]
pub mod aws;
mod backoff;
mod batch;
mod breaker;
pub mod concurrent;
pub mod config;
mod decider;
pub mod external;
mod failure;
pub mod feed;
mod group_commit;
mod handle;
#[cfg(feature = "http")]
pub mod http;
mod inspect;
#[cfg(any(feature = "http", feature = "link"))]
mod key_cache;
mod lease;
mod ledger;
#[cfg(feature = "link")]
pub mod link;
#[cfg(any(test, feature = "testing"))]
pub mod memory;
mod message;
mod on;
mod park;
#[cfg(feature = "personal")]
pub mod personal;
pub mod port;
mod process;
mod projection;
#[cfg(all(test, feature = "http"))]
mod properties;
mod reaction;
mod readers;
pub mod relay;
mod row;
#[cfg(any(feature = "aws", feature = "http"))]
mod runtime;
mod self_check;
#[cfg(feature = "aws")]
mod serve;
mod slot;
mod sweep;
pub mod telemetry;
mod trace;
#[cfg(feature = "webhook")]
pub mod webhook;

pub use backoff::backoff_seconds;
pub use batch::Batch;
pub use decider::{
    Attempt, Commit, ContractOf, CounterUpdate, Decider, Decision, Effects, InsufficientCounter, NoEffects, Rejection,
    Step,
};
pub use envelope::{self, Event, consumes, events};
pub use failure::{Failure, FailureKind, Result};
pub use handle::{Delivery, Handle, Handled};
pub use inspect::{Answers, Discrepancy, Inquiry, Outlook, UNREADABLE};
pub use lease::{LEASE_KEPT, Lease, Leased, Part, with_lease, with_lease_of_parts};
pub use ledger::{Committed, History, Ledger, Origin};
pub use message::Incoming;
pub use on::On;
pub use park::{Attribute, DeadLetter, FoundFailure, FoundLetter, REDRIVE};
pub use process::Process;
pub use projection::{Project, Projected, Projection};
pub use reaction::Reaction;
pub use row::{Cause, Row};
#[cfg(feature = "aws")]
pub use serve::serve;
pub use slot::Slot;
pub use sweep::{Ending, EndingOf, Sweep, Swept};
pub use trace::TraceParent;

/// The `main` of a function. Of a consumer: a decider without effects needs nothing else, and any other handler is made of the
/// environment and the clients. What is no consumer is made of the clients alone.
///
/// It allocates by mimalloc, for a function allocates some 2,000 times an event: that takes 15 % off an event's instructions and a tenth off
/// its CPU time, and costs 0.5 MB of memory. Huge pages are off, which would be 6 MB.
///
/// ```text
/// onewrite::main!(Loyalty);
///
/// onewrite::main!(|environment, aws| {
///     let (ledger, settings) = (aws.ledger(environment), environment.settings::<Settings>());
///     let effects = LockEffects::new(lock(aws, settings?));
///     Some(Process::<Doors, _, _, _>::new(ledger?, effects))
/// });
///
/// onewrite::main!(async |aws| onewrite::aws::relay(aws).await);
/// ```
#[cfg(feature = "aws")]
#[macro_export]
macro_rules! main {
    (async |$aws:ident| $run:expr) => {
        #[global_allocator]
        static ALLOCATOR: $crate::__private::MiMalloc = $crate::__private::MiMalloc;

        fn main() -> std::result::Result<(), Box<dyn std::error::Error + Send + Sync>> {
            $crate::aws::block_on(env!("CARGO_PKG_NAME"), async |$aws| $run)
        }
    };
    ($decider:path) => {
        $crate::main!(|environment, aws| {
            Some($crate::Process::<$decider, _, _, _>::new(aws.ledger(environment)?, $crate::NoEffects))
        });
    };
    (|$environment:ident, $aws:ident| $wire:expr) => {
        $crate::main!(async |aws| $crate::aws::consume(aws, |$environment, $aws| $wire).await);
    };
}

/// The `main` of a function behind API Gateway, whose API is made of the environment and the clients. An API has the methods
/// `warm(&self)`, for what can be done while the function starts, and `answer(&self, &Request) -> Response<Body>`, both
/// asynchronous.
#[cfg(all(feature = "aws", feature = "http"))]
#[macro_export]
macro_rules! http_main {
    (|$environment:ident, $aws:ident| $wire:expr) => {
        // A macro, for the runtime wants a future that is `Send`, and that shows of a type that is known only.
        $crate::main!(async |$aws| {
            let wired = $crate::config::Environment::of_process().read(|$environment| {
                let cors = $crate::http::Cors::read($environment);
                Some(($wire?, cors))
            });
            let (api, cors) = &wired?;
            api.warm().await;
            $crate::http::__private::run($crate::http::__private::service_fn(async |request| {
                $crate::http::within(&request, cors, Box::pin(api.answer(&request))).await
            }))
            .await
        });
    };
}

/// For the macros of this crate alone.
#[cfg(feature = "aws")]
#[doc(hidden)]
pub mod __private {
    pub use mimalloc::MiMalloc;
}

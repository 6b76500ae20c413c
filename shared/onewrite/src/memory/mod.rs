//! The ports in memory: for tests, and to run every function without a network.

mod bench;
mod feed;
#[cfg(feature = "http")]
mod issuer;
#[cfg(feature = "personal")]
mod keys;
mod leases;
#[cfg(feature = "link")]
mod link_keys;
mod log;
mod pace;
mod queue;
pub mod sample;
mod series;
mod spans;
mod topic;
mod world;

pub use bench::{Bench, Mishap, Redelivery};
pub use feed::MemoryFeed;
#[cfg(feature = "http")]
pub use issuer::MemoryIssuer;
#[cfg(feature = "personal")]
pub use keys::MemoryKeys;
pub use leases::MemoryLeases;
#[cfg(feature = "link")]
pub use link_keys::MemoryLinkKeys;
pub use log::MemoryLog;
pub use pace::{Pace, Paced};
pub use queue::MemoryQueue;
pub use series::Series;
pub use spans::MemorySpans;
pub use topic::MemoryTopic;
pub use world::VirtualTime;

//! World outside the services' own tables: companies, other stores, and the messages that customers got.

use std::rc::Rc;

use onewrite::external::simulated::MemoryRegister;
use onewrite::memory::{MemoryFeed, MemoryKeys, MemoryLeases, MemoryOccurrences};
use orderflow_analytics::MemoryCounts;
use orderflow_journal::MemoryJournal;
use orderflow_notices::MemoryNotices;
use orderflow_notification::MemoryMailer;

/// Beginning of the addresses that SES refuses, as it does those of no domain.
pub const GONE: &str = "gone";

/// Number whose owner wants no messages.
pub const OPTED_OUT: &str = "+4930999999";

/// Shards of the feed.
pub const FEED_SHARDS: u8 = 2;

/// Stores beside the services' tables.
#[derive(Default)]
pub struct Outside {
    /// Register of the payment provider.
    pub provider: Rc<MemoryRegister>,
    /// Declines that payment counts.
    pub declines: Rc<MemoryOccurrences>,
    /// Register of the carrier.
    pub carrier: Rc<MemoryRegister>,
    /// The journal.
    pub journal: Rc<MemoryJournal>,
    /// The feed of its entries.
    pub feed: Rc<MemoryFeed>,
    /// Orders that screening has seen.
    pub sightings: Rc<MemoryOccurrences>,
    /// Counts of analytics.
    pub counts: Rc<MemoryCounts>,
    /// Leases of mails and short messages.
    pub leases: Rc<MemoryLeases>,
    /// States of the rules of notices to the staff; none, where nobody wants any.
    pub notices: Rc<MemoryNotices>,
    /// Leases of their digests.
    pub digest_leases: Rc<MemoryLeases>,
    /// Their digests, as they were sent.
    pub digests: Rc<MemoryMailer>,
    /// Keys of the customers.
    pub keys: Rc<MemoryKeys>,
}

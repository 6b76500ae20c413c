//! World outside the services' own tables: companies, other stores, and the messages that customers got.

use std::rc::Rc;

use onewrite::memory::MemoryLeases;
use orderflow_journal::memory::MemoryJournal;
use orderflow_payment::simulation::MemoryBooks;
use orderflow_screening::sightings::MemorySightings;
use orderflow_shipping::simulation::MemoryRegister;

/// Stores beside the services' tables.
#[derive(Default)]
pub struct Outside {
    /// The payment provider's books.
    pub books: Rc<MemoryBooks>,
    /// The carrier's register.
    pub register: Rc<MemoryRegister>,
    /// The journal.
    pub journal: Rc<MemoryJournal>,
    /// Orders that screening has seen.
    pub sightings: Rc<MemorySightings>,
    /// Leases of mails and short messages.
    pub leases: Rc<MemoryLeases>,
}

//! Documents of the API as people read them: pure functions of a document and the time.

pub(crate) mod diff;
pub(crate) mod job;
pub(crate) mod letter;
pub(crate) mod order;
pub(crate) mod price;
pub(crate) mod status;
pub(crate) mod stock;
mod table;
pub(crate) mod webhook;

//! What AWS does, as far as the functions can tell: as strict as the real thing, and in virtual time.

pub mod queue;
pub mod source;
pub mod stream;
pub mod topic;

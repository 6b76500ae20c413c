//! Models of AWS as far as functions can tell: as strict as the real thing, and in virtual time.

pub mod queue;
pub mod source;
pub mod stream;
pub mod topic;

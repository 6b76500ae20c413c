//! The HTTP API, and the stack that it belongs to.

mod api;
mod local;

pub(crate) use api::{Answer, Api, Ask, Method};
pub(crate) use local::local_stack;

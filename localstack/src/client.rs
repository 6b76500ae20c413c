//! Clients of a stack that is deployed: its API, its events, its mails and its outputs.

pub(crate) mod api;
pub(crate) mod bucket;
pub(crate) mod endpoint;
pub(crate) mod event_sources;
pub(crate) mod events;
pub(crate) mod http;
pub(crate) mod mailbox;
pub(crate) mod outputs;
pub(crate) mod token;

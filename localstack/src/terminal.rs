//! The terminal: progress, colours, and the signals that end a command.

pub(crate) mod colours;
pub(crate) mod progress;
pub(crate) mod signals;
pub(crate) mod stranger;
pub(crate) mod style;

//! The rules of `template.yaml` and `functions/service.yaml`, each a test.
//!
//! A rule is a function from the stack to its faults. Its test wants none of the stack as it is, and one for each way in
//! which it breaks a template, so that no rule holds by accident. What is broken in the template of a service is broken
//! in all services, of which a row names one.

#![expect(clippy::expect_used, reason = "all of it is tests, though Clippy does not see any")]

mod access;
mod alarms;
mod api;
mod computed;
mod dashboard;
mod functions;
mod messages;
mod nested;
mod properties;
mod retention;
mod rights;
mod stack;

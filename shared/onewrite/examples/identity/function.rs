//! The service as a function on AWS Lambda.

pub mod devices;

onewrite::main!(devices::Devices);

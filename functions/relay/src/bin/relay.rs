//! Relay of one service: publishes the events of its table's new rows.

fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    onewrite::aws::relay(env!("CARGO_PKG_NAME"))
}

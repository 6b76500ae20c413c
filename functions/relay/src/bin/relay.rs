//! Relay of one service: publishes the events of its table's new rows.

onewrite::main!(async |aws| onewrite::aws::relay(aws).await);

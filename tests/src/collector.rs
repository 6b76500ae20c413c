//! Collector of the spans of the stack that the tests have brought up.

use std::sync::OnceLock;

use orderflow_local::Collector;

/// The one collector of this process.
///
/// # Panics
///
/// There is no port for it.
pub fn collector() -> &'static Collector {
    static COLLECTOR: OnceLock<Collector> = OnceLock::new();
    COLLECTOR.get_or_init(|| Collector::open().expect("a collector"))
}

//! The system's clock and the system's chance.

use std::time::{Duration, SystemTime};

use envelope::Time;

use crate::port::{Clock, Random};

/// Time and chance, as the operating system has them.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

impl Clock for System {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    fn now(&self) -> Time {
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Time::from_millis(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

impl Random for System {
    fn fill(&self, bytes: &mut [u8]) {
        // It cannot fail on Linux once the machine is up. If it did, an id that may repeat would be the worse answer.
        if let Err(error) = getrandom::fill(bytes) {
            panic!("the operating system has no randomness: {error}");
        }
    }
}

//! A process group: a program together with whatever it starts.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process, test_kill_process_group};

const POLL: Duration = Duration::from_millis(20);
const GRACE: Duration = Duration::from_secs(3);

/// A process that leads a group of its own, and the rest of that group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProcessGroup {
    leader: Pid,
}

impl ProcessGroup {
    /// `None` if `pid` is no process id.
    pub(crate) fn led_by(pid: u32) -> Option<Self> {
        let leader = i32::try_from(pid).ok().and_then(Pid::from_raw)?;
        // Group 1 is init's: signalling it could only be a mistake.
        (!leader.is_init()).then_some(Self { leader })
    }

    /// Ends the group: first politely, so that the leader can tidy up, then by force. `leader_has_gone` is asked until
    /// it says yes or the grace is over.
    pub(crate) fn stop(self, mut leader_has_gone: impl FnMut() -> bool) {
        self.signal(Signal::TERM);
        wait_until(&mut leader_has_gone);
        self.signal(Signal::KILL);
        wait_until(|| leader_has_gone() && !self.exists());
    }

    pub(crate) fn has_leader(self) -> bool {
        test_kill_process(self.leader).is_ok()
    }

    /// Whether any process of the group is left, a dead one that nobody has waited for included.
    fn exists(self) -> bool {
        test_kill_process_group(self.leader).is_ok()
    }

    /// An error here means that the group is gone already, which is what every signal is for.
    fn signal(self, signal: Signal) {
        let _gone = kill_process_group(self.leader, signal);
    }
}

/// Bounded: where process 1 reaps no orphans, a group never quite disappears.
fn wait_until(mut done: impl FnMut() -> bool) {
    let attempts = GRACE.as_millis() / POLL.as_millis();
    for _ in 0..attempts {
        if done() {
            return;
        }
        std::thread::sleep(POLL);
    }
}

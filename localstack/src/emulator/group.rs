//! A process group: a program together with whatever it starts.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process, test_kill_process_group};

const POLL: Duration = Duration::from_millis(20);
const GRACE: Duration = Duration::from_secs(3);
/// The killed are gone in no time; those that nobody reaps stay for ever as mere entries of the process table.
const BURIAL: Duration = Duration::from_millis(300);

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

    /// Ends the group, by force if its leader does not end by itself. `leader_has_gone` is asked until it says yes.
    pub(crate) fn stop(self, mut leader_has_gone: impl FnMut() -> bool) {
        self.signal(Signal::TERM);
        wait_until(GRACE, &mut leader_has_gone);
        self.kill(leader_has_gone);
    }

    /// Ends the group by force, and waits until it is gone.
    pub(crate) fn kill(self, mut leader_has_gone: impl FnMut() -> bool) {
        self.signal(Signal::KILL);
        wait_until(GRACE, &mut leader_has_gone);
        wait_until(BURIAL, || !self.exists());
    }

    pub(crate) fn has_leader(self) -> bool {
        test_kill_process(self.leader).is_ok()
    }

    /// True while any process of the group is left, a dead one that nobody has waited for included.
    fn exists(self) -> bool {
        test_kill_process_group(self.leader).is_ok()
    }

    /// An error here means that the group is gone already, which is what every signal is for.
    fn signal(self, signal: Signal) {
        let _gone = kill_process_group(self.leader, signal);
    }
}

fn wait_until(limit: Duration, mut done: impl FnMut() -> bool) {
    for _ in 0..limit.as_millis() / POLL.as_millis() {
        if done() {
            return;
        }
        std::thread::sleep(POLL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};

    #[test]
    fn a_group_is_killed_with_all_that_its_leader_has_started() {
        let mut command = Command::new("sh");
        // The child holds the pipe open for as long as it lives.
        command.args(["-c", "sleep 60 & echo started; wait"]).stdout(Stdio::piped()).process_group(0);
        let mut leader = command.spawn().unwrap();
        let mut output = leader.stdout.take().unwrap();
        output.read_exact(&mut [0; 8]).unwrap();

        let group = ProcessGroup::led_by(leader.id()).unwrap();
        assert!(group.has_leader());
        group.kill(|| matches!(leader.try_wait(), Ok(Some(_))));
        assert!(!group.has_leader());
        assert_eq!(output.read_to_end(&mut Vec::new()).unwrap(), 0);
    }

    #[test]
    fn the_group_of_init_is_nobodys() {
        assert!(ProcessGroup::led_by(1).is_none());
        assert!(ProcessGroup::led_by(0).is_none());
    }
}

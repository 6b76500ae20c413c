//! The functions of an emulator as what they are on this machine: processes. They are found by what Linux tells in
//! `/proc`; elsewhere there are none.

use std::fs;
use std::path::PathBuf;

use rustix::process::{Pid, Signal, kill_process};

/// By this variable a process says which function it runs.
const FUNCTION_NAME: &[u8] = b"AWS_LAMBDA_FUNCTION_NAME=";

/// A process that runs a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionProcess {
    /// The function's name.
    pub function: String,
    pid: Pid,
}

impl FunctionProcess {
    /// All of them, whoever has started them.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?));
        pids.filter_map(Self::of).collect()
    }

    /// Those of one process group: that of an emulator.
    #[must_use]
    pub fn of_group(leader: u32) -> Vec<Self> {
        Self::all().into_iter().filter(|process| process.group() == Some(leader)).collect()
    }

    fn of(pid: Pid) -> Option<Self> {
        let environment = fs::read(place(pid).join("environ")).ok()?;
        let function =
            environment.split(|byte| *byte == 0).find_map(|variable| variable.strip_prefix(FUNCTION_NAME))?;
        Some(Self { function: String::from_utf8(function.to_vec()).ok()?, pid })
    }

    /// The fifth field of `/proc/PID/stat`. The second is the program's name in brackets, and may have anything in it.
    fn group(&self) -> Option<u32> {
        let stat = fs::read_to_string(place(self.pid).join("stat")).ok()?;
        stat.rsplit_once(')')?.1.split_whitespace().nth(2)?.parse().ok()
    }

    /// True if it has the socket with that inode open.
    #[must_use]
    pub fn has_socket(&self, inode: u64) -> bool {
        let socket = PathBuf::from(format!("socket:[{inode}]"));
        let files = fs::read_dir(place(self.pid).join("fd")).into_iter().flatten().flatten();
        files.filter_map(|file| fs::read_link(file.path()).ok()).any(|link| link == socket)
    }

    /// Kills it, as the kernel does when the memory is used up. Answers whether it was still there.
    #[must_use]
    pub fn kill(&self) -> bool {
        kill_process(self.pid, Signal::KILL).is_ok()
    }
}

fn place(pid: Pid) -> PathBuf {
    PathBuf::from(format!("/proc/{}", pid.as_raw_nonzero()))
}

/// The inode of the socket at the other end of a TCP connection over IPv4 between two ports of this machine.
pub(crate) fn socket_of_caller(caller: u16, listener: u16) -> Option<u64> {
    let table = fs::read_to_string("/proc/net/tcp").ok()?;
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let is_it = port(fields.get(1)?)? == caller && port(fields.get(2)?)? == listener;
        if is_it { fields.get(9)?.parse().ok() } else { None }
    })
}

/// The port of an address such as `0100007F:1F90`.
fn port(address: &str) -> Option<u16> {
    u16::from_str_radix(address.split_once(':')?.1, 16).ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    use std::process::Command;

    use super::*;

    #[test]
    fn a_function_is_found_by_its_group_and_killed() {
        let mut command = Command::new("sleep");
        let mut child = command.arg("60").env("AWS_LAMBDA_FUNCTION_NAME", "sleeper").process_group(0).spawn().unwrap();
        // Between fork and exec the child is a copy of this process, and its environment too.
        let found = loop {
            let found = FunctionProcess::of_group(child.id());
            if !found.is_empty() {
                break found;
            }
        };
        assert_eq!(found.iter().map(|process| process.function.as_str()).collect::<Vec<_>>(), ["sleeper"]);
        assert!(FunctionProcess::of_group(std::process::id()).is_empty());
        assert!(found[0].kill());
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        assert!(!found[0].kill());
    }

    #[test]
    fn a_caller_is_found_by_its_socket() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let caller = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (_accepted, address) = listener.accept().unwrap();
        let inode = socket_of_caller(address.port(), listener.local_addr().unwrap().port()).unwrap();
        let pid = Pid::from_raw(i32::try_from(std::process::id()).unwrap()).unwrap();
        let this = FunctionProcess { function: "this".to_owned(), pid };
        assert!(this.has_socket(inode));
        drop(caller);
        assert!(!this.has_socket(inode));
    }
}

//! Cores: the functions have one for themselves, so that this program and its stubs are not in their way.

use std::io;

/// Division of the cores: the functions may have one for themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cores {
    is_divided: bool,
}

/// Core of this program, and core of the functions.
const OURS: usize = 0;
const THEIRS: usize = 1;

impl Cores {
    /// Divides the cores, where there are two or more; otherwise all run where they may.
    pub(crate) fn divided() -> Self {
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        Self { is_divided: count > 1 && move_to(OURS).is_ok() }
    }

    /// Leaves processes where the system puts them.
    pub(crate) const fn shared() -> Self {
        Self { is_divided: false }
    }

    /// Calls `spawn` on the functions' core, which its children inherit.
    pub(crate) fn spawn<T>(self, spawn: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        if !self.is_divided {
            return spawn();
        }
        move_to(THEIRS)?;
        let spawned = spawn();
        move_to(OURS)?;
        spawned
    }
}

/// Moves this thread to a core.
#[cfg(target_os = "linux")]
fn move_to(core: usize) -> io::Result<()> {
    let mut set = rustix::thread::CpuSet::new();
    set.set(core);
    Ok(rustix::thread::sched_setaffinity(None, &set)?)
}

/// Elsewhere nobody can.
#[cfg(not(target_os = "linux"))]
fn move_to(_core: usize) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

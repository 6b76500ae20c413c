//! Ctrl-C and its kin.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listener for the signals that ask a program to end. They no longer end it by themselves once this exists.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

/// A signal that came before the work was done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interrupted;

impl Signals {
    /// # Errors
    ///
    /// If the system refuses to tell of signals.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the first of them.
    pub(crate) async fn ask_to_end(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }

    /// Result of the future, unless a signal comes first; the future is dropped then.
    pub(crate) async fn unless_asked_to_end<T>(&mut self, future: impl Future<Output = T>) -> Result<T, Interrupted> {
        tokio::select! {
            result = future => Ok(result),
            () = self.ask_to_end() => Err(Interrupted),
        }
    }
}

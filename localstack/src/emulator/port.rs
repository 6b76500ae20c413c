//! The port that the emulator listens on.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// The port of LocalStack, which tools try first.
pub(crate) const USUAL: u16 = 4566;

/// Choice of the port that the emulator listens on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PortChoice {
    /// The usual port, 4566, or any other free one if it is taken.
    #[default]
    UsualOrFree,
    /// Any free port, so that the usual one is left to people.
    Free,
    /// This port and no other.
    Given(u16),
}

/// Failure to find a port.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// The port that was asked for belongs to someone else.
    #[error("port {0} is taken")]
    Taken(u16),
    /// The system has none to give.
    #[error("no free port: {0}")]
    NoneFree(#[source] std::io::Error),
}

impl PortChoice {
    /// A port that nothing listens on and that is not `claimed`.
    pub(crate) fn choose(self, claimed: impl Fn(u16) -> bool) -> Result<u16, PortError> {
        let is_free = |port: u16| !claimed(port) && nothing_listens_on(port);
        match self {
            Self::Given(port) if is_free(port) => Ok(port),
            Self::Given(port) => Err(PortError::Taken(port)),
            Self::UsualOrFree if is_free(USUAL) => Ok(USUAL),
            Self::UsualOrFree | Self::Free => any_free(),
        }
    }

    /// An error if the port that was asked for is taken now.
    pub(crate) fn check(self) -> Result<(), PortError> {
        match self {
            Self::Given(port) if !nothing_listens_on(port) => Err(PortError::Taken(port)),
            _ => Ok(()),
        }
    }
}

/// True if something answers on this port of this machine.
pub(crate) fn answers(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpStream::connect_timeout(&address, Duration::from_millis(500)).is_ok()
}

/// Asked both ways, because macOS lets a program listen on 127.0.0.1 beside one that listens on every address.
fn nothing_listens_on(port: u16) -> bool {
    !answers(port) && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn any_free() -> Result<u16, PortError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(PortError::NoneFree)?;
    listener.local_addr().map(|address| address.port()).map_err(PortError::NoneFree)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken() -> (TcpListener, u16) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, port)
    }

    #[test]
    fn a_given_port_that_is_taken_is_an_error() {
        let (_listener, port) = taken();
        let error = PortChoice::Given(port).choose(|_| false).unwrap_err();
        assert_eq!(error.to_string(), format!("port {port} is taken"));
    }

    #[test]
    fn a_port_taken_on_every_address_is_taken() {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(PortChoice::Given(port).choose(|_| false).is_err());
    }

    #[test]
    fn a_given_port_that_is_free_is_taken_as_it_is() {
        let (listener, port) = taken();
        drop(listener);
        assert_eq!(PortChoice::Given(port).choose(|_| false).unwrap(), port);
    }

    #[test]
    fn a_free_port_is_never_the_usual_one() {
        assert_ne!(PortChoice::Free.choose(|_| false).unwrap(), USUAL);
    }
}

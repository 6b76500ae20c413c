//! Targets: URLs that events may be posted to.

use std::fmt;
use std::net::IpAddr;

use envelope::Invalid;
use url::{Host, Url};

use super::is_public;

/// The longest URL, in characters.
const MAX_CHARACTERS: usize = 2_000;

/// Rule for this machine's own addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loopback {
    /// They are not public.
    Refused,
    /// They may be posted to, without TLS too: for a stack on a developer's machine.
    Allowed,
}

impl Loopback {
    /// Tells that this address may be connected to.
    #[must_use]
    pub fn lets(self, address: IpAddr) -> bool {
        is_public(address) || (self == Self::Allowed && address.is_loopback())
    }
}

/// URL that events may be posted to. An address in it is public, in whichever way it was written; a name is looked at when it is
/// resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target(Url);

impl Target {
    /// The target that a text is.
    ///
    /// # Errors
    ///
    /// The rule that it breaks, which does not repeat it.
    pub fn new(text: &str, loopback: Loopback) -> Result<Self, Invalid> {
        let rule = |rule: &str| Invalid::rule(rule.to_owned());
        if text.chars().count() > MAX_CHARACTERS {
            return Err(Invalid::rule(format!("must be at most {MAX_CHARACTERS} characters")));
        }
        // By the rules that browsers have: what looks like an address in any way is one.
        let url = Url::parse(text).map_err(|_| rule("must be a URL"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(rule("must be without a name and a password"));
        }
        if url.fragment().is_some() {
            return Err(rule("must be without a fragment"));
        }
        let (address, is_local) = match url.host().ok_or_else(|| rule("must be a URL with a host"))? {
            Host::Domain(name) => (None, name == "localhost"),
            Host::Ipv4(address) => (Some(IpAddr::V4(address)), address.is_loopback()),
            Host::Ipv6(address) => (Some(IpAddr::V6(address)), address.is_loopback()),
        };
        let may_be_plain = is_local && loopback == Loopback::Allowed;
        match url.scheme() {
            "https" => {}
            "http" if may_be_plain => {}
            _ => return Err(rule("must begin with https://")),
        }
        if address.is_some_and(|address| !loopback.lets(address)) {
            return Err(rule("must have a public address"));
        }
        Ok(Self(url))
    }

    /// It as a text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

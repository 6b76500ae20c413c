//! Access to an API behind HTTP: bearer tokens (RFC 6750) of any OpenID Connect issuer, verified in the function.
//!
//! An authorizer in front of the function would tell who somebody is, and the function would have to believe it; and what
//! stands in front differs from one deployment to the next. A token that the function verifies itself is the same behind
//! every gateway.

mod caller;
mod settings;
mod signature;
#[cfg(test)]
mod tests;
mod token;

use std::time::Duration;

use envelope::Time;
use lambda_http::Request;
use lambda_http::http::{StatusCode, header};
use tracing::info;

pub use caller::{Caller, origin_of};
pub use settings::{KeySetPlace, SignInSettings};
use token::verify_until;
pub use token::{KeySet, Refusal, TokenRules, verify};

use crate::failure::Result;
use crate::http::Problem;
use crate::key_cache::{KeyCache, Limits};

/// Age at which the keys are fetched again: so soon a key that the issuer has withdrawn counts no more.
const REFRESH_AFTER: Duration = Duration::from_hours(1);

/// Age up to which keys count while they cannot be fetched again.
const USABLE_FOR: Duration = Duration::from_hours(24);

/// Port to the issuer's key set.
pub trait KeySets {
    /// The keys as of now.
    ///
    /// # Errors
    ///
    /// They cannot be fetched.
    fn fetch(&self) -> impl Future<Output = Result<KeySet>>;
}

/// Key sets of nobody: for an API whose access is always open.
#[derive(Clone, Copy, Debug)]
pub enum NoKeySets {}

impl KeySets for NoKeySets {
    async fn fetch(&self) -> Result<KeySet> {
        match *self {}
    }
}

/// Access to an API: open, or for those alone who are signed in.
#[derive(Debug)]
pub struct Access<K = NoKeySets> {
    sign_in: Option<SignIn<K>>,
}

#[derive(Debug)]
struct SignIn<K> {
    rules: TokenRules,
    source: K,
    keys: KeyCache<KeySet>,
}

impl Access {
    /// Access for everybody to everything: for tests, and for stages without strangers.
    #[must_use]
    pub const fn open() -> Self {
        Self { sign_in: None }
    }
}

impl<K: KeySets> Access<K> {
    /// Access by the tokens that keep those rules and are signed by a key of that set; open to everybody without any.
    #[must_use]
    pub fn new(sign_in: Option<(TokenRules, K)>) -> Self {
        let limits = Limits { name: "keys of the issuer", refresh_after: REFRESH_AFTER, usable_for: USABLE_FOR };
        Self { sign_in: sign_in.map(|(rules, source)| SignIn { rules, source, keys: KeyCache::new(limits) }) }
    }

    /// Fetches the keys, so that the first request need not wait for them. Whether it works out shows soon enough.
    pub async fn warm(&self, now: Time) {
        if let Some(sign_in) = &self.sign_in {
            let _ = sign_in.keys.get(now, sign_in.source.fetch()).await;
        }
    }

    /// True where everybody may do everything.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.sign_in.is_none()
    }

    /// The caller of a request that has nothing in `Authorization` and so is let in as a [guest](Caller::guest), unless access
    /// is open; of any other the same as [`caller`](Self::caller).
    ///
    /// # Errors
    ///
    /// Those of [`caller`](Self::caller).
    pub async fn caller_or_guest(&self, request: &Request, now: Time) -> std::result::Result<Caller, Problem> {
        if !self.is_open() && !request.headers().contains_key(header::AUTHORIZATION) {
            return Ok(Caller::guest());
        }
        self.caller(request, now).await
    }

    /// The caller of a request.
    ///
    /// # Errors
    ///
    /// 401 without a token that counts; 503 where nobody can tell, for the issuer's keys cannot be fetched.
    pub async fn caller(&self, request: &Request, now: Time) -> std::result::Result<Caller, Problem> {
        Ok(self.session(bearer(request), now).await?.caller)
    }

    /// The session of a caller who stays, as on a connection: who they are by that token, and until when. Where access is open
    /// it has no end.
    ///
    /// # Errors
    ///
    /// Those of [`caller`](Self::caller).
    pub async fn session(&self, token: Option<&str>, now: Time) -> std::result::Result<Session, Problem> {
        let Some(sign_in) = &self.sign_in else { return Ok(Session { caller: Caller::anybody(), ends_at: None }) };
        let token = token.ok_or_else(Problem::unauthorized)?;
        let session = sign_in.caller(token, now).await?.map_err(|refusal| {
            info!(reason = %refusal, "token refused");
            let challenge = format!("error=\"invalid_token\", error_description=\"{refusal}\"");
            let detail = format!("The token does not count: {refusal}.");
            Problem::new(StatusCode::UNAUTHORIZED, detail).with_challenge(&challenge)
        })?;
        let (caller, ends_at) = session;
        Ok(Session { caller, ends_at: Some(ends_at) })
    }
}

/// Session of a caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Caller that the token names.
    pub caller: Caller,
    /// Time at which their token ends: from then on they are nobody. None where access is open.
    pub ends_at: Option<Time>,
}

/// The token of the header `Authorization: Bearer …`.
fn bearer(request: &Request) -> Option<&str> {
    let (scheme, token) = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim()).filter(|token| !token.is_empty())
}

impl<K: KeySets> SignIn<K> {
    async fn caller(&self, token: &str, now: Time) -> Result<std::result::Result<(Caller, Time), Refusal>> {
        let keys = self.keys.get(now, self.source.fetch()).await?;
        match verify_until(token, &keys, &self.rules, now) {
            // The issuer may have a new key. Until that is certain nobody is sent away.
            Err(Refusal::UnknownKey) => {
                let keys = self.keys.get_anew(now, self.source.fetch()).await?;
                Ok(verify_until(token, &keys, &self.rules, now))
            }
            verified => Ok(verified),
        }
    }
}
